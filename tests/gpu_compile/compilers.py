"""The compilers of GPU kernels, which need no GPU: NVRTC of NVIDIA and clang for AMD.

Both report what a kernel takes of a multiprocessor, and give its instructions as text.
"""

import atexit
import ctypes
import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which

FOLDER = Path(__file__).parent

NVIDIA = ("sm_70", "sm_80", "sm_90")
AMD = ("gfx90a", "gfx942")
ARCHITECTURES = (*NVIDIA, *AMD)

CLANG = "clang-19"

#: ocml, the mathematical functions, and the constants by which they are switched, as hipRTC sets
#: them without further flags: IEEE numbers, none of them assumed finite, wavefronts of 64.
BITCODE = Path("/usr/lib/x86_64-linux-gnu/amdgcn/bitcode")
LIBRARIES = (
    *("ocml", "ockl", "oclc_daz_opt_off", "oclc_unsafe_math_off", "oclc_finite_only_off"),
    *("oclc_correctly_rounded_sqrt_on", "oclc_wavefrontsize64_on", "oclc_abi_version_500"),
)


@dataclass(frozen=True)
class Compiled:
    """A kernel for one architecture.

    Attributes:
        registers: Vector registers of a thread, of four bytes; on AMD those for sums included, to
            which values go that find no room in the first 256.
        stack: Bytes of memory of a thread: arrays that are no registers, and on AMD what is
            spilled.  (AMD's scalar registers are spilled to vector registers, not to memory.)
        spilled: Bytes that a thread stores and loads for lack of registers; on AMD see `stack`.
        shared: Bytes of shared memory of a block.
        instructions: PTX, or assembly.
    """

    registers: int
    stack: int
    spilled: int
    shared: int
    instructions: str


def missing(architecture: str) -> str:
    """Return what to install before kernels can be compiled for an architecture; "" if nothing."""
    if architecture in NVIDIA:
        if _nvrtc() is None:
            return "no NVRTC: pip install 'elastane[dev]'"
        return ""
    if which(CLANG) is None or not (BITCODE / "ocml.bc").exists():
        return f"no compiler for AMD: apt-get install {CLANG} rocm-device-libs"
    return ""


def compile_kernels(text: str, architecture: str) -> dict[str, Compiled]:
    """Return the kernels of a text by name, compiled for an architecture.

    Args:
        text: CUDA C++ that includes nothing.
        architecture: One of ARCHITECTURES.

    Raises:
        RuntimeError: If it does not compile; the message is the compiler's.
    """
    return (_for_nvidia if architecture in NVIDIA else _for_amd)(text, architecture)


@cache
def _nvrtc() -> ctypes.CDLL | None:
    """Return NVRTC as PyPI has it."""
    specification = importlib.util.find_spec("nvidia")
    for folder in (specification and specification.submodule_search_locations) or ():
        for path in Path(folder).glob("cuda_nvrtc/lib/libnvrtc.so.*"):
            return ctypes.CDLL(str(path))
    return None


def _for_nvidia(text: str, architecture: str) -> dict[str, Compiled]:
    nvrtc = _nvrtc()
    assert nvrtc is not None
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    # As CuPy does: -std=c++17 and NVRTC's defaults; the assembler tells what it used.
    flags = (f"--gpu-architecture={architecture}", "-std=c++17", "--ptxas-options=-v")
    status = nvrtc.nvrtcCompileProgram(
        program, len(flags), (ctypes.c_char_p * len(flags))(*map(str.encode, flags))
    )

    def result(kind: str) -> str:
        size = ctypes.c_size_t()
        getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(nvrtc, f"nvrtcGet{kind}")(program, buffer)
        return buffer.value.decode()

    log = result("ProgramLog")
    if status:
        raise RuntimeError(log)
    instructions = result("PTX")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    found = {}
    for report in log.split("properties for ")[1:]:
        stack, *spilled = map(int, _numbers(r"(\d+) bytes (?:stack frame|spill)", report)[:3])
        found[report.split()[0]] = Compiled(
            registers=int(_numbers(r"Used (\d+) registers", report)[0]),
            stack=stack,
            spilled=sum(spilled),
            shared=int((_numbers(r"(\d+) bytes smem", report) or ["0"])[0]),
            instructions=instructions,
        )
    return found


def _for_amd(text: str, architecture: str) -> dict[str, Compiled]:
    # What hipRTC has built in; the libraries are those of ROCm, for Debian of its version 5.2.
    libraries = [*(BITCODE / f"{library}.bc" for library in LIBRARIES), _isa_library(architecture)]
    command = [
        *(CLANG, "-x", "hip", "--cuda-device-only", "-nogpuinc", "-nogpulib", "-O3", "-std=c++17"),
        *(f"--offload-arch={architecture}", "-include", str(FOLDER / "hiprtc.h")),
        *_each("-Xclang", _each("-mlink-builtin-bitcode", map(str, libraries))),
        *("-S", "-o", "-", "-"),
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    metadata = done.stdout[done.stdout.index("amdhsa.kernels:") :]
    found = {}
    for report in metadata.split("  - .agpr_count")[1:]:
        keys = ("vgpr_count", "private_segment_fixed_size", "group_segment_fixed_size")
        counts = (int(_numbers(rf"\.{key}:\s+(\d+)", report)[0]) for key in keys)
        registers, stack, shared = counts
        (name,) = _numbers(r"\.symbol:\s+(\w+)\.kd", report)
        found[name] = Compiled(registers, stack, 0, shared, done.stdout)
    return found


@cache
def _isa_library(architecture: str) -> Path:
    """Return the library with the number of an architecture, all that such a library holds.

    Debian's has none for gfx942, which came later.
    """
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    number = (
        int(architecture[3:-2]) * 1000 + int(architecture[-2]) * 100 + int(architecture[-1], 16)
    )
    constant = "linkonce_odr protected local_unnamed_addr addrspace(4) constant i32"
    text = f'target triple = "amdgcn-amd-amdhsa"\n@__oclc_ISA_version = {constant} {number}\n'
    library = folder / f"{architecture}.bc"
    subprocess.run(
        [
            CLANG,
            "--target=amdgcn-amd-amdhsa",
            "-nogpulib",
            "-x",
            "ir",
            "-c",
            "-emit-llvm",
            "-o",
            str(library),
            "-",
        ],
        input=text,
        text=True,
        check=True,
    )
    return library


def _each(flag: str, values: Iterable[str]) -> list[str]:
    """Return every value with a flag before it."""
    return [x for value in values for x in (flag, value)]


def _numbers(pattern: str, text: str) -> list[str]:
    return re.findall(pattern, text)

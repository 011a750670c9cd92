"""Build a shared library of C or C++ functions for this machine.

The solver calls QFunctions through their addresses.  Libraries are cached by a hash of the source,
the compiler, its flags and the processor, since clusters share home folders between unequal nodes.
Several processes may build the same library at once: each writes its own file and renames it.
"""

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from elastane.materials.compiler.cache import cache_folder, digest, written_aside

#: -fno-math-errno and -fno-trapping-math let loops with log and select vectorise; nothing here
#: changes results, as -ffast-math would.
FLAGS = (
    "-O3",
    "-fPIC",
    "-shared",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
)

#: What stands before a source whose numbers are to be `float`; generated QFunctions leave the
#: choice to it.
SINGLE_PRECISION = """\
#include <tgmath.h>
#define CEED_QFUNCTION(name) int name
#define CeedPragmaSIMD _Pragma("omp simd")
typedef float CeedScalar;
typedef int CeedInt;
"""


@dataclass(frozen=True)
class Language:
    """A language that machines have compilers for.

    Attributes:
        name: Its name in messages.
        suffix: Of its sources.
        standard: Flag for the standard.
        variable: Variable of the environment that chooses the compiler.
        compilers: Tried in this order where the variable is not set.
    """

    name: str
    suffix: str
    standard: str
    variable: str
    compilers: tuple[str, ...]


C = Language("C", ".c", "-std=gnu99", "CC", ("gcc", "cc", "clang"))
CPP = Language("C++", ".cpp", "-std=c++17", "CXX", ("g++", "c++", "clang++"))


class NativeBuildError(RuntimeError):
    """A source could not be built on this machine."""


def build_library(
    source: str,
    name: str,
    *,
    single: bool = False,
    language: Language = C,
    compilers: Sequence[str] | None = None,
    flags: Sequence[str] = (),
) -> Path:
    """Return a shared library built from source, from the cache if it was built before.

    Args:
        source: Text of the source.
        name: Used in file names only.
        single: Whether the numbers of a generated QFunction are `float`.
        language: Of the source.
        compilers: Tried instead of those of the language where its variable is not set.
        flags: Flags beside FLAGS and those for this processor.

    Raises:
        NativeBuildError: If there is no compiler or it refuses the source.
    """
    compiler = find_compiler(compilers, language)
    command = [*compiler, language.standard, *FLAGS, *_machine_flags(compiler), *flags]
    if single:
        source, name = SINGLE_PRECISION + source, f"{name}-single"
        # Only gcc has it; elsewhere constants stay doubles, which is slower but no less accurate.
        flag = "-fsingle-precision-constant"
        command += [flag] if _accepts(compiler, flag) else []
    key = digest(source, shlex.join(command), _compiler_version(compiler), _processor())
    folder = cache_folder() / "libraries"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"{name}-{key}.so"
    if library.exists():
        return library
    # The source stays beside the library: debuggers and libCEED's just-in-time compilers read it.
    kept = library.with_suffix(language.suffix)
    with written_aside(kept) as aside:
        aside.write_text(source, encoding="utf-8")
    with written_aside(library) as aside:
        _run([*command, str(kept), "-o", str(aside), "-lm"], name)
    return library


def find_compiler(
    candidates: Sequence[str] | None = None, language: Language = C
) -> tuple[str, ...]:
    """Return the command of a compiler: $CC or $CXX, or the first candidate on the path.

    Args:
        candidates: By default those of the language.
        language: What it is to compile.

    Raises:
        NativeBuildError: If there is none.
    """
    candidates = language.compilers if candidates is None else candidates
    chosen = os.environ.get(language.variable)
    if chosen:
        program, *arguments = shlex.split(chosen)
        found = shutil.which(program)
        if found is None:
            raise NativeBuildError(
                f"no {language.name} compiler: {language.variable}={chosen} is not a program on "
                "the path"
            )
        return (found, *arguments)
    for candidate in candidates:
        found = shutil.which(candidate)
        if found is not None:
            return (found,)
    raise NativeBuildError(
        f"no {language.name} compiler: none of {', '.join(candidates)} is on the path; install "
        f"gcc, load the compiler's module, or set {language.variable}"
    )


@cache
def _machine_flags(compiler: tuple[str, ...]) -> tuple[str, ...]:
    """Return the flags for this processor, those that the compiler takes."""
    machine = "-march=native" if platform.machine() in ("x86_64", "aarch64") else "-mcpu=native"
    wanted = [machine]
    if "avx512f" in _processor().split():
        # gcc and clang use half registers by default, from the days when wide ones cost clock rate.
        wanted.append("-mprefer-vector-width=512")
    # gcc writes each loop once more, with half registers for the last points: half of its time, and
    # for nothing where points come in blocks of eight.
    wanted.append("--param=vect-epilogues-nomask=0")
    if "clang" in _compiler_version(compiler) and platform.machine() == "x86_64":
        wanted.append("-fveclib=libmvec")
    return tuple(flag for flag in wanted if _accepts(compiler, flag))


def _accepts(compiler: tuple[str, ...], flag: str) -> bool:
    command = [*compiler, "-Werror", flag, "-x", "c", "-fsyntax-only", os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@cache
def _compiler_version(compiler: tuple[str, ...]) -> str:
    answer = subprocess.run(
        [*compiler, "--version"], capture_output=True, text=True, errors="replace", check=False
    )
    return answer.stdout


@cache
def _processor() -> str:
    """Return the names of the instruction sets of this processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = {"flags", "Features", "cpu"}
    return next((x for x in lines if x.split(":")[0].strip() in names), platform.processor())


def _run(command: list[str], name: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if answer.returncode != 0:
        raise NativeBuildError(
            f"{name} does not compile: {shlex.join(command)} said\n{answer.stderr.strip()}"
        )

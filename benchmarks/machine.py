"""What a measured number depends on: processor, compilers, versions; and where numbers go."""

import argparse
import json
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from elastane.materials.compiler import native
from elastane.materials.compiler.native import find_compiler
from elastane.solver.backends import BACKENDS
from elastane.solver.fused.schedule import default_schedule

HERE = Path(__file__).parent

#: Where numbers go: into the checkout, or below the folder of an installed user.
RESULTS = (HERE if (HERE.parent / "pyproject.toml").exists() else Path("benchmarks")) / "results"

PACKAGES = ("elastane", "petsc", "libceed", "mpi4py", "numpy")


def machine() -> dict[str, Any]:
    """Return what the numbers of a run depend on; nothing that names the machine."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": _said("git", "-C", str(HERE), "describe", "--always", "--dirty"),
        "compiler": compiler(find_compiler()),
        "compilers_of_fused_kernels": {
            what: compiler(find_compiler(default_schedule(1, calls_library=calls).compilers))
            for what, calls in (("arithmetic", False), ("with logarithms", True))
        },
        "flags": {"qfunctions": qfunction_flags(), "petsc": petsc_flags()},
    }


def processor() -> str:
    """Return model, cache and widest vector instructions of the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = dict(re.split(r"\s*:\s*", line, maxsplit=1) for line in lines if ":" in line)
    vectors = [name for name in ("avx2", "avx512f") if name in facts.get("flags", "").split()]
    model = " ".join(facts.get("model name", platform.processor()).split())
    family = f"family {facts.get('cpu family', '?')} model {facts.get('model', '?')}"
    return f"{model}, {family}, {facts.get('cache size', '?')} cache, {' '.join(vectors)}"


def compiler(command: Sequence[str]) -> str:
    """Return the first line that a C compiler says about itself."""
    return _said(*command, "--version").splitlines()[0]


def qfunction_flags() -> str:
    """Return the flags with which QFunctions are compiled here."""
    return shlex.join([native.C.standard, *native.FLAGS, *native._machine_flags(find_compiler())])


def petsc_flags() -> str:
    """Return the optimisation flags with which PETSc was compiled."""
    package = find_spec("petsc")
    if package is None or package.origin is None:
        return "none"
    variables = Path(package.origin).parent / "lib" / "petsc" / "conf" / "petscvariables"
    found = re.search(r"^CC_FLAGS\s*=\s*(.*)$", variables.read_text(encoding="utf-8"), re.M)
    flags = found.group(1).split() if found else []
    return " ".join(flag for flag in flags if flag.startswith(("-O", "-march", "-g")))


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high)}


def resident_bytes() -> int:
    """Return the memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all benchmarks of `elastane bench` take."""
    parser.add_argument("--quick", action="store_true", help="small problems: does it run at all?")
    parser.add_argument("--core", type=int, help="the core to run on; the last one by default")
    parser.add_argument(
        "-o", "--output", type=Path, default=RESULTS, metavar="DIR", help=f"default {RESULTS}"
    )


def add_backend_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that chooses a device."""
    devices = [name for name, backend in BACKENDS.items() if backend.device]
    parser.add_argument(
        "--backend", choices=("cpu", *devices), default="cpu", help="default cpu; simulated: as "
        "GPUs compute, without times",
    )  # fmt: skip


def pin(core: int | None) -> None:
    """Let this process and its children run on one core only, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(cores) if core is None else core})


def write_results(name: str, content: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write numbers, with what they depend on, into a folder."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}.json"
    text = json.dumps({"machine": machine(), **content}, indent=1)
    # A short list on one line.
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

"""What a measured number depends on: processor, compilers, versions; and where numbers go."""

import importlib.util
import json
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from elastane.materials.compiler import native

RESULTS = Path(__file__).parent / "results"

PACKAGES = ("elastane", "petsc", "libceed", "mpi4py", "numpy")


def machine() -> dict[str, Any]:
    """Return what the numbers of a run depend on; nothing that names the machine."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "commit": _said("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"),
        "compiler": compiler(),
        "flags": {"qfunctions": qfunction_flags(), "petsc": petsc_flags(), "libceed": "wheel"},
    }


def processor() -> str:
    """Return model, cache and widest vector instructions of the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    facts = dict(re.split(r"\s*:\s*", line, maxsplit=1) for line in lines if ":" in line)
    vectors = [name for name in ("avx2", "avx512f") if name in facts.get("flags", "").split()]
    model = " ".join(facts.get("model name", platform.processor()).split())
    family = f"family {facts.get('cpu family', '?')} model {facts.get('model', '?')}"
    return f"{model}, {family}, {facts.get('cache size', '?')} cache, {' '.join(vectors)}"


def compiler() -> str:
    """Return the first line that the C compiler of the QFunctions says about itself."""
    return _said(*native.find_compiler(), "--version").splitlines()[0]


def qfunction_flags() -> str:
    """Return the flags with which QFunctions are compiled here."""
    return shlex.join([*native.FLAGS, *native._machine_flags(native.find_compiler())])


def petsc_flags() -> str:
    """Return the optimisation flags with which PETSc was compiled."""
    package = importlib.util.find_spec("petsc")
    assert package is not None
    assert package.origin is not None
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


def write_results(name: str, content: dict[str, Any]) -> Path:
    """Write numbers, with what they depend on, to benchmarks/results."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"machine": machine(), **content}, indent=1)
    # A short list on one line.
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

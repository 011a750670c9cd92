"""`elastane bench`: starts a benchmark as a process of its own, with one thread for each rank.

Benchmarks stand above this layer and need the run-time of a solve, which the command line does not
load: they are known here by the names of their modules alone.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from elastane.jobs.launchers import RUN_TIME, MissingDependencyError
from elastane.jobs.states import ExitCode

#: Module of each benchmark, by its name on the command line.
BENCHMARKS: Mapping[str, str] = {
    "operator": "elastane.benchmarks.operators",
    "solve": "elastane.benchmarks.solves",
    "scaling": "elastane.benchmarks.scaling",
}

#: What a benchmark imports beside the run-time, and what it is for.
PICTURES = {"matplotlib": "pictures; in the extra `dev`"}


def run_benchmark(name: str, arguments: Sequence[str]) -> ExitCode:
    """Run a benchmark on this machine; return the exit code.

    Args:
        name: A name in BENCHMARKS.
        arguments: Its own arguments.

    Raises:
        MissingDependencyError: If a package that it needs is missing.
    """
    needed = {**RUN_TIME, **PICTURES}
    missing = [package for package in needed if importlib.util.find_spec(package) is None]
    if missing:
        what = ", ".join(f"{package} ({needed[package]})" for package in missing)
        raise MissingDependencyError(f"missing: {what}; `elastane doctor` says how to get it")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", BENCHMARKS[name], *arguments]
    code = subprocess.run(command, env=environment, check=False).returncode
    known = {int(each): each for each in ExitCode}
    return known.get(code, ExitCode.ENVIRONMENT)

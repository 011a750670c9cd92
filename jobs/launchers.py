"""Builds the command that starts the worker, alone or under mpiexec."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: What a solve imports, and what it is for.
RUN_TIME = {
    "mpi4py": "MPI for Python",
    "petsc4py": "PETSc for Python",
    "libceed": "libCEED for Python",
}


class MissingDependencyError(RuntimeError):
    """Something that a run needs is missing; the message says what to do."""


@dataclass(frozen=True)
class Launch:
    """How to start a process.

    Attributes:
        command: Program and arguments, never read by a shell.
        environment: Its whole environment.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]


def launch_worker(run_folder: Path, ranks: int, debug: bool = False) -> Launch:
    """Return how to start the worker of a run folder on this machine.

    Raises:
        MissingDependencyError: If a package of the run-time or mpiexec is missing.
    """
    missing = [name for name in RUN_TIME if importlib.util.find_spec(name) is None]
    if missing:
        what = ", ".join(f"{name} ({RUN_TIME[name]})" for name in missing)
        raise MissingDependencyError(f"missing: {what}; `elastane doctor` says how to get it")
    # Without `-m mpi4py` an exception on one rank leaves the others waiting for ever.
    worker = [sys.executable, "-m", "mpi4py", "-m", "elastane.jobs.worker", str(run_folder)]
    if debug:
        worker.append("--debug")
    # Each rank is one thread; BLAS would start one per core in every rank.
    environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ}
    if ranks == 1:
        return Launch(tuple(worker), environment)
    mpiexec = find_mpiexec()
    if mpiexec is None:
        raise MissingDependencyError(
            f"{ranks} ranks need mpiexec, which is not on the PATH: install an MPI "
            "(Debian: apt install openmpi-bin) or load its module, or run on one rank"
        )
    options: tuple[str, ...] = ()
    if is_open_mpi(mpiexec):
        if ranks > num_cores() and "SLURM_JOB_ID" not in os.environ:
            options = ("--oversubscribe",)
        if os.geteuid() == 0:
            environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return Launch((mpiexec, "-n", str(ranks), *options, *worker), environment)


def find_mpiexec() -> str | None:
    """Return the path of mpiexec, None if there is none."""
    return shutil.which("mpiexec") or shutil.which("mpirun")


def is_open_mpi(mpiexec: str) -> bool:
    """Return whether an mpiexec is that of Open MPI, which has options of its own."""
    try:
        answer = subprocess.run(
            [mpiexec, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "Open MPI" in answer.stdout or "OpenRTE" in answer.stdout


def num_cores() -> int:
    """Return the cores that Open MPI counts as slots: physical ones that this process may use."""
    allowed = os.sched_getaffinity(0)
    siblings = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text(encoding="ascii"))
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)

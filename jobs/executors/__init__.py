"""Where a job runs: one file per kind."""

import shutil
from collections.abc import Callable

from elastane.jobs.executors.base import Executor


# Imported when asked for: what runs beside a solve needs `executors.base` only.
def _slurm() -> Executor:
    from elastane.jobs.executors.slurm import Slurm

    return Slurm()


def _local() -> Executor:
    from elastane.jobs.executors.local import Local

    return Local()


EXECUTORS: dict[str, Callable[[], Executor]] = {"slurm": _slurm, "local": _local}


def find_executor(name: str | None = None) -> Executor:
    """Return the executor of that name; without one SLURM where it is there, else this machine.

    Raises:
        ValueError: If there is none; the message lists those there are.
    """
    if name is None:
        name = "slurm" if shutil.which("sbatch") else "local"
    try:
        return EXECUTORS[name]()
    except KeyError:
        known = ", ".join(sorted(EXECUTORS))
        raise ValueError(f"unknown executor {name[:80]!r}; the executors are {known}") from None

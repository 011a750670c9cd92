"""Whether those who hold a run are alive: their process on this machine, their job elsewhere."""

import platform
from pathlib import Path

from elastane.jobs.claims import Claim, RunningElsewhereError, owner
from elastane.jobs.paths import RunFolder
from elastane.jobs.states import FINAL, RunState


def process(pid: int) -> str | None:
    """Return what tells a process from all others that ever had its number; None if it is gone.

    It is the boot of the machine and the clock tick in which the process began.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return None
    # The program's name stands in parentheses and may hold anything.
    state, *numbers = text.rpartition(")")[2].split()
    if state in ("Z", "X"):  # it has ended, and its parent has not asked yet
        return None
    return f"{boot.strip()[:8]}-{numbers[18]}"


def is_alive(pid: int, identity: str) -> bool:
    """Return whether a process of this machine still runs."""
    return process(pid) == identity


def is_dead(claim: Claim, mine: Claim | None = None) -> bool | None:
    """Return whether an attempt is over; None if nobody knows.

    Args:
        claim: The attempt.
        mine: Another one, that wants to take over.
    """
    if claim.executor == "slurm":
        return _is_slurm_job_over(claim, mine)
    if claim.host != platform.node():
        return None
    return not is_alive(claim.pid, claim.process)


def _is_slurm_job_over(claim: Claim, mine: Claim | None) -> bool | None:
    if mine is not None and (mine.executor, mine.job_id) == (claim.executor, claim.job_id):
        # A job runs once at a time, but for a copy on a node that was given up, which is fenced.
        return claim.restart < mine.restart or (
            claim.host == mine.host and not is_alive(claim.pid, claim.process)
        )
    from elastane.jobs.executors import EXECUTORS

    view = EXECUTORS[claim.executor]().query([claim.job_id]).get(claim.job_id)
    if view is None:
        return True
    if view.state is RunState.UNKNOWN:
        return None
    return view.state in FINAL


def require_idle(folder: RunFolder) -> None:
    """Refuse a run folder that somebody has.

    Raises:
        RunningElsewhereError: If a copy of the run may be alive.
    """
    holder = owner(folder)
    if holder is not None:
        dead = is_dead(holder)
        if not dead:
            raise RunningElsewhereError(folder, holder, certain=dead is False)

"""How a run ended, where its own attempt could not say so: by its result, and by the scheduler.

A final result wins: what has converged has converged, whatever the scheduler calls the job after.
Otherwise the scheduler says why, if it answered for certain.  Before anything is written the next
claim is taken, so that a copy that lives on somewhere writes nothing more.
"""

import platform
import signal
import time
from dataclasses import replace

from elastane.jobs import claims
from elastane.jobs.claims import Claim, RunningElsewhereError
from elastane.jobs.executors.base import JobView
from elastane.jobs.liveness import is_dead
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import end_result, read_result
from elastane.jobs.states import FINAL, RunState, Status
from elastane.jobs.status_file import RunStatus, status_of, write_status

#: A job that its scheduler has forgotten counts as lost when its last beat is older than this.
LOST_SECONDS = 600.0

#: A scheduler tells of a job for some minutes after its end, and often no longer.
VAGUE_SECONDS = 3600.0

#: Ends that only a scheduler knows, in words.
CAUSES = {
    RunState.CANCELLED: "cancelled",
    RunState.TIMEOUT: "the time limit ended it: `elastane resume` continues from the last "
    "checkpoint; ask for more time, or set output.checkpoint_minutes lower",
    RunState.PREEMPTED: "a job with higher priority took its nodes: `elastane resume` continues it",
    RunState.OUT_OF_MEMORY: "it needed more memory than it had: use more nodes, a lower degree or "
    "a coarser mesh",
    RunState.NODE_FAILED: "a node failed: `elastane resume` continues it on others",
    RunState.LOST: "it is gone, and nobody saw it end: `elastane resume` continues it",
    RunState.FAILED: "it ended without a result",
}
#: What the result of a killed solve says may be less than the scheduler knows.
VAGUE = {
    RunState.FAILED: {RunState.OUT_OF_MEMORY, RunState.NODE_FAILED, RunState.TIMEOUT,
                      RunState.PREEMPTED},
    RunState.INTERRUPTED: {RunState.CANCELLED, RunState.TIMEOUT, RunState.PREEMPTED,
                           RunState.OUT_OF_MEMORY, RunState.NODE_FAILED},
}  # fmt: skip


def is_open(status: RunStatus, now: float) -> bool:
    """Return whether an executor may know more of a run than its folder does."""
    if status.state not in FINAL:
        return True
    since = now - (status.ended or 0.0)
    return status.state in VAGUE and status.executor == "slurm" and since < VAGUE_SECONDS


def settle(
    folder: RunFolder, said: JobView | None, now: float | None = None, asked: int | None = None
) -> RunStatus:
    """Return how a run stands, made final if it has ended for certain.

    Args:
        folder: The run folder.
        said: What its executor says; None if it answered and does not know the job any more.
        now: Seconds since the epoch.
        asked: Number of the last claim when the executor was asked: the answer says nothing of
            later ones, of a job that was started again; None if there are none.

    Raises:
        OSError: If it ended and that cannot be written.
    """
    now = time.time() if now is None else now
    status = status_of(folder)
    if status.state in VAGUE and said is not None and said.state is RunState.SUBMITTED:
        # It was preempted or lost its node, and waits to be started again.
        return replace(status, state=RunState.REQUEUED, message="the scheduler starts it again")
    end = _certain_end(folder, status, said, now)
    if end is None:
        return status
    is_fenced = status.state not in FINAL
    if is_fenced:
        try:
            claim = _fence(folder, said, now, asked)
        except RunningElsewhereError:
            return status
        # Looked at again under the claim: what was read before may be older than the end.
        status = replace(status_of(folder), generation=claim.generation)
    state = _state(folder, status.state, end)
    if state is status.state:
        if is_fenced:
            claims.release(folder, status.generation)
        return status
    message = _message(folder, state, said)
    end_result(folder.result, Status.FAILED, message)
    ended = status.ended or max(status.beat, status.started or 0.0) or now
    status = replace(status, state=state, message=message, ended=ended, eta_seconds=None)
    write_status(folder, status)
    claims.release(folder, status.generation)
    return status


def _certain_end(
    folder: RunFolder, status: RunStatus, said: JobView | None, now: float
) -> RunState | None:
    """Return the end that an answer speaks of, None if the run may go on."""
    if said is not None:
        return said.state if said.state in FINAL - {RunState.REJECTED} else None
    if status.state in FINAL or status.state is RunState.PREPARED:
        return None
    if status.executor in ("", "local"):
        return RunState.LOST  # unless its claim says that it lives
    # A queue may not show a job at once, and forgets it some time after its end.
    try:
        alive = status.beat or folder.status.stat().st_mtime
    except OSError:
        return None
    return RunState.LOST if now - alive > LOST_SECONDS else None


def _state(folder: RunFolder, stored: RunState, end: RunState) -> RunState:
    """Return the state of a run whose job has ended."""
    if stored in FINAL:
        return end if end in VAGUE.get(stored, set()) else stored
    found = result_state(folder)
    if found in (RunState.CONVERGED, RunState.DIVERGED):
        return found
    if folder.cancelled.exists():
        return RunState.CANCELLED
    if found is None or end in VAGUE[found]:
        return RunState.FAILED if end in (RunState.CONVERGED, RunState.DIVERGED) else end
    return found


def result_state(folder: RunFolder) -> RunState | None:
    """Return what a result says of its run, None if it is not final."""
    try:
        status = Status(read_result(folder.result)["status"])
    except (OSError, ValueError):
        return None
    return None if status is Status.RUNNING else RunState(status.value)


def _message(folder: RunFolder, state: RunState, said: JobView | None) -> str:
    try:
        found = read_result(folder.result)["message"]
    except (OSError, ValueError, KeyError):
        found = ""
    if state in (RunState.CONVERGED, RunState.DIVERGED) or (found and state is RunState.FAILED):
        return str(found)
    cause = CAUSES.get(state, "it ended")
    word = f" ({said.word})" if said is not None and said.word else ""
    return f"{cause}{word}"


def _fence(folder: RunFolder, said: JobView | None, now: float, asked: int | None) -> Claim:
    """Take the run from the attempt whose job has ended."""
    job_id = said.job_id if said is not None else None
    mine = Claim(
        generation=0,
        executor="",
        job_id="",
        restart=0,
        host=platform.node(),
        pid=0,
        process="settled",
        step=0,
        time=now,
    )

    def is_over(claim: Claim) -> bool | None:
        is_meant = asked is None or claim.generation <= asked
        return True if is_meant and claim.job_id and claim.job_id == job_id else is_dead(claim)

    return claims.take(folder, mine, is_over)


def death(returncode: int, folder: RunFolder) -> str:
    """Return in words how a worker died that left no result.

    Args:
        returncode: As `subprocess` or a shell tells it.
        folder: The run folder.
    """
    number = -returncode if returncode < 0 else returncode - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"the worker ended with code {returncode} without a result; see {folder.log}"
    causes = {
        "SIGILL": "an instruction that this processor does not have: the libceed wheel needs "
        "AVX-512; `elastane doctor` says more",
        "SIGKILL": "killed, perhaps for want of memory: use more nodes or a coarser mesh",
        "SIGSEGV": "it crashed; please report the job file",
        "SIGBUS": "it crashed; is the disk or /dev/shm full?",
    }
    cause = causes.get(name, "it was ended from outside")
    return f"the worker died of {name}: {cause}; see {folder.log}"

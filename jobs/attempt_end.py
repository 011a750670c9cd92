"""How an attempt at a run ends: its state, in words, and whether the run is started again."""

import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

from elastane.jobs import claims
from elastane.jobs.attempt_begin import checkpoint_step
from elastane.jobs.claims import Claim
from elastane.jobs.event_log import EventTail, append_event
from elastane.jobs.paths import RunFolder
from elastane.jobs.provenance import add_kernels
from elastane.jobs.result import end_result, read_result
from elastane.jobs.settle import death, result_state
from elastane.jobs.states import EXIT_CODES, ExitCode, RunState, Status
from elastane.jobs.status_file import LiveStatus, status_of, write_status
from elastane.jobs.submission_file import read_submission

#: A scheduler ends a job some seconds before or after its time.
TIME_LIMIT_SLACK = 5.0
#: The worker was asked to save its state and end: it did, or it did not listen yet and had none.
CONTINUED = (ExitCode.REQUEUE, 128 + signal.SIGUSR1)
#: Restarts of a run that was not submitted.
MAX_RESTARTS = 20


def end(
    folder: RunFolder,
    generation: int,
    returncode: int,
    environment: Mapping[str, str],
    max_restarts: int | None = None,
) -> ExitCode:
    """Write how an attempt ended and give the run back; return the exit code of its script.

    Args:
        folder: The run folder.
        generation: Of the attempt.
        returncode: Of the step, as a shell tells it.
        environment: Variables of the environment; they tell when the time limit was.
        max_restarts: How often the job may be started again; None: as its submission says.

    Raises:
        OSError: If the folder cannot be written.
    """
    if not claims.still_ours(folder, generation):
        sys.stderr.write(f"another copy has taken {folder.root} over; this one leaves it alone\n")
        return ExitCode.INTERRUPTED
    claim = claims.read_claim(folder, generation)
    state, message = _outcome(folder, claim, returncode, environment, max_restarts)
    end_result(folder.result, Status.FAILED, message)
    live = LiveStatus(status_of(folder))
    for event in EventTail(folder.events).new_events():
        live.note(event)
    status = replace(
        live.status, state=state, message=message, beat=time.time(), eta_seconds=None,
        ended=None if state is RunState.REQUEUED else time.time(),
    )  # fmt: skip
    append_event(folder.events, "attempt_ended", {"code": returncode, "state": state.value})
    add_kernels(folder)
    write_status(folder, status)
    claims.release(folder, generation, code=returncode, state=state.value)
    return _exit_code(folder, state, returncode)


def _outcome(
    folder: RunFolder,
    claim: Claim,
    returncode: int,
    environment: Mapping[str, str],
    max_restarts: int | None,
) -> tuple[RunState, str]:
    """Return the state that an attempt leaves, and why."""
    found = result_state(folder)
    message = "" if found is None else str(read_result(folder.result)["message"])
    if found in (RunState.CONVERGED, RunState.DIVERGED):
        return found, message
    if folder.cancelled.exists():
        return RunState.CANCELLED, "cancelled"
    if returncode in CONTINUED:
        return _continued(folder, claim, max_restarts)
    if _is_out_of_time(environment):
        return RunState.TIMEOUT, (
            "the time limit came before the solve could stop: `elastane resume` continues from the "
            "last checkpoint; ask for more time, or a longer warning in the site profile"
        )
    return found or RunState.FAILED, message or death(returncode, folder)


def _continued(folder: RunFolder, claim: Claim, max_restarts: int | None) -> tuple[RunState, str]:
    """Return whether an attempt that stopped to be resumed will be."""
    if max_restarts is None:
        submission = read_submission(folder)
        max_restarts = MAX_RESTARTS if submission is None else submission.max_restarts
    before = [c for c in claims.history(folder) if c.generation < claim.generation]
    restarts = sum((c.executor, c.job_id) == (claim.executor, claim.job_id) for c in before)
    step = checkpoint_step(folder)
    if max_restarts == 0:
        return RunState.INTERRUPTED, f"stopped after load step {step} as asked"
    if restarts >= max_restarts:
        return RunState.TIMEOUT, (
            f"stopped after load step {step}, started again {restarts} times, which is the limit: "
            "`elastane resume` continues it"
        )
    if before and step <= before[-1].step:
        return RunState.TIMEOUT, (
            f"two attempts in a row did not finish load step {step + 1}: one load step does not "
            "fit the time limit; ask for more time, more ranks or more loading.steps"
        )
    return RunState.REQUEUED, f"stopped after load step {step}, to be continued"


def _is_out_of_time(environment: Mapping[str, str]) -> bool:
    text = environment.get("SLURM_JOB_END_TIME") or environment.get("ELASTANE_END_TIME") or ""
    try:
        return time.time() > float(text) - TIME_LIMIT_SLACK
    except ValueError:
        return False


def _exit_code(folder: RunFolder, state: RunState, returncode: int) -> ExitCode:
    """Return the exit code of a state."""
    if state is RunState.REQUEUED:
        return ExitCode.REQUEUE
    if state in (RunState.CANCELLED, RunState.TIMEOUT):
        return ExitCode.INTERRUPTED
    if state is RunState.FAILED and returncode == ExitCode.BAD_INPUT:
        return ExitCode.BAD_INPUT
    return EXIT_CODES[Status(state.value)]

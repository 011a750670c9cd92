"""How an attempt at a run begins: it claims the run, and writes down where it runs."""

import platform
import time
from collections.abc import Mapping
from dataclasses import replace

from elastane.jobs import claims, liveness
from elastane.jobs.claims import Claim
from elastane.jobs.event_log import append_event
from elastane.jobs.paths import RunFolder
from elastane.jobs.provenance import add_attempt, hosts
from elastane.jobs.result import reopen_result
from elastane.jobs.settle import result_state
from elastane.jobs.states import RunState
from elastane.jobs.status_file import status_of, write_status
from elastane.jobs.submission_file import read_submission


class NothingToDoError(RuntimeError):
    """The run has converged already, or was cancelled."""


class PredecessorError(RuntimeError):
    """A run that this one waits for did not converge."""


def begin(folder: RunFolder, pid: int, environment: Mapping[str, str]) -> int:
    """Take the run for an attempt; return its generation.

    Args:
        folder: The run folder.
        pid: The process that the attempt lives and dies with.
        environment: Variables of the environment, which say who started it.

    Raises:
        NothingToDoError: If the run has converged or was cancelled.
        PredecessorError: If a run that it waits for did not converge.
        RunningElsewhereError: If another copy may be alive.
        OSError: If the folder cannot be written.
        ValueError: If the folder holds no run, or is damaged.
    """
    if not folder.job.is_file():
        raise ValueError(f"{folder.root} holds no job.yml")
    mine = _claimant(folder, pid, environment)
    claim = claims.take(folder, mine, lambda other: liveness.is_dead(other, mine))
    try:
        _begin(folder, claim, environment)
    except BaseException:
        claims.release(folder, claim.generation)
        raise
    return claim.generation


def _begin(folder: RunFolder, claim: Claim, environment: Mapping[str, str]) -> None:
    # Looked at under the claim: nobody changes it any more.
    if result_state(folder) is RunState.CONVERGED:
        raise NothingToDoError(f"{folder.root} has converged already")
    if folder.cancelled.exists():
        _end_before_begin(folder, RunState.CANCELLED, "cancelled before it began")
        raise NothingToDoError(f"{folder.root} was cancelled: `elastane resume` takes it up again")
    require_predecessors(folder)
    reopen_result(folder.result)
    status = status_of(folder)
    status = replace(
        status,
        state=RunState.RUNNING,
        message="",
        executor=claim.executor,
        job_id=claim.job_id or None,
        generation=claim.generation,
        restarts=claim.generation - 1,
        beat=claim.time,
        host=hosts(environment),
        attempt=0,
        newton=0,
        eta_seconds=None,
        started=status.started or claim.time,
        ended=None,
    )
    write_status(folder, status)
    append_event(
        folder.events,
        "attempt_started",
        {
            "generation": claim.generation,
            "restart": claim.restart,
            "job_id": claim.job_id,
            "hosts": hosts(environment),
            "resumed_step": claim.step,
        },
    )
    add_attempt(folder, claim.generation, environment)


def _claimant(folder: RunFolder, pid: int, environment: Mapping[str, str]) -> Claim:
    process = liveness.process(pid)
    if process is None:
        raise ValueError(f"there is no process {pid} to live with")
    executor, job_id, restart = _job(environment)
    return Claim(
        generation=0,
        executor=executor,
        job_id=job_id,
        restart=int(restart),
        host=platform.node(),
        pid=pid,
        process=process,
        step=checkpoint_step(folder),
        time=time.time(),
    )


def _job(environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the executor of an attempt, what that calls the job, and its count of restarts."""
    if "SLURM_JOB_ID" in environment and "ELASTANE_EXECUTOR" not in environment:
        job_id = environment["SLURM_JOB_ID"]
        if "SLURM_ARRAY_TASK_ID" in environment:
            job_id = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
        return "slurm", job_id, environment.get("SLURM_RESTART_COUNT", "0")
    names = ("ELASTANE_EXECUTOR", "ELASTANE_JOB_ID", "ELASTANE_RESTART")
    executor, job_id, restart = (environment.get(name, "") for name in names)
    return executor, job_id, restart or "0"


def checkpoint_step(folder: RunFolder) -> int:
    """Return the load step of the newest checkpoint, 0 without one."""
    try:
        manifests = [path for path in folder.checkpoints.iterdir() if path.suffix == ".json"]
    except OSError:
        return 0
    steps = [path.stem.removeprefix("step-") for path in manifests]
    return max((int(step) for step in steps if step.isdecimal()), default=0)


def require_predecessors(folder: RunFolder) -> None:
    """Refuse to begin before the runs that this one waits for have converged.

    Raises:
        PredecessorError: If one did not; SLURM starts a job whose predecessor it has forgotten.
    """
    submission = read_submission(folder)
    for path in () if submission is None else submission.request.after:
        state = result_state(RunFolder(path))
        if state is not RunState.CONVERGED:
            how = f"is {state}" if state else "has not ended"
            message = f"it waits for {path}, which {how}"
            _end_before_begin(folder, RunState.FAILED, message)
            raise PredecessorError(message)


def _end_before_begin(folder: RunFolder, state: RunState, message: str) -> None:
    now = time.time()
    write_status(folder, replace(status_of(folder), state=state, message=message, ended=now))

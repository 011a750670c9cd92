"""An attempt at a run, on the machine where it runs: what its script does beside the solve.

    python -m elastane.jobs.attempt begin RUN --pid PID     claims the run, prints the generation
    python -m elastane.jobs.attempt beat RUN GENERATION PID gives signs of life while PID runs
    python -m elastane.jobs.attempt end RUN GENERATION CODE says how it ended, gives the run back
    python -m elastane.jobs.attempt nudge JOB_ID            starts a requeued SLURM job at once

Nothing here needs PETSc or MPI, or holds the solve up: a heartbeat inside the solver would stand
still whenever a linear solve does.
"""

import argparse
import os
import platform
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from elastane.jobs import claims, liveness
from elastane.jobs.claims import Claim, RunningElsewhereError
from elastane.jobs.ending import ending
from elastane.jobs.event_log import EventTail, append_event
from elastane.jobs.executors.base import SilentError
from elastane.jobs.executors.slurm_commands import run_tool
from elastane.jobs.paths import RunFolder
from elastane.jobs.provenance import add_attempt, add_kernels, hosts
from elastane.jobs.result import end_result, read_result, reopen_result
from elastane.jobs.settle import death, result_state
from elastane.jobs.states import EXIT_CODES, ExitCode, RunState, Status
from elastane.jobs.status_file import LiveStatus, status_of, write_status
from elastane.jobs.submission_file import read_submission

BEAT_SECONDS = 10.0
#: Between two writes of what happened.
NEWS_SECONDS = 1.0
POLL_SECONDS = 0.5
#: A step that was asked to end gets this long.
KILL_SECONDS = 30.0
#: A scheduler ends a job some seconds before or after its time.
TIME_LIMIT_SLACK = 5.0
#: A requeued job shows as pending within a few seconds.
NUDGE_SECONDS = 60.0
CLEAN_UP_SECONDS = 5.0
#: The worker was asked to save its state and end: it did, or it did not listen yet and had none.
CONTINUED = (ExitCode.REQUEUE, 128 + signal.SIGUSR1)
#: Restarts of a run that was not submitted.
MAX_RESTARTS = 20


class BeginCode(IntEnum):
    """Exit codes of `begin` beside those of all commands."""

    TAKEN = 0
    PREDECESSOR = 3
    UNKNOWN = 4
    NOTHING_TO_DO = 75


class NothingToDoError(RuntimeError):
    """The run has converged already."""


class PredecessorError(RuntimeError):
    """A run that this one waits for did not converge."""


def begin(folder: RunFolder, pid: int, environment: Mapping[str, str]) -> int:
    """Take the run for an attempt; return its generation.

    Args:
        folder: The run folder.
        pid: The process that the attempt lives and dies with.
        environment: Variables of the environment, which say who started it.

    Raises:
        NothingToDoError: If the run has converged.
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
    require_predecessors(folder)
    folder.cancelled.unlink(missing_ok=True)
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
            write_status(folder, replace(status_of(folder), state=RunState.FAILED, message=message))
            raise PredecessorError(message)


class Heartbeat:
    """Keeps status.json up to date while an attempt runs.

    Args:
        folder: The run folder.
        generation: Of the attempt.
    """

    def __init__(self, folder: RunFolder, generation: int) -> None:
        self._folder = folder
        self._generation = generation
        self._live = LiveStatus(status_of(folder))
        self._written = self._live.status
        self._last = float("-inf")

    def note(self, event: Mapping[str, Any]) -> None:
        """Take note of an event of the run."""
        self._live.note(event)

    def beat(self) -> bool:
        """Write status.json if it is time; return whether the run is still ours."""
        since = time.monotonic() - self._last
        news = self._live.status != self._written
        if since < (NEWS_SECONDS if news else BEAT_SECONDS):
            return True
        self._last = time.monotonic()
        if not claims.still_ours(self._folder, self._generation):
            return False
        self._written = replace(self._live.status, beat=time.time())
        self._live.status = self._written
        # A full disk is the solve's to complain of.
        with suppress(OSError):
            write_status(self._folder, self._written)
        return True


def beat(folder: RunFolder, generation: int, pid: int, parent: int) -> None:
    """Give signs of life while a process runs, and end it when it has lost the run.

    The run is lost when another attempt has taken it, or when the shell of this one is gone: then
    nobody would be told how the process ends.

    Args:
        folder: The run folder.
        generation: Of this attempt.
        pid: The process.
        parent: The shell.
    """
    identity = liveness.process(pid)
    heart = Heartbeat(folder, generation)
    tail = EventTail(folder.events)
    while identity is not None and liveness.is_alive(pid, identity):
        for event in tail.new_events():
            heart.note(event)
        if os.getppid() != parent or not heart.beat():
            _end_process(pid, identity)
            return
        time.sleep(POLL_SECONDS)


def _end_process(pid: int, identity: str) -> None:
    """End a process: a launcher passes SIGTERM on to its ranks."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + KILL_SECONDS
        while liveness.is_alive(pid, identity):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        else:
            return


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


def nudge(job_id: str) -> bool:
    """Start a requeued job of SLURM at once; return whether it took it.

    SLURM puts a start two minutes off into a requeued job when its old script has ended, and
    forgets what it was told before; so this runs beside the script, and waits.
    """
    is_told = False
    deadline = time.monotonic() + NUDGE_SECONDS
    while time.monotonic() < deadline:
        with suppress(SilentError):
            query = ["squeue", "--noheader", f"--jobs={job_id}", "--states=all", "--format=%T|%r"]
            waits = run_tool(query, NUDGE_SECONDS).out.strip() == "PENDING|BeginTime"
            if is_told and not waits:
                return True
            if waits:
                # A step keeps its sockets for a while after srun's end, and the next attempt's
                # step has the same number.
                time.sleep(CLEAN_UP_SECONDS)
                order = ["scontrol", "update", f"JobId={job_id}", "StartTime=now"]
                is_told = run_tool(order, NUDGE_SECONDS).code == 0
        time.sleep(POLL_SECONDS)
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands above; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except NothingToDoError as error:
        sys.stderr.write(f"{error}\n")
        return BeginCode.NOTHING_TO_DO
    except RunningElsewhereError as error:
        sys.stderr.write(f"{error}\n")
        return BeginCode.NOTHING_TO_DO if error.certain else BeginCode.UNKNOWN
    except PredecessorError as error:
        sys.stderr.write(f"{error}\n")
        return BeginCode.PREDECESSOR
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.ENVIRONMENT


def _begin_command(options: argparse.Namespace) -> int:
    sys.stdout.write(f"{begin(RunFolder(options.run), options.pid, os.environ)}\n")
    return BeginCode.TAKEN


def _beat_command(options: argparse.Namespace) -> int:
    beat(RunFolder(options.run), options.generation, options.pid, os.getppid())
    return 0


def _end_command(options: argparse.Namespace) -> int:
    folder = RunFolder(options.run)
    code = end(folder, options.generation, options.code, os.environ, options.max_restarts)
    status = status_of(folder)
    # What the log of the run closes with.
    if status.state is not RunState.CONVERGED:
        sys.stdout.write(f"{status.state.value}{status.message and ': '}{status.message}\n")
    sys.stdout.writelines(f"{line}\n" for line in ending(read_result(folder.result)))
    return code


def _nudge_command(options: argparse.Namespace) -> int:
    return 0 if nudge(options.job_id) else ExitCode.ENVIRONMENT


def _job_id(text: str) -> str:
    """Return the id of a job of SLURM."""
    if not re.fullmatch(r"[0-9]+(_[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no id of a job")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m elastane.jobs.attempt")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    begin = commands.add_parser("begin", help="claim a run and print the generation")
    begin.set_defaults(command=_begin_command)
    begin.add_argument("run", type=Path)
    begin.add_argument("--pid", type=int, required=True, help="the attempt lives and dies with it")
    beat = commands.add_parser("beat", help="give signs of life while a process runs")
    beat.set_defaults(command=_beat_command)
    beat.add_argument("run", type=Path)
    beat.add_argument("generation", type=int)
    beat.add_argument("pid", type=int, help="the process of the step")
    end = commands.add_parser("end", help="write how an attempt ended, give the run back")
    end.set_defaults(command=_end_command)
    end.add_argument("run", type=Path)
    end.add_argument("generation", type=int)
    end.add_argument("code", type=int, help="exit code of the step")
    end.add_argument("--max-restarts", type=int, help="default: as submitted")
    nudge = commands.add_parser("nudge", help="start a requeued job of SLURM at once")
    nudge.set_defaults(command=_nudge_command)
    nudge.add_argument("job_id", type=_job_id)
    return parser


if __name__ == "__main__":
    sys.exit(main())

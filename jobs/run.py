"""`elastane run`: checks a job, starts its worker, shows its progress and tells how it ended."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TextIO

from elastane.jobs import claims
from elastane.jobs.attempt_begin import begin
from elastane.jobs.attempt_end import end
from elastane.jobs.check import check_job
from elastane.jobs.ending import ending
from elastane.jobs.event_log import EventTail
from elastane.jobs.gpu_doctor import require_gpu
from elastane.jobs.heartbeat import Heartbeat
from elastane.jobs.job import Job
from elastane.jobs.launchers import Launch, launch_worker
from elastane.jobs.liveness import require_idle
from elastane.jobs.material_verdicts import require_verdicts
from elastane.jobs.paths import RunFolder, RunFolderError, claim_run_folder, new_run_folder
from elastane.jobs.progress import Progress
from elastane.jobs.provenance import write_provenance
from elastane.jobs.result import (
    add_warnings,
    create_text,
    empty_result,
    end_result,
    read_result,
    write_result,
)
from elastane.jobs.states import EXIT_CODES, ExitCode, RunState, Status
from elastane.jobs.status_file import RunStatus, write_status
from elastane.solver.backends import find_backend

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1

POLL_SECONDS = 0.1
#: A solve stops between two Newton iterations; after so long it is stopped by force.
PATIENCE_SECONDS = 60.0
#: After its end a worker's children (mpiexec's ranks) get this long.
KILL_SECONDS = 5.0


def run_job(
    path: Path,
    ranks: int,
    output: Path | None,
    force: bool,
    debug: bool,
    stream: TextIO,
    *,
    unchecked: bool = False,
) -> ExitCode:
    """Solve a job on this machine; return the exit code.

    Args:
        path: The job file.
        ranks: MPI ranks.
        output: The run folder; None for a new one.
        force: Whether to replace an earlier run of the same job in `output`.
        debug: Whether to show the traceback of an error.
        stream: Where progress is told.
        unchecked: Whether to use materials that fail their check.

    Raises:
        JobFileError: If the job is not sound; nothing is written then.
        MaterialFailsError: If a material fails its check; nothing is written then.
        RunFolderError: If the run folder cannot be used.
        RunningElsewhereError: If a copy of the run in `output` may be alive.
        MissingDependencyError: If something that a solve needs is missing.
    """
    checked = check_job(path)
    job = checked.job
    for warning in checked.warnings:
        stream.write(f"warning: {warning}\n")
    launch_worker(Path(), ranks)  # before the folder is made: is everything there?
    device = find_backend(job.problem.backend).device
    if device is not None and 0 < require_gpu(device) < ranks:
        stream.write(f"warning: {ranks} ranks share fewer GPUs: one rank for each is enough\n")
    insisted = require_verdicts(
        job.problem.materials, unchecked, lambda line: _say_at_once(stream, line)
    )
    if output is not None:
        require_idle(RunFolder(output))
    folder = (
        new_run_folder(job.name) if output is None else claim_run_folder(output, job.name, force)
    )
    if not create_text(folder.job, job.effective_yaml()):
        raise RunFolderError(f"another command uses {folder.root} at this moment: name another")
    write_result(
        folder.result, empty_result(job.name, job.problem.degree, job.problem.backend, ranks)
    )
    run = folder.root.resolve().name
    write_status(folder, RunStatus(run, job.name, RunState.PREPARED))
    write_provenance(folder, job, sys.argv)
    generation = begin(folder, os.getpid(), os.environ)
    launch = launch_worker(folder.root, ranks, debug)
    environment = {**launch.environment, claims.GENERATION: str(generation)}
    launch = replace(launch, environment=environment)
    heart = Heartbeat(folder, generation)
    interrupted, returncode = supervise(launch, folder, Progress(stream), heart)
    if interrupted:
        end_result(folder.result, Status.INTERRUPTED, "killed before it could stop by itself")
    code = returncode if returncode >= 0 else 128 - returncode  # as a shell tells it
    end(folder, generation, code, os.environ, max_restarts=0)
    add_warnings(folder.result, insisted)
    if debug and folder.traceback.exists():
        sys.stderr.write(folder.traceback.read_text(encoding="utf-8"))
    return _tell(folder, job, returncode, stream)


def _say_at_once(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


def supervise(
    launch: Launch, folder: RunFolder, progress: Progress, heart: Heartbeat
) -> tuple[bool, int]:
    """Run the worker to its end; return whether it was asked to stop, and its return code.

    The first SIGINT or SIGTERM asks the solve to stop after its iteration, the second kills it.
    """
    tail = EventTail(folder.events)
    asked = 0
    deadline = float("inf")
    with _stop_requests() as requests:
        process = _start(launch, folder)
        while process.poll() is None:
            for event in tail.new_events():
                progress.show(event)
                heart.note(event)
            progress.refresh()
            if requests and not asked:
                process.send_signal(signal.SIGUSR2)  # mpiexec passes it on to its ranks
                deadline = time.monotonic() + PATIENCE_SECONDS
            asked = len(requests)
            if asked > 1 or time.monotonic() > deadline or not heart.beat():
                _end(process)
            time.sleep(POLL_SECONDS)
    for event in tail.new_events():
        progress.show(event)
    progress.clear()
    return asked > 0, process.returncode


def _start(launch: Launch, folder: RunFolder) -> "subprocess.Popen[bytes]":
    """Start the worker; what it prints goes to the log."""
    with folder.log.open("ab") as log:
        return subprocess.Popen(
            launch.command,
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is ours to pass on
            preexec_fn=_die_with_parent,
        )


def _die_with_parent() -> None:
    """Have this process stopped when its parent is killed, which can then no longer do so."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of obeying them."""
    requests: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        requests.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the worker and all its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            # The worker leads its own process group.
            os.killpg(process.pid, number)
            process.wait(KILL_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        return


def _tell(folder: RunFolder, job: Job, returncode: int, stream: TextIO) -> ExitCode:
    """Say what was computed, how long it took and where it lies; return the exit code."""
    result = read_result(folder.result)
    status = Status(result["status"])
    if status is not Status.CONVERGED:
        sys.stderr.write(f"{status.value}: {result['message']}\n")
    stream.writelines(f"{line}\n" for line in ending(result))
    series = folder.series(job.problem.output.format)
    if series.exists():
        stream.write(f"fields for ParaView: {series}\n")
    stream.write(f"everything else: {folder.root}\n")
    if status is Status.FAILED and returncode == ExitCode.BAD_INPUT:
        return ExitCode.BAD_INPUT
    return EXIT_CODES[status]

"""The one door into the run-time: solves the job of a run folder on all ranks.

    python -m mpi4py -m elastane.jobs.worker RUN [--debug]

starts one rank; mpiexec or a scheduler starts more.  An error on one rank is written into
result.json and ends the whole job, which MPI alone would leave hanging.

SIGUSR1 asks for a checkpoint and exit code 85, which means: start me again.  ELASTANE_GENERATION
names the claim that the run is solved under; who finds a newer one ends and writes nothing more.
"""

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from elastane.jobs import claims
from elastane.jobs.job import load_job
from elastane.jobs.paths import RunFolder
from elastane.jobs.progress import Progress
from elastane.jobs.provenance import identity
from elastane.jobs.recorder import FencedError, Recorder
from elastane.jobs.result import end_result
from elastane.jobs.states import EXIT_CODES, ExitCode, Status
from elastane.jobs.versions import versions
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.observer import Request
from elastane.solver.problem import Problem
from elastane.solver.report import Report

if TYPE_CHECKING:
    from mpi4py import MPI

#: What signals ask for.  mpiexec passes SIGUSR1 and SIGUSR2 on to all ranks and waits for them; on
#: the others it passes SIGTERM on and kills soon after.
REQUESTS = {
    signal.SIGUSR1: Request.CHECKPOINT,
    signal.SIGUSR2: Request.STOP,
    signal.SIGINT: Request.STOP,
    signal.SIGTERM: Request.STOP,
}
#: A launcher and a scheduler may send the same signal several times within a moment; who sends it
#: again later means it.
ONE_SIGNAL_SECONDS = 2.0

Solve = Callable[[Problem, Path, "RankObserver", "MPI.Intracomm", CheckpointPlan], Report]


class RankObserver:
    """What a solve talks to on each rank.

    Attributes:
        recorder: Writes the run folder; None on every rank but 0.
    """

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self._progress = Progress(sys.stdout)
        self._request = Request.GO_ON
        self._stop_asked = float("inf")

    def listen(self) -> None:
        """Take signals as a request to stop after the current iteration."""
        for number in REQUESTS:
            signal.signal(number, self._note_signal)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        request = REQUESTS[signal.Signals(number)]
        if time.monotonic() > self._stop_asked + ONE_SIGNAL_SECONDS and request is Request.STOP:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if request is Request.STOP:
            self._stop_asked = min(self._stop_asked, time.monotonic())
        self._request = max(self._request, request)

    def event(self, kind: str, **values: Any) -> None:
        """Write an event down, and tell of it in the log."""
        if self.recorder is not None:
            self.recorder.event(kind, values)
            self._progress.show({"event": kind, "time": time.time(), **values})

    def request(self) -> Request:
        """Return what this rank was asked for by a signal."""
        return self._request


def main(arguments: Sequence[str] | None = None) -> int:
    """Solve the job of a run folder; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m elastane.jobs.worker")
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args(arguments)
    folder = RunFolder(options.run_folder)
    observer = RankObserver()
    observer.listen()  # before the imports, which may take a while on a cluster
    try:
        from mpi4py import MPI

        from elastane.solver.loading import solve
    except ImportError as error:
        return _give_up(folder, error, "", options.debug)
    return run(folder, solve, MPI.COMM_WORLD, observer, options.debug)


def run(
    folder: RunFolder,
    solve: Solve,
    comm: "MPI.Intracomm",
    observer: RankObserver,
    debug: bool = False,
) -> int:
    """Solve the job of a run folder on all ranks; return the exit code.

    An error on any rank ends all ranks of a parallel run from here.
    """
    try:
        return _solve(folder, solve, comm, observer)
    except FencedError as error:
        sys.stderr.write(f"{error}\n")
        if comm.size > 1:
            sys.stderr.flush()
            comm.Abort(ExitCode.INTERRUPTED)
        return ExitCode.INTERRUPTED
    except (Exception, KeyboardInterrupt) as error:
        where = f"rank {comm.rank} of {comm.size}: " if comm.size > 1 else ""
        code = _give_up(folder, error, where, debug)
        if comm.size > 1:
            sys.stderr.flush()
            comm.Abort(code)
        return code


def _solve(folder: RunFolder, solve: Solve, comm: "MPI.Intracomm", observer: RankObserver) -> int:
    problem, plan = comm.bcast(_read(folder) if comm.rank == 0 else (None, None))
    assert isinstance(problem, Problem)
    if comm.rank == 0:
        observer.recorder = Recorder(folder, problem, comm.size, versions(), _claim_check(folder))
    report = solve(problem, folder.root, observer, comm, plan)
    if observer.recorder is not None:
        observer.recorder.finish(report)
    # The first rank that ends with a code other than 0 ends all, so rank 0 must have written first.
    comm.barrier()
    return ExitCode.REQUEUE if report.resumable else EXIT_CODES[Status(report.status)]


def _read(folder: RunFolder) -> tuple[Problem, CheckpointPlan]:
    """Return what is to be solved, and where its checkpoints lie."""
    job = load_job(folder.job)
    return job.problem, CheckpointPlan(
        folder=folder.checkpoints,
        identity=identity(job),
        every_seconds=60.0 * job.file.output.checkpoint_minutes,
        resume=True,
    )


def _claim_check(folder: RunFolder) -> Callable[[], bool]:
    """Return a function that says whether the run is still ours; always, if nobody claimed it."""
    generation = os.environ.get(claims.GENERATION, "")
    if not generation.isdecimal():
        return lambda: True
    return lambda: claims.still_ours(folder, int(generation))


def _give_up(folder: RunFolder, error: BaseException, where: str, debug: bool) -> ExitCode:
    """Say why the run failed, in result.json, in the log and for developers; return the code."""
    code, message = explain(error)
    status = Status.INTERRUPTED if code is ExitCode.INTERRUPTED else Status.FAILED
    sys.stderr.write(f"{where}{message}\n")
    details = "".join(traceback.format_exception(error))
    if debug:
        sys.stderr.write(details)
    try:
        with folder.traceback.open("a", encoding="utf-8") as stream:
            stream.write(f"{where or 'the only rank: '}process {os.getpid()}\n{details}\n")
        end_result(folder.result, status, where + message)
    except (OSError, ValueError) as trouble:
        sys.stderr.write(f"the result could not be written: {trouble}\n")
    return code


def explain(error: BaseException) -> tuple[ExitCode, str]:
    """Return the exit code of an error, and what it means for the user."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "interrupted before the solve began"
    if isinstance(error, ImportError):
        return ExitCode.ENVIRONMENT, f"{error}: `elastane doctor` says how to get it"
    if isinstance(error, MemoryError):
        advice = "use more nodes, a lower degree or a coarser mesh"
        return ExitCode.ENVIRONMENT, f"not enough memory ({error}): {advice}"
    if isinstance(error, OSError):
        return ExitCode.ENVIRONMENT, f"{error}"
    if isinstance(error, ValueError) and _is_raised_by_us(error):
        return ExitCode.BAD_INPUT, f"{error}"
    if isinstance(error, RuntimeError) and _is_raised_by_us(error):
        return ExitCode.ENVIRONMENT, f"{error}"
    return (
        ExitCode.ENVIRONMENT,
        f"{type(error).__name__}: {error}; this is a fault of the program or of a library under "
        "it: please report it with traceback.txt",
    )


def _is_raised_by_us(error: BaseException) -> bool:
    """Return whether our own code found a fault, rather than a library under it."""
    if type(error).__module__.startswith("elastane."):
        return True
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__")).startswith("elastane.")


if __name__ == "__main__":
    sys.exit(main())

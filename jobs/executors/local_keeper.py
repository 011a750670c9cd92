"""Keeps one job of the queue: python -m elastane.jobs.executors.local_keeper QUEUE ID LOCK...

It runs the batch script of the run folder as a scheduler does: with a warning before the time
limit, again after the exit code that asks for it, and to its end whoever logs out.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from elastane.jobs.executors.local_queue import Entry, Queue
from elastane.jobs.paths import RunFolder
from elastane.jobs.states import ExitCode, RunState

POLL_SECONDS = 0.2
#: After SIGTERM the job gets this long to end by itself.
GRACE_SECONDS = 30.0
#: `attempt end` counts; this only bounds what happens if it cannot.
MAX_RESTARTS = 1000

STATES = {
    ExitCode.CONVERGED: RunState.CONVERGED,
    ExitCode.NOT_CONVERGED: RunState.DIVERGED,
    ExitCode.INTERRUPTED: RunState.INTERRUPTED,
}


def keep(queue: Queue, entry: Entry, locks: tuple[int, ...]) -> None:
    """Run a job to its end, note how it ended, and start the next one."""
    state, code = RunState.FAILED, None
    try:
        for restart in range(MAX_RESTARTS + 1):
            state, code = _attempt(queue, entry, locks, restart)
            if state is not RunState.REQUEUED:
                break
        else:
            state = RunState.TIMEOUT
    finally:
        queue.note(entry.job_id, "ended", state=state, code=code)
        for lock in locks:
            os.close(lock)
        queue.start_next()


def _attempt(
    queue: Queue, entry: Entry, locks: tuple[int, ...], restart: int
) -> tuple[RunState, int]:
    """Run the batch script once; return what became of it, and its exit code."""
    folder = RunFolder(Path(entry.folder))
    queue.note(entry.job_id, "started", restart=restart)
    with folder.log.open("ab") as log:
        process = subprocess.Popen(
            ["/bin/bash", str(folder.batch_script)],
            cwd=folder.root,
            env={**os.environ, **told(entry, restart)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=locks,
            start_new_session=True,
        )
    started = time.monotonic()
    warned = False
    while process.poll() is None:
        elapsed = time.monotonic() - started
        if queue.noted(entry.job_id, "cancelled") is not None:
            return RunState.CANCELLED, _end(process)
        if entry.time is not None and elapsed > entry.time:
            return RunState.TIMEOUT, _end(process)
        if entry.time is not None and not warned and elapsed > entry.time - entry.warning:
            process.send_signal(signal.SIGUSR1)
            warned = True
        time.sleep(POLL_SECONDS)
    code = process.returncode
    if code == ExitCode.REQUEUE:
        cancelled = queue.noted(entry.job_id, "cancelled") is not None
        return (RunState.CANCELLED if cancelled else RunState.REQUEUED), code
    known = STATES.get(ExitCode(code)) if code in set(ExitCode) else None
    return known or RunState.FAILED, code


def told(entry: Entry, restart: int) -> dict[str, str]:
    """Return the environment of a job: what it is told of itself, and Open MPI's permissions.

    The slots count the ranks already; Open MPI would count again, and refuse.
    """
    values = {
        "ELASTANE_EXECUTOR": "local",
        "ELASTANE_JOB_ID": entry.job_id,
        "ELASTANE_RESTART": str(restart),
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",  # jobs side by side would share core 0
    }
    if entry.time is not None:
        values["ELASTANE_END_TIME"] = str(time.time() + entry.time)
    if os.geteuid() == 0:
        values |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        values[name] = os.environ.get(name, "1")  # each rank is one thread
    return values


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Ask the script and its step to end; then end all that is left of them."""
    # To all of its group: a script waits for its step and does not pass SIGTERM on.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the script leads its process group
    return process.wait()


def main(arguments: list[str]) -> int:
    """Keep the job that the arguments name."""
    folder, job_id, *locks = arguments
    queue = Queue(Path(folder))
    entry = queue.entry(job_id)
    if entry is None:
        return ExitCode.ENVIRONMENT
    keep(queue, entry, tuple(map(int, locks)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

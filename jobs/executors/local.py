"""The executor `local`: a small queue on one machine, with a slot per core."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from elastane.jobs.batch_script import render, warning_seconds
from elastane.jobs.executors.base import Executor, JobRequest, JobView, RejectedError
from elastane.jobs.executors.local_queue import Entry, Queue
from elastane.jobs.sites import Site, load_site
from elastane.jobs.states import RunState


def state_folder() -> Path:
    """Return where a user's state lies that no run folder holds: $XDG_STATE_HOME/elastane."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "elastane"


class Local(Executor):
    """Runs jobs on this machine, in their order, as slots become free.

    Args:
        queue: Folder of the queue; None for that of this user and this machine: a home may be
            shared by several.
        slots: Number of ranks that may work at once; None for $ELASTANE_SLOTS or the cores.
    """

    name = "local"

    def __init__(self, queue: Path | None = None, slots: int | None = None) -> None:
        host = socket.gethostname()
        self._queue = Queue(queue or state_folder() / "queue" / host, slots)

    def check(self, request: JobRequest) -> list[str]:
        """Return why it would never start a job; see `Executor`."""
        ranks, slots = _ranks(request), self._queue.slots
        if ranks <= slots:
            return []
        return [
            f"{ranks} ranks are asked for and this machine has {slots} slots: ask for fewer, or "
            f"allow more than a rank per core with ELASTANE_SLOTS={ranks}"
        ]

    def script(self, request: JobRequest) -> str:
        """Return the batch script, which starts its ranks by mpiexec."""
        return render(request, _here(load_site(request.site)))

    def send(self, request: JobRequest) -> str:
        """Put a job into the queue; see `Executor`."""
        refusals = self.check(request)
        if refusals:
            raise RejectedError(refusals[0])
        site = load_site(request.site)
        try:
            entry = self._queue.add(
                {
                    "folder": str(request.folder.resolve()),
                    "name": request.name,
                    "key": request.key,
                    "slots": _ranks(request),
                    "after": tuple(str(path.resolve()) for path in request.after),
                    "hold": request.hold,
                    "time": request.time,
                    "warning": float(warning_seconds(request, site)),
                }
            )
        except OSError as error:
            raise RejectedError(
                f"cannot write the queue in {self._queue.folder}: {error}"
            ) from None
        self._queue.start_next()
        return entry.job_id

    def find(self, key: str, folder: Path) -> list[JobView]:
        """Return the jobs that were sent with a key; see `Executor`."""
        entries = map(self._queue.entry, self._queue.job_ids())
        return [self._view(entry) for entry in entries if entry is not None and entry.key == key]

    def query(self, job_ids: Sequence[str]) -> Mapping[str, JobView]:
        """Return how jobs stand; starts what should run, such as after the machine was off."""
        self._queue.start_next()
        entries = map(self._queue.entry, job_ids)
        return {entry.job_id: self._view(entry) for entry in entries if entry is not None}

    def cancel(self, job_id: str) -> None:
        """End a job, or take it from the queue; see `Executor`."""
        self._queue.cancel(job_id)
        self._queue.start_next()

    def release(self, job_id: str) -> None:
        """Let a held job start when its turn comes."""
        self._queue.note(job_id, "released")
        self._queue.start_next()

    def _view(self, entry: Entry) -> JobView:
        queue, job_id = self._queue, entry.job_id
        # In this order: a job that starts or ends between two questions is not taken for lost.
        started = queue.noted(job_id, "started")
        is_alive = queue.is_alive(job_id)
        ended = queue.noted(job_id, "ended")
        state, word, reason = RunState.SUBMITTED, "waiting", ""
        if ended is not None:
            state = RunState(ended["state"])
            word = ended.get("why", f"ended with code {ended.get('code')}")
        elif is_alive:
            state, word = RunState.RUNNING, "running"
        elif started is not None:
            state, word = RunState.LOST, "its processes are gone"
        else:
            reason = queue.why_not(entry) or self._turn(entry)
            if entry.hold and queue.noted(job_id, "released") is None:
                state, word = RunState.HELD, "held"
        return JobView(
            job_id,
            state,
            word,
            reason,
            nodes=socket.gethostname() if state is RunState.RUNNING else "",
            restarts=int((started or {}).get("restart", 0)),
            comment=entry.key,
            folder=entry.folder,
        )

    def _turn(self, entry: Entry) -> str:
        """Return how far a job that only lacks slots is from its turn."""
        queue = self._queue
        ahead = sum(
            int(other.job_id) < int(entry.job_id) and not queue.why_not(other)
            for other in queue.waiting()
        )
        slots = f"{entry.slots} of {queue.slots} slots, {queue.free_slots()} free"
        return f"waits for {slots}" + (f", {ahead} ahead" if ahead else "")


def _ranks(request: JobRequest) -> int:
    """Return the ranks of all nodes, for which this machine stands in."""
    return request.nodes * request.ranks_per_node


def _here(site: Site) -> Site:
    """Return a site on whose login node the ranks themselves run."""
    update = {"launcher": "mpiexec", "launcher_options": (), "binding": (), "options": ()}
    return site.model_copy(update=update)

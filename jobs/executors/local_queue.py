"""The queue of a machine: a folder of small files, and locks that the kernel gives back by itself.

    lock             held while the queue changes
    slots/0 ...      each locked by the processes of the job that uses it
    jobs/000001.json the job, never changed;  .lock is locked by its processes as long as they live;
                     .started, .released, .cancelled and .ended note what became of it

There is no daemon: whoever sends a job, asks for one or ends one starts those whose turn it is.
A lock lives as long as one of the processes that inherited it, so that nothing that was killed
holds a slot, and nothing that still computes has lost its own.

Reference: flock(2).
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

from elastane.jobs.launchers import num_cores
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import write_text
from elastane.jobs.states import FINAL, RunState
from elastane.jobs.status_file import read_status


@dataclass(frozen=True)
class Entry:
    """A job of the queue.

    Attributes:
        job_id: Its number, from 1.
        folder: The run folder, absolute.
        name: Name of the job.
        key: Key of its submission.
        slots: How many it uses, one per rank.
        after: Run folders that must have converged before it starts.
        hold: Whether it waits to be released.
        time: Time limit in seconds, None without one.
        warning: How long before the limit it is warned, in seconds.
    """

    job_id: str
    folder: str
    name: str
    key: str
    slots: int
    after: tuple[str, ...] = ()
    hold: bool = False
    time: float | None = None
    warning: float = 0.0


class Queue:
    """The queue in a folder.

    Args:
        folder: The folder; made at need.
        slots: Number of ranks that may work at once; None for `default_slots()`.
    """

    def __init__(self, folder: Path, slots: int | None = None) -> None:
        self.folder = folder
        self.slots = default_slots() if slots is None else slots
        for part in ("jobs", "slots"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    def add(self, values: Mapping[str, Any]) -> Entry:
        """Put a job at the end of the queue; `values` are the fields of an `Entry` but its id."""
        with self._locked():
            number = max((int(job_id) for job_id in self.job_ids()), default=0) + 1
            entry = Entry(job_id=str(number), **values)
            write_text(self._path(entry.job_id, "json"), json.dumps(asdict(entry)) + "\n")
        return entry

    def job_ids(self) -> list[str]:
        """Return all jobs, those that have ended too, in the order in which they came."""
        numbers = [path.stem for path in (self.folder / "jobs").glob("*.json")]
        return [str(number) for number in sorted(int(n) for n in numbers if n.isdecimal())]

    def entry(self, job_id: str) -> Entry | None:
        """Return a job, None if there is none of that id."""
        if not job_id.isdecimal():
            return None
        try:
            content = json.loads(self._path(job_id, "json").read_text(encoding="utf-8"))
            return Entry(**{**content, "after": tuple(content["after"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def note(self, job_id: str, what: str, **values: Any) -> None:
        """Note that a job was started, released, cancelled or has ended."""
        write_text(self._path(job_id, what), json.dumps(values) + "\n")

    def noted(self, job_id: str, what: str) -> dict[str, Any] | None:
        """Return what was noted, None if it was not."""
        try:
            content = json.loads(self._path(job_id, what).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def is_alive(self, job_id: str) -> bool:
        """Return whether a process of the job lives."""
        return not _is_free(self._path(job_id, "lock"))

    def waiting(self) -> list[Entry]:
        """Return the jobs that have neither started nor ended, the next one first."""
        begun = {
            path.stem
            for path in (self.folder / "jobs").iterdir()
            if path.suffix in (".started", ".ended")
        }
        names = (job_id for job_id in self.job_ids() if _stem(job_id) not in begun)
        return [entry for entry in map(self.entry, names) if entry is not None]

    def why_not(self, entry: Entry) -> str:
        """Return what a waiting job waits for besides slots, "" if for nothing."""
        if entry.hold and self.noted(entry.job_id, "released") is None:
            return "held; `elastane resume` releases it"
        for folder in entry.after:
            if _state(folder) is not RunState.CONVERGED:
                return f"waits until {Path(folder).name} has converged"
        return ""

    def cancel(self, job_id: str) -> None:
        """End a job: at once if it waits, else its keeper reads the note."""
        with self._locked():
            if self.noted(job_id, "ended") is not None:
                return
            if self.noted(job_id, "started") is None:
                self.note(job_id, "ended", state=RunState.CANCELLED, why="it had not begun")
            else:
                self.note(job_id, "cancelled")

    def start_next(self) -> None:
        """Start the jobs whose turn it is: in order, none overtakes another that only lacks slots.

        A job whose predecessor ended in another way than converged ends as cancelled.
        """
        with self._locked():
            for entry in self.waiting():
                failed = [
                    path for path in entry.after if _state(path) in FINAL - {RunState.CONVERGED}
                ]
                if failed:
                    why = f"{failed[0]} did not converge"
                    self.note(entry.job_id, "ended", state=RunState.CANCELLED, why=why)
                elif not self.why_not(entry):
                    locks = self._take_slots(entry.slots)
                    if not locks:
                        return
                    self._start(entry, locks)

    def free_slots(self) -> int:
        """Return how many slots nobody uses."""
        with self._locked():  # a slot that is looked at is taken for that moment
            return sum(_is_free(self._slot(number)) for number in range(self.slots))

    def _start(self, entry: Entry, locks: Sequence[int]) -> None:
        """Start the keeper of a job; it inherits the locks."""
        own = os.open(self._path(entry.job_id, "lock"), os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(own, fcntl.LOCK_EX)  # it has no process yet; who looks at it does so briefly
        self.note(entry.job_id, "started")
        held = (own, *locks)
        command = [sys.executable, "-m", "elastane.jobs.executors.local_keeper", str(self.folder),
                   entry.job_id, *map(str, held)]  # fmt: skip
        environment = {**os.environ, "ELASTANE_SLOTS": str(self.slots)}
        try:
            Popen(command, pass_fds=held, cwd="/", env=environment, stdin=DEVNULL,
                  stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)  # fmt: skip
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _take_slots(self, count: int) -> list[int]:
        """Return the locks of so many slots, none if there are not enough."""
        taken: list[int] = []
        for number in range(self.slots):
            if len(taken) < count and (lock := _take(self._slot(number))) is not None:
                taken.append(lock)
        if len(taken) < count:
            for lock in taken:
                os.close(lock)
            return []
        return taken

    def _slot(self, number: int) -> Path:
        return self.folder / "slots" / str(number)

    def _path(self, job_id: str, kind: str) -> Path:
        return self.folder / "jobs" / f"{_stem(job_id)}.{kind}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep all others from changing the queue."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def default_slots() -> int:
    """Return $ELASTANE_SLOTS, or else the number of cores.

    Raises:
        ValueError: If the variable is no positive number.
    """
    text = os.environ.get("ELASTANE_SLOTS")
    if text is None:
        return num_cores()
    if not (text.isdecimal() and 1 <= int(text) <= 4096):
        raise ValueError(f"ELASTANE_SLOTS must be from 1 to 4096, got {text!r}")
    return int(text)


def _stem(job_id: str) -> str:
    return f"{int(job_id):06}"


def _state(folder: str) -> RunState | None:
    status = read_status(RunFolder(Path(folder)))
    return None if status is None else status.state


def _take(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    """Return a locked descriptor that children may inherit, None if another holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _is_free(path: Path) -> bool:
    lock = _take(path, fcntl.LOCK_SH)  # others may look at the same time
    if lock is not None:
        os.close(lock)
    return lock is not None

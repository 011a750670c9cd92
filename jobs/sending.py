"""Sending a submission just once, whatever becomes of the answer.

An executor's answer may be lost though it took the job.  Hence a record is written before anything
is sent; the job carries a key; and after doubt the key is looked up before anything is sent again.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from elastane.jobs import claims
from elastane.jobs.batch_script import MEMBER
from elastane.jobs.executors.base import (
    Executor,
    JobRequest,
    JobView,
    RejectedError,
    SilentError,
)
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import write_text
from elastane.jobs.states import FINAL, RunState
from elastane.jobs.submission_file import (
    SendState,
    Submission,
    read_submission,
    write_submission,
)

#: A doubtful job is sent so often at most, by one command.
MAX_SENDS = 3


@dataclass(frozen=True)
class Patience:
    """How long a lost answer is waited for.

    Attributes:
        send: A job may arrive so many seconds after another command began to send it.
        arrival: A job may arrive so many seconds after its send has failed.
        retry: Pause before a silent executor is asked once more.
        sleep: Waits for a number of seconds.
    """

    send: float = 60.0
    arrival: float = 30.0
    retry: float = 10.0
    sleep: Callable[[float], None] = time.sleep


def ensure_sent(
    folder: RunFolder,
    executor: Executor,
    patience: Patience | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Return the id of the job of the latest submission, sent just once however often it is asked.

    Raises:
        RejectedError: If the executor refuses it for good.
        SilentError: If it remains unknown whether the executor took it.
    """
    patience = patience or Patience()
    for _ in range(MAX_SENDS):
        submission = read_submission(folder)
        assert submission is not None
        if submission.state is SendState.REJECTED:
            raise RejectedError(submission.why)
        if submission.job_id is not None:
            return submission.job_id
        sends = _Sends(folder, submission.key)
        # The send after those that were looked up can be begun once only: to count again there
        # would step over one that another command began meanwhile.
        last = sends.count()
        if last:
            job_id = _look_up(folder, submission, executor, sends, last, patience, say)
            if job_id is not None:
                return _accept(folder, submission, job_id)
        if not sends.begin(last + 1):
            continue  # another command sends it at this moment
        write_submission(folder, replace(submission, state=SendState.SENDING))
        try:
            job_id = executor.send(submission.request)
        except RejectedError as error:
            write_submission(folder, replace(submission, state=SendState.REJECTED, why=str(error)))
            raise
        except SilentError as error:
            sends.end(last + 1)
            say(f"{error}; looking for the job before it is sent again")
            continue
        if sends.count() > 1:  # an earlier one may have arrived after all
            job_id = _only_one(executor, submission.request, job_id)
        return _accept(folder, submission, job_id)
    raise SilentError(f"{executor.name} gave no answer to {MAX_SENDS} sends")


class _Sends:
    """The sends of a submission: a file for each, made before and only once."""

    def __init__(self, folder: RunFolder, key: str) -> None:
        self._folder = folder.sends
        self._key = key

    def _file(self, number: int) -> Path:
        return self._folder / f"{self._key}-{number}"

    def count(self) -> int:
        """Return how many have begun."""
        number = 0
        while self._file(number + 1).exists():
            number += 1
        return number

    def begin(self, number: int) -> bool:
        """Note that one begins; return whether nobody else has begun it."""
        self._folder.mkdir(exist_ok=True)
        try:
            descriptor = os.open(self._file(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        os.close(descriptor)
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)  # a name reaches the disk with its folder
        os.close(folder)
        return True

    def end(self, number: int) -> None:
        """Note that one has ended without an answer."""
        write_text(self._file(number), "no answer\n")

    def quiet_from(self, number: int, patience: Patience) -> float:
        """Return the time from which one would be known if it had arrived."""
        stat = self._file(number).stat()
        return stat.st_mtime + patience.arrival + (0.0 if stat.st_size else patience.send)


def _look_up(
    folder: RunFolder,
    submission: Submission,
    executor: Executor,
    sends: _Sends,
    last: int,
    patience: Patience,
    say: Callable[[str], None],
) -> str | None:
    """Return the id of a job that may have been sent; None if it certainly was not.

    `last` is the number of its last send.  An empty answer counts only if it was given when the
    job would long have arrived.
    """
    first = True
    while True:
        latest = read_submission(folder)
        if latest is not None and latest.job_id is not None:
            return latest.job_id  # another command was told
        if latest is not None and latest.state is SendState.REJECTED:
            raise RejectedError(latest.why)
        pause = sends.quiet_from(last, patience) - time.time()
        job_id = _found(folder, submission, executor, patience)
        if job_id is not None:
            return job_id
        if pause <= 0 and not first:
            return None
        if first and pause > 1.0:
            say(f"{executor.name} does not know the job; asking again for {pause:.0f} s")
        first = False
        patience.sleep(min(max(pause, 0.0), patience.retry))


def _found(
    folder: RunFolder, submission: Submission, executor: Executor, patience: Patience
) -> str | None:
    """Return the id of the job by its key, or by what it left behind; None if there is none."""
    for each in runs(folder):
        for claim in claims.history(each):
            if claim.generation > submission.claims_before and claim.executor == executor.name:
                return claim.job_id.partition("_")[0]
    try:
        jobs = executor.find(submission.key, folder.root.absolute())
    except SilentError:
        patience.sleep(patience.retry)
        jobs = executor.find(submission.key, folder.root.absolute())
    return _keep(jobs) if jobs else None


def _keep(jobs: Sequence[JobView]) -> str:
    """Return which of several jobs with a key is to stay: one that runs, else the first."""
    running = [job for job in jobs if job.state is RunState.RUNNING]
    alive = [job for job in jobs if job.state not in FINAL]
    return (running or alive or list(jobs))[0].job_id.partition("_")[0]


def _only_one(executor: Executor, request: JobRequest, job_id: str) -> str:
    """Cancel all jobs with a key but one; return the id of that one.

    Should it fail, a second one ends by itself: it finds the run taken.
    """
    try:
        jobs = executor.find(request.key, request.folder)
        kept = _keep(jobs) if jobs else job_id
        others = {job.job_id.partition("_")[0] for job in jobs if job.state not in FINAL} - {kept}
        for other in others:
            executor.cancel(other)
    except SilentError:
        return job_id
    return kept


def _accept(folder: RunFolder, submission: Submission, job_id: str) -> str:
    """Note the id of the job that the executor took."""
    accepted = replace(submission, state=SendState.ACCEPTED, job_id=job_id)
    for task, member in enumerate(members(folder, submission.request.tasks), start=1):
        own = read_submission(member)
        assert own is not None
        write_submission(member, replace(own, state=SendState.ACCEPTED, job_id=f"{job_id}_{task}"))
    write_submission(folder, accepted)
    return job_id


def members(root: RunFolder, count: int) -> list[RunFolder]:
    """Return the run folders of an array."""
    return [RunFolder(root.root / (MEMBER % task)) for task in range(1, count + 1)]


def runs(folder: RunFolder) -> list[RunFolder]:
    """Return the run folders that a submission starts: those of an array, or this one."""
    submission = read_submission(folder)
    tasks = 0 if submission is None else submission.request.tasks
    return members(folder, tasks) or [folder]

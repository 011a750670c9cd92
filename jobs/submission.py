"""`elastane submit`: checks a job, writes its run folder, and hands it to an executor just once.

An executor's answer may be lost though it took the job.  Hence a record is written before anything
is sent; the job carries a key; and after doubt the key is looked up before anything is sent again.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from elastane.jobs import claims
from elastane.jobs.batch_script import MEMBER, check_folder
from elastane.jobs.check import check_job
from elastane.jobs.executors import find_executor
from elastane.jobs.executors.base import (
    Executor,
    JobRequest,
    JobView,
    RejectedError,
    SilentError,
)
from elastane.jobs.executors.slurm_commands import parse_time
from elastane.jobs.job import Job
from elastane.jobs.material_verdicts import require_verdicts
from elastane.jobs.paths import RunFolder, claim_run_folder, new_run_folder
from elastane.jobs.provenance import write_provenance
from elastane.jobs.result import (
    add_warnings,
    empty_result,
    end_result,
    read_result,
    write_result,
    write_text,
)
from elastane.jobs.sites import load_site
from elastane.jobs.states import FINAL, RunState, Status
from elastane.jobs.status_file import RunStatus, read_status, write_status
from elastane.jobs.submission_file import (
    SendState,
    Submission,
    new_key,
    read_submission,
    write_submission,
)

#: A doubtful job is sent so often at most, by one command.
MAX_SENDS = 3
NO_JOB_YET = "KEY-OF-THE-SUBMISSION"


@dataclass(frozen=True)
class SubmitOptions:
    """How a job is to be submitted.

    Attributes:
        executor: Name of the executor; None for SLURM where it is there, else this machine.
        site: Name of the site profile; None to choose by host.
        after: Run folders that must have converged before it starts.
        hold: Whether it waits to be released.
        output: The run folder; None for a new one.
        force: Whether to replace an earlier run of the same job in `output`.
        unchecked: Whether to use materials that fail their check.
    """

    executor: str | None = None
    site: str | None = None
    after: tuple[Path, ...] = ()
    hold: bool = False
    output: Path | None = None
    force: bool = False
    unchecked: bool = False


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


def submit(path: Path, options: SubmitOptions, stream: TextIO) -> Submission:
    """Submit a job; tell its id and its folder.

    Raises:
        JobFileError: If the job is not sound; nothing is written then.
        MaterialFailsError: If a material fails its check; nothing is written then.
        RunFolderError: If the run folder cannot be used.
        RejectedError: If the executor will never run it.
        SilentError: If the executor does not answer; the message says how to go on.
    """
    checked = check_job(path)
    _tell(stream, *[f"warning: {warning}" for warning in checked.warnings])
    executor = find_executor(options.executor)
    request = _request(checked.job, options)
    insisted = require_verdicts(
        checked.job.problem.materials, options.unchecked, lambda line: _tell(stream, line)
    )
    _check(executor, request)
    name = checked.job.name
    folder = (
        new_run_folder(name)
        if options.output is None
        else claim_run_folder(options.output, name, options.force)
    )
    check_folder(str(folder.root.absolute()))
    _fill(folder, checked.job, insisted)
    _prepare(folder, executor, replace(request, folder=folder.root.absolute()))
    return send(folder, executor, stream)


def preview(path: Path, options: SubmitOptions, stream: TextIO) -> str:
    """Return the batch script that a job would get; nothing is written.

    Raises:
        JobFileError: If the job is not sound.
    """
    checked = check_job(path)
    _tell(stream, *[f"warning: {warning}" for warning in checked.warnings])
    request = _request(checked.job, options)
    return find_executor(options.executor).script(replace(request, key=NO_JOB_YET))


def submit_array(
    name: str, jobs: Sequence[Job], root: Path, options: SubmitOptions, stream: TextIO
) -> list[Submission]:
    """Submit jobs of one size as an array; return the submission of each.

    Args:
        name: Name of the array.
        jobs: The jobs; their resources must be equal.
        root: An existing folder without runs; they get the folders 0001, 0002 and so on in it.
        options: Executor, site, after, hold and unchecked count.
        stream: Where it is told.

    Raises:
        As `submit`.
    """
    executor = find_executor(options.executor)
    request = replace(_request(jobs[0], options), name=name, key=new_key(name), tasks=len(jobs))
    if any(job.resources != jobs[0].resources for job in jobs):
        raise RejectedError("the jobs of an array must ask for the same resources")
    check_folder(str(root.absolute()))
    insisted = [
        require_verdicts(job.problem.materials, options.unchecked, lambda line: _tell(stream, line))
        for job in jobs
    ]
    _check(executor, request)
    members = _members(RunFolder(root), len(jobs))
    for folder, job, warnings in zip(members, jobs, insisted, strict=True):
        folder.root.mkdir()
        _fill(folder, job, warnings)
    if executor.name != "slurm":
        for folder, job in zip(members, jobs, strict=True):
            own = _request(job, options)
            _prepare(folder, executor, replace(own, folder=folder.root.absolute()))
        return [send(folder, executor, stream) for folder in members]
    for task, (folder, job) in enumerate(zip(members, jobs, strict=True), start=1):
        own = replace(_request(job, options), key=request.key, folder=folder.root.absolute())
        _prepare(folder, executor, own, task)
    _prepare(RunFolder(root), executor, replace(request, folder=root.absolute()))
    send(RunFolder(root), executor, stream)
    return [found for folder in members if (found := read_submission(folder)) is not None]


def submit_again(folder: RunFolder, stream: TextIO) -> Submission:
    """Go on with a submission whose answer was lost.

    Raises:
        RejectedError: If there is none, or the executor refuses it.
        SilentError: If the executor still does not answer.
    """
    submission = read_submission(folder)
    if submission is not None and submission.task:
        folder = RunFolder(folder.root.parent)  # the array was sent as a whole
        submission = read_submission(folder)
    if submission is None:
        raise RejectedError(f"{folder.root} was never submitted: use `elastane submit JOB.yml`")
    return send(folder, find_executor(submission.executor), stream)


def send(folder: RunFolder, executor: Executor, stream: TextIO) -> Submission:
    """Send a prepared submission; tell the id and the folder."""
    try:
        ensure_sent(folder, executor, say=lambda line: _tell(stream, line))
    except RejectedError as error:
        for each in _runs(folder):
            _reject(each, str(error))
        raise
    except SilentError as error:
        raise SilentError(
            f"{error}\nIt is not known whether {executor.name} took the job. Nothing is lost or "
            f"sent twice: `elastane submit --again {folder.root}` goes on"
        ) from error
    submission = read_submission(folder)
    assert submission is not None
    _tell(stream, f"job {submission.job_id}", f"folder {folder.root}")
    return submission


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
        if sends.count():
            job_id = _look_up(folder, submission, executor, sends, patience, say)
            if job_id is not None:
                return _accept(folder, submission, job_id)
        write_submission(folder, replace(submission, state=SendState.SENDING))
        if not sends.begin():
            continue  # another command sends it at this moment
        try:
            job_id = executor.send(submission.request)
        except RejectedError as error:
            write_submission(folder, replace(submission, state=SendState.REJECTED, why=str(error)))
            raise
        except SilentError as error:
            sends.end()
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

    def begin(self) -> bool:
        """Note that the next one begins; return whether nobody else has begun it."""
        self._folder.mkdir(exist_ok=True)
        try:
            descriptor = os.open(
                self._file(self.count() + 1), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666
            )
        except FileExistsError:
            return False
        os.close(descriptor)
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)  # a name reaches the disk with its folder
        os.close(folder)
        return True

    def end(self) -> None:
        """Note that the last one has ended without an answer."""
        write_text(self._file(self.count()), "no answer\n")

    def quiet_from(self, patience: Patience) -> float:
        """Return the time from which the last one would be known if it had arrived."""
        try:
            stat = self._file(self.count()).stat()
        except FileNotFoundError:  # pragma: no cover
            return 0.0
        return stat.st_mtime + patience.arrival + (0.0 if stat.st_size else patience.send)


def _look_up(
    folder: RunFolder,
    submission: Submission,
    executor: Executor,
    sends: _Sends,
    patience: Patience,
    say: Callable[[str], None],
) -> str | None:
    """Return the id of a job that may have been sent; None if it certainly was not.

    An empty answer counts only if it was given when the job would long have arrived.
    """
    first = True
    while True:
        latest = read_submission(folder)
        if latest is not None and latest.job_id is not None:
            return latest.job_id  # another command was told
        if latest is not None and latest.state is SendState.REJECTED:
            raise RejectedError(latest.why)
        pause = sends.quiet_from(patience) - time.time()
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
    for each in _runs(folder):
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
    for task, member in enumerate(_members(folder, submission.request.tasks), start=1):
        own = read_submission(member)
        assert own is not None
        write_submission(member, replace(own, state=SendState.ACCEPTED, job_id=f"{job_id}_{task}"))
    write_submission(folder, accepted)
    return job_id


def _members(root: RunFolder, count: int) -> list[RunFolder]:
    """Return the run folders of an array."""
    return [RunFolder(root.root / (MEMBER % task)) for task in range(1, count + 1)]


def _runs(folder: RunFolder) -> list[RunFolder]:
    """Return the run folders that a submission starts: those of an array, or this one."""
    submission = read_submission(folder)
    tasks = 0 if submission is None else submission.request.tasks
    return _members(folder, tasks) or [folder]


def _request(job: Job, options: SubmitOptions) -> JobRequest:
    """Return what a job asks for; its folder is known later."""
    resources = job.resources
    return JobRequest(
        folder=Path.cwd(),
        name=job.name,
        key=new_key(job.name),
        nodes=resources.nodes,
        ranks_per_node=resources.ranks_per_node,
        gpus_per_node=resources.gpus_per_node,
        time=None if resources.time is None else int(parse_time(resources.time)),
        site=load_site(options.site).name,
        after=tuple(path.absolute() for path in options.after),
        hold=options.hold,
    )


def _check(executor: Executor, request: JobRequest) -> None:
    """Refuse a job that would never start.

    Raises:
        RejectedError: If it would not.
        SilentError: If the executor does not answer.
    """
    wrong = [*_unmet(request.after, executor), *executor.check(request)]
    if wrong:
        raise RejectedError("\n".join(wrong))


def _unmet(after: Sequence[Path], executor: Executor) -> list[str]:
    """Return why a run could never start after others, a sentence each."""
    wrong = []
    for path in after:
        folder = RunFolder(path)
        try:
            if read_result(folder.result)["status"] == Status.CONVERGED:
                continue
            submission = read_submission(folder)
        except (OSError, ValueError) as error:
            wrong.append(f"nothing can run after {path}: {error}")
            continue
        status = read_status(folder)
        if status is not None and status.state in FINAL:  # its job may not have ended yet
            wrong.append(f"nothing can run after {path}: it has ended as {status.state.value}")
            continue
        if submission is None or submission.job_id is None or submission.executor != executor.name:
            wrong.append(f"nothing can run after {path}: it was not submitted to {executor.name}")
            continue
        view = executor.query([submission.job_id]).get(submission.job_id)
        if view is not None and view.state is RunState.UNKNOWN:
            raise SilentError(f"it is not known how {path} stands: {view.reason or view.word}")
        is_other = view is not None and view.comment not in ("", submission.key)
        if view is None or view.state in FINAL or is_other:
            wrong.append(f"nothing can run after {path}: its job has ended")
    return wrong


def _fill(folder: RunFolder, job: Job, warnings: Sequence[str]) -> None:
    """Write what a run folder holds before it is submitted."""
    ranks = job.resources.nodes * job.resources.ranks_per_node
    write_text(folder.job, job.effective_yaml())
    write_result(
        folder.result, empty_result(job.name, job.problem.degree, job.problem.backend, ranks)
    )
    add_warnings(folder.result, warnings)
    write_provenance(folder, job, sys.argv)


def _prepare(folder: RunFolder, executor: Executor, request: JobRequest, task: int = 0) -> None:
    """Write the batch script, the record of the submission and the status."""
    if not task:
        write_text(folder.batch_script, executor.script(request))
    write_submission(
        folder,
        Submission(
            request, executor.name, max_restarts=load_site(request.site).max_restarts, task=task
        ),
    )
    if not request.tasks:
        write_waiting(folder, executor, request)


def write_waiting(folder: RunFolder, executor: Executor, request: JobRequest) -> None:
    """Write the status of a run that is about to be sent.

    It is written before, and only a refusal takes it back: after the send the run itself writes.
    """
    before = read_status(folder) or RunStatus(folder.root.name, request.name, RunState.PREPARED)
    write_status(
        folder,
        replace(
            before,
            state=RunState.HELD if request.hold else RunState.SUBMITTED,
            message="",
            executor=executor.name,
            job_id=None,
            ranks=request.nodes * request.ranks_per_node,
            eta_seconds=None,
            ended=None,
        ),
    )


def _reject(folder: RunFolder, why: str) -> None:
    """Make a run final that the executor refused."""
    end_result(folder.result, Status.FAILED, why)
    status = read_status(folder)
    if status is not None:
        write_status(folder, replace(status, state=RunState.REJECTED, message=why))


def _tell(stream: TextIO, *lines: str) -> None:
    for line in lines:
        stream.write(f"{line}\n")
    stream.flush()

"""`elastane submit`: checks a job, writes its run folder, and hands it to an executor."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from elastane.jobs.batch_script import check_folder
from elastane.jobs.check import check_job
from elastane.jobs.executors import find_executor
from elastane.jobs.executors.base import (
    Executor,
    JobRequest,
    RejectedError,
    SilentError,
)
from elastane.jobs.executors.slurm_commands import parse_time
from elastane.jobs.gpu_request import require_gpus
from elastane.jobs.job import Job
from elastane.jobs.liveness import require_idle
from elastane.jobs.material_verdicts import require_verdicts
from elastane.jobs.paths import RunFolder, RunFolderError, claim_run_folder, new_run_folder
from elastane.jobs.provenance import write_provenance
from elastane.jobs.result import (
    add_warnings,
    create_text,
    empty_result,
    end_result,
    read_result,
    write_result,
    write_text,
)
from elastane.jobs.sending import ensure_sent, members, runs
from elastane.jobs.settle import result_state
from elastane.jobs.sites import load_site
from elastane.jobs.states import FINAL, RunState, Status
from elastane.jobs.status_file import RunStatus, read_status, write_status
from elastane.jobs.submission_file import (
    Submission,
    new_key,
    read_submission,
    write_submission,
)

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


def submit(path: Path, options: SubmitOptions, stream: TextIO) -> Submission:
    """Submit a job; tell its id and its folder.

    Raises:
        JobFileError: If the job is not sound; nothing is written then.
        MaterialFailsError: If a material fails its check; nothing is written then.
        RunFolderError: If the run folder cannot be used.
        RunningElsewhereError: If a copy of the run in `output` may be alive.
        RejectedError: If the executor will never run it.
        MissingDependencyError: If it is to run on this machine, and its backend does not work.
        SilentError: If the executor does not answer; the message says how to go on.
    """
    checked = check_job(path)
    _tell(stream, *[f"warning: {warning}" for warning in checked.warnings])
    executor = find_executor(options.executor)
    require_gpus(checked.job.file, executor.name, stream)
    request = _request(checked.job, options)
    insisted = require_verdicts(
        checked.job.problem.materials, options.unchecked, lambda line: _tell(stream, line)
    )
    _check(executor, request, options)
    if options.output is not None:
        require_idle(RunFolder(options.output))  # the claims of a copy that lives must stay
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
        RejectedError: If it would never get the GPUs that it needs.
    """
    checked = check_job(path)
    _tell(stream, *[f"warning: {warning}" for warning in checked.warnings])
    executor = find_executor(options.executor)
    require_gpus(checked.job.file, executor.name, stream)
    return executor.script(replace(_request(checked.job, options), key=NO_JOB_YET))


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
    for file in {job.file.backend: job.file for job in jobs}.values():
        require_gpus(file, executor.name, stream)
    check_folder(str(root.absolute()))
    insisted = [
        require_verdicts(job.problem.materials, options.unchecked, lambda line: _tell(stream, line))
        for job in jobs
    ]
    _check(executor, request, options)
    folders = members(RunFolder(root), len(jobs))
    for folder, job, warnings in zip(folders, jobs, insisted, strict=True):
        folder.root.mkdir()
        _fill(folder, job, warnings)
    if executor.name != "slurm":
        for folder, job in zip(folders, jobs, strict=True):
            own = _request(job, options)
            _prepare(folder, executor, replace(own, folder=folder.root.absolute()))
        return [send(folder, executor, stream) for folder in folders]
    for task, (folder, job) in enumerate(zip(folders, jobs, strict=True), start=1):
        own = replace(_request(job, options), key=request.key, folder=folder.root.absolute())
        _prepare(folder, executor, own, task)
    _prepare(RunFolder(root), executor, replace(request, folder=root.absolute()))
    send(RunFolder(root), executor, stream)
    return [found for folder in folders if (found := read_submission(folder)) is not None]


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
        for each in runs(folder):
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


def _check(executor: Executor, request: JobRequest, options: SubmitOptions) -> None:
    """Refuse a job that would never start.

    Raises:
        RejectedError: If it would not.
        SilentError: If the executor does not answer.
    """
    try:
        wrong = [*_unmet(request.after, executor), *executor.check(request)]
    except SilentError as error:
        if options.executor is not None:
            raise
        raise SilentError(
            f"{error}\n{executor.name} was taken because its commands are installed here; nothing "
            "was sent. `--executor local` takes the queue of this machine"
        ) from error
    if wrong:
        raise RejectedError("\n".join(wrong))


def _unmet(after: Sequence[Path], executor: Executor) -> list[str]:
    """Return why a run could never start after others, a sentence each."""
    wrong = []
    for folder in map(RunFolder, after):
        why = _never_converges(folder, executor)
        # Asked last: it may have converged while it was looked at.
        if why and result_state(folder) is not RunState.CONVERGED:
            wrong.append(f"nothing can run after {folder.root}: {why}")
    return wrong


def _never_converges(folder: RunFolder, executor: Executor) -> str:
    """Return why a run has not converged and never will, "" if it may."""
    try:
        if read_result(folder.result)["status"] == Status.CONVERGED:
            return ""
        submission = read_submission(folder)
    except (OSError, ValueError) as error:
        return str(error)
    status = read_status(folder)
    if status is not None and status.state in FINAL:  # its job may not have ended yet
        return f"it has ended as {status.state.value}"
    if submission is None or submission.job_id is None or submission.executor != executor.name:
        return f"it was not submitted to {executor.name}"
    view = executor.query([submission.job_id]).get(submission.job_id)
    if view is not None and view.state is RunState.UNKNOWN:
        raise SilentError(f"it is not known how {folder.root} stands: {view.reason or view.word}")
    is_other = view is not None and view.comment not in ("", submission.key)
    return "its job has ended" if view is None or view.state in FINAL or is_other else ""


def _fill(folder: RunFolder, job: Job, warnings: Sequence[str]) -> None:
    """Write what a run folder holds before it is submitted.

    Raises:
        RunFolderError: If another command fills it at this moment.
    """
    ranks = job.resources.nodes * job.resources.ranks_per_node
    if not create_text(folder.job, job.effective_yaml()):
        raise RunFolderError(f"another command uses {folder.root} at this moment: name another")
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

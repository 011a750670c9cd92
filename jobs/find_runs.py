"""Finds runs by what a user calls them, and asks how they stand."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from elastane.jobs.claims import last_generation
from elastane.jobs.executors import find_executor
from elastane.jobs.executors.base import Executor, JobView, SilentError
from elastane.jobs.faults import nearest
from elastane.jobs.index import is_run, known_runs, runs_below
from elastane.jobs.paths import RunFolder, RunFolderError
from elastane.jobs.settle import is_open, settle
from elastane.jobs.states import RunState
from elastane.jobs.submission_file import Submission, read_submission
from elastane.jobs.view import RunView, stored_status, view

RUNS = Path("runs")


def find_run(text: str) -> RunFolder:
    """Return a run by its folder, the name of its folder, its job id, or the name of its job.

    Of several runs of a job the latest is meant.

    Raises:
        RunFolderError: If there is none, or a job id is that of several.
    """
    if is_run(Path(text)):
        return RunFolder(Path(text))
    runs = all_runs()
    named = [run for run in runs if run.root.name == text]
    if len(named) == 1:
        return named[0]
    with_id = [run for run in runs if (sent := submission_of(run)) and sent.job_id == text]
    if len(with_id) > 1 or len(named) > 1:
        several = ", ".join(str(run.root) for run in with_id or named)
        raise RunFolderError(f"{text!r} is several runs; name a folder: {several}")
    if with_id:
        return with_id[0]
    of_job = [run for run in runs if stored_status(run).name == text]
    if of_job:
        return max(of_job, key=_age)
    names = [run.root.name for run in runs]
    raise RunFolderError(f"no run {text!r}: {nearest(text, names)}")


def all_runs() -> list[RunFolder]:
    """Return the runs below ./runs and those of the index, oldest first."""
    below = (path.resolve() for path in runs_below(RUNS)) if RUNS.is_dir() else ()
    folders = [RunFolder(path) for path in dict.fromkeys([*below, *known_runs()])]
    return sorted(folders, key=lambda folder: (_age(folder), folder.root.name))


def _age(folder: RunFolder) -> float:
    """Return when the job of a run was written: it is never written again."""
    try:
        return folder.job.stat().st_mtime
    except OSError:
        return 0.0


def look(folders: Iterable[RunFolder]) -> list[RunView]:
    """Return how runs stand; executors are asked once, for all runs that have not ended."""
    stored = [(folder, stored_status(folder)) for folder in folders]
    now = time.time()
    open_runs = [folder for folder, status in stored if is_open(status, now)]
    asked = {folder: last_generation(folder) for folder in open_runs}
    answers = _ask(open_runs)
    views = []
    for folder, status in stored:
        said = answers.get(folder)
        if folder in answers or (folder in open_runs and folder.claims.exists()):
            with suppress(OSError):  # others may read how a run stands, and not settle it
                status = settle(folder, said, now, asked[folder])
        views.append(view(status, folder.root, said, now))
    return views


def submission_of(folder: RunFolder) -> Submission | None:
    """Return the latest submission of a run, None without one that can be read."""
    try:
        return read_submission(folder)
    except ValueError:
        return None


def _ask(folders: Iterable[RunFolder]) -> dict[RunFolder, JobView | None]:
    """Return what the executors say of runs, None where they certainly know nothing of one.

    Runs that were not submitted are left out.
    """
    answers: dict[RunFolder, JobView | None] = {}
    asked: dict[str, dict[RunFolder, Submission]] = {}
    for folder in folders:
        try:
            sent = read_submission(folder)
        except ValueError as error:
            answers[folder] = JobView("", RunState.UNKNOWN, reason=str(error))
            continue
        if sent is not None:
            asked.setdefault(sent.executor, {})[folder] = sent
    for name, submissions in asked.items():
        try:
            answers |= _ask_one(find_executor(name), submissions)
        except (SilentError, OSError, ValueError) as error:
            silent = JobView("", RunState.UNKNOWN, reason=str(error))
            answers |= dict.fromkeys(submissions, silent)
    return answers


def _ask_one(
    executor: Executor, asked: Mapping[RunFolder, Submission]
) -> dict[RunFolder, JobView | None]:
    """Return what one executor says; a run whose submission had no answer is sought by its key.

    Raises:
        SilentError: If it does not answer.
    """
    ids = [sent.job_id for sent in asked.values() if sent.job_id is not None]
    said = executor.query(ids) if ids else {}
    answers: dict[RunFolder, JobView | None] = {}
    for folder, sent in asked.items():
        if sent.job_id is not None:
            answer = said.get(sent.job_id)
            is_other = executor.name == "local" and (answer is None or answer.comment != sent.key)
            answers[folder] = _elsewhere(folder) if is_other else answer
            continue
        found = jobs_of(executor, folder, sent)
        # Not there yet is not gone: it may be on its way.
        doubt = JobView(
            "",
            RunState.UNKNOWN,
            reason="it is not known whether it was sent: `elastane submit --again` finds out",
        )
        answers[folder] = found[0] if found else doubt
    return answers


def _elsewhere(folder: RunFolder) -> JobView | None:
    """Return what is known of a job that the queue of this machine does not have.

    That of another machine may: each numbers its jobs for itself.  A run that has begun says where.
    """
    if folder.claims.exists():
        return None
    return JobView("", RunState.UNKNOWN, reason="not in the queue of this machine")


def jobs_of(executor: Executor, folder: RunFolder, sent: Submission) -> list[JobView]:
    """Return the jobs of a submission by its key; of an array the one of this run.

    Raises:
        SilentError: If the executor does not answer.
    """
    jobs = executor.find(sent.key, folder.root.resolve())
    suffix = f"_{sent.task}" if sent.task else ""
    return [job for job in jobs if job.job_id.endswith(suffix)]

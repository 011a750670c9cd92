"""Ending runs that were submitted, as their user wishes."""

import json
import time
from collections.abc import Sequence

from elastane.jobs.executors import find_executor
from elastane.jobs.find_runs import jobs_of, look, submission_of
from elastane.jobs.paths import RunFolder, RunFolderError
from elastane.jobs.result import write_text
from elastane.jobs.states import FINAL
from elastane.jobs.view import RunView, stored_status

#: A job that was asked to end gets this long before it is left to do so alone.
WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.2


def cancel(folders: Sequence[RunFolder]) -> list[RunView]:
    """Ask the executors to end runs; return how each stands after a short wait.

    Raises:
        RunFolderError: If one was not submitted, or not here.
        SilentError: If an executor does not answer.
    """
    for folder in folders:
        _cancel_one(folder)
    deadline = time.monotonic() + WAIT_SECONDS
    runs = look(folders)
    while time.monotonic() < deadline and not all(run.state in FINAL for run in runs):
        time.sleep(LOOK_SECONDS)
        runs = look(folders)
    return runs


def _cancel_one(folder: RunFolder) -> None:
    """Ask the executor to end a run; the note in its folder says that it was the user's wish."""
    if stored_status(folder).state in FINAL:
        return
    sent = submission_of(folder)
    if sent is None:
        raise RunFolderError(
            f"{folder.root} was not submitted: press Ctrl-C where `elastane run` solves it"
        )
    executor = find_executor(sent.executor)
    ids = {job.job_id for job in jobs_of(executor, folder, sent)}
    if sent.job_id and executor.name != "local":  # another machine's queue numbers for itself
        ids.add(sent.job_id)
    if not ids:
        raise RunFolderError(
            f"{folder.root} is not known to {executor.name} here: it was submitted on another "
            "machine, or it never arrived"
        )
    write_text(folder.cancelled, json.dumps({"time": time.time()}) + "\n")
    for job_id in ids:
        executor.cancel(job_id)

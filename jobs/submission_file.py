"""submission.json: the record of a submission, written before anything is sent.

A run that is resumed gets a record of its own, submission-2.json and so on; the latest counts.
"""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from elastane.jobs.executors.base import JobRequest
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import create_text, write_text

VERSION = 1


class SendState(StrEnum):
    """How a submission stands; of one that is being sent the answer is not known yet."""

    PREPARED = "prepared"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Submission:
    """A submission.

    Attributes:
        request: What is asked for; its key is drawn once per submission.
        executor: Name of the executor.
        state: How it stands.
        job_id: What the executor calls the job, once it is known.
        why: Why it was rejected.
        max_restarts: How often the run may be started again.
        claims_before: Number of the last claim on the run before it: a later one is its own.
        number: 1 for submission.json, 2 for submission-2.json.
        task: Number of the run in an array, from 1; 0 for a single run.
    """

    request: JobRequest
    executor: str
    state: SendState = SendState.PREPARED
    job_id: str | None = None
    why: str = ""
    max_restarts: int = 0
    claims_before: int = 0
    number: int = 1
    task: int = 0

    @property
    def key(self) -> str:
        """Return what the executor is asked for when it is not known whether it took the job."""
        return self.request.key

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        return self.request.folder


def new_key(name: str) -> str:
    """Return a key that no other submission has, of the same job neither."""
    return f"elastane-{name}-{secrets.token_hex(8)}"


def submission_path(folder: RunFolder, number: int) -> Path:
    """Return the file of a submission."""
    if number == 1:
        return folder.submission
    return folder.submission.with_name(f"submission-{number}.json")


def num_submissions(folder: RunFolder) -> int:
    """Return the number of the latest submission, 0 without one."""
    number = 0
    while submission_path(folder, number + 1).exists():
        number += 1
    return number


def write_submission(folder: RunFolder, submission: Submission) -> None:
    """Write the record of a submission; it has reached the disk on return.

    Raises:
        OSError: If it cannot be written; the old one stays.
    """
    write_text(submission_path(folder, submission.number), _text(submission))


def create_submission(folder: RunFolder, submission: Submission) -> bool:
    """Write the record of a new submission; return whether there was none of its number yet."""
    return create_text(submission_path(folder, submission.number), _text(submission))


def _text(submission: Submission) -> str:
    """Return the content of the record of a submission."""
    request = asdict(submission.request)
    del request["folder"]  # the run folder may be moved
    request["after"] = [str(path) for path in submission.request.after]
    content = {"version": VERSION, **asdict(submission), "request": request}
    # Where others look first.
    content |= {"key": submission.key, "after": request["after"], "site": submission.request.site}
    return json.dumps(content, indent=1) + "\n"


def read_submission(folder: RunFolder) -> Submission | None:
    """Return the latest submission of a run, None without one.

    Raises:
        ValueError: If its record is damaged.
    """
    number = num_submissions(folder)
    if number == 0:
        return None
    path = submission_path(folder, number)
    try:
        return _submission(folder, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not the record of a submission: {error}") from error


def _submission(folder: RunFolder, content: dict[str, Any]) -> Submission:
    if content["version"] != VERSION:
        raise ValueError(f"it has version {content['version']}, known is {VERSION}")
    content = {key: content[key] for key in content if key in Submission.__annotations__}
    request = content.pop("request")
    request["after"] = tuple(map(Path, request["after"]))
    submission = Submission(JobRequest(folder.root.absolute(), **request), **content)
    return replace(submission, state=SendState(submission.state))

"""What an executor is: something that starts jobs, now or later, here or elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elastane.jobs.states import RunState


@dataclass(frozen=True)
class JobRequest:
    """A job to be started.

    Attributes:
        folder: The run folder, absolute.
        name: Name of the job.
        key: What the executor is asked for when it is not known whether it took the job.
        nodes: Number of nodes.
        ranks_per_node: MPI ranks on each.
        gpus_per_node: GPUs on each.
        time: Time limit in seconds; None for the executor's own.
        site: Name of the site profile; None to choose by host.
        after: Run folders that must have converged before it starts.
        hold: Whether it waits to be released.
        tasks: 0 for a single run; else the folder holds that many, 0001, 0002 and so on, each a
            job of the same size.
    """

    folder: Path
    name: str
    key: str
    nodes: int
    ranks_per_node: int
    gpus_per_node: int = 0
    time: int | None = None
    site: str | None = None
    after: tuple[Path, ...] = ()
    hold: bool = False
    tasks: int = 0


@dataclass(frozen=True)
class JobView:
    """What an executor says of a job.

    Attributes:
        job_id: What it calls the job.
        state: What that means; `unknown` where the answer says nothing.
        word: Its own word for the state.
        reason: Why the job waits, in words; "" where it does not.
        nodes: Where it runs.
        restarts: How often it was started again.
        comment: The key.
        folder: Where it works.
    """

    job_id: str
    state: RunState
    word: str = ""
    reason: str = ""
    nodes: str = ""
    restarts: int = 0
    comment: str = ""
    folder: str = ""


class RejectedError(ValueError):
    """The executor refuses a job for good; the message holds its words and what to do."""


class SilentError(RuntimeError):
    """The executor gave no answer, or one that says nothing: whether it did is unknown."""


class Executor(ABC):
    """Something that starts jobs."""

    name: str

    @abstractmethod
    def check(self, request: JobRequest) -> list[str]:
        """Return why it would never start a job, a sentence each; nothing is submitted.

        Raises:
            SilentError: If it does not answer.
        """

    @abstractmethod
    def script(self, request: JobRequest) -> str:
        """Return the script that it would run; it works by hand as well."""

    @abstractmethod
    def send(self, request: JobRequest) -> str:
        """Hand over a job; return what the executor calls it.

        Raises:
            RejectedError: If it refuses.
            SilentError: If it is unknown whether it took the job.
        """

    @abstractmethod
    def find(self, key: str, folder: Path) -> list[JobView]:
        """Return the jobs that were sent with a key, those that have ended too while it knows them.

        Raises:
            SilentError: If it does not answer.
        """

    @abstractmethod
    def query(self, job_ids: Sequence[str]) -> Mapping[str, JobView]:
        """Return what it says of jobs; `unknown` of all where it does not answer.

        A job that it certainly does not know any more is left out.
        """

    @abstractmethod
    def cancel(self, job_id: str) -> None:
        """End a job, or take it from the queue; one that has ended is no error.

        Raises:
            SilentError: If it does not answer.
        """

    @abstractmethod
    def release(self, job_id: str) -> None:
        """Let a job start that was held back; one that was not is no error.

        Raises:
            SilentError: If it does not answer.
        """

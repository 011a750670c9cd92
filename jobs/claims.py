"""Who may run in a run folder: a numbered claim for each attempt, so that two copies never do.

    claims/0001.json    who took it; made whole and at once, never changed, never removed
    claims/0001.end     it was given back

The owner is the highest claim that was not given back.  Whoever takes over from a dead owner makes
the next number; of two who try, one gets it.  The number is a fencing token as well: a copy that
comes back from a lost node finds a higher one and must write nothing more.

A file is made by `link`, which fails if the name is taken, on NFS and Lustre too; there are no
locks, and nothing depends on clocks.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from elastane.jobs.paths import RunFolder
from elastane.jobs.result import create_text

#: The variable of the environment that tells a worker the generation of its claim.
GENERATION = "ELASTANE_GENERATION"


@dataclass(frozen=True)
class Claim:
    """An attempt at a run.

    Attributes:
        generation: Its number, from 1.
        executor: Name in `executors.EXECUTORS`, "" for `elastane run`.
        job_id: What the executor calls the job.
        restart: How often the executor started that job before.
        host: Where the attempt began.
        pid: The process there that it lives and dies with.
        process: Which of the processes that ever had this number, see `liveness.process`.
        step: Load step that it could resume from; 0 if from the start.
        time: When it began, seconds since the epoch.
    """

    generation: int
    executor: str
    job_id: str
    restart: int
    host: str
    pid: int
    process: str
    step: int
    time: float

    def words(self) -> str:
        """Return who runs, for people."""
        job = f" as job {self.job_id}" if self.job_id else ""
        return f"{job} on {self.host} (process {self.pid})"


class RunningElsewhereError(RuntimeError):
    """Another copy of a run has it.

    Attributes:
        claim: Its claim.
        certain: Whether that copy is known to be alive.
    """

    def __init__(self, folder: RunFolder, claim: Claim, certain: bool) -> None:
        self.claim = claim
        self.certain = certain
        super().__init__(
            f"{folder.root} runs already{claim.words()}"
            if certain
            else f"{folder.root} was begun{claim.words()}, and it is not known whether that copy "
            "still runs: ask again when the scheduler answers, or on that machine"
        )


def take(folder: RunFolder, claimant: Claim, is_dead: Callable[[Claim], bool | None]) -> Claim:
    """Take the run; return the claim with its number.

    Args:
        folder: The run folder.
        claimant: Who wants it; its generation is ignored.
        is_dead: Whether an owner is dead; None if nobody knows.

    Raises:
        RunningElsewhereError: If the owner may be alive.
        OSError: If the claim cannot be written.
    """
    folder.claims.mkdir(exist_ok=True)
    while True:
        # Of the claim after the one that was judged only one can be made: to look for the last
        # number again here would step over a rival who took the run meanwhile.
        last = last_generation(folder)
        holder = _holder(folder, last)
        if holder is not None:
            dead = is_dead(holder)
            if not dead:
                raise RunningElsewhereError(folder, holder, certain=dead is False)
        claim = replace(claimant, generation=last + 1)
        if create_text(_file(folder, claim.generation), json.dumps(asdict(claim))):
            return claim


def owner(folder: RunFolder) -> Claim | None:
    """Return the claim that holds the run, None if nobody has it."""
    return _holder(folder, last_generation(folder))


def history(folder: RunFolder) -> Iterator[Claim]:
    """Yield all claims that were ever made, the first one first."""
    for generation in range(1, last_generation(folder) + 1):
        yield read_claim(folder, generation)


def read_claim(folder: RunFolder, generation: int) -> Claim:
    """Return a claim.

    Raises:
        OSError: If there is none or it cannot be read.
        ValueError: If it is none.
    """
    path = _file(folder, generation)
    content = json.loads(path.read_text(encoding="utf-8"))
    try:
        return Claim(**{field.name: content[field.name] for field in fields(Claim)})
    except (KeyError, TypeError):
        raise ValueError(f"{path} is no claim: it is damaged") from None


def last_generation(folder: RunFolder) -> int:
    """Return the number of the last claim, 0 if there is none."""
    try:
        stems = [path.stem for path in folder.claims.iterdir() if path.suffix == ".json"]
    except FileNotFoundError:
        return 0
    return max((int(stem) for stem in stems if stem.isdecimal()), default=0)


def still_ours(folder: RunFolder, generation: int) -> bool:
    """Return whether nobody has taken the run over since; false if the folder is gone."""
    try:
        # Numbers follow each other, so that the next one tells of all.
        return not _file(folder, generation + 1).exists() and _file(folder, generation).exists()
    except OSError:
        return False


def release(folder: RunFolder, generation: int, **content: Any) -> None:
    """Give a claim back, with a few words for those who look; twice is no error."""
    create_text(_end(folder, generation), json.dumps(content))


def _holder(folder: RunFolder, last: int) -> Claim | None:
    if last == 0 or _end(folder, last).exists():
        return None
    return read_claim(folder, last)


def _file(folder: RunFolder, generation: int) -> Path:
    return folder.claims / f"{generation:04}.json"


def _end(folder: RunFolder, generation: int) -> Path:
    return folder.claims / f"{generation:04}.end"

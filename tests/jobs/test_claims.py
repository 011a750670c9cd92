"""Who may run in a run folder: one of many who ask at once, and nobody who has been replaced."""

import json
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from elastane.jobs import claims, executors, liveness
from elastane.jobs.claims import Claim, RunningElsewhereError
from elastane.jobs.executors.base import JobView
from elastane.jobs.paths import RunFolder
from elastane.jobs.states import RunState

MINE = Claim(0, "local", "7", 0, "n1", 811, "boot-1", 0, 1.8e9)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def says(answer: bool | None) -> Callable[[Claim], bool | None]:
    return lambda claim: answer


def test_generations_follow_each_other(folder: RunFolder) -> None:
    assert claims.owner(folder) is None
    for generation in (1, 2, 3):
        assert claims.take(folder, MINE, says(None)).generation == generation
        holder = claims.owner(folder)
        assert holder is not None
        assert holder.generation == generation
        assert claims.still_ours(folder, generation)
        claims.release(folder, generation, code=0)
        claims.release(folder, generation, code=1)
        assert json.loads((folder.claims / f"000{generation}.end").read_text()) == {"code": 0}
        assert claims.owner(folder) is None
    assert [claim.generation for claim in claims.history(folder)] == [1, 2, 3]
    assert not any(path.name.startswith(".") for path in folder.claims.iterdir())


@pytest.mark.parametrize(("answer", "certain"), [(False, True), (None, False)])
def test_a_run_is_only_taken_from_the_dead(
    folder: RunFolder, answer: bool | None, certain: bool
) -> None:
    claims.take(folder, MINE, says(None))
    with pytest.raises(RunningElsewhereError, match="job 7 on n1") as caught:
        claims.take(folder, MINE, says(answer))
    assert caught.value.certain is certain
    assert claims.take(folder, MINE, says(True)).generation == 2
    assert not claims.still_ours(folder, 1)
    claims.release(folder, 1)  # the dead one wakes up; the run stays where it is
    holder = claims.owner(folder)
    assert holder is not None
    assert holder.generation == 2


@pytest.mark.parametrize("given_back", [False, True])
def test_who_looks_while_a_rival_takes_the_run_does_not_get_it(
    folder: RunFolder, given_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims.take(folder, replace(MINE, job_id="first"), says(None))
    if given_back:
        claims.release(folder, 1)
    judge = claims._holder

    def judge_slowly(judged: RunFolder, last: int) -> Claim | None:
        holder = judge(judged, last)
        monkeypatch.setattr(claims, "_holder", judge)
        claims.take(folder, replace(MINE, job_id="rival"), says(True))
        return holder

    monkeypatch.setattr(claims, "_holder", judge_slowly)
    with pytest.raises(RunningElsewhereError, match="job rival"):
        claims.take(folder, MINE, lambda other: other.job_id == "first")
    assert claims.last_generation(folder) == 2


def test_who_finds_the_folder_gone_has_lost_it(folder: RunFolder) -> None:
    assert not claims.still_ours(folder, 1)


def test_a_link_whose_answer_was_lost_counts(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def lossy(source: Path, target: Path) -> None:
        link(source, target)
        raise FileExistsError(target)  # as NFS says after it repeated the request

    monkeypatch.setattr(os, "link", lossy)
    assert claims.take(folder, MINE, says(None)).generation == 1


@pytest.mark.parametrize("restrict", [0o022, 0o077])
def test_claims_obey_the_umask(folder: RunFolder, restrict: int) -> None:
    before = os.umask(restrict)
    try:
        claims.take(folder, MINE, says(None))
    finally:
        os.umask(before)
    assert (folder.claims / "0001.json").stat().st_mode & 0o777 == 0o666 & ~restrict


def race(folder: RunFolder, number: int, start: Barrier, winners: "SimpleQueue[int]") -> None:
    mine = replace(MINE, job_id=str(number))
    start.wait()
    # Whoever has it is alive, but for the first owner.
    with suppress(RunningElsewhereError):
        winners.put(claims.take(folder, mine, lambda other: other.job_id == "dead").generation)


@pytest.mark.parametrize("dead_owner", [False, True])
def test_of_fifty_processes_at_once_one_wins(folder: RunFolder, dead_owner: bool) -> None:
    if dead_owner:
        claims.take(folder, replace(MINE, job_id="dead"), says(None))
    forked = multiprocessing.get_context("fork")
    start = forked.Barrier(50)
    winners: SimpleQueue[int] = forked.SimpleQueue()
    racers = [
        forked.Process(target=race, args=(folder, number, start, winners)) for number in range(50)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
        assert racer.exitcode == 0
    assert winners.get() == (2 if dead_owner else 1)
    assert winners.empty()


def test_a_process_is_known_by_its_boot_and_start() -> None:
    mine = liveness.process(os.getpid())
    assert mine is not None
    assert liveness.is_alive(os.getpid(), mine)
    other = subprocess.Popen(["sleep", "60"])
    theirs = liveness.process(other.pid)
    assert theirs is not None
    assert not liveness.is_alive(os.getpid(), theirs)
    other.kill()
    # It has ended but nobody has waited for it.
    deadline = time.monotonic() + 60.0
    while liveness.process(other.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not liveness.is_alive(other.pid, theirs)
    other.wait()
    assert liveness.process(other.pid) is None


def local(host: str, pid: int, identity: str, executor: str = "") -> Claim:
    return Claim(1, executor, "", 0, host, pid, identity, 0, 0.0)


def test_only_this_machine_knows_its_processes() -> None:
    host = os.uname().nodename
    mine = liveness.process(os.getpid())
    assert mine is not None
    assert liveness.is_dead(local(host, os.getpid(), mine)) is False
    assert liveness.is_dead(local(host, os.getpid(), "earlier")) is True
    assert liveness.is_dead(local("elsewhere", os.getpid(), mine)) is None


class Scheduler:
    """Says one thing of all jobs."""

    def __init__(self, state: RunState | None) -> None:
        self._state = state

    def query(self, job_ids: Sequence[str]) -> Mapping[str, JobView]:
        return {} if self._state is None else {id: JobView(id, self._state) for id in job_ids}


@pytest.mark.parametrize(
    ("state", "dead"),
    [
        (None, True),
        (RunState.UNKNOWN, None),
        (RunState.RUNNING, False),
        (RunState.SUBMITTED, False),
        (RunState.HELD, False),
        (RunState.FAILED, True),
        (RunState.NODE_FAILED, True),
        (RunState.TIMEOUT, True),
    ],
)
def test_the_scheduler_knows_its_jobs(
    monkeypatch: pytest.MonkeyPatch, state: RunState | None, dead: bool | None
) -> None:
    monkeypatch.setitem(executors.EXECUTORS, "slurm", lambda: Scheduler(state))
    theirs = Claim(1, "slurm", "4711", 0, "n1", 1, "", 0, 0.0)
    mine = Claim(0, "slurm", "4712", 0, "n2", 2, "", 0, 0.0)
    assert liveness.is_dead(theirs, mine) is dead


def test_a_job_that_was_started_again_replaces_its_lost_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(executors.EXECUTORS, "slurm")  # is not asked
    lost = Claim(1, "slurm", "4711", 0, "n1", 1, "", 0, 0.0)
    again = Claim(0, "slurm", "4711", 1, "n2", 2, "", 0, 0.0)
    assert liveness.is_dead(lost, again) is True
    assert liveness.is_dead(again, lost) is False

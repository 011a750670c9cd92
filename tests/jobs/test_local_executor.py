import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs.executors.base import JobRequest, JobView, RejectedError
from elastane.jobs.executors.local import Local
from elastane.jobs.executors.local_keeper import told
from elastane.jobs.executors.local_queue import Entry, Queue, default_slots
from elastane.jobs.paths import RunFolder
from elastane.jobs.states import FINAL, RunState
from elastane.jobs.status_file import RunStatus, write_status

Submit = Callable[..., str]

#: Writes when it began and when it ended, each by one write of a few bytes.
TIMED = """\
echo "begin $ELASTANE_JOB_ID" >> ../trace
sleep {seconds}
echo "end $ELASTANE_JOB_ID" >> ../trace
"""


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """Return an executor with a queue of its own and two slots; its jobs are ended after."""
    executor = Local(tmp_path / "queue", slots=2)
    yield executor
    queue = Queue(tmp_path / "queue", slots=2)
    for job_id in queue.job_ids():
        executor.cancel(job_id)
    until(lambda: not any(map(queue.is_alive, queue.job_ids())))


@pytest.fixture
def submit(local: Local, tmp_path: Path) -> Submit:
    """Return a function that sends a script as the job of a new run folder."""
    sent: list[Path] = []

    def submit(script: str, ranks: int = 1, **options: Any) -> str:
        folder = tmp_path / f"run-{len(sent)}"
        sent.append(folder)
        folder.mkdir()
        (folder / "batch.sh").write_text(script)
        return local.send(JobRequest(folder, "job", f"key-{len(sent)}", 1, ranks, **options))

    return submit


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; the bound only keeps a failing test from waiting for ever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def view(local: Local, job_id: str) -> JobView:
    return local.query([job_id])[job_id]


def _entry(local: Local, job_id: str) -> Entry:
    entry = local._queue.entry(job_id)
    assert entry is not None
    return entry


def ended(local: Local, *job_ids: str) -> list[RunState]:
    until(
        lambda: all(job.state in FINAL for job in local.query(job_ids).values()),
        seconds=60.0 + 2.0 * len(job_ids),
    )
    return [local.query(job_ids)[job_id].state for job_id in job_ids]


def run_many(local: Local, submit: Submit, count: int, trace: Path) -> None:
    """Run many jobs; each must run once, two at most at a time."""
    ids = [submit(TIMED.format(seconds=0.01)) for _ in range(count)]
    assert ids == [str(number + 1) for number in range(count)]
    assert set(ended(local, *ids)) == {RunState.CONVERGED}
    now: set[str] = set()
    begun = []
    for line in trace.read_text().splitlines():
        what, job_id = line.split()
        if what == "begin":
            now.add(job_id)
            begun.append(job_id)
        else:
            now.remove(job_id)
        assert len(now) <= 2
    assert sorted(begun, key=int) == ids  # each just once


def test_twenty_jobs_share_two_slots(local: Local, submit: Submit, tmp_path: Path) -> None:
    run_many(local, submit, 20, tmp_path / "trace")


@pytest.mark.long
def test_two_hundred_jobs_share_two_slots(local: Local, submit: Submit, tmp_path: Path) -> None:
    run_many(local, submit, 200, tmp_path / "trace")
    print("200 local jobs on 2 slots: 200 ran once")  # noqa: T201


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (0, RunState.CONVERGED),
        (2, RunState.FAILED),
        (3, RunState.DIVERGED),
        (4, RunState.FAILED),
        (130, RunState.INTERRUPTED),
        (77, RunState.FAILED),
    ],
)
def test_exit_code_says_the_state(local: Local, submit: Submit, code: int, state: RunState) -> None:
    assert ended(local, submit(f"exit {code}")) == [state]


def test_a_job_that_needs_all_slots_is_not_overtaken(
    local: Local, submit: Submit, tmp_path: Path
) -> None:
    first = submit('echo "begin $ELASTANE_JOB_ID" >> ../trace; until [ -e go ]; do sleep 0.1; done')
    wide = submit(TIMED.format(seconds=0.01), ranks=2)
    narrow = submit(TIMED.format(seconds=0.01))
    assert view(local, wide).reason == "waits for 2 of 2 slots, 1 free"
    assert view(local, narrow).reason == "waits for 1 of 2 slots, 1 free, 1 ahead"
    (tmp_path / "run-0" / "go").touch()
    ended(local, first, wide, narrow)
    begun = [line for line in (tmp_path / "trace").read_text().split("\n") if "begin" in line]
    assert begun == ["begin 1", "begin 2", "begin 3"]


def test_jobs_begin_in_the_order_in_which_they_came(
    local: Local, submit: Submit, tmp_path: Path
) -> None:
    ids = [submit(TIMED.format(seconds=0.01), ranks=2) for _ in range(4)]
    ended(local, *ids)
    begun = [line.split()[1] for line in (tmp_path / "trace").read_text().splitlines()]
    assert begun == [job_id for job_id in ids for _ in ("begin", "end")]


def test_more_ranks_than_slots_are_refused(local: Local, submit: Submit) -> None:
    with pytest.raises(RejectedError, match="3 ranks are asked for and this machine has 2 slots"):
        submit("true", ranks=3)


def test_a_held_job_starts_when_it_is_released(local: Local, submit: Submit) -> None:
    held = submit("true", hold=True)
    other = submit("true")
    assert ended(local, other) == [RunState.CONVERGED]  # it does not wait for the held one
    assert view(local, held).state is RunState.HELD
    local.release(held)
    assert ended(local, held) == [RunState.CONVERGED]


@pytest.mark.parametrize(
    ("predecessor", "successor"),
    [(RunState.CONVERGED, RunState.CONVERGED), (RunState.FAILED, RunState.CANCELLED)],
)
def test_a_job_starts_only_after_its_predecessor_has_converged(
    local: Local, submit: Submit, tmp_path: Path, predecessor: RunState, successor: RunState
) -> None:
    folder = tmp_path / "before"
    folder.mkdir()
    status = RunStatus("before", "before", RunState.RUNNING)
    write_status(RunFolder(folder), status)
    job = submit("true", after=(folder,))
    assert view(local, job).reason == "waits until before has converged"
    write_status(RunFolder(folder), replace(status, state=predecessor))
    assert ended(local, job) == [successor]


def test_cancelling_ends_a_running_job_and_takes_a_waiting_one_away(
    local: Local, submit: Submit, tmp_path: Path
) -> None:
    running = submit("echo begun > begun; sleep 600", ranks=2)
    waiting = submit("echo begun > begun")
    until((tmp_path / "run-0" / "begun").exists)
    assert view(local, waiting).state is RunState.SUBMITTED
    local.cancel(waiting)
    local.cancel(running)
    assert ended(local, running, waiting) == [RunState.CANCELLED, RunState.CANCELLED]
    assert not (tmp_path / "run-1" / "begun").exists()
    local.cancel(running)  # again: no error


def test_a_job_is_warned_before_its_limit_and_continues_after_code_85(
    local: Local, submit: Submit, tmp_path: Path
) -> None:
    script = """\
    echo "$ELASTANE_RESTART" >> restarts
    [ "$ELASTANE_RESTART" = 2 ] && exit 0
    trap 'exit 85' USR1
    while :; do sleep 0.05; done
    """
    job = submit(script, time=10)  # the warning comes after half of so short a time
    assert ended(local, job) == [RunState.CONVERGED]
    assert (tmp_path / "run-0" / "restarts").read_text().split() == ["0", "1", "2"]
    assert view(local, job).restarts == 2


def test_a_job_that_ignores_the_warning_ends_at_its_limit(local: Local, submit: Submit) -> None:
    assert ended(local, submit("trap : USR1; sleep 600 & wait; wait", time=1)) == [RunState.TIMEOUT]


def test_a_job_whose_processes_were_killed_is_lost_and_its_slots_are_free(
    local: Local, submit: Submit, tmp_path: Path
) -> None:
    script = "echo $$ $PPID > pids.new; mv pids.new pids; exec sleep 600"
    killed, after = submit(script, ranks=2), submit("true", ranks=2)
    pids = tmp_path / "run-0" / "pids"
    until(pids.exists)
    own, keeper = map(int, pids.read_text().split())
    os.kill(keeper, signal.SIGKILL)
    assert view(local, killed).state is RunState.RUNNING  # its script lives, and holds its slots
    assert view(local, after).state is RunState.SUBMITTED
    os.kill(own, signal.SIGKILL)
    until(lambda: view(local, killed).state is RunState.LOST)
    assert ended(local, after) == [RunState.CONVERGED]  # asking started it


def test_a_job_that_starts_while_it_is_looked_at_is_not_lost(
    local: Local, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit("true", hold=True)
    noted = Queue.noted

    def noted_late(queue: Queue, job_id: str, what: str) -> dict[str, Any] | None:
        answer = noted(queue, job_id, what)
        if what == "started":
            monkeypatch.setattr(Queue, "noted", noted)
            local.release(job_id)
            ended(local, job_id)
        return answer

    def is_alive_late(queue: Queue, job_id: str) -> bool:
        answer = is_alive(queue, job_id)
        monkeypatch.setattr(Queue, "is_alive", is_alive)
        local.release(job_id)
        return answer

    is_alive = Queue.is_alive
    monkeypatch.setattr(Queue, "is_alive", is_alive_late)
    assert local._view(_entry(local, job)).state is not RunState.LOST
    job = submit("true", hold=True)
    monkeypatch.setattr(Queue, "noted", noted_late)
    assert local._view(_entry(local, job)).state is not RunState.LOST


def test_who_looks_at_a_lock_does_not_hold_it_for_others_who_look(tmp_path: Path) -> None:
    first, second = Queue(tmp_path, 1), Queue(tmp_path, 1)
    lock = first._path("1", "lock")
    with lock.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        assert not second.is_alive("1")
    with lock.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert second.is_alive("1")


def test_jobs_are_found_by_their_key(local: Local, submit: Submit, tmp_path: Path) -> None:
    ids = [submit("true"), submit("true")]
    assert [job.job_id for job in local.find("key-2", tmp_path / "run-1")] == [ids[1]]
    assert local.find("another", tmp_path) == []
    assert local.query(["4711", "", "x"]) == {}


def test_damaged_files_of_the_queue_are_passed_over(
    local: Local, submit: Submit, tmp_path: Path
) -> None:
    jobs = tmp_path / "queue" / "jobs"
    for name, text in {
        "000007.json": "{",
        "000008.json": "[]",
        "x.json": "",
        "9.ended": "7",
    }.items():
        (jobs / name).write_text(text)
    job = submit("true")
    assert job == "9"  # no number is given twice
    assert ended(local, job) == [RunState.CONVERGED]


def test_the_job_knows_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    entry = Entry("5", "/run", "job", "key", 2, time=10.0)
    values = told(entry, 4)
    assert (values["ELASTANE_JOB_ID"], values["ELASTANE_RESTART"]) == ("5", "4")
    assert values["OMP_NUM_THREADS"] == "3"  # a user's wish counts
    assert float(values["ELASTANE_END_TIME"]) > time.time()


@pytest.mark.parametrize("text", ["0", "-1", "many", "9" * 9, ""])
def test_a_wrong_number_of_slots_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ELASTANE_SLOTS", text)
    with pytest.raises(ValueError, match="ELASTANE_SLOTS must be from 1 to 4096"):
        default_slots()


def test_two_queues_in_one_folder_are_one(tmp_path: Path) -> None:
    values = {"folder": "/run", "name": "a", "key": "k", "slots": 1}
    ids = [Queue(tmp_path, 1).add(values).job_id for _ in range(3)]
    assert ids == ["1", "2", "3"]
    assert json.loads((tmp_path / "jobs" / "000002.json").read_text())["key"] == "k"

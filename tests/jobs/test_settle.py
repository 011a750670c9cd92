"""What a run is called when its scheduler says that it has ended: a table, and what it rests on."""

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import elastane.jobs.settle
from elastane.jobs import attempt, claims
from elastane.jobs.claims import Claim
from elastane.jobs.executors.base import JobView
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import empty_result, read_result, write_result
from elastane.jobs.settle import is_open, settle
from elastane.jobs.states import RunState, Status
from elastane.jobs.status_file import RunStatus, read_status, status_of, write_status

ENDS = (
    RunState.FAILED, RunState.CANCELLED, RunState.TIMEOUT, RunState.PREEMPTED,
    RunState.OUT_OF_MEMORY, RunState.NODE_FAILED, RunState.LOST,
)  # fmt: skip
GOES_ON = (RunState.SUBMITTED, RunState.HELD, RunState.RUNNING, RunState.UNKNOWN)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return the folder of a run that job 4711 has begun on some node."""
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    folder.job.write_text("")
    set_result(folder, Status.RUNNING)
    theirs = Claim(0, "slurm", "4711", 0, "n1", 811, "boot-1", 0, 1.8e9)
    claim = claims.take(folder, theirs, lambda other: None)
    write_status(
        folder,
        RunStatus("run", "cantilever", RunState.RUNNING, executor="slurm", job_id="4711",
                  generation=claim.generation, beat=time.time(), started=time.time()),
    )  # fmt: skip
    return folder


def set_result(folder: RunFolder, status: Status, message: str = "") -> None:
    result = empty_result("cantilever", 2, "cpu", 2)
    write_result(folder.result, result | {"status": status.value, "message": message})


def said(state: RunState, word: str = "") -> JobView:
    return JobView("4711", state, word)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("result", [Status.CONVERGED, Status.DIVERGED])
def test_a_final_result_wins(folder: RunFolder, result: Status, end: RunState) -> None:
    set_result(folder, result, "said")
    assert settle(folder, said(end)).state.value == result.value


@pytest.mark.parametrize("end", ENDS)
def test_without_a_result_the_scheduler_says_why(folder: RunFolder, end: RunState) -> None:
    status = settle(folder, said(end, "WORD"))
    assert status.state is end
    assert "(WORD)" in status.message
    assert status == read_status(folder)
    result = read_result(folder.result)
    assert (result["status"], result["message"]) == ("failed", status.message)
    assert status.ended is not None
    # The copy that may live on writes nothing more; the run can be begun again.
    assert not claims.still_ours(folder, 1)
    assert claims.owner(folder) is None
    assert settle(folder, said(end, "WORD")) == status


def test_completed_alone_never_means_converged(folder: RunFolder) -> None:
    assert settle(folder, said(RunState.CONVERGED, "COMPLETED")).state is RunState.FAILED


def test_what_the_user_cancelled_is_cancelled(folder: RunFolder) -> None:
    folder.cancelled.write_text("{}")
    assert settle(folder, said(RunState.FAILED)).state is RunState.CANCELLED


@pytest.mark.parametrize("state", GOES_ON)
def test_an_answer_that_is_no_end_changes_nothing(folder: RunFolder, state: RunState) -> None:
    before = folder.status.read_bytes()
    assert settle(folder, said(state)).state is RunState.RUNNING
    assert folder.status.read_bytes() == before
    assert claims.still_ours(folder, 1)


@pytest.mark.parametrize(("beat", "state"), [(30.0, RunState.RUNNING), (3600.0, RunState.LOST)])
def test_a_forgotten_job_is_lost_when_its_heart_stood_still(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, beat: float, state: RunState
) -> None:
    monkeypatch.setattr("elastane.jobs.settle.is_dead", lambda claim: True)
    now = time.time()
    status = read_status(folder)
    assert status is not None
    write_status(folder, replace(status, beat=now - beat))
    assert settle(folder, None, now).state is state


def test_a_job_that_never_began_is_not_lost_at_once(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_status(folder, RunStatus("run", "run", RunState.SUBMITTED, executor="slurm"))
    assert settle(folder, None).state is RunState.SUBMITTED
    assert settle(folder, None, time.time() + 3600.0).state is RunState.LOST


def test_a_copy_that_lives_keeps_the_run(tmp_path: Path) -> None:
    """The job had nothing to do, since `elastane run` has the folder."""
    folder = RunFolder(tmp_path)
    folder.job.write_text("")
    set_result(folder, Status.RUNNING)
    generation = attempt.begin(folder, os.getpid(), {})
    assert settle(folder, said(RunState.FAILED, "COMPLETED")).state is RunState.RUNNING
    assert claims.still_ours(folder, generation)


@pytest.mark.parametrize(
    ("stored", "end", "state"),
    [
        # The script could only say that its step was killed.
        (RunState.FAILED, RunState.OUT_OF_MEMORY, RunState.OUT_OF_MEMORY),
        (RunState.FAILED, RunState.NODE_FAILED, RunState.NODE_FAILED),
        (RunState.FAILED, RunState.TIMEOUT, RunState.TIMEOUT),
        (RunState.INTERRUPTED, RunState.CANCELLED, RunState.CANCELLED),
        (RunState.INTERRUPTED, RunState.PREEMPTED, RunState.PREEMPTED),
        (RunState.INTERRUPTED, RunState.FAILED, RunState.INTERRUPTED),
        (RunState.FAILED, RunState.FAILED, RunState.FAILED),
        (RunState.CONVERGED, RunState.TIMEOUT, RunState.CONVERGED),
        (RunState.CANCELLED, RunState.FAILED, RunState.CANCELLED),
        (RunState.TIMEOUT, RunState.FAILED, RunState.TIMEOUT),
    ],
)
def test_the_scheduler_may_know_more_than_the_script(
    folder: RunFolder, stored: RunState, end: RunState, state: RunState
) -> None:
    status = read_status(folder)
    assert status is not None
    write_status(folder, replace(status, state=stored, message="as the script said"))
    claims.release(folder, 1)
    assert settle(folder, said(end)).state is state


@pytest.mark.parametrize("stored", [RunState.FAILED, RunState.INTERRUPTED])
def test_a_job_that_its_scheduler_starts_again_has_not_ended(
    folder: RunFolder, stored: RunState
) -> None:
    status = read_status(folder)
    assert status is not None
    write_status(folder, replace(status, state=stored))
    claims.release(folder, 1)
    assert settle(folder, said(RunState.SUBMITTED)).state is RunState.REQUEUED
    stays = read_status(folder)
    assert stays is not None
    assert stays.state is stored


def test_a_scheduler_is_asked_of_vague_ends_for_a_while() -> None:
    failed = RunStatus("run", "run", RunState.FAILED, executor="slurm", ended=1000.0)
    assert is_open(failed, 1010.0)
    assert not is_open(failed, 10_000.0)
    assert not is_open(replace(failed, executor="local"), 1010.0)
    assert not is_open(replace(failed, state=RunState.CONVERGED), 1010.0)
    assert is_open(replace(failed, state=RunState.REQUEUED, ended=None), 10_000.0)


def test_a_requeued_run_that_is_cancelled_while_it_waits(folder: RunFolder) -> None:
    status = read_status(folder)
    assert status is not None
    write_status(folder, replace(status, state=RunState.REQUEUED))
    set_result(folder, Status.INTERRUPTED, "stopped as asked")
    claims.release(folder, 1)
    assert settle(folder, said(RunState.SUBMITTED)).state is RunState.REQUEUED
    assert settle(folder, said(RunState.CANCELLED)).state is RunState.CANCELLED


def test_a_run_whose_process_was_killed_is_lost(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.job.write_text("")
    set_result(folder, Status.RUNNING)
    process = subprocess.Popen(["sleep", "60"])
    attempt.begin(folder, process.pid, {})
    assert settle(folder, None).state is RunState.RUNNING
    process.kill()
    process.wait()
    assert settle(folder, None).state is RunState.LOST


def test_an_answer_says_nothing_of_a_job_that_was_started_again_since(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was preempted when its scheduler was asked, and runs again when that is read."""
    asked = claims.last_generation(folder)
    again = Claim(0, "slurm", "4711", 1, "n2", 911, "boot-2", 0, 1.8e9)
    claims.take(folder, again, lambda other: True)
    monkeypatch.setattr("elastane.jobs.settle.is_dead", lambda claim: claim.generation <= asked)
    assert settle(folder, said(RunState.PREEMPTED), asked=asked).state is RunState.RUNNING
    assert claims.still_ours(folder, 2)


def test_an_attempt_that_ends_while_it_is_judged_keeps_its_word(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fence = elastane.jobs.settle._fence

    def fence_late(*arguments: Any) -> Claim:
        set_result(folder, Status.CONVERGED, "as it should")
        status = replace(status_of(folder), state=RunState.CONVERGED, message="as it should")
        write_status(folder, status)
        claims.release(folder, 1)
        return fence(*arguments)

    monkeypatch.setattr(elastane.jobs.settle, "_fence", fence_late)
    status = settle(folder, said(RunState.LOST))
    assert (status.state, status.message) == (RunState.CONVERGED, "as it should")
    assert claims.owner(folder) is None

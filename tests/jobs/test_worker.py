"""The worker with a solve that is played: what ends a run, and what is left of it."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs import claims
from elastane.jobs.claims import Claim
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.states import ExitCode
from elastane.jobs.worker import REQUESTS, RankObserver, explain, main
from elastane.solver.observer import Request

FAKE_WORKER = Path(__file__).parent / "fake_worker.py"
#: Bounds what a failing test waits for; a busy machine takes long to start ranks.
PATIENCE = 240.0

needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or shutil.which("mpiexec") is None,
    reason="needs MPI",
)


@pytest.fixture
def folder(sound_job: Path, tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    shutil.copy(sound_job, folder.job)
    return folder


def command(ranks: int, *arguments: object) -> list[str]:
    start = ["mpiexec", "-n", str(ranks)] if ranks > 1 else []
    return [*start, sys.executable, "-m", "mpi4py", str(FAKE_WORKER), *map(str, arguments)]


def play(folder: RunFolder, ranks: int, *act: object) -> tuple[int, str, dict[str, Any]]:
    done = subprocess.run(
        command(ranks, folder.root, *act),
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr, read_result(folder.result)


@needs_mpi
@pytest.mark.parametrize(
    ("status", "code"), [("converged", 0), ("diverged", 3), ("interrupted", 130)]
)
def test_the_exit_code_follows_the_status(folder: RunFolder, status: str, code: int) -> None:
    returncode, _, result = play(folder, 1, status)
    assert (returncode, result["status"]) == (code, status)
    assert len(result["steps"]) == 1


@needs_mpi
@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        ("bug", 4, "out of luck"),
        ("mesh", 2, "element 4711 is inside out"),
        ("memory", 4, "not enough memory (8 GB wanted)"),
        ("disk", 4, "No space left on device"),
        ("import", 4, "elastane doctor"),
    ],
)
def test_an_error_ends_in_one_plain_message(
    folder: RunFolder, act: str, code: int, words: str
) -> None:
    returncode, stderr, result = play(folder, 1, act, 0)
    assert returncode == code
    assert words in stderr
    assert "Traceback" not in stderr
    assert result["status"] == "failed"
    assert words in result["message"]
    assert len(result["steps"]) == 1  # what had converged is kept
    assert "Traceback" in folder.traceback.read_text()


@needs_mpi
@pytest.mark.mpi
@pytest.mark.parametrize(("act", "rank", "code"), [("bug", 0, 4), ("bug", 1, 4), ("mesh", 1, 2)])
def test_an_error_on_one_rank_ends_all(folder: RunFolder, act: str, rank: int, code: int) -> None:
    returncode, _, result = play(folder, 2, act, rank)  # the others would wait for ever
    assert returncode == code
    assert result["status"] == "failed"
    assert result["message"].startswith(f"rank {rank} of 2: ")
    assert len(result["steps"]) == 1


@needs_mpi
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_signals_stop_the_solve_between_iterations(folder: RunFolder, number: int) -> None:
    process = subprocess.Popen(
        command(1, folder.root, "wait"), env=dict(os.environ), stdin=subprocess.DEVNULL
    )
    wait_for(folder)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130
    result = read_result(folder.result)
    assert (result["status"], result["message"]) == ("interrupted", "stopped as asked")


@needs_mpi
@pytest.mark.mpi
def test_mpiexec_passes_the_wish_to_stop_on(folder: RunFolder) -> None:
    process = subprocess.Popen(
        command(2, folder.root, "wait"), env=dict(os.environ), stdin=subprocess.DEVNULL
    )
    wait_for(folder)
    process.send_signal(signal.SIGUSR2)
    process.wait(PATIENCE)
    assert read_result(folder.result)["status"] == "interrupted"


def wait_for(folder: RunFolder) -> None:
    """Wait until the solve is under way."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if folder.events.exists() and "step_converged" in folder.events.read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the worker did not start")


def test_a_faulty_job_in_a_run_folder_is_bad_input(
    folder: RunFolder,
) -> None:
    folder.job.write_text("degree: 99\n")
    code = subprocess.run(
        [sys.executable, "-m", "elastane.jobs.worker", str(folder.root)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if importlib.util.find_spec("petsc4py") is None:
        assert code.returncode == ExitCode.ENVIRONMENT
    else:
        assert code.returncode == ExitCode.BAD_INPUT
        assert "at most 8, got 99" in read_result(folder.result)["message"]


def test_a_missing_library_is_the_environments_fault(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert main([str(folder.root)]) == ExitCode.ENVIRONMENT
    assert "elastane doctor" in capsys.readouterr().err
    assert read_result(folder.result)["status"] == "failed"


def test_an_error_from_a_library_is_not_blamed_on_the_user() -> None:
    try:
        int("x")
    except ValueError as error:
        code, message = explain(error)
    assert code is ExitCode.ENVIRONMENT
    assert "please report" in message


@needs_mpi
@pytest.mark.mpi
def test_the_wish_for_a_checkpoint_ends_all_ranks_with_85(folder: RunFolder) -> None:
    process = subprocess.Popen(
        command(2, folder.root, "steps"), env=dict(os.environ), stdin=subprocess.DEVNULL
    )
    wait_for(folder)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(PATIENCE) == ExitCode.REQUEUE
    before = [step["step"] for step in read_result(folder.result)["steps"]]
    assert read_result(folder.result)["status"] == "interrupted"
    done = subprocess.run(
        command(2, folder.root, "steps"),
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    # The log of a batch job tells of each step, once for all ranks.
    for number in range(before[-1] + 1, 11):
        assert done.stdout.count(f"step {number} · load {number / 10:.4g} · ") == 1
    result = read_result(folder.result)
    assert result["status"] == "converged"
    assert result["resumed_from"] == before[-1] / 10
    assert [step["step"] for step in result["steps"]] == list(range(1, 11))
    assert [int(row.split(",")[0]) for row in folder.history.read_text().splitlines()[1:]] == list(
        range(1, 11)
    )


@needs_mpi
@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.mpi)])
def test_a_worker_that_was_replaced_writes_nothing_more(folder: RunFolder, ranks: int) -> None:
    mine = Claim(0, "slurm", "7", 0, "n1", 1, "", 0, 0.0)
    claims.take(folder, mine, lambda claim: None)
    process = subprocess.Popen(
        command(ranks, folder.root, "steps"),
        env={**os.environ, claims.GENERATION: "1", "STEP_SECONDS": "2"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(folder)
    claims.take(folder, mine, lambda claim: True)
    said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode != 0
    assert "another copy has taken" in said
    result = read_result(folder.result)
    assert result["status"] == "running"
    # The step that was written while it was replaced, at most; the next one is not.
    assert len(result["steps"]) < 10
    assert not folder.traceback.exists()


@needs_mpi
def test_a_signal_repeated_within_a_moment_is_one(folder: RunFolder) -> None:
    process = subprocess.Popen(
        command(1, folder.root, "wait"), env=dict(os.environ), stdin=subprocess.DEVNULL
    )
    wait_for(folder)
    for _ in range(3):  # by the scheduler to each task, to the launcher, by that to each task
        process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 130
    assert read_result(folder.result)["status"] == "interrupted"


def test_who_sends_a_signal_again_later_means_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in REQUESTS}
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(number))
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    observer = RankObserver()
    try:
        observer.listen()
        signal.raise_signal(signal.SIGUSR1)
        assert observer.request() is Request.CHECKPOINT
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR1)
        assert observer.request() is Request.STOP
        now[0] += 1.0
        signal.raise_signal(signal.SIGTERM)
        assert killed == []
        now[0] += 2.0
        signal.raise_signal(signal.SIGTERM)
        assert killed == [signal.SIGTERM]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

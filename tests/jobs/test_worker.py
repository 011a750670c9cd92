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

from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.states import ExitCode
from elastane.jobs.worker import explain, main

FAKE_WORKER = Path(__file__).parent / "fake_worker.py"

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
        timeout=60,
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
def test_an_error_on_one_rank_ends_all_within_seconds(
    folder: RunFolder, act: str, rank: int, code: int
) -> None:
    started = time.monotonic()
    returncode, _, result = play(folder, 2, act, rank)
    assert time.monotonic() - started < 5.0 + 3.0  # 5 s from the error; 3 s to start two ranks
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
    assert process.wait(10) == 130
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
    process.wait(15)
    assert read_result(folder.result)["status"] == "interrupted"


def wait_for(folder: RunFolder) -> None:
    """Wait until the solve is under way."""
    for _ in range(600):
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

import io
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs import find_runs
from elastane.jobs.cli import main
from elastane.jobs.executors.base import SilentError
from elastane.jobs.executors.local import Local
from elastane.jobs.executors.local_queue import Queue
from elastane.jobs.find_runs import find_run
from elastane.jobs.paths import RunFolder, RunFolderError
from elastane.jobs.states import FINAL, ExitCode, RunState
from elastane.jobs.status_file import read_status, write_status

JOB = """\
name: beam
mesh: {box: {size: [2, 1, 1], cells: [2, 1, 1]}}
degree: 1
materials: {all: {model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4}}
boundary:
  - {surface: x-min, displacement: [0, 0, 0]}
  - {surface: x-max, displacement: [0.5, 0, 0]}
loading: {steps: 2, adaptive: false}
output: {surfaces: [x-max]}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a working folder with a state of its own; its jobs are ended after."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ELASTANE_SLOTS", "1")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("beam.yml").write_text(JOB)
    yield tmp_path / "work"
    executor = Local()
    queue = Queue(tmp_path / "state" / "elastane" / "queue" / os.uname().nodename)
    for job_id in queue.job_ids():
        executor.cancel(job_id)
    end = time.monotonic() + 60
    while any(queue.is_alive(job_id) for job_id in queue.job_ids()):
        assert time.monotonic() < end
        time.sleep(0.05)


def say(*arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def submit(*arguments: str) -> Path:
    """Submit the job to this machine; return its folder."""
    code, out, err = say("submit", "beam.yml", "--executor", "local", *arguments)
    assert code == 0, err
    return Path(out.splitlines()[-1].removeprefix("folder "))


def states(*runs: str) -> list[str]:
    return [run["state"] for run in json.loads(say("status", "--json", *runs)[1])]


def test_a_job_is_submitted_watched_and_reported(place: Path) -> None:
    folder = submit()
    assert folder.parent == Path("runs")
    code, out, err = say("watch", folder.name)
    assert (code, err) == (ExitCode.CONVERGED, "")
    assert "step 2 · load 1 · " in out
    assert out.splitlines()[-1].startswith("converged")
    code, out, _ = say("status")
    (run,) = json.loads(say("status", "--json")[1])
    assert (run["state"], run["step"], run["load"]) == ("converged", 2, 1.0)
    assert str(folder) in out
    assert say("watch", "beam")[0] == ExitCode.CONVERGED  # by the name of its job, after its end
    assert say("logs", "1")[0] == ExitCode.CONVERGED  # by its job id
    code, out, _ = say("report", str(folder))
    assert code == ExitCode.CONVERGED
    assert "<h1>" in (folder / "report.html").read_text()
    # From another folder it is found by the index, and by its folder without it.
    os.chdir("/")
    assert states() == ["converged"]
    (place.parent / "state" / "elastane" / "runs.sqlite").unlink()
    assert "no runs" in say("status")[1]
    assert states(str(place / folder)) == ["converged"]
    os.chdir(place)
    code, out, err = say("status", "--rebuild")
    assert (code, err) == (0, "1 run in the list\n")
    os.chdir("/")
    assert states() == ["converged"]


def test_a_sweep_becomes_runs_and_a_table(place: Path) -> None:
    Path("beam.yml").write_text(JOB + "sweep: {materials.all.youngs_modulus: [1, 2]}\n")
    code, out, err = say("sweep", "beam.yml", "--executor", "local", "-o", "study", "--hold")
    assert code == 0, err
    assert out.splitlines()[-1] == ("2 runs in study; when they have ended: elastane report study")
    assert states("study/0001", "study/0002") == ["held", "held"]
    code, out, _ = say("report", "study")
    assert out.splitlines() == ["wrote study/report.html", "wrote study/report.csv"]
    rows = Path("study/report.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in rows] == [
        ["materials.all.youngs_modulus", "run", "state"], ["1", "0001", "held"],
        ["2", "0002", "held"],
    ]  # fmt: skip
    code, _, err = say("sweep", "beam.yml", "--executor", "local", "-o", "study")
    assert (code, err) == (2, "study is not empty; name another folder\n")


def test_a_dry_run_makes_nothing(place: Path) -> None:
    code, out, _ = say("submit", "beam.yml", "--dry-run", "--executor", "local")
    assert code == 0
    assert out.startswith("#!/bin/bash\n")
    Path("beam.yml").write_text(JOB + "sweep: {degree: [1, 2]}\n")
    code, out, _ = say("sweep", "beam.yml", "--dry-run")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["beam-0001", "beam-0002"]
    assert [path.name for path in place.iterdir()] == ["beam.yml"]


def test_held_runs_are_cancelled_or_released(place: Path) -> None:
    first, second = submit("--hold", "-o", "first"), submit("--hold", "-o", "second")
    assert states(str(first), str(second)) == ["held", "held"]
    code, out, _ = say("cancel", "first")
    assert (code, out) == (0, "first: cancelled: cancelled (it had not begun)\n")
    assert states("first") == ["cancelled"]
    assert say("cancel", "first")[1] == out  # again changes nothing
    code, out, _ = say("resume", "second")
    assert out == "released job 2, folder second\n"
    assert say("watch", "second")[0] == ExitCode.CONVERGED


def test_a_run_waits_for_its_predecessor_and_is_not_started_if_that_ends_badly(
    place: Path,
) -> None:
    submit("--hold", "-o", "first")
    submit("-o", "second", "--after", "first")
    assert states("second") == ["submitted"]
    assert "waits until first has converged" in say("status", "second")[1]
    say("cancel", "first")
    assert states("second") == ["cancelled"]
    code, _, err = say("submit", "beam.yml", "--executor", "local", "--after", "first")
    assert code == ExitCode.BAD_INPUT
    assert "first" in err


def test_what_is_unsound_is_refused_before_anything_is_made(place: Path) -> None:
    Path("beam.yml").write_text(JOB.replace("degree: 1", "degree: 99"))
    assert say("submit", "beam.yml", "--executor", "local")[0] == ExitCode.BAD_INPUT
    Path("beam.yml").write_text(JOB + "resources: {ranks_per_node: 7}\n")
    code, _, err = say("submit", "beam.yml", "--executor", "local")
    assert code == ExitCode.BAD_INPUT
    assert "7 ranks are asked for and this machine has 1 slots" in err
    assert [path.name for path in place.iterdir()] == ["beam.yml"]


@pytest.mark.parametrize(
    "command",
    [["status"], ["watch"], ["logs"], ["cancel"], ["resume"], ["report"], ["submit", "--again"]],
)
@pytest.mark.parametrize("name", ["nothing", "../nothing", "/etc", "", "a\0b", "$(touch x)"])
def test_an_unknown_run_is_a_plain_message(place: Path, command: list[str], name: str) -> None:
    code, _, err = say(*command, name)
    assert code == ExitCode.BAD_INPUT
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_the_latest_run_of_a_job_is_meant(place: Path) -> None:
    folders = [submit("--hold", "-o", name) for name in ("b", "a")]
    os.utime(folders[0] / "job.yml", (1, 1))
    assert find_run("beam").root.name == "a"
    (place / "runs").mkdir()
    (place / "a").rename(place / "runs" / "twin")
    (place / "runs" / "x").mkdir()
    (place / "b").rename(place / "runs" / "x" / "twin")
    with pytest.raises(RunFolderError, match="'twin' is several runs"):
        find_run("twin")


def silent(*_: object) -> None:
    raise SilentError("no answer within 30 s")


@pytest.mark.parametrize("damage", ["silent", "submission", "no executor"])
def test_without_a_sound_answer_a_run_is_unknown_and_nothing_is_written(
    place: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    folder = RunFolder(submit("--hold", "-o", "run"))
    before = folder.status.read_text()
    if damage == "silent":
        monkeypatch.setattr(Local, "query", silent)
    elif damage == "submission":
        folder.submission.write_text("{")
    else:
        monkeypatch.setattr(find_runs, "find_executor", silent)
    assert states("run") == ["unknown"]
    assert "last known: held" in say("status", "run")[1]
    assert folder.status.read_text() == before


def test_the_queue_of_another_machine_is_not_taken_for_this_one(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(submit("--hold", "-o", "run"))
    before = folder.status.read_text()
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "another-machine")
        assert states("run") == ["unknown"]
        submit("--hold", "-o", "other")  # job 1 there, too
        assert states("run", "other") == ["unknown", "held"]
        code, _, err = say("cancel", "run")
        assert (code, err.split(":")[0]) == (2, "run is not known to local here")
        assert states("other") == ["held"]
        assert say("cancel", "other")[0] == 0
    assert not folder.cancelled.exists()
    assert folder.status.read_text() == before
    assert states("run") == ["held"]


def test_cancel_says_when_the_executor_does_not_answer(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit("--hold", "-o", "run")
    monkeypatch.setattr(Local, "find", silent)
    code, _, err = say("cancel", "run")
    assert (code, err) == (ExitCode.ENVIRONMENT, "no answer within 30 s\n")


@pytest.mark.parametrize("state", sorted(FINAL))
def test_watch_tells_the_end_by_its_exit_code(place: Path, state: RunState) -> None:
    folder = RunFolder(submit("--hold", "-o", "run"))
    status = read_status(folder)
    assert status is not None
    write_status(folder, replace(status, state=state, message="so it ended"))
    code, out, _ = say("watch", "run")
    assert out == f"{state.value}: so it ended\n"
    assert (code == 0) is (state is RunState.CONVERGED)


def test_logs_show_the_end_of_what_was_printed(place: Path) -> None:
    folder = RunFolder(submit("--hold", "-o", "run"))
    assert say("logs", "run")[0] == ExitCode.BAD_INPUT
    folder.log.write_bytes(b"".join(b"line %d\n" % number for number in range(9)) + b"\xff")
    assert say("logs", "run", "-n", "2")[1] == "line 8\n\ufffd"
    status = read_status(folder)
    assert status is not None
    write_status(folder, replace(status, state=RunState.FAILED))
    assert say("logs", "run", "-f")[1].count("line") == 9

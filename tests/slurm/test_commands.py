import io
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from elastane.jobs.cli import main
from elastane.jobs.executors import EXECUTORS
from elastane.jobs.executors.slurm import Slurm
from elastane.jobs.states import ExitCode
from tests.slurm.cluster import Cluster

JOB = """\
name: beam
mesh: {box: {size: [2, 1, 1], cells: [2, 1, 1]}}
degree: 1
materials: {all: {model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4}}
boundary: [{surface: x-min, displacement: [0, 0, 0]}, {surface: x-max, displacement: [1, 0, 0]}]
"""
BUSY = "resources: {nodes: 2, ranks_per_node: 2}\n"


def say(*arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def stand(*runs: str) -> list[tuple[str, str]]:
    """Return state and reason of runs."""
    entries = json.loads(say("status", "--json", *runs)[1])
    return [(entry["state"], entry["message"]) for entry in entries]


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.usefixtures("cluster", "played")
def test_a_run_on_slurm_is_held_released_watched_and_told() -> None:
    Path("beam.yml").write_text(JOB)
    assert say("submit", "beam.yml", "-o", "run", "--hold")[0] == 0
    assert stand("run") == [("held", "held; `elastane resume` lets it go")]
    code, out, err = say("resume", "run")
    assert (code, err) == (0, "")
    assert out.startswith("released job ")
    code, out, err = say("watch", "run")
    assert (code, err) == (ExitCode.CONVERGED, "")
    assert "step 10 · load 1" in out
    assert stand("run")[0][0] == "converged"
    assert say("report", "run")[0] == 0
    assert Path("run/report.html").exists()


@pytest.mark.usefixtures("cluster", "played")
def test_a_sweep_is_one_array(cluster: Cluster) -> None:
    Path("beam.yml").write_text(JOB + "sweep: {materials.all.youngs_modulus: [1, 2, 5]}\n")
    code, _, err = say("sweep", "beam.yml", "-o", "study")
    assert code == 0, err
    runs = [f"study/000{number}" for number in (1, 2, 3)]
    ids = [entry["job_id"] for entry in json.loads(say("status", "--json", *runs)[1])]
    assert [job_id.partition("_")[2] for job_id in ids] == ["1", "2", "3"]
    assert len({job_id.partition("_")[0] for job_id in ids}) == 1
    until(lambda: [state for state, _ in stand(*runs)] == ["converged"] * 3)
    assert say("report", "study")[0] == 0
    rows = Path("study/report.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:3] for row in rows] == [
        [modulus, f"000{number}", "converged"] for number, modulus in enumerate("125", 1)
    ]


@pytest.mark.usefixtures("cluster", "played")
def test_what_waits_says_why_and_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ACT", "wait")
    Path("beam.yml").write_text(JOB + BUSY)
    assert say("submit", "beam.yml", "-o", "first")[0] == 0
    until(lambda: stand("first")[0][0] == "running")
    assert say("submit", "beam.yml", "-o", "second")[0] == 0
    assert say("submit", "beam.yml", "-o", "third", "--after", "first")[0] == 0
    until(lambda: stand("second")[0][1] and stand("third")[0][1])
    assert [state for state, _ in stand("second", "third")] == ["submitted", "submitted"]
    code, out, _ = say("cancel", "second", "first")
    assert code == 0
    assert out.startswith("second: cancelled")
    until(lambda: [state for state, _ in stand("first", "second")] == ["cancelled"] * 2)
    until(lambda: stand("third")[0][0] == "cancelled")  # what it waited for did not converge


@pytest.mark.usefixtures("played")
def test_a_controller_that_hangs_makes_runs_unknown(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("beam.yml").write_text(JOB)
    assert say("submit", "beam.yml", "-o", "run", "--hold")[0] == 0
    before = Path("run/status.json").read_text()
    monkeypatch.setitem(EXECUTORS, "slurm", lambda: Slurm(tool_seconds=2.0))
    os.kill(cluster.controller, signal.SIGSTOP)
    try:
        assert stand("run")[0][0] == "unknown"
        assert say("cancel", "run")[0] == ExitCode.ENVIRONMENT
    finally:
        os.kill(cluster.controller, signal.SIGCONT)
    assert Path("run/status.json").read_text() == before

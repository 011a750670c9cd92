"""status.json: read back as it was written, and a status that follows a run."""

from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs.paths import RunFolder
from elastane.jobs.states import RunState
from elastane.jobs.status_file import LiveStatus, RunStatus, read_status, status_of, write_status

STATUS = RunStatus(
    run="cantilever-1", name="cantilever", state=RunState.RUNNING, executor="slurm", job_id="4711",
    generation=2, residual=1.2e-5, checkpoint={"step": 6, "load": 0.3},
)  # fmt: skip


@pytest.mark.parametrize("state", [s for s in RunState if s is not RunState.UNKNOWN])
def test_a_status_is_read_as_it_was_written(tmp_path: Path, state: RunState) -> None:
    write_status(RunFolder(tmp_path), replace(STATUS, state=state))
    assert read_status(RunFolder(tmp_path)) == replace(STATUS, state=state)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"run": "a"}',
        '{"run": "a", "name": "b", "state": "well"}',
        "\0",
    ],
)
def test_what_is_no_status_is_none(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path)
    assert read_status(folder) is None
    folder.status.write_text(text)
    assert read_status(folder) is None
    assert status_of(folder).run == tmp_path.name


def test_a_status_of_a_later_version_is_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_status(folder, STATUS)
    folder.status.write_text(folder.status.read_text().replace("{", '{"mood": "fine",', 1))
    assert read_status(folder) == STATUS


def test_a_status_follows_a_run() -> None:
    live = LiveStatus(STATUS)
    before = live.status
    for event in (
        {"event": "problem", "ranks": 4},
        {"event": "resumed", "step": 6, "load": 0.3, "path": "checkpoints/step-0006.json"},
        {"event": "step_started", "time": 10.0, "step": 7, "attempt": 2, "load": 0.4,
         "increment": 0.1},
        {"event": "newton", "step": 7, "iteration": 3, "residual": 1e-5, "krylov_iterations": 41,
         "min_J": 0.8},
    ):  # fmt: skip
        live.note(event)
    status = live.status
    assert (status.ranks, status.step, status.attempt, status.load) == (4, 7, 2, 0.3)
    assert (status.newton, status.krylov, status.residual, status.min_J) == (3, 41, 1e-5, 0.8)
    live.note({"event": "step_converged", "time": 12.0, "step": 7, "load": 0.4, "min_J": 0.7})
    live.note({"event": "checkpoint", "step": 7, "load": 0.4, "path": "", "bytes": 1})
    assert live.status.load == 0.4
    assert live.status.eta_seconds == pytest.approx(12.0)  # 2 s for a sixth of the rest
    assert live.status.checkpoint == {"step": 7, "load": 0.4}
    same = ("run", "name", "state", "executor", "job_id", "generation")
    assert all(getattr(live.status, key) == getattr(before, key) for key in same)


@pytest.mark.parametrize("kind", ["newton", "step_started", "step_converged", "new kind"])
def test_events_that_say_nothing_are_passed_over(kind: str) -> None:
    live = LiveStatus(STATUS)
    live.note({"event": kind, "time": 1.0})
    assert live.status == STATUS

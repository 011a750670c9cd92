"""The files of a run that is resumed: its steps once each, whatever the attempt before left."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs.event_log import append_event, read_events
from elastane.jobs.job import load_job
from elastane.jobs.paths import RunFolder
from elastane.jobs.recorder import FencedError, Recorder
from elastane.jobs.result import read_result
from elastane.solver.report import Report

Begin = Callable[[], Recorder]

REPORT = Report(
    status="converged", message="", dofs=300, cells=8, level_dofs=(54, 300), ranks=3,
    backend="/cpu", steps=(), timings={"setup": 1.0, "solve": 2.0, "output": 0.5},
    memory_bytes=1, resumed_from=0.3,
)  # fmt: skip


def step(number: int, energy: float) -> dict[str, Any]:
    surface = {"area": 1.0, "force": (0.0, 0.0, -0.5), "displacement": (0.1, 0.2, 0.3)}
    return {
        "step": number, "load": number / 10, "strain_energy": energy, "max_displacement": energy,
        "min_J": 0.9, "seconds": 1.5, "surfaces": {"x-max": surface},
        "probes": {"tip": (0.4, 0.5, 0.6)},
        "newton": {"reason": "fine", "residual_norms": (1.0, 1e-9), "krylov_iterations": (4, 6)},
    }  # fmt: skip


def solve(recorder: Recorder, first: int, last: int, energy: float) -> None:
    for number in range(first, last + 1):
        recorder.event("step_started", {"step": number, "attempt": 1, "load": number / 10})
        recorder.event("step_converged", step(number, energy + number))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    return folder


@pytest.fixture
def begin(sound_job: Path, folder: RunFolder) -> Begin:
    problem = load_job(sound_job).problem
    return lambda: Recorder(folder, problem, 3, {"elastane": "0.1.0"})


def steps_of(folder: RunFolder) -> list[tuple[int, float]]:
    """Return the steps and energies of result.json, those of history.csv being the same."""
    with folder.history.open(encoding="utf-8") as stream:
        rows = [(int(row["step"]), float(row["strain_energy"])) for row in csv.DictReader(stream)]
    steps = [(s["step"], s["strain_energy"]) for s in read_result(folder.result)["steps"]]
    assert rows == steps
    return steps


def test_steps_beyond_the_checkpoint_are_replaced(folder: RunFolder, begin: Begin) -> None:
    solve(begin(), 1, 5, energy=0.0)
    again = begin()
    assert read_result(folder.result)["status"] == "running"
    assert [number for number, _ in steps_of(folder)] == [1, 2, 3, 4, 5]
    again.event("resumed", {"step": 3, "load": 0.3, "path": "checkpoints/step-0003.json"})
    again.event("step_started", {"step": 4, "attempt": 1, "load": 0.4})
    assert steps_of(folder) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert read_result(folder.result)["strain_energy"] == 3.0
    solve(again, 4, 6, energy=100.0)
    again.finish(REPORT)
    assert steps_of(folder) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 104.0), (5, 105.0), (6, 106.0)]
    result = read_result(folder.result)
    assert (result["resumed_from"], result["strain_energy"]) == (0.3, 106.0)


def test_without_a_checkpoint_all_begins_anew(folder: RunFolder, begin: Begin) -> None:
    solve(begin(), 1, 3, energy=0.0)
    again = begin()
    again.event("step_started", {"step": 1, "attempt": 1, "load": 0.1})
    assert steps_of(folder) == []
    assert read_result(folder.result)["strain_energy"] == 0.0


@pytest.mark.parametrize("tear", ["half a row", "no row", "no file", "rubbish"])
def test_the_table_is_whole_again(folder: RunFolder, begin: Begin, tear: str) -> None:
    solve(begin(), 1, 3, energy=0.0)
    text = folder.history.read_text()
    match tear:
        case "half a row":
            folder.history.write_text(text[:-20])
        case "no row":
            folder.history.write_text("".join(text.splitlines(keepends=True)[:-1]))
        case "no file":
            folder.history.unlink()
        case "rubbish":
            folder.history.write_bytes(b"\0" * 100)
    begin()
    assert folder.history.read_text() == text


@pytest.mark.parametrize("content", [None, b"", b'{"status": "run', b"[]", b"\xff\0"])
def test_a_lost_result_is_made_of_the_events(
    folder: RunFolder, begin: Begin, content: bytes | None
) -> None:
    first = begin()
    solve(first, 1, 4, energy=0.0)
    solve(first, 3, 3, energy=50.0)  # as after a resume
    expected = read_result(folder.result)["steps"]
    if content is None:
        folder.result.unlink()
    else:
        folder.result.write_bytes(content)
    begin()
    assert read_result(folder.result)["steps"] == expected
    assert steps_of(folder) == [(1, 1.0), (2, 2.0), (3, 53.0)]


def test_half_an_event_of_a_killed_writer_stays_alone(folder: RunFolder, begin: Begin) -> None:
    solve(begin(), 1, 2, energy=0.0)
    text = folder.events.read_bytes()
    folder.events.write_bytes(text[:-30])
    solve(begin(), 2, 2, energy=7.0)
    found = [(e["event"], e["step"]) for e in read_events(folder.events)]
    assert found == [
        ("step_started", 1), ("step_converged", 1), ("step_started", 2),
        ("step_started", 2), ("step_converged", 2),
    ]  # fmt: skip


def test_who_was_replaced_writes_nothing(sound_job: Path, folder: RunFolder) -> None:
    ours = [True]
    recorder = Recorder(folder, load_job(sound_job).problem, 1, {}, lambda: ours[0])
    solve(recorder, 1, 1, energy=0.0)
    ours[0] = False
    before = {path: path.read_bytes() for path in folder.root.iterdir() if path.is_file()}
    for kind, values in (
        ("step_converged", step(2, 0.0)),
        ("step_started", {"step": 1, "attempt": 1, "load": 0.1}),
        ("stop_requested", {"request": "stop", "step": 1, "load": 0.1}),
    ):
        with pytest.raises(FencedError, match="another copy"):
            recorder.event(kind, values)
    with pytest.raises(FencedError):
        recorder.finish(REPORT)
    with pytest.raises(FencedError):
        Recorder(folder, load_job(sound_job).problem, 1, {}, lambda: False)
    assert {path: path.read_bytes() for path in folder.root.iterdir() if path.is_file()} == before


def test_output_that_is_new_leaves_blanks_in_old_rows(
    write_job: Callable[[str], Path], sound_job: Path, folder: RunFolder, begin: Begin
) -> None:
    solve(begin(), 1, 1, energy=0.0)
    more = (
        sound_job.read_text()
        .replace("[x-max]", "[x-max, x-min]")
        .replace("[1, 1, 1]}}", "[1, 1, 1], q: [0, 0, 0]}}")
    )
    Recorder(folder, load_job(write_job(more)).problem, 1, {})
    with folder.history.open(encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["area x-max"], row["area x-min"]) == ("1.0", "")
    assert None not in row.values()


def test_many_writers_leave_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for number in range(50):
        append_event(path, "a", {"number": number})
        with path.open("ab") as stream:
            stream.write(b'{"event": "torn')
    assert [event["number"] for event in read_events(path)] == list(range(50))
    assert sum(1 for line in path.read_bytes().splitlines() if not _is_json(line)) == 50


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

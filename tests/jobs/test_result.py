import json
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from elastane.jobs.job import load_job
from elastane.jobs.paths import RunFolder
from elastane.jobs.recorder import Recorder, history_header
from elastane.jobs.result import (
    empty_result,
    end_result,
    plain,
    read_result,
    write_result,
    write_text,
)
from elastane.jobs.states import Status
from elastane.solver.report import Report

STEP = {
    "step": 1,
    "load": 0.5,
    "newton": {
        "converged": True,
        "reason": "CONVERGED_FNORM_RELATIVE",
        "residual_norms": (1.0, 0.1, 1e-9),
        "krylov_iterations": (4, 6),
        "message": "",
    },
    "strain_energy": 0.25,
    "max_displacement": 0.5,
    "min_J": 0.9,
    "surfaces": {
        "x-max": {"area": 1.0, "force": (0.0, 0.0, -0.5), "displacement": (0.1, 0.2, 0.3)}
    },
    "probes": {"tip": (0.4, 0.5, 0.6)},
    "seconds": 1.5,
}
REPORT = Report(
    status="converged",
    message="",
    dofs=300,
    cells=8,
    level_dofs=(54, 300),
    ranks=1,
    backend="/cpu/self/ref/serial",
    steps=(),
    timings={"setup": 1.0, "solve": 2.0, "output": 0.5},
    memory_bytes=12345,
    warnings=("a warning",),
)


@pytest.fixture
def recorder(sound_job: Path, tmp_path: Path) -> tuple[Recorder, RunFolder]:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    return Recorder(folder, load_job(sound_job).problem, 1, {"elastane": "0.1.0"}), folder


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(path, {"status": "running", "fill": [0.0]})
    done = threading.Event()
    broken: list[str] = []

    def read() -> None:
        while not done.is_set():
            try:
                read_result(path)
            except ValueError as error:
                broken.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for size in range(200):
        write_result(path, {"status": "running", "fill": [float(size)] * size})
    done.set()
    reader.join()
    assert broken == []
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    write_text(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_files_obey_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_numbers_that_json_lacks_become_null() -> None:
    value = {"a": (np.float64(1.5), np.int64(2), math.nan), "b": np.array([1.0, np.inf])}
    assert plain(value) == {"a": [1.5, 2, None], "b": [1.0, None]}
    json.dumps(plain(value), allow_nan=False)


def test_the_result_follows_the_run(recorder: tuple[Recorder, RunFolder]) -> None:
    writer, folder = recorder
    assert read_result(folder.result)["status"] == "running"
    writer.event("step_converged", STEP)
    result = read_result(folder.result)
    assert (result["status"], len(result["steps"])) == ("running", 1)
    writer.finish(REPORT)
    result = read_result(folder.result)
    assert result["status"] == "converged"
    assert result["strain_energy"] == 0.25
    assert result["timings"] == {"setup": 1.0, "solve": 2.0, "output": 0.5}
    assert (result["dofs"], result["cells"], result["degree"], result["ranks"]) == (300, 8, 2, 1)
    (step,) = result["steps"]
    assert step["newton_iterations"] == 2
    assert step["krylov_iterations"] == [4, 6]
    assert step["residual_norms"] == [1.0, 0.1, 1e-9]
    assert step["surfaces"]["x-max"]["force"] == [0.0, 0.0, -0.5]
    assert step["probes"] == {"tip": {"displacement": [0.4, 0.5, 0.6]}}


def test_the_history_has_a_row_per_step(recorder: tuple[Recorder, RunFolder]) -> None:
    writer, folder = recorder
    writer.event("step_converged", STEP)
    writer.event("step_converged", STEP | {"step": 2, "load": 1.0})
    lines = folder.history.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("step,load,strain_energy")
    assert lines[1] == ("1,0.5,0.25,0.5,0.9,2,10,1.5,1.0,0.0,0.0,-0.5,0.1,0.2,0.3,0.4,0.5,0.6")
    assert lines[0].count(",") == lines[1].count(",")


def test_no_column_begins_with_what_a_spreadsheet_runs(sound_job: Path) -> None:
    assert all(name[0].isalpha() for name in history_header(load_job(sound_job).problem.output))


def test_events_are_lines_of_json(recorder: tuple[Recorder, RunFolder]) -> None:
    writer, folder = recorder
    writer.event("warning", {"message": "one\nline"})
    writer.event("newton", {"step": 1, "residual": math.nan})
    events = [json.loads(line) for line in folder.events.read_text().splitlines()]
    assert [event["event"] for event in events] == ["warning", "newton"]
    assert events[0]["message"] == "one\nline"
    assert events[1]["residual"] is None
    assert all({"time", "seconds"} <= set(event) for event in events)


def test_the_c_of_the_kernels_is_kept(recorder: tuple[Recorder, RunFolder]) -> None:
    _, folder = recorder
    names = {path.name for path in folder.generated.iterdir()}
    assert names == {"neo-hookean.c", "geometry.c", "pressure.c"}


def test_an_end_from_outside_keeps_the_steps(recorder: tuple[Recorder, RunFolder]) -> None:
    writer, folder = recorder
    writer.event("step_converged", STEP)
    end_result(folder.result, Status.FAILED, "killed")
    result = read_result(folder.result)
    assert (result["status"], result["message"], len(result["steps"])) == ("failed", "killed", 1)
    end_result(folder.result, Status.INTERRUPTED, "too late")
    assert read_result(folder.result)["message"] == "killed"


def test_an_end_before_the_beginning_is_recorded_too(tmp_path: Path) -> None:
    end_result(tmp_path / "result.json", Status.FAILED, "no PETSc")
    assert read_result(tmp_path / "result.json")["status"] == "failed"


def test_a_new_result_has_every_key_of_the_contract() -> None:
    keys = {
        "name", "status", "dofs", "cells", "degree", "ranks", "backend", "strain_energy",
        "max_displacement", "steps", "timings", "memory_bytes", "versions",
    }  # fmt: skip
    assert keys <= set(empty_result("a", 2, "cpu", 1))

import csv
import io
from pathlib import Path

import pytest

from elastane.jobs.faults import JobFileError
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import empty_result, write_result
from elastane.jobs.results_table import collect_csv, note_point
from elastane.jobs.sweep import check_sweep, expand, list_sweep

from .conftest import SOUND_JOB, WriteJob


def swept(lines: str) -> str:
    return SOUND_JOB + lines


def test_a_sweep_makes_every_combination(write_job: WriteJob) -> None:
    path = write_job(
        swept("degree: 2\nsweep: {materials.all.youngs_modulus: [1, 2, 5], degree: [2, 3]}\n")
    )
    jobs = check_sweep(path)
    found = [
        (job.job.name, job.job.problem.degree, point.point["materials.all.youngs_modulus"])
        for point, job in jobs
    ]
    assert found == [
        ("job-0001", 2, 1), ("job-0002", 3, 1), ("job-0003", 2, 2),
        ("job-0004", 3, 2), ("job-0005", 2, 5), ("job-0006", 3, 5),
    ]  # fmt: skip
    for point, job in jobs:
        modulus = job.job.file.materials["all"].entries()["youngs_modulus"]
        assert float(modulus) == point.point["materials.all.youngs_modulus"]
    assert (
        list_sweep(path)
        .splitlines()[1]
        .startswith("job-0002: materials.all.youngs_modulus: 1, degree: 3; ")
    )


def test_entries_of_lists_and_new_keys_can_be_varied(write_job: WriteJob) -> None:
    path = write_job(
        swept("sweep: {boundary.1.traction: [[0, 0, 1], [0, 1, 0]], quadrature_extra: [0, 1]}\n")
    )
    assert [point.point["quadrature_extra"] for point, _ in check_sweep(path)] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "a sweep needs a key `sweep` with lists of values"),
        ("sweep: {}\n", "a sweep needs a key `sweep` with lists of values"),
        ("sweep: [1]\n", "a sweep needs a key `sweep` with lists of values"),
        ("sweep: {degree: 2}\n", "a list of values is needed, got 2"),
        ("sweep: {degree: []}\n", r"a list of values is needed, got \[\]"),
        ("sweep: {material.all: [1]}\n", "did you mean 'materials'"),
        ("sweep: {boundary.7.surface: [a]}\n", "'7' is no entry of a list of 2"),
        ("sweep: {boundary.x.surface: [a]}\n", "'x' is no entry of a list of 2"),
        ("sweep: {name: [a]}\n", "'name' cannot be varied"),
        ("sweep: {sweep.degree: [1]}\n", "'sweep' cannot be varied"),
        ("degree: 2\nsweep: {degree.x: [1]}\n", "there is nothing below 'degree'"),
        ("sweep: {degree: [" + "1, " * 40 + "1], a: [" + "1, " * 40 + "1]}\n", "1,681 jobs"),
    ],
)
def test_an_unsound_sweep_is_refused(write_job: WriteJob, lines: str, message: str) -> None:
    with pytest.raises(JobFileError, match=message):
        expand(write_job(swept(lines)))


def test_an_unsound_job_of_a_sweep_says_for_which_values(write_job: WriteJob) -> None:
    path = write_job(swept("sweep: {degree: [2, 99]}\n"))
    with pytest.raises(ValueError, match=r"(?s)with degree: 99:\n.*job.yml:.*degree"):
        check_sweep(path)


def test_files_are_found_from_the_folder_of_the_sweep(write_job: WriteJob) -> None:
    path = write_job("mesh: {file: part.msh}\nsweep: {degree: [1]}\n")
    (job,) = expand(path)
    assert str(path.parent / "part.msh") in job.text


def test_the_table_holds_what_was_varied_and_what_came_out(tmp_path: Path) -> None:
    folders = []
    step = {
        "step": 1, "load": 1.0, "newton_iterations": 2, "krylov_iterations": [3, 4],
        "strain_energy": 0.1 + 0.2, "max_displacement": 1.0, "min_J": 0.9,
        "surfaces": {"top": {"force": [1.0, 2.0, 3.0], "displacement": [0.0, 0.0, 0.5]}},
        "probes": {"tip": {"displacement": [0.0, 0.0, 0.25]}},
    }  # fmt: skip
    for name, point, steps in (("a", {"degree": 2, "x": [1, 2]}, [step]), ("b", {}, [])):
        folder = RunFolder(tmp_path / name)
        folder.root.mkdir()
        if point:
            note_point(folder, point)
        result = {**empty_result(name, 2, "cpu", 1), "status": "converged", "steps": steps}
        write_result(folder.result, result)
        folders.append(folder)
    empty = RunFolder(tmp_path / "=cmd()")
    empty.root.mkdir()
    rows = list(csv.DictReader(io.StringIO(collect_csv([*folders, empty]))))
    assert (rows[0]["degree"], rows[0]["x"], rows[0]["run"]) == ("2", "[1, 2]", "a")
    assert float(rows[0]["strain_energy"]) == 0.1 + 0.2  # all digits
    assert (rows[0]["krylov_iterations"], rows[0]["force_z top"]) == ("7", "3.0")
    assert rows[0]["displacement_z at tip"] == "0.25"
    assert (rows[1]["degree"], rows[1]["steps"], rows[1]["force_z top"]) == ("", "0", "")
    assert (rows[2]["run"], rows[2]["state"]) == ("'=cmd()", "failed")


def test_the_table_carries_units_that_all_runs_have(tmp_path: Path) -> None:
    folders = [RunFolder(tmp_path / name) for name in "ab"]
    units = {"length": "mm", "force": "N", "energy": "N*mm"}
    for folder in folders:
        folder.root.mkdir()
        write_result(folder.result, {**empty_result("a", 2, "cpu", 1), "units": units})
    head = collect_csv(folders).splitlines()[0].split(",")
    assert {"strain_energy [N*mm]", "max_displacement [mm]", "load", "solve [s]"} <= {*head}
    write_result(folders[1].result, empty_result("b", 2, "cpu", 1))
    assert "strain_energy" in collect_csv(folders).splitlines()[0].split(",")

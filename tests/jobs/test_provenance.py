"""Where a run comes from: what its identity depends on, and what is written down."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from elastane.jobs import provenance
from elastane.jobs.job import load_job
from elastane.jobs.paths import RunFolder
from elastane.jobs.provenance import (
    add_attempt,
    add_kernels,
    identity,
    read_provenance,
    write_provenance,
)
from elastane.jobs.result import write_text
from elastane.jobs.templates import write_template

WriteJob = Callable[[str], Path]

#: What is changed in the sound job -> whether the solution is another one.
CHANGES = {
    "size: [1, 1, 1] -> size: [1, 1, 2]": True,
    "cells: [2, 2, 2] -> cells: [2, 2, 3]": True,
    "youngs_modulus: 2.8 -> youngs_modulus: 2.80001": True,
    "traction: [0, 0, -0.5] -> traction: [0, 0, -0.6]": True,
    "mesh: -> degree: 3\nmesh:": True,
    "mesh: -> quadrature_extra: 1\nmesh:": True,
    "mesh: -> loading: {steps: 2}\nmesh:": True,
    "mesh: -> body_force: [0, 0, 1]\nmesh:": True,
    "mesh: -> name: other\nmesh:": False,
    "mesh: -> degree: 2\nmesh:": False,  # the default
    "mesh: -> solver: {newton: {rtol: 1.0e-9}}\nmesh:": False,
    "mesh: -> backend: /cpu/self/ref/serial\nmesh:": False,
    "mesh: -> resources: {ranks_per_node: 7}\nmesh:": False,
    "probes: {tip: [1, 1, 1]} -> every: 0": False,
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_identity_is_that_of_the_solution(
    sound_job: Path, write_job: WriteJob, change: str
) -> None:
    text = sound_job.read_text()
    before = identity(load_job(sound_job))
    old, new = change.split(" -> ")
    assert old in text
    after = identity(load_job(write_job(text.replace(old, new, 1))))
    assert (after != before) is CHANGES[change]


def test_the_effective_job_has_the_identity_of_the_job(sound_job: Path, tmp_path: Path) -> None:
    job = load_job(sound_job)
    effective = tmp_path / "effective.yml"
    effective.write_text(job.effective_yaml())
    assert identity(load_job(effective)) == identity(job)


def test_files_count_with_their_content(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        write_template("bimaterial", tmp_path / folder)
    here, there = (load_job(tmp_path / folder / "bimaterial.yml") for folder in ("here", "there"))
    assert identity(here) == identity(there)
    with (tmp_path / "there/bimaterial.msh").open("a") as stream:
        stream.write("\n")
    assert identity(here) != identity(there)


def test_a_run_says_where_it_comes_from(tmp_path: Path) -> None:
    path = write_template("bimaterial", tmp_path)
    job = load_job(path)
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    write_text(folder.job, job.effective_yaml())
    write_provenance(folder, job, ["elastane", "submit", "bimaterial.yml"])
    for generation in (1, 2):
        modules = {"LOADEDMODULES": "gcc/12:openmpi/4.1", "SLURM_JOB_ID": "7", "SECRET": "x"}
        add_attempt(folder, generation, modules)
    folder.generated.mkdir()
    (folder.generated / "geometry.c").write_text("int geometry;")
    add_kernels(folder)
    content = read_provenance(folder)
    assert content["identity"] == identity(job)
    assert set(content["inputs"]) == {"job.yml", str((tmp_path / "bimaterial.msh").resolve())}
    assert content["argv"][1] == "submit"
    assert [attempt["generation"] for attempt in content["attempts"]] == [1, 2]
    assert content["attempts"][0]["modules"] == ["gcc/12", "openmpi/4.1"]
    assert content["attempts"][0]["environment"] == {"SLURM_JOB_ID": "7"}
    assert set(content["kernels"]) == {"geometry"}
    assert "SECRET" not in folder.provenance.read_text()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_only_a_checkout_of_ours_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init")
    (tmp_path / "elastane").mkdir()
    source = tmp_path / "elastane" / "solver.py"
    source.write_text("one")
    git("add", ".")
    git("commit", "-m", "one")
    monkeypatch.setattr(provenance, "SOURCES", tmp_path / "elastane")
    assert provenance._git() == {}  # installed within something else
    monkeypatch.setattr(provenance, "SOURCES", tmp_path)
    assert provenance._git() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    source.write_text("two")
    assert provenance._git()["dirty"] is True
    monkeypatch.setenv("PATH", "")
    assert provenance._git() == {}

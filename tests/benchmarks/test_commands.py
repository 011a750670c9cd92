"""`elastane bench`: small problems of each benchmark, and what is missing where something is."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from elastane.benchmarks import operators, scaling, solves
from elastane.jobs import bench
from elastane.jobs.cli import main

TABLES = {"operator": operators.table, "solve": solves.table, "scaling": scaling.table}


def run_quickly(what: str, folder: Path) -> dict[str, Any]:
    """Run a benchmark as a user does; return its file of results."""
    subprocess.run(
        [sys.executable, "-m", "elastane.jobs.cli", "bench", what, "--quick", "-o", str(folder)],
        env=dict(os.environ),
        check=True,
    )
    assert (folder / f"{what}.png").stat().st_size < 200_000
    content: dict[str, Any] = json.loads((folder / f"{what}.json").read_text(encoding="utf-8"))
    assert TABLES[what](content)
    return content


def test_operators_are_measured_against_all_rivals(tmp_path: Path) -> None:
    content = run_quickly("operator", tmp_path)
    found = {(row["function"], row["rival"]) for row in content["rivals"]}
    assert {("jacobian", "assembled BAIJ"), ("residual", "/cpu/self/avx/blocked")} <= found
    for row in content["rivals"]:
        assert row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"]


def test_solves_are_measured_against_assembled_matrices(tmp_path: Path) -> None:
    """Newton's method ends two digits below what is compared."""
    content = run_quickly("solve", tmp_path)
    assert not content["failed"]
    ours, theirs = content["pareto"]
    assert (ours["method"], theirs["method"]) == ("p-multigrid", "BoomerAMG")
    assert ours["strain_energy"] == pytest.approx(theirs["strain_energy"], rel=1e-8)


@pytest.mark.mpi
def test_scaling_is_measured_and_modelled(tmp_path: Path) -> None:
    content = run_quickly("scaling", tmp_path)
    assert [row["ranks"] for row in content["measured"]] == [1, 2]
    assert max(row["ranks"] for row in content["model"]) > 1000


def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        bench.importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    assert main(["bench", "operator", "--quick"]) == 4
    assert "missing: matplotlib" in capsys.readouterr().err


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["bench", "everything"])
    assert refused.value.code == 2
    assert "operator" in capsys.readouterr().err


def test_help_of_a_benchmark_is_its_own() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "elastane.jobs.cli", "bench", "operator", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--libceed" in told.stdout

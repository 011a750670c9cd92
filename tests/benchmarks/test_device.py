"""`elastane bench --backend`: what the simulated device measures, and the limits of a device."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elastane.benchmarks.device_limits import DeviceLimits, measure_device_limits
from elastane.benchmarks.lattice import Lattice
from elastane.benchmarks.subjects import Cube
from elastane.solver.device import open_device

#: Runs the benchmark where nothing but NumPy is installed.
ALONE = """\
import runpy, sys
for package in ("petsc4py", "petsc", "mpi4py", "libceed", "scipy", "jax", "pydantic", "matplotlib"):
    sys.modules[package] = None
runpy.run_module("elastane.benchmarks.device_operators", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "command", [["-m", "elastane.jobs.cli", "bench", "operator"], ["-c", ALONE]], ids=["", "alone"]
)
def test_operators_of_a_simulated_device_have_no_times(tmp_path: Path, command: list[str]) -> None:
    """They agree with those of CPUs, or the benchmark would fail."""
    said = subprocess.run(
        [sys.executable, *command, "--quick", "--backend", "simulated", "-o", str(tmp_path)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "Times of a simulated device mean nothing" in said
    content = json.loads((tmp_path / "operator-simulated.json").read_text(encoding="utf-8"))
    assert content["limits"] is None
    assert {(row["function"], row["precision"]) for row in content["operators"]} == {
        ("residual", "double"), ("jacobian", "double"), ("jacobian", "single"),
    }  # fmt: skip
    for row in content["operators"]:
        assert not {"rate", "bound", "share"} & set(row)
        assert min(row[f"{what}_per_unknown"] for what in ("bytes", "shared_bytes", "flops")) > 0


def test_a_load_step_of_a_simulated_device_has_no_times(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "elastane.jobs.cli", "bench", "solve", "--quick",
         "--backend", "simulated", "-o", str(tmp_path)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "Times of a simulated device mean nothing" in said
    (row,) = json.loads((tmp_path / "solve-simulated.json").read_text(encoding="utf-8"))["solves"]
    assert not {"rate", "seconds", "setup_share"} & set(row)
    assert row["krylov_iterations"]
    # Two inner products in each, and two at the start.
    assert 16 < row["bytes_in_krylov_per_iteration"] <= 32


@pytest.mark.parametrize(("degree", "cells"), [(1, 3), (3, 2)])
def test_a_lattice_is_the_cube_with_other_numbers(degree: int, cells: int) -> None:
    lattice, cube = Lattice(degree, cells), Cube(degree, cells)
    np.testing.assert_allclose(
        in_order(lattice.X[lattice.nodes]), in_order(cube.X[cube.nodes]), atol=1e-14
    )
    np.testing.assert_allclose(
        in_order(lattice.coordinates), in_order(cube.coordinates), atol=1e-14
    )
    assert lattice.unknowns == 3 * len(lattice.X) == 3 * (lattice.nodes.max() + 1)


def in_order(elements: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> list[list[float]]:
    """Return the places of the nodes of elements, elements sorted by the middle of each."""
    rows = elements.reshape(len(elements), -1)
    middle = elements.mean(axis=1).round(9)
    return rows[np.lexsort(middle.T)].tolist()


def test_limits_are_measured_by_kernels_that_run() -> None:
    limits = measure_device_limits(open_device("simulated", 0), 1 << 12, 2, 2, 1)
    assert min(limits.memory, limits.shared, limits.double, limits.single) > 0.0


def test_the_slowest_part_of_the_work_is_the_bound() -> None:
    limits = DeviceLimits(memory=4.0, shared=20.0, double=2.0, single=8.0)
    assert limits.least(8.0, 20.0, 2.0, single=False) == (2.0, "memory")
    assert limits.least(0.0, 20.0, 6.0, single=False) == (3.0, "flops")
    assert limits.least(0.0, 20.0, 6.0, single=True) == (1.0, "shared memory")

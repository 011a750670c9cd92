"""What a solve says and leaves behind when a step fails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from ruamel.yaml import YAML
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkUnstructuredGrid
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from elastane.jobs.job import load_job
from elastane.meshes.box import Box
from elastane.solver.advice import MAX_EDITS, edits
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.discretisation import discretise
from elastane.solver.journal import Journal
from elastane.solver.loading import solve
from elastane.solver.problem import (
    LinearSettings,
    Loading,
    MultigridSettings,
    NewtonSettings,
    Problem,
)
from elastane.solver.report import Cause
from elastane.solver.worst_points import NUM_POINTS, worst_points
from tests.verification.cases import Listener, clamp, problem, renumbered, traction
from tests.verification.ranks import call_on_ranks

JOB: dict[str, Any] = {
    "mesh": {"box": {"size": [1, 1, 1], "cells": [2, 2, 2]}},
    "materials": {"all": {"model": "neo-hookean", "youngs_modulus": 1.0, "poissons_ratio": 0.3}},
    "boundary": [
        {"surface": "x-min", "displacement": [0, 0, 0]},
        {"surface": "x-max", "traction": [0, 0, -0.5]},
    ],
}

LOADS: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -5.0)]


def bent(**settings: Any) -> Problem:
    return problem(Box(cells=(2, 2, 2)), 2, LOADS, **settings)


PROBLEMS = {
    "default": bent(),
    "not adaptive": bent(loading=Loading(adaptive=False)),
    "at all bounds": bent(
        loading=Loading(steps=10_000, min_step=1e-12),
        newton=NewtonSettings(max_iterations=100_000, line_search="bt"),
        linear=LinearSettings(max_iterations=100_000),
        multigrid=MultigridSettings(coarse="direct"),
        refine=10,
    ),
}


def merged(job: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    both = dict(job)
    for key, value in edit.items():
        both[key] = merged(job.get(key, {}), value) if isinstance(value, dict) else value
    return both


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("chosen", PROBLEMS)
def test_advice_is_edits_that_the_job_file_takes(chosen: str, cause: Cause, tmp_path: Path) -> None:
    proposed = edits(PROBLEMS[chosen], cause)
    # Where all is at its bounds already, there may be less to try.
    assert (1 if chosen == "at all bounds" else 2) <= len(proposed) <= MAX_EDITS
    assert len({edit.key for edit in proposed}) == len(proposed)
    if chosen == "at all bounds":
        assert not {"mesh.refine", "loading.steps", "solver.linear.max_iterations"} & {
            e.key for e in proposed
        }
    for edit in proposed:
        read = YAML(typ="safe").load(edit.yaml)
        path = tmp_path / "job.yml"
        path.write_text(json.dumps(merged(JOB, read)))
        taken = load_job(path).file.model_dump(mode="json")
        for key in edit.key.split("."):
            taken = taken[key]
        assert taken == edit.value


def test_advice_of_a_solve_that_does_not_cut_steps_begins_with_that() -> None:
    first, *_ = edits(PROBLEMS["not adaptive"], Cause.INVERTED)
    assert first.yaml == "loading: {adaptive: true}"


def read(path: Path) -> vtkUnstructuredGrid:
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def test_failed_step_leaves_its_worst_points(tmp_path: Path) -> None:
    listener = Listener()
    chosen = bent(loading=Loading(adaptive=False))
    report = solve(chosen, tmp_path, listener, MPI.COMM_WORLD)
    assert report.status == "diverged"
    (event,) = listener.of_kind("worst_points")
    grid = read(tmp_path / event["path"])
    assert grid.GetNumberOfPoints() == grid.GetNumberOfCells() == event["count"] == NUM_POINTS
    J = vtk_to_numpy(grid.GetPointData().GetArray("J"))
    cells = vtk_to_numpy(grid.GetPointData().GetArray("cell"))
    assert J[0] == event["min_J"] <= 0.0
    assert np.all(np.diff(J) >= 0.0)
    # The message speaks of the same point.
    assert f"det F {J[0]:.3g} in cell {cells[0]} around" in report.message
    X = vtk_to_numpy(grid.GetPoints().GetData())
    # Cells of edge 1/2, x fastest.
    np.testing.assert_array_equal(np.floor(2.0 * X) @ [1, 2, 4], cells)


def rows_of_a_known_state() -> list[list[float]]:
    """u = (a x² / 2, 0, 0): J = 1 + a x, the smallest where x is largest as a is negative."""
    comm = MPI.COMM_WORLD
    mesh = renumbered(Box(cells=(3, 2, 2)).build(1, 0), seed=5)
    chosen = problem(mesh, 2, LOADS)
    discrete = discretise(chosen, Journal(Listener(), comm), comm)
    mechanics = discrete.mechanics
    mechanics.u.array[:] = 0.0
    mechanics.u.array[:, 0] = -0.6 * mechanics.space.X[:, 0] ** 2
    rows = worst_points(mechanics, discrete.topology.cell_numbers)
    np.testing.assert_allclose(rows[:, 4], 1.0 - 1.2 * rows[:, 0], atol=1e-13)
    return rows.tolist()


@pytest.mark.mpi
def test_worst_points_are_those_of_the_whole_body_on_any_number_of_ranks(
    run_ranks: Callable[..., str],
) -> None:
    one = np.array(rows_of_a_known_state())
    two = np.array(call_on_ranks(run_ranks, 2, rows_of_a_known_state))
    # Ties in J are in an order that rounding decides.
    np.testing.assert_allclose(two[:, 4], one[:, 4], atol=1e-13)
    assert np.all(one[:, 0] > 0.96)  # the last of three points in the last third: 0.9624


def test_points_whose_displacement_is_no_number_are_the_worst() -> None:
    comm = MPI.COMM_WORLD
    discrete = discretise(bent(), Journal(Listener(), comm), comm)
    node = int(discrete.mechanics.space.nodes[3, 13])
    discrete.mechanics.u.array[node] = np.nan
    rows = worst_points(discrete.mechanics, discrete.topology.cell_numbers)
    assert np.isnan(rows[0, 4])
    assert set(rows[:, 3]) == {3.0}

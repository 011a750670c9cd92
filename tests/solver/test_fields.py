"""The written fields, opened with VTK, against closed forms and against the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.loading import Run
from elastane.solver.output import FIELDS
from elastane.solver.problem import Problem
from tests.verification.cases import (
    Floats,
    Listener,
    clamp,
    displacement,
    material,
    problem,
    renumbered,
    traction,
)
from tests.verification.ranks import call_on_ranks

MU, LAMBDA, STRETCH = 1.0, 1.5, 1.5


def transverse_stretch() -> float:
    """Return l with μ (l² - 1) + λ ln(STRETCH l²) = 0, by Newton's method."""
    stretch = 1.0
    for _ in range(20):
        force = MU * (stretch**2 - 1.0) + LAMBDA * np.log(STRETCH * stretch**2)
        stretch -= force / (2.0 * MU * stretch + 2.0 * LAMBDA / stretch)
    return float(stretch)


def read(path: Path) -> tuple[Floats, dict[str, Floats]]:
    """Return the points and the fields at them."""
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    data = grid.GetPointData()
    points = vtk_to_numpy(grid.GetPoints().GetData())
    fields = {
        data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)).reshape(len(points), -1)
        for i in range(data.GetNumberOfArrays())
    }
    return points, fields


def write(chosen: Problem, folder: str) -> dict[str, tuple[float, float, float]]:
    """Solve a problem, write its fields, and return the displacements of the probes."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    report = Run(chosen, Path(folder), Listener(), MPI.COMM_WORLD).solve()
    assert report.status == "converged"
    return dict(report.steps[-1].probes)


def stretched(degree: int, folder: str) -> None:
    supports: list[BoundaryCondition] = [
        displacement("x-min", 0, None, None),
        displacement("y-min", None, 0, None),
        displacement("z-min", None, None, 0),
        displacement("x-max", STRETCH - 1.0, None, None),
    ]
    mesh = renumbered(Box(cells=(2, 2, 2)).build(1, 0), seed=1)
    chosen = material("neo-hookean", shear_modulus=MU, lame_lambda=LAMBDA)
    write(problem(mesh, degree, supports, chosen, fields=tuple(FIELDS)), folder)


def check_stretched(folder: Path) -> None:
    points, fields = read(folder / "fields" / "step-0001.vtu")
    side = transverse_stretch()
    J = STRETCH * side**2
    stress = (MU * (STRETCH**2 - 1.0) + LAMBDA * np.log(J)) / J
    energy = (
        0.5 * MU * (STRETCH**2 + 2.0 * side**2 - 3.0)
        - MU * np.log(J)
        + 0.5 * LAMBDA * np.log(J) ** 2
    )
    expected: dict[str, Any] = {
        "displacement": points * [STRETCH - 1.0, side - 1.0, side - 1.0],
        "cauchy_stress": [[stress, 0.0, 0.0, 0.0, 0.0, 0.0]],
        "von_mises_stress": [[stress]],
        "J": [[J]],
        "strain_energy_density": [[energy]],
    }
    assert set(fields) == set(expected)
    for name, values in expected.items():
        written = fields[name]
        np.testing.assert_allclose(
            written, np.broadcast_to(values, written.shape), atol=1e-10, err_msg=name
        )


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_fields_of_a_stretched_cube_are_the_closed_form(degree: int, tmp_path: Path) -> None:
    """Newton's method leaves 1e-12."""
    stretched(degree, str(tmp_path))
    check_stretched(tmp_path)


@pytest.mark.mpi
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_fields_of_two_ranks_are_the_closed_form(
    degree: int, tmp_path: Path, run_ranks: Callable[..., str]
) -> None:
    call_on_ranks(run_ranks, 2, stretched, degree, str(tmp_path))
    check_stretched(tmp_path)


#: Points of the output for degrees 1, 2 and 3, but no Gauss-Lobatto points of degree 3.
PROBES = {
    1: (0.5, 1.0, 0.5),
    2: (0.25, 0.5, 0.75),
    3: (1.0 / 6.0, 2.0 / 3.0, 1.0 / 3.0),
}


def bent(degree: int, folder: str) -> dict[str, tuple[float, float, float]]:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.1, -0.1)]
    mesh = renumbered(Box(cells=(2, 2, 2)).build(1, 0), seed=2)
    return write(
        problem(mesh, degree, loads, fields=tuple(FIELDS), probes={"here": PROBES[degree]}), folder
    )


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_probe_is_the_point_value_that_vtk_reads(degree: int, tmp_path: Path) -> None:
    probe = bent(degree, str(tmp_path))["here"]
    points, fields = read(tmp_path / "fields" / "step-0001.vtu")
    (here,) = np.flatnonzero(np.linalg.norm(points - PROBES[degree], axis=1) < 1e-9)
    np.testing.assert_allclose(fields["displacement"][here], probe, atol=1e-13)


@pytest.mark.mpi
def test_two_ranks_write_the_same_fields(tmp_path: Path, run_ranks: Callable[..., str]) -> None:
    """Also where the state is not homogeneous and a node is shared by the ranks."""
    one, two = tmp_path / "one", tmp_path / "two"
    probe = bent(2, str(one))["here"]
    assert call_on_ranks(run_ranks, 2, bent, 2, str(two))["here"] == pytest.approx(probe, abs=1e-11)
    sorted_fields = []
    for folder in (one, two):
        points, fields = read(folder / "fields" / "step-0001.vtu")
        order = np.lexsort(points.round(9).T)
        sorted_fields.append({name: values[order] for name, values in fields.items()})
    expected, found = sorted_fields
    assert set(found) == set(FIELDS)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-10, err_msg=name)

"""Where parameters and fibres come from does not change a result, on any number of ranks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.file_body import MeshFile
from elastane.meshes.mesh import Floats, Mesh, MeshField
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.directions import EllipsoidFibres
from elastane.solver.loading import Run
from elastane.solver.problem import Problem
from elastane.solver.sources import FieldValues
from tests.meshes.field_files import write_fields
from tests.solver.test_fields import read
from tests.verification.cases import (
    Listener,
    Solved,
    clamp,
    displacement,
    material,
    pressure,
    problem,
    solve,
    start,
    traction,
)
from tests.verification.ranks import call_on_ranks

#: The rest of Guccione's law, in units in which the loads below stretch by some percent.
GUCCIONE: dict[str, Any] = {"b_f": 8.0, "b_t": 2.0, "b_fs": 4.0, "bulk_modulus": 20.0}

#: Parameters as a formula, and as fields of the mesh: constant in cells, or linear at the nodes.
SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cells": (
        {"stiffness": "1 + floor(2*x)", "fibre": ["1", "floor(2*x)", "0.5"]},
        {
            "stiffness": FieldValues("cell stiffness"),
            "fibre": FieldValues("cell fibre", is_vector=True),
        },
    ),
    "nodes": (
        {"stiffness": "1 + x - 0.5*y", "fibre": ["1 - y", "x + 0.2", "z"]},
        {
            "stiffness": FieldValues("node stiffness"),
            "fibre": FieldValues("node fibre", is_vector=True),
        },
    ),
    "components": (
        {"stiffness": 1.0, "fibre": ["1", "1 + x - 0.5*y", "0.2"]},
        {"stiffness": 1.0, "fibre": ["1", FieldValues("node stiffness"), "0.2"]},
    ),
}


def box_file(folder: Path, file_format: str) -> Path:
    """Write a box of 2 by 2 by 1 cells with the fields of SAME."""
    mesh = Box(cells=(2, 2, 1)).build(1, 0)
    half = np.floor(2 * mesh.coordinates.mean(axis=1)[:, 0])
    cell_fields = {
        "cell stiffness": 1.0 + half,
        "cell fibre": np.stack([np.ones(4), half, np.full(4, 0.5)], axis=1),
    }
    point_fields: dict[str, Callable[[Floats], Floats]] = {
        "node stiffness": lambda X: 1.0 + X[:, 0] - 0.5 * X[:, 1],
        "node fibre": lambda X: np.stack([1.0 - X[:, 1], X[:, 0] + 0.2, X[:, 2]], axis=1),
    }
    return write_fields(folder, file_format, mesh, cell_fields, point_fields)


def energies(kind: str, file_format: str, refine: int, path: str) -> list[float]:
    """Return the energies of the same body with parameters by formula and by field."""
    body = MeshFile(Path(path))
    surfaces = body.surface_names
    # VTK and meshio have numbers for names, in the order of the box: x-min, x-max, ...
    fixed, loaded = ("x-min", "x-max") if "x-min" in surfaces else ("surface-1", "surface-2")
    loads: list[BoundaryCondition] = [clamp(fixed), traction(loaded, 0.2, 0.05, -0.05)]
    return [
        solve(
            problem(body, 2, loads, material("guccione", **GUCCIONE, **given), refine=refine)
        ).energy
        for given in SAME[kind]
    ]


@pytest.mark.parametrize(
    ("kind", "file_format", "refine"),
    [
        ("cells", "msh 2 text", 0),
        ("cells", "msh 4.1 binary", 1),
        ("cells", "vtu", 0),
        ("nodes", "msh 4.1 text", 0),
        ("nodes", "vtu", 1),
        ("components", "msh 2 binary", 0),
    ],
)
def test_a_field_of_the_mesh_is_the_formula_it_was_written_from(
    tmp_path: Path, kind: str, file_format: str, refine: int
) -> None:
    """The parameters agree to rounding, and Newton's method leaves the square of 1e-11."""
    path = box_file(tmp_path, file_format)
    by_formula, by_field = energies(kind, file_format, refine, str(path))
    assert by_field == pytest.approx(by_formula, rel=1e-12)


@pytest.mark.mpi
@pytest.mark.parametrize(("kind", "refine"), [("cells", 1), ("nodes", 0)])
def test_two_ranks_see_the_same_fields(
    tmp_path: Path, run_ranks: Callable[..., str], kind: str, refine: int
) -> None:
    """Sums over ranks round otherwise, CG stops elsewhere: the energy feels that squared."""
    path = str(box_file(tmp_path, "msh 4.1 text"))
    one = energies(kind, "msh 4.1 text", refine, path)
    two = call_on_ranks(run_ranks, 2, energies, kind, "msh 4.1 text", refine, path)
    assert two[0] == pytest.approx(two[1], rel=1e-12)
    assert two == pytest.approx(one, rel=1e-10)


def two_regions() -> Mesh:
    mesh = Box(cells=(2, 2, 1)).build(1, 0)
    right = mesh.coordinates[:, :, 0].mean(axis=1) > 0.5
    return replace(mesh, regions=("left", "right"), cell_regions=right.astype(np.int64))


def pulled(**settings: Any) -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.2, 0.05, -0.05)]
    return problem(two_regions(), 2, loads, **settings)


def test_fibres_of_regions_are_those_of_a_formula() -> None:
    by_region = {
        "left": material("guccione", **GUCCIONE, stiffness=1.0, fibre=[2, 0, 0]),
        "right": material("guccione", **GUCCIONE, stiffness=2.0, fibre=[0, 3, 0]),
    }
    by_formula = material(
        "guccione",
        **GUCCIONE,
        stiffness="1 + floor(2*x)",
        fibre=["1 - floor(2*x)", "floor(2*x)", 0],
    )
    expected = solve(pulled(region_material=by_formula)).energy
    run = solve(pulled(materials=by_region))
    assert run.energy == pytest.approx(expected, rel=1e-12)


def test_what_is_the_same_everywhere_is_not_stored() -> None:
    constant = material("guccione", **GUCCIONE, stiffness=1.0, fibre=[1, 1, 0])
    varying = material("guccione", **GUCCIONE, stiffness=1.0, fibre=["1", "x", 0])
    body = start(pulled(materials={"left": constant, "right": varying})).body
    stored = [part.parameters.size for part in body.parts]
    assert stored == [0, 8 * 8 * 27]  # lanes of the block that holds two cells, parameters, points


#: Arrays of parameters, and the same in another order.
REORDERED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "holzapfel-gasser-ogden": (
        {"fibres": [["1", "x", 0], [1, -1, "z"]], "k1": [2, "1+y"], "k2": [0.8, 1.2]},
        {"fibres": [[1, -1, "z"], ["1", "x", 0]], "k1": ["1+y", 2], "k2": [1.2, 0.8]},
    ),
    "ogden": (
        {"mu": [0.6, "1.3 + 0.1*x"], "alpha": [1.3, 5.0]},
        {"mu": ["1.3 + 0.1*x", 0.6], "alpha": [5.0, 1.3]},
    ),
}


@pytest.mark.parametrize("model", REORDERED)
def test_entries_of_arrays_may_come_in_any_order(model: str) -> None:
    elastic = {"holzapfel-gasser-ogden": {"shear_modulus": 1.0, "bulk_modulus": 20.0}}
    rest: dict[str, Any] = elastic.get(model, {"bulk_modulus": 20.0})
    one, other = (
        solve(pulled(region_material=material(model, **rest, **given))).energy
        for given in REORDERED[model]
    )
    assert other == pytest.approx(one, rel=1e-12)


def turned(mesh: Mesh, turn: Floats) -> Mesh:
    """Return a mesh with its vector fields in another place of space."""
    fields = {name: MeshField(field.values @ turn.T) for name, field in mesh.fields.items()}
    return replace(mesh, coordinates=mesh.coordinates @ turn.T, fields=fields)


def test_turning_body_and_fibres_together_keeps_the_energy() -> None:
    """A pressure turns with the body; a fibre that stays behind changes the energy."""
    random = np.random.default_rng(7)
    turn = np.linalg.qr(random.standard_normal((3, 3)))[0]
    turn *= np.linalg.det(turn)
    box = Box(cells=(2, 2, 1)).build(1, 0)
    mesh = replace(box, fields={"fibre": MeshField(random.standard_normal((4, 8, 3)))})
    field = FieldValues("fibre", is_vector=True)
    chosen = material("guccione", **GUCCIONE, stiffness=1.0, fibre=field)
    loads: list[BoundaryCondition] = [clamp("x-min"), pressure("x-max", 0.1)]
    expected = solve(problem(mesh, 2, loads, chosen)).energy
    energy = solve(problem(turned(mesh, turn), 2, loads, chosen)).energy
    assert energy == pytest.approx(expected, rel=1e-11)
    left_behind = replace(turned(mesh, turn), fields=mesh.fields)
    assert solve(problem(left_behind, 2, loads, chosen)).energy != pytest.approx(expected, rel=1e-3)


def ring(fibre: list[Any]) -> Solved:
    """Return a quarter of a ring under inner pressure, kept from moving along its axis."""
    supports = [
        displacement("theta-min", None, 0, None),
        displacement("theta-max", 0, None, None),
        displacement("z-min", None, None, 0),
        displacement("z-max", None, None, 0),
    ]
    chosen = material("guccione", **GUCCIONE, stiffness=1.0, fibre=fibre)
    body = Annulus(inner=7.0, outer=10.0, angle=90.0, cells=(1, 2, 1))
    return solve(problem(body, 4, [*supports, pressure("inner", 0.2)], chosen))


def test_a_ring_with_fibres_around_it_stays_round_and_gives_way_less() -> None:
    """Elements of degree 4 hold a circle to 1e-6 of its radius."""
    solved = ring(["-y", "x", 0])
    inner = solved.nodes("inner")
    radius = np.linalg.norm(solved.X[inner, :2], axis=1)
    outwards = np.einsum("ni,ni->n", solved.X[inner, :2], solved.u[inner, :2]) / radius
    assert np.ptp(outwards) < 1e-5 * outwards.mean()
    across = ring(["x", "y", 0])
    assert (
        0.0 < outwards.mean() < 0.7 * np.linalg.norm(across.u[across.nodes("inner")], axis=1).mean()
    )


def ventricle_ring() -> Mesh:
    """Return a quarter of a band around the ventricle of Land's third problem, below its base."""
    mesh = Annulus(inner=1.0, outer=2.0, length=1.0, angle=90.0, cells=(1, 2, 1)).build(4, 0)
    x, y, z = np.moveaxis(mesh.coordinates, -1, 0)
    s, v, u = np.hypot(x, y) - 1.0, np.arctan2(y, x), -1.4 - 0.6 * z
    across, along = -(7.0 + 3.0 * s) * np.sin(u), (17.0 + 3.0 * s) * np.cos(u)
    X = np.stack([across * np.cos(v), across * np.sin(v), along], axis=-1)
    # The band runs downwards with z; its cells stay right-handed when turned to the other side.
    return replace(mesh, coordinates=X * [1.0, -1.0, 1.0])


def filled(fibre: Any) -> Solved:
    chosen = material("guccione", **GUCCIONE, stiffness=2.0, fibre=fibre)
    loads: list[BoundaryCondition] = [clamp("z-min"), pressure("inner", 0.2)]
    return solve(problem(ventricle_ring(), 2, loads, chosen))


def test_fibres_of_a_wall_around_its_axis_are_those_of_a_formula() -> None:
    wall = EllipsoidFibres((7.0, 17.0), (10.0, 20.0), (0.0, 0.0))
    expected = filled(["-y", "x", 0]).energy
    assert filled(wall).energy == pytest.approx(expected, rel=1e-12)


def test_fibres_of_the_other_hand_make_the_mirror_image() -> None:
    """The quarter of a band is its own mirror image; CG rounds otherwise on the two."""
    wall = EllipsoidFibres((7.0, 17.0), (10.0, 20.0), (90.0, -60.0))
    other_hand = EllipsoidFibres((7.0, 17.0), (10.0, 20.0), (-90.0, 60.0))
    expected = filled(wall)
    assert filled(other_hand).energy == pytest.approx(expected.energy, rel=1e-10)
    assert filled(["-y", "x", 0]).energy != pytest.approx(expected.energy, rel=0.01)


def test_a_field_that_the_mesh_lacks_is_refused() -> None:
    chosen = material("guccione", **GUCCIONE, stiffness=FieldValues("stifness"), fibre=[1, 0, 0])
    with pytest.raises(ValueError, match="unknown field of the mesh 'stifness'"):
        start(pulled(region_material=chosen))


def written(fields: tuple[str, ...], folder: str) -> None:
    materials = {
        "left": material("guccione", **GUCCIONE, stiffness=1.0, fibre=["-y", "x", "1"]),
        "right": material("neo-hookean", youngs_modulus="5 + x", poissons_ratio=0.3),
    }
    chosen = pulled(materials=materials, fields=fields)
    assert Run(chosen, Path(folder), Listener(), MPI.COMM_WORLD).solve().status == "converged"


def check_written(folder: Path) -> None:
    points, fields = read(folder / "fields" / "step-0001.vtu")
    x, y, _ = points.T
    assert set(fields) == {
        "displacement", "fibre", "stiffness", *GUCCIONE, "lame_lambda", "lame_mu"
    }  # fmt: skip
    left, right = x < 0.5 + 1e-9, x > 0.5 - 1e-9
    expected = np.stack([-y, x, np.ones(len(x))], axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(fields["fibre"][left], expected[left], atol=1e-12)
    np.testing.assert_allclose(fields["stiffness"][left], 1.0, atol=1e-14)
    np.testing.assert_allclose(fields["lame_mu"][right, 0], (5.0 + x[right]) / 2.6, rtol=1e-12)
    assert np.isnan(fields["fibre"][~left]).all()
    assert np.isnan(fields["lame_mu"][~right]).all()


def test_fibres_and_parameters_are_written_where_there_are_any(tmp_path: Path) -> None:
    written(("displacement", "fibres", "parameters"), str(tmp_path))
    check_written(tmp_path)


@pytest.mark.mpi
def test_two_ranks_write_the_same_fibres(tmp_path: Path, run_ranks: Callable[..., str]) -> None:
    call_on_ranks(run_ranks, 2, written, ("displacement", "fibres", "parameters"), str(tmp_path))
    check_written(tmp_path)

from dataclasses import replace

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.mesh import Mesh
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.pressure import Pressure
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.boundary.traction import Traction
from elastane.solver.formula import Formula
from elastane.solver.rigid_modes import free_motions

ZERO = Formula.constant(0.0)


def hold(surface: str, axes: str) -> Displacement:
    x, y, z = (ZERO if axis in axes else None for axis in "xyz")
    return Displacement(surface, (x, y, z))


@pytest.fixture(scope="module")
def box() -> Mesh:
    return Box(size=(1.0, 2.0, 3.0), cells=(2, 2, 2), origin=(1e3, -5e2, 2e3)).build(1, 0)


@pytest.mark.parametrize(
    ("supports", "words"),
    [
        ([], "3 free translations, 3 free rotations of region body"),
        ([("x-min", "x")], "2 free translations along y and z, 1 free rotation about x"),
        ([("x-min", "x"), ("y-min", "y")], "1 free translation along z of"),
        ([("x-min", "yz")], "1 free translation along x, 2 free rotations about y and z"),
        ([("x-min", "y")], "2 free translations along x and z, 2 free rotations about y and z"),
        ([("z-min", "xy"), ("z-max", "xy")], "1 free translation along z of"),
        ([("x-min", "x"), ("x-max", "x")], "2 free translations along y and z, 1 free rotation"),
    ],
)
def test_motions_are_named(box: Mesh, supports: list[tuple[str, str]], words: str) -> None:
    (motions,) = free_motions(box, [hold(*support) for support in supports])
    assert str(motions).startswith(words)


@pytest.mark.parametrize(
    "supports",
    [
        [hold("x-min", "xyz")],
        [hold("x-min", "x"), hold("y-min", "y"), hold("z-min", "z")],
        [Rotation("z-max", (0.0, 0.0, 1.0), (0.0, 0.0, 0.0), Formula.constant(10.0))],
    ],
)
def test_a_held_body_has_no_free_motion(box: Mesh, supports: list[BoundaryCondition]) -> None:
    assert free_motions(box, supports) == ()


def test_loads_hold_nothing(box: Mesh) -> None:
    loads: list[BoundaryCondition] = [
        Pressure("x-min", ZERO),
        Traction("x-max", (ZERO, ZERO, ZERO)),
    ]
    (motions,) = free_motions(box, loads)
    assert (len(motions.translations), len(motions.rotations)) == (3, 3)


def test_rotation_about_the_axis_of_a_ring_stays_free() -> None:
    ring = Annulus(1.0, 2.0, 1.0, 360.0, (1, 8, 1)).build(2, 0)
    (motions,) = free_motions(ring, [hold("z-min", "z")])
    assert str(motions).startswith("2 free translations along x and y, 1 free rotation about z")


def test_every_part_is_looked_at() -> None:
    one = Box(cells=(1, 1, 1)).build(1, 0)
    two = Mesh(
        cells=np.concatenate([one.cells, one.cells + 8]),
        coordinates=np.concatenate([one.coordinates, one.coordinates + np.array([5.0, 0.0, 0.0])]),
        geometry_degree=1,
        regions=("left", "right"),
        cell_regions=np.array([0, 1]),
        surfaces={"x-min": one.surfaces["x-min"]},
    )
    (motions,) = free_motions(two, [hold("x-min", "xyz")])
    assert motions.regions == ("right",)
    assert motions.center == (5.5, 0.5, 0.5)


def test_rounding_of_coordinates_holds_no_rotation(box: Mesh) -> None:
    noise = np.random.default_rng(3).uniform(-1e-7, 1e-7, box.coordinates.shape)  # single precision
    (motions,) = free_motions(
        replace(box, coordinates=box.coordinates + noise), [hold("x-min", "x"), hold("y-min", "y")]
    )
    assert (len(motions.translations), len(motions.rotations)) == (1, 0)


def test_a_small_support_holds_the_whole_body(box: Mesh) -> None:
    fine = Box(size=(1.0, 1.0, 1.0), cells=(30, 30, 1)).build(1, 0)
    corner = replace(fine, surfaces={"corner": fine.surfaces["z-min"][:1]})
    assert free_motions(corner, [hold("corner", "xyz")]) == ()

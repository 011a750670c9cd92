"""Boundary value problems whose solution is known from elsewhere, one table for each."""

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.cook import Cook
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.problem import RegionMaterial
from tests.verification.cases import (
    clamp,
    displacement,
    material,
    pressure,
    problem,
    rotation,
    solve,
    traction,
)

NEO_HOOKEAN = material("neo-hookean", youngs_modulus=2.8, poissons_ratio=0.4)
MOONEY_RIVLIN = material("mooney-rivlin", mu1=0.5, mu2=0.5, lame_lambda=4.0)
ISOCHORIC = material(
    "neo-hookean-isochoric", {"volumetric": "j2"}, shear_modulus=0.4225, poissons_ratio=0.3
)


def sheared_cube(chosen: RegionMaterial) -> float:
    """Return the strain energy of a cube of 2³ elements of degree 2, bent by a dead load."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.5)]
    return solve(problem(Box(cells=(2, 2, 2)), 2, loads, chosen)).energy


@pytest.mark.parametrize(
    ("chosen", "energy"),
    [(NEO_HOOKEAN, 2.124627912745e-1), (MOONEY_RIVLIN, 2.339138879702e-1)],
    ids=["V01 neo-hookean", "V02 mooney-rivlin"],
)
def test_sheared_cube_stores_the_energy_that_other_codes_find(
    chosen: RegionMaterial, energy: float
) -> None:
    """V01, V02: the reference has 13 digits, of which two codes agree in 9."""
    assert sheared_cube(chosen) == pytest.approx(energy, rel=1e-10)


def test_mooney_rivlin_without_its_second_term_is_neo_hookean() -> None:
    """V04: rounding alone differs."""
    chosen = material("mooney-rivlin", mu1=1.0, mu2=0.0, poissons_ratio=0.4)
    assert sheared_cube(chosen) == pytest.approx(sheared_cube(NEO_HOOKEAN), rel=1e-12)


@pytest.mark.parametrize(
    ("poissons_ratio", "inner", "outer"),
    [(0.3, 1.257135, 2.10905826), (0.45, 1.28137506, 2.09564252)],
)
def test_inflated_sphere(poissons_ratio: float, inner: float, outer: float) -> None:
    """V14: follower pressure; the mesh is fine enough for 2e-7."""
    supports = [
        displacement("x-min", 0, None, None),
        displacement("y-min", None, 0, None),
        displacement("z-min", None, None, 0),
    ]
    chosen = material("neo-hookean", youngs_modulus=1.0, poissons_ratio=poissons_ratio)
    body = SphereShell(inner=1.0, outer=2.0, cells=(2, 2))
    state = solve(problem(body, 4, [*supports, pressure("inner", 0.2)], chosen))
    radius = np.linalg.norm(state.X + state.u, axis=1)
    np.testing.assert_allclose(radius[state.nodes("inner")], inner, rtol=1e-6)
    np.testing.assert_allclose(radius[state.nodes("outer")], outer, rtol=1e-6)


def test_inflated_cylinder() -> None:
    """V16: plane strain, follower pressure; the mesh is fine enough for 9e-7."""
    supports = [
        displacement("theta-min", None, 0, None),
        displacement("theta-max", 0, None, None),
        displacement("z-min", None, None, 0),
        displacement("z-max", None, None, 0),
    ]
    body = Annulus(inner=1.0, outer=2.0, length=1.0, angle=90.0, cells=(3, 3, 1))
    state = solve(problem(body, 4, [*supports, pressure("inner", 0.15)]))
    radius = np.linalg.norm((state.X + state.u)[:, :2], axis=1)
    np.testing.assert_allclose(radius[state.nodes("inner")], 1.48076514, rtol=1e-6)
    np.testing.assert_allclose(radius[state.nodes("outer")], 2.33109652, rtol=1e-6)


def test_hanging_column() -> None:
    """V20: body force in uniaxial strain; the reference has nine digits."""
    sides = [
        displacement(f"{axis}-{side}", *(0.0 if other == axis else None for other in "xyz"))
        for axis in "xy"
        for side in ("min", "max")
    ]
    state = solve(
        problem(
            Box(cells=(1, 1, 2)),
            4,
            [displacement("z-max", 0, 0, 0), *sides],
            body_force=(0.0, 0.0, -0.5),
        )
    )
    assert state.u_at(0.0, 0.0, 0.0)[2] == pytest.approx(-0.237069720, abs=1e-9)


@pytest.mark.parametrize(
    ("degree", "cells", "deflection"),
    [
        (1, 2, 8.638375),
        (1, 4, 12.071227),
        (1, 8, 13.863196),
        (1, 16, 14.485259),
        pytest.param(1, 32, 14.667272, marks=pytest.mark.long),
        (2, 2, 14.301764),
        (2, 4, 14.649374),
        (2, 8, 14.713912),
        pytest.param(2, 16, 14.730760, marks=pytest.mark.long),
    ],
)
def test_cooks_membrane_on_each_mesh(degree: int, cells: int, deflection: float) -> None:
    """V21: another code on the same meshes, eight digits."""
    loads: list[BoundaryCondition] = [
        clamp("left"),
        displacement("z-min", None, None, 0),
        displacement("z-max", None, None, 0),
        traction("right", 0.0, 1.0 / 16.0, 0.0),
    ]
    body = Cook(thickness=1.0, cells=(cells, cells, 1))
    tip = {"tip": (48.0, 52.0, 0.5)}
    state = solve(problem(body, degree, loads, ISOCHORIC, probes=tip))
    found = state.report.steps[-1].probes["tip"][1]
    # Half a unit of the last digit given.
    assert found == pytest.approx(deflection, abs=6e-7)


@pytest.mark.parametrize(
    ("degree", "cells", "energy", "torque", "axial_force"),
    [
        (2, (2, 2, 4), 0.03463592, 0.0440684, -0.003828),
        (3, (2, 2, 4), 0.03404319, 0.0433578, -0.0029925),
        (4, (2, 2, 4), 0.03398474, 0.0432823, -0.0029014),
        (2, (4, 4, 8), 0.03406571, 0.0433840, -0.0030242),
    ],
)
def test_twisted_bar(
    degree: int, cells: tuple[int, int, int], energy: float, torque: float, axial_force: float
) -> None:
    """V28: another code on the same meshes; half a unit of the last digits given."""
    axis = (0.5, 0.5, 0.0)
    supports: list[BoundaryCondition] = [
        clamp("z-min"),
        rotation("z-max", 90.0, (0.0, 0.0, 1.0), axis),
    ]
    body = Box(size=(1.0, 1.0, 2.0), cells=cells)
    state = solve(problem(body, degree, supports, surfaces=("z-min", "z-max")))
    assert state.energy == pytest.approx(energy, abs=6e-9)
    top = state.nodes("z-max")
    arm = (state.X + state.u)[top] - axis
    moment = np.cross(arm, state.reactions[top]).sum(axis=0)
    assert moment[2] == pytest.approx(torque, abs=6e-8)
    assert state.force("z-max")[2] == pytest.approx(axial_force, abs=6e-8)
    # The two supports are in balance, up to what Newton's method left.
    np.testing.assert_allclose(state.force("z-min"), np.negative(state.force("z-max")), atol=1e-10)

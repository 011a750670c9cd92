"""Fibres of an ellipsoidal wall against the parametrization of the paper, at known (u, v, s)."""

import re

import numpy as np
import pytest

from elastane.solver.directions import EllipsoidFibres
from elastane.solver.sources import Places
from tests.verification.cases import Floats

#: S. Land et al. 2015, problem 3, in mm.
LAND = EllipsoidFibres((7.0, 17.0), (10.0, 20.0), (90.0, -90.0))
#: A wall far from any other, thick, with semi-axes that grow unlike.
OTHER = EllipsoidFibres((1.0, 3.0), (4.0, 3.5), (60.0, -30.0))

each_wall = pytest.mark.parametrize("wall", [LAND, OTHER], ids=["land", "thick"])


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def random_coordinates(number: int) -> tuple[Floats, Floats, Floats]:
    """Return u in (-π, 0), v in (-π, π) and s in (0, 1)."""
    random = np.random.default_rng(3)
    u, v, s = random.uniform(size=(3, number))
    return -np.pi * u, np.pi * (2 * v - 1), s


def geometry(wall: EllipsoidFibres, u: Floats, v: Floats, s: Floats) -> tuple[Floats, ...]:
    """Return X, dX/du, dX/dv and dX/ds of the paper."""
    (s0, l0), (s1, l1) = wall.inner, wall.outer
    short, long = s0 + (s1 - s0) * s, l0 + (l1 - l0) * s
    sin, cos = np.sin(u), np.cos(u)
    return tuple(
        np.stack(vector, axis=1)
        for vector in (
            (short * sin * np.cos(v), short * sin * np.sin(v), long * cos),
            (short * cos * np.cos(v), short * cos * np.sin(v), -long * sin),
            (-short * sin * np.sin(v), short * sin * np.cos(v), 0 * u),
            ((s1 - s0) * sin * np.cos(v), (s1 - s0) * sin * np.sin(v), (l1 - l0) * cos),
        )
    )


@each_wall
def test_fibres_are_those_of_the_paper(wall: EllipsoidFibres) -> None:
    """Rounding of s is amplified by the angle's slope, and where ellipsoids are pointed."""
    u, v, s = random_coordinates(1000)
    X, X_u, X_v, _ = geometry(wall, u, v, s)
    inside, outside = np.deg2rad(wall.angles)
    angle = (inside + (outside - inside) * s)[:, None]
    expected = unit(X_u) * np.sin(angle) + unit(X_v) * np.cos(angle)
    np.testing.assert_allclose(wall.at(Places(X)).T, expected, atol=1e-12)


@each_wall
def test_fibres_are_unit_tangents_at_the_stated_angle(wall: EllipsoidFibres) -> None:
    u, v, s = random_coordinates(1000)
    X, X_u, X_v, _ = geometry(wall, u, v, s)
    fibres = wall.at(Places(X)).T
    normal = unit(np.cross(X_u, X_v))
    np.testing.assert_allclose(np.linalg.norm(fibres, axis=1), 1.0, atol=1e-14)
    np.testing.assert_allclose((fibres * normal).sum(axis=1), 0.0, atol=1e-12)
    # Around the axis, right-handed; the angle is positive where a fibre rises along the axis.
    around = unit(np.cross([0.0, 0.0, 1.0], X))
    along = np.sign(fibres[:, 2]) * np.linalg.norm(np.cross(fibres, around), axis=1)
    found = np.rad2deg(np.arctan2(along, (fibres * around).sum(axis=1)))
    inside, outside = wall.angles
    np.testing.assert_allclose(found, inside + (outside - inside) * s, atol=1e-6)


def test_moving_the_wall_moves_the_fibres() -> None:
    """With it goes v = 0, which only matters on the axis."""
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    turn *= np.linalg.det(turn)
    axis, origin = turn[:, 2], np.array([4.0, -2.0, 11.0])
    moved = EllipsoidFibres(
        LAND.inner, LAND.outer, LAND.angles, tuple(3.0 * axis), tuple(origin.tolist())
    )
    X = geometry(LAND, *random_coordinates(100))[0]
    expected = LAND.at(Places(X)).T @ turn.T
    np.testing.assert_allclose(moved.at(Places(X @ turn.T + origin)).T, expected, atol=1e-12)


@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 0, 0), (0, 2, 0), (1, 1, 1)])
def test_on_the_axis_there_is_a_unit_vector_too(axis: tuple[float, float, float]) -> None:
    wall = EllipsoidFibres(LAND.inner, LAND.outer, LAND.angles, axis)
    places = -np.outer([17.0, 18.5, 20.0], unit(np.array([axis], dtype=float))[0])
    fibres = wall.at(Places(places)).T
    np.testing.assert_allclose(np.linalg.norm(fibres, axis=1), 1.0, atol=1e-14)
    np.testing.assert_allclose(fibres @ axis, 0.0, atol=1e-14)


def test_just_beyond_the_wall_the_angle_is_that_of_its_side() -> None:
    """Where element maps do not follow the curve: as far as half the thickness."""
    X = np.array([[6.9, 0.0, 0.0], [10.1, 0.0, 0.0], [5.6, 0.0, 0.0], [11.4, 0.0, 0.0]])
    upwards, downwards = [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]
    expected = [upwards, downwards, upwards, downwards]
    np.testing.assert_allclose(LAND.at(Places(X)).T, expected, atol=1e-14)


@pytest.mark.parametrize(
    ("X", "where"),
    [((5.4, 0.0, 0.0), "inside"), ((11.6, 0.0, 0.0), "outside"), ((0.0, 0.0, 0.0), "inside")],
)
def test_far_from_the_wall_there_is_no_fibre(X: tuple[float, float, float], where: str) -> None:
    place = re.escape(", ".join(f"{x:g}" for x in X))
    with pytest.raises(ValueError, match=f"the point \\({place}\\) lies {where} the wall"):
        LAND.at(Places(np.array([X])))


@pytest.mark.parametrize(
    ("inner", "outer", "message"),
    [
        ((7.0, 17.0), (7.0, 20.0), "the short semi-axis must be positive and grow"),
        ((7.0, 17.0), (10.0, 16.0), "the long semi-axis must be positive and grow"),
        ((0.0, 17.0), (10.0, 20.0), "the short semi-axis must be positive and grow"),
    ],
)
def test_what_is_no_wall_is_refused(
    inner: tuple[float, float], outer: tuple[float, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EllipsoidFibres(inner, outer, (90.0, -90.0))

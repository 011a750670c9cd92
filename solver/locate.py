"""Finds the cell that holds a point, and where in the cell it lies."""

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.lagrange import differentiation, gauss_lobatto, interpolation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A point counts as inside a cell if no |ξ| exceeds 1 by more: a point on a true circle lies outside
#: the polynomial that stands for it.  It is moved to the nearest face, by 1 % of the cell at most.
SLACK = 0.02
#: Distance from the point, relative to the cell, at which Newton's method has found it.
TOLERANCE = 1e-9
MAX_ITERATIONS = 30


def locate(coordinates: Floats, geometry_degree: int, points: Floats) -> tuple[Ints, Floats]:
    """Return the cell that holds each point, -1 for none, and the point's ξ in it.

    Args:
        coordinates: Nodes of the element maps, shape (num_cells, (geometry_degree + 1)³, 3).
        geometry_degree: Degree of the element maps.
        points: Initial coordinates X, shape (num_points, 3).

    Returns:
        Cells of shape (num_points,) and ξ of shape (num_points, 3).
    """
    cells = np.full(len(points), -1)
    xi = np.zeros((len(points), 3))
    low, high = coordinates.min(axis=1), coordinates.max(axis=1)
    # A curved cell bulges out of the box around its nodes, by less than the box is wide.
    margin = (0.5 if geometry_degree > 1 else SLACK) * (high - low).max(axis=1, keepdims=True)
    for i, point in enumerate(points):
        near = ((point >= low - margin) & (point <= high + margin)).all(axis=1)
        candidates = np.flatnonzero(near)
        found, places = _invert(coordinates[candidates], geometry_degree, point)
        outside = np.where(found, np.abs(places).max(axis=1, initial=0.0), np.inf)
        if len(candidates) and outside.min() <= 1.0 + SLACK:
            best = int(outside.argmin())
            cells[i], xi[i] = candidates[best], np.clip(places[best], -1.0, 1.0)
    return cells, xi


def _invert(
    coordinates: Floats, geometry_degree: int, point: Floats
) -> tuple[NDArray[np.bool_], Floats]:
    """Return for each cell whether Newton's method found ξ with X(ξ) = point, and this ξ."""
    xi = np.zeros((len(coordinates), 3))
    sizes = np.ptp(coordinates, axis=1).max(axis=1)
    distance = np.full(len(coordinates), np.inf)
    for _ in range(MAX_ITERATIONS):
        X, gradient = _map(coordinates, geometry_degree, xi)
        distance = np.linalg.norm(point - X, axis=1)
        if (distance <= 1e-3 * TOLERANCE * sizes).all():
            break
        solvable = np.abs(np.linalg.det(gradient)) > 1e-14 * sizes**3
        gradient[~solvable] = np.eye(3)
        step = np.linalg.solve(gradient, (point - X)[..., None])[..., 0]
        # Far outside the cell the map may fold: keep the iterates near it.
        xi = np.clip(xi + np.where(solvable[:, None], step, 0.0), -2.0, 2.0)
    return distance <= TOLERANCE * sizes, xi


def _map(coordinates: Floats, geometry_degree: int, xi: Floats) -> tuple[Floats, Floats]:
    """Return X(ξ) of shape (num_cells, 3) and dX_i/dξ_d of shape (num_cells, 3, 3)."""
    nodes = gauss_lobatto(geometry_degree + 1)[0]
    values = [interpolation(nodes, xi[:, axis]) for axis in range(3)]
    slopes = [differentiation(nodes, xi[:, axis]) for axis in range(3)]
    grid = coordinates.reshape(len(coordinates), *[geometry_degree + 1] * 3, 3)  # [c, k, j, i, x]

    def contract(along_1: Floats, along_2: Floats, along_3: Floats) -> Floats:
        return np.einsum("ckjix,ci,cj,ck->cx", grid, along_1, along_2, along_3, optimize=True)

    gradient = [
        contract(*[slopes[axis] if axis == d else values[axis] for axis in range(3)])
        for d in range(3)
    ]
    return contract(*values), np.stack(gradient, axis=-1)

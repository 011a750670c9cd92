"""The cell that holds a point, and the point's coordinates in the reference element.

Bounding boxes give the cells that may hold a point; Newton's method solves X(ξ) = X in each.
"""

import numpy as np

from elastane.meshes.lagrange import differentiation, gauss_lobatto, interpolation
from elastane.meshes.mesh import Floats, Ints

#: Pairs of points and cells compared at once.
_CHUNK = 1 << 22

#: A curved cell may reach out of the bounding box of its nodes by this part of the box.
_BULGE = 0.25

_MAX_ITERATIONS = 30


def locate(
    coordinates: Floats, geometry_degree: int, points: Floats, tolerance: float = 1e-8
) -> tuple[Ints, Floats]:
    """Return for each point the cell that holds it and ξ in this cell.

    Args:
        coordinates: X of the nodes of the cells, shape (num_cells, (geometry_degree + 1)³, 3);
            the cells of one rank will do.
        geometry_degree: Degree of the element map.
        points: Shape (num_points, 3), in the unit of length.
        tolerance: How far ξ may lie outside [-1, 1]; it is moved back.  Where several cells hold
            a point, the one it is deepest in wins, then the first.

    Returns:
        The cells, shape (num_points,), -1 where no cell holds the point, and ξ, shape
        (num_points, 3), NaN there.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 3)
    found = np.full(len(points), -1, dtype=np.int64)
    xi = np.full((len(points), 3), np.nan)
    if len(coordinates) == 0:
        return found, xi
    point, cell = _candidates(coordinates, geometry_degree, points, tolerance)
    pair_xi = _invert(coordinates[cell], geometry_degree, points[point])
    # Rounding must not decide between cells that share the point.
    outside = np.round(np.maximum(np.abs(pair_xi).max(axis=1) - 1.0, 0.0) / tolerance, 3)
    inside = outside <= 1.0
    point, cell, pair_xi, outside = point[inside], cell[inside], pair_xi[inside], outside[inside]
    order = np.lexsort((cell, outside, point))
    first_of_point = order[np.unique(point[order], return_index=True)[1]]
    found[point[first_of_point]] = cell[first_of_point]
    xi[point[first_of_point]] = np.clip(pair_xi[first_of_point], -1.0, 1.0)
    return found, xi


def _candidates(
    coordinates: Floats, geometry_degree: int, points: Floats, tolerance: float
) -> tuple[Ints, Ints]:
    """Return pairs (point, cell) where the cell's bounding box holds the point."""
    lower, upper = coordinates.min(axis=1), coordinates.max(axis=1)
    size = upper - lower
    rounding = 1e-6 * size.max(axis=1, keepdims=True)
    margin = rounding + (tolerance + (_BULGE if geometry_degree > 1 else 0.0)) * size
    lower, upper = lower - margin, upper + margin
    chunk = max(1, _CHUNK // len(coordinates))
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(points), chunk):
        some = points[start : start + chunk, None, :]
        inside = np.argwhere(((some >= lower) & (some <= upper)).all(axis=2))
        inside[:, 0] += start
        pairs.append(inside)
    point, cell = np.concatenate(pairs).T
    return point, cell


def _invert(coordinates: Floats, geometry_degree: int, points: Floats) -> Floats:
    """Return ξ with X(ξ) = points, one cell for each point; infinite where Newton fails."""
    nodes = gauss_lobatto(geometry_degree + 1)[0]
    num_nodes = geometry_degree + 1
    grid = coordinates.reshape(-1, num_nodes, num_nodes, num_nodes, 3)
    nearest = ((coordinates - points[:, None, :]) ** 2).sum(axis=2).argmin(axis=1)
    k, j, i = np.unravel_index(nearest, (num_nodes,) * 3)
    # A start at a corner may sit where a curved map is badly conditioned.
    xi = 0.9 * np.stack([nodes[i], nodes[j], nodes[k]], axis=1)
    step = np.full_like(xi, np.inf)
    for _ in range(_MAX_ITERATIONS):
        value = [interpolation(nodes, xi[:, d]) for d in range(3)]
        slope = [differentiation(nodes, xi[:, d]) for d in range(3)]
        position = _evaluate(grid, value[0], value[1], value[2])
        columns = [
            _evaluate(grid, slope[0], value[1], value[2]),
            _evaluate(grid, value[0], slope[1], value[2]),
            _evaluate(grid, value[0], value[1], slope[2]),
        ]
        step = np.clip(_solve(columns, points - position), -1.0, 1.0)
        xi = np.clip(xi + step, -3.0, 3.0)
        if np.abs(step).max(initial=0.0) < 1e-14:
            break
    converged = np.abs(step).max(axis=1) < 1e-10
    return np.where(converged[:, None], xi, np.inf)


def _evaluate(grid: Floats, along_1: Floats, along_2: Floats, along_3: Floats) -> Floats:
    """Return the interpolant of each cell at its own point, shape (num_pairs, 3)."""
    rows = np.einsum("mi,mkjix->mkjx", along_1, grid)
    layers = np.einsum("mj,mkjx->mkx", along_2, rows)
    return np.einsum("mk,mkx->mx", along_3, layers)


def _solve(columns: list[Floats], right: Floats) -> Floats:
    """Return the solutions of 3 by 3 systems by Cramer's rule; zero columns give no step."""
    first, second, third = columns
    crossed = [np.cross(second, third), np.cross(third, first), np.cross(first, second)]
    determinant = np.einsum("mx,mx->m", first, crossed[0])
    safe = np.where(determinant == 0.0, np.inf, determinant)
    return np.stack([np.einsum("mx,mx->m", cross, right) / safe for cross in crossed], axis=1)

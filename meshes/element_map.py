"""The map X(ξ) of the cells: positions, gradients, determinants, areas.

The map of a cell is the tensor-product Lagrange interpolant of its nodes, so that every quantity
on a tensor grid of points comes from three small matrices applied one direction after the other.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

from elastane.meshes.lagrange import differentiation, gauss, gauss_lobatto, interpolation
from elastane.meshes.mesh import Floats, Ints, Mesh, MeshField

#: Points whose gradients are held at once: few enough for the cache of a core.
_CHUNK = 1 << 15


def apply_tensor(matrices: tuple[Floats, Floats, Floats], values: Floats) -> Floats:
    """Apply one matrix per direction to nodal values.

    Args:
        matrices: For ξ₁, ξ₂, ξ₃, shapes (m_d, n_d).
        values: Shape (num_cells, n₁ n₂ n₃, num_components), tensor order.

    Returns:
        Values at the points, shape (num_cells, m₁ m₂ m₃, num_components), tensor order.
    """
    num_cells, _, num_components = values.shape
    sizes = [matrix.shape[1] for matrix in reversed(matrices)]
    grid = np.moveaxis(values.reshape(num_cells, *sizes, num_components), -1, 1)
    for matrix in matrices:
        grid = _apply_last(matrix, grid)
    return np.moveaxis(grid, 1, -1).reshape(num_cells, -1, num_components)


def _apply_last(matrix: Floats, grid: Floats) -> Floats:
    """Apply a matrix along the last axis, which becomes the first of the last three.

    One product of a tall matrix: numpy's einsum would make one tiny product per row of a cell.
    """
    rows = grid.reshape(-1, grid.shape[-1]) @ matrix.T
    return np.moveaxis(rows.reshape(*grid.shape[:-1], -1), -1, 2)


def field_values(field: MeshField, points_1d: Floats) -> Floats:
    """Return a field at the tensor grid of points, shape (num_cells, num_points, components)."""
    num_cells, num_nodes, num_components = field.values.shape
    if not field.is_nodal:
        return np.broadcast_to(field.values, (num_cells, len(points_1d) ** 3, num_components))
    matrix = interpolation(gauss_lobatto(round(num_nodes ** (1 / 3)))[0], points_1d)
    return apply_tensor((matrix, matrix, matrix), field.values)


def map_gradients(coordinates: Floats, geometry_degree: int, points_1d: Floats) -> Floats:
    """Return dX_i/dξ_d at the tensor grid of points, shape (num_cells, num_points, 3, 3)."""
    nodes = gauss_lobatto(geometry_degree + 1)[0]
    value, slope = interpolation(nodes, points_1d), differentiation(nodes, points_1d)
    return np.stack(
        [
            apply_tensor((slope, value, value), coordinates),
            apply_tensor((value, slope, value), coordinates),
            apply_tensor((value, value, slope), coordinates),
        ],
        axis=-1,
    )


def gradients_by_chunk(mesh: Mesh, points_1d: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield slices of cells with their dX/dξ, so that a large mesh does not fill the memory."""
    num_cells = max(1, _CHUNK // len(points_1d) ** 3)
    for start in range(0, mesh.num_cells, num_cells):
        chunk = slice(start, min(start + num_cells, mesh.num_cells))
        yield chunk, map_gradients(mesh.coordinates[chunk], mesh.geometry_degree, points_1d)


def cell_volumes(mesh: Mesh) -> Floats:
    """Return the initial volume of each cell, shape (num_cells,), in length³.

    Exact up to rounding: det dX/dξ has degree 3 g - 1 in each direction.
    """
    points, weights = gauss((3 * mesh.geometry_degree + 1) // 2)
    weights_3d = np.einsum("k,j,i->kji", weights, weights, weights).ravel()
    volumes = np.empty(mesh.num_cells)
    for chunk, gradients in gradients_by_chunk(mesh, points):
        volumes[chunk] = determinants(gradients) @ weights_3d
    return volumes


def determinants(gradients: Floats) -> Floats:
    """Return the determinants of 3 by 3 matrices of shape (..., 3, 3)."""
    return np.einsum(
        "...i,...i->...",
        gradients[..., 0],
        np.cross(gradients[..., 1], gradients[..., 2]),
    )


@cache
def facet_nodes(degree: int) -> Ints:
    """Return the nodes on each facet, shape (6, (degree + 1)²), tensor order of both directions."""
    numbers = np.arange((degree + 1) ** 3).reshape((degree + 1,) * 3)
    sides = [
        numbers[:, :, 0], numbers[:, :, -1],
        numbers[:, 0, :], numbers[:, -1, :],
        numbers[0, :, :], numbers[-1, :, :],
    ]  # fmt: skip
    nodes = np.array([side.ravel() for side in sides], dtype=np.int64)
    nodes.flags.writeable = False
    return nodes


@cache
def corner_nodes(degree: int) -> Ints:
    """Return the nodes at the corners, shape (8,), tensor order."""
    last = np.array([0, degree])
    nodes = (
        last[None, None, :]
        + (degree + 1) * (last[None, :, None] + (degree + 1) * last[:, None, None])
    ).ravel()
    nodes.flags.writeable = False
    return nodes


def corner_coordinates(mesh: Mesh) -> Floats:
    """Return X of the corners of each cell, shape (num_cells, 8, 3)."""
    return mesh.coordinates[:, corner_nodes(mesh.geometry_degree)]


def facet_area_vectors(mesh: Mesh, facets: Ints) -> Floats:
    """Return the integral of the outward unit normal over each facet.

    Args:
        mesh: The mesh.
        facets: Pairs (cell, facet), shape (num_facets, 2).

    Returns:
        Shape (num_facets, 3), in length².
    """
    normals, weights = _facet_normals(mesh, facets)
    return np.einsum("p,fpi->fi", weights, normals)


def facet_areas(mesh: Mesh, facets: Ints) -> Floats:
    """Return the initial area of each facet, shape (num_facets,), in length²."""
    normals, weights = _facet_normals(mesh, facets)
    return np.linalg.norm(normals, axis=-1) @ weights


def _facet_normals(mesh: Mesh, facets: Ints) -> tuple[Floats, Floats]:
    """Return outward normals times the area element, (num_facets, num_points, 3), and weights."""
    degree = mesh.geometry_degree
    nodes = gauss_lobatto(degree + 1)[0]
    points, weights = gauss(degree + 3)
    value, slope = interpolation(nodes, points), differentiation(nodes, points)
    cell, side = facets[:, 0], facets[:, 1]
    positions = mesh.coordinates[cell[:, None], facet_nodes(degree)[side]]
    # A facet is a cell with one layer.
    layer = np.ones((1, 1))
    along_first = apply_tensor((slope, value, layer), positions)
    along_second = apply_tensor((value, slope, layer), positions)
    normals = np.cross(along_first, along_second)
    # ξ₂ x ξ₃ and ξ₁ x ξ₂ point to the positive side of the remaining direction, ξ₁ x ξ₃ does not.
    direction, upper = side // 2, side % 2
    sign = np.where(direction == 1, -1.0, 1.0) * np.where(upper == 1, 1.0, -1.0)
    return sign[:, None, None] * normals, np.outer(weights, weights).ravel()

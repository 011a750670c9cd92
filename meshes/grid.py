"""A logical grid of cells in the unit cube, from which blocks of bodies are mapped."""

from collections.abc import Callable, Sequence

import numpy as np

from elastane.meshes.lagrange import gauss_lobatto
from elastane.meshes.mesh import Floats, Ints, Mesh

Counts = tuple[int, int, int]


def grid_corners(counts: Counts) -> Ints:
    """Return grid indices (i, j, k) of the corners of each cell, shape (num_cells, 8, 3).

    Cells and corners are in tensor order.
    """
    lowest = _tensor_indices(counts)
    return lowest[:, None, :] + _tensor_indices((2, 2, 2))[None, :, :]


def grid_vertices(counts: Counts, corners: Ints) -> Ints:
    """Return vertex numbers of grid indices of shape (..., 3), tensor order over the vertices."""
    i, j, k = np.moveaxis(corners, -1, 0)
    return i + (counts[0] + 1) * (j + (counts[1] + 1) * k)


def grid_parameters(counts: Counts, degree: int) -> Floats:
    """Return positions in [0, 1]³ of the nodes of each cell, (num_cells, (degree + 1)³, 3).

    Nodes on a common side of two cells are equal to the last bit.
    """
    nodes_1d = 0.5 * (1.0 + gauss_lobatto(degree + 1)[0])
    nodes = nodes_1d[_tensor_indices((degree + 1,) * 3)]
    return (_tensor_indices(counts)[:, None, :] + nodes[None, :, :]) / np.array(counts)


def grid_sides(counts: Counts) -> tuple[Ints, ...]:
    """Return for each side of the cube, in facet order, the pairs (cell, facet) on it."""
    index = _tensor_indices(counts)
    sides = []
    for facet in range(6):
        direction, upper = divmod(facet, 2)
        (cell,) = np.nonzero(index[:, direction] == upper * (counts[direction] - 1))
        sides.append(np.stack([cell, np.full_like(cell, facet)], axis=1))
    return tuple(sides)


def refined(counts: Counts, refine: int) -> Counts:
    """Return the counts, each doubled `refine` times."""
    first, second, third = counts
    return first << refine, second << refine, third << refine


def map_grid(
    counts: Counts,
    geometry_degree: int,
    position: Callable[[Floats], Floats],
    surface_names: Sequence[str],
) -> Mesh:
    """Return the mesh of a body that is the image of one grid.

    Args:
        counts: Cells in each direction.
        geometry_degree: Degree of the element map.
        position: Takes positions in the unit cube, shape (..., 3), to X of the same shape;
            right-handed.
        surface_names: Names of the images of the six sides, in facet order.
    """
    cells = grid_vertices(counts, grid_corners(counts))
    return Mesh(
        cells=cells,
        coordinates=position(grid_parameters(counts, geometry_degree)),
        geometry_degree=geometry_degree,
        regions=("body",),
        cell_regions=np.zeros(len(cells), dtype=np.int64),
        surfaces=dict(zip(surface_names, grid_sides(counts), strict=True)),
    )


def _tensor_indices(counts: Counts) -> Ints:
    """Return all (i, j, k) below counts, i fastest, shape (product of counts, 3)."""
    k, j, i = np.indices(counts[::-1], dtype=np.int64).reshape(3, -1)
    return np.stack([i, j, k], axis=1)

"""A solid cylinder: a square block in the middle, and one from each of its sides to the circle."""

import numpy as np

from elastane.meshes.grid import Counts, grid_parameters, grid_sides
from elastane.meshes.mesh import Mesh
from tests.verification.cases import Floats

#: Half of the side of the square, for a radius of 1.
SQUARE = 0.5

SURFACES = {"side": 1, "z-min": 4, "z-max": 5}


def solid_cylinder(cells: tuple[int, int], length: float, geometry_degree: int) -> Mesh:
    """Return a cylinder of radius 1 about the z axis, one cell along it.

    Args:
        cells: Cells along a side of the square, and from there to the circle.
        length: Length along z.
        geometry_degree: Degree of the element map.
    """
    square: Counts = (cells[0], cells[0], 1)
    ring: Counts = (cells[1], cells[0], 1)
    quarter = _to_circle(grid_parameters(ring, geometry_degree))
    blocks = [_square(grid_parameters(square, geometry_degree))]
    for _ in range(4):
        blocks.append(quarter)
        quarter = np.stack([-quarter[..., 1], quarter[..., 0], quarter[..., 2]], axis=-1)
    coordinates = np.concatenate(blocks) * [1.0, 1.0, length]
    first = np.cumsum([0, *map(len, blocks[:-1])])
    return Mesh(
        cells=_cells(coordinates, geometry_degree),
        coordinates=coordinates,
        geometry_degree=geometry_degree,
        regions=("body",),
        cell_regions=np.zeros(len(coordinates), dtype=np.int64),
        surfaces={
            name: np.concatenate(
                [
                    grid_sides(ring if block else square)[facet] + [first[block], 0]
                    for block in range(5)
                    if block or name != "side"
                ]
            )
            for name, facet in SURFACES.items()
        },
    )


def _square(parameters: Floats) -> Floats:
    across, along = SQUARE * (2.0 * parameters[..., 0] - 1.0), 2.0 * parameters[..., 1] - 1.0
    return np.stack([across, SQUARE * along, parameters[..., 2]], axis=-1)


def _to_circle(parameters: Floats) -> Floats:
    """Return the block on the side x = SQUARE, whose cells span equal angles on the circle."""
    outwards, along = parameters[..., 0], 2.0 * parameters[..., 1] - 1.0
    angle = 0.25 * np.pi * along
    x = (1.0 - outwards) * SQUARE + outwards * np.cos(angle)
    y = (1.0 - outwards) * SQUARE * along + outwards * np.sin(angle)
    return np.stack([x, y, parameters[..., 2]], axis=-1)


def _cells(coordinates: Floats, degree: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return vertex numbers: corners at one place are one vertex."""
    nodes = coordinates.reshape(-1, *(degree + 1,) * 3, 3)[:, ::degree, ::degree, ::degree]
    # Zero is added to turn -0 into 0.
    places = np.round(nodes.reshape(-1, 3), 9) + 0.0
    return np.unique(places, axis=0, return_inverse=True)[1].reshape(-1, 8).astype(np.int64)

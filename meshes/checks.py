"""What must hold of a mesh from a file before anything is computed on it.

Every message says which element by the file's own number, its kind and region, the value that is
wrong, and what to do.
"""

from dataclasses import dataclass

import numpy as np

from elastane.meshes.element_map import determinants, gradients_by_chunk
from elastane.meshes.entities import Entities
from elastane.meshes.file_mesh import MeshError
from elastane.meshes.lagrange import gauss, gauss_lobatto
from elastane.meshes.mesh import Floats, Ints, Mesh

#: A cell is flat if det dX/dξ is this much smaller than the product of its lengths.
_FLAT = 1e-10

#: Vertices nearer than this part of the body's diagonal should be one.
_COINCIDENT = 1e-9

#: The cube of any length is far from overflow.
_FAR = 1e30

_LISTED = 10


@dataclass(frozen=True)
class ElementNames:
    """How the file calls its cells.

    Attributes:
        numbers: The file's own number of each cell, shape (num_cells,).
        kinds: Kind of each cell, e.g. hex20, shape (num_cells,).
        regions: Region names.
        cell_regions: Region number of each cell, shape (num_cells,).
    """

    numbers: Ints
    kinds: np.ndarray
    regions: tuple[str, ...]
    cell_regions: Ints

    def describe(self, cell: int) -> str:
        """Return the name of a cell for a message."""
        region = self.regions[self.cell_regions[cell]]
        return f"element {self.numbers[cell]} ({self.kinds[cell]}, region {region})"

    def count(self, cells: Ints) -> str:
        """Return how many cells there are of a kind just described, and the first of them."""
        if len(cells) == 1:
            return "the only one"
        listed = ", ".join(map(str, self.numbers[cells[:_LISTED]]))
        return f"{len(cells)} such elements, the first: {listed}"


def check_coordinates(points: Floats, used: Ints) -> None:
    """Raise MeshError unless all points in use are finite, and small enough to compute with."""
    bad = used[~(np.abs(points[used]) < _FAR).all(axis=1)]
    if len(bad):
        raise MeshError(
            f"{len(bad)} nodes have coordinates that are no lengths, the first, at place "
            f"{bad[0] + 1}: {points[bad[0]].tolist()}"
        )


def check_corners(cells: Ints, names: ElementNames) -> None:
    """Raise MeshError if a cell has a corner twice or two cells have the same corners."""
    corners = np.sort(cells, axis=1)
    (collapsed,) = np.nonzero((np.diff(corners, axis=1) == 0).any(axis=1))
    if len(collapsed):
        raise MeshError(
            f"{names.describe(collapsed[0])} has the same node at two corners; "
            f"{names.count(collapsed)}: a wedge or pyramid cannot be written as a hexahedron here"
        )
    order = np.lexsort(corners.T)
    same = (np.diff(corners[order], axis=0) == 0).all(axis=1)
    twins = order[:-1][same]
    if len(twins):
        other = order[1:][same][0]
        raise MeshError(
            f"{names.describe(twins[0])} and {names.describe(other)} have the same corners; "
            f"{len(twins)} such pairs: is one region listed twice?"
        )


def check_facets(entities: Entities, names: ElementNames) -> None:
    """Raise MeshError if more than two cells meet at a facet."""
    crowded = entities.cells_per_facet > 2
    cells = np.flatnonzero(crowded[entities.cell_facets].any(axis=1))
    if len(cells):
        raise MeshError(
            f"{names.describe(cells[0])} shares a facet with two or more others; "
            f"{names.count(cells)}: do elements overlap?"
        )


def check_determinants(mesh: Mesh, names: ElementNames) -> None:
    """Raise MeshError unless det dX/dξ > 0 at the Gauss-Lobatto and the Gauss points."""
    num_points_1d = mesh.geometry_degree + 1
    for rule, points in (
        ("Gauss-Lobatto", gauss_lobatto(num_points_1d)[0]),
        ("Gauss", gauss(num_points_1d)[0]),
    ):
        lowest, highest, point, lengths = _determinant_bounds(mesh, points)
        bad = np.flatnonzero(~(lowest > _FLAT * lengths))
        if len(bad):
            advice = (
                "the element is left-handed: nodes swapped?"
                if highest[bad[0]] < 0.0
                else "the element is flat or folded: nodes swapped or moved?"
            )
            raise MeshError(
                f"{names.describe(bad[0])}: det dX/dxi = {lowest[bad[0]]:.3g} at {rule} point "
                f"{point[bad[0]] + 1} of {num_points_1d**3}; {names.count(bad)}; {advice}"
            )


def _determinant_bounds(mesh: Mesh, points: Floats) -> tuple[Floats, Floats, Ints, Floats]:
    """Return of each cell the smallest and largest det dX/dξ, where the smallest is, and a scale.

    The scale is the product of the largest lengths of the columns of dX/dξ.
    """
    lowest, highest, lengths = np.empty((3, mesh.num_cells))
    point = np.empty(mesh.num_cells, dtype=np.int64)
    for chunk, gradients in gradients_by_chunk(mesh, points):
        values = determinants(gradients)
        lowest[chunk], highest[chunk] = values.min(axis=1), values.max(axis=1)
        point[chunk] = values.argmin(axis=1)
        lengths[chunk] = np.linalg.norm(gradients, axis=-2).max(axis=1).prod(axis=1)
    return lowest, highest, point, lengths


def find_cracks(entities: Entities, positions: Floats) -> Ints:
    """Return vertices on the boundary that lie where another one lies, as pairs (num, 2).

    Args:
        entities: Entities of the mesh.
        positions: Coordinates of the vertices, shape (num_vertices, 3).
    """
    on_boundary = np.unique(entities.facets[entities.cells_per_facet == 1])
    points = positions[on_boundary]
    distance = _COINCIDENT * float(np.linalg.norm(np.ptp(points, axis=0)))
    # Neighbours in space are neighbours along any line; along this one few others are.
    along = points @ np.array([0.5377, 0.6180, 0.5736])
    order = np.argsort(along)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    first = np.arange(len(order) - 1)
    ahead = 1
    while len(first):
        second = first + ahead
        near = along[order[second]] - along[order[first]] <= distance
        first, second = first[near], second[near]
        gap = np.abs(points[order[second]] - points[order[first]]).max(axis=1, initial=0.0)
        close = gap <= distance
        pairs.append(np.stack([order[first[close]], order[second[close]]], axis=1))
        ahead += 1
        first = first[first + ahead < len(order)]
    return on_boundary[np.concatenate(pairs)]

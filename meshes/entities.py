"""The edges and facets of a mesh, which of them lie on a surface, and what hangs together.

Counts of nodes of any degree follow without numbering them: a mesh of degree p has one node per
vertex, p - 1 per edge, (p - 1)² per facet and (p - 1)³ per cell.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.mesh import EDGE_CORNERS, FACET_CORNERS, Ints

Flags = NDArray[np.bool_]

#: Edges of each facet: those whose two corners are among the facet's four.
FACET_EDGES: Ints = np.array(
    [np.flatnonzero(np.isin(EDGE_CORNERS, corners).all(axis=1)) for corners in FACET_CORNERS]
)


@dataclass(frozen=True)
class Entities:
    """Vertices, edges and facets of a mesh, each counted once.

    Attributes:
        num_vertices: Number of vertices.
        cells: Vertices of each cell, shape (num_cells, 8).
        edges: Vertices of each edge in ascending order, shape (num_edges, 2).
        facets: Vertices of each facet in ascending order, shape (num_facets, 4).
        cell_edges: Edges of each cell, shape (num_cells, 12).
        cell_facets: Facets of each cell, shape (num_cells, 6).
    """

    num_vertices: int
    cells: Ints
    edges: Ints
    facets: Ints
    cell_edges: Ints
    cell_facets: Ints

    @property
    def cells_per_facet(self) -> Ints:
        """Return how many cells each facet bounds, shape (num_facets,): 1 or 2 in a sound mesh."""
        return np.bincount(self.cell_facets.ravel(), minlength=len(self.facets))

    @property
    def boundary_facets(self) -> Ints:
        """Return the pairs (cell, facet of the cell) that bound one cell only, shape (num, 2)."""
        return np.argwhere(self.cells_per_facet[self.cell_facets] == 1)

    def num_nodes(self, degree: int) -> int:
        """Return the number of nodes of a space of that degree."""
        return _num_nodes(
            degree, self.num_vertices, len(self.edges), len(self.facets), len(self.cells)
        )


@dataclass(frozen=True)
class SurfaceEntities:
    """Which vertices, edges and facets lie on some surfaces.

    Attributes:
        vertices: Shape (num_vertices,).
        edges: Shape (num_edges,).
        facets: Shape (num_facets,).
    """

    vertices: Flags
    edges: Flags
    facets: Flags

    def __or__(self, other: "SurfaceEntities") -> "SurfaceEntities":
        """Return what lies on either."""
        return SurfaceEntities(
            self.vertices | other.vertices, self.edges | other.edges, self.facets | other.facets
        )

    def num_nodes(self, degree: int) -> int:
        """Return the number of nodes on the surfaces for a space of that degree."""
        return _num_nodes(
            degree, int(self.vertices.sum()), int(self.edges.sum()), int(self.facets.sum()), 0
        )


def find_entities(cells: Ints) -> Entities:
    """Return the edges and facets of cells of shape (num_cells, 8)."""
    edges, cell_edges = _unique_rows(np.sort(cells[:, EDGE_CORNERS], axis=-1))
    facets, cell_facets = _unique_rows(np.sort(cells[:, FACET_CORNERS], axis=-1))
    num_vertices = int(cells.max()) + 1 if len(cells) else 0
    return Entities(num_vertices, cells, edges, facets, cell_edges, cell_facets)


def find_facets(entities: Entities, corners: Ints) -> Ints:
    """Return the facet with these vertices in any order, -1 if there is none, shape (num,).

    Args:
        entities: Entities of the mesh.
        corners: Shape (num, 4).
    """
    rows = np.concatenate([entities.facets, np.sort(corners, axis=1)])
    different, number = _unique_rows(rows[:, None, :])
    facet_of_row = np.full(len(different), -1, dtype=np.int64)
    num_facets = len(entities.facets)
    facet_of_row[number[:num_facets, 0]] = np.arange(num_facets)
    return facet_of_row[number[num_facets:, 0]]


def surface_entities(entities: Entities, surface: Ints) -> SurfaceEntities:
    """Return what lies on a surface, given as pairs (cell, facet) of shape (num, 2)."""
    cell, side = surface[:, 0], surface[:, 1]
    vertices = np.zeros(entities.num_vertices, dtype=bool)
    edges = np.zeros(len(entities.edges), dtype=bool)
    facets = np.zeros(len(entities.facets), dtype=bool)
    vertices[entities.cells[cell[:, None], FACET_CORNERS[side]]] = True
    edges[entities.cell_edges[cell[:, None], FACET_EDGES[side]]] = True
    facets[entities.cell_facets[cell, side]] = True
    return SurfaceEntities(vertices, edges, facets)


def connected_components(cells: Ints) -> Ints:
    """Return the number of the component of each cell, shape (num_cells,).

    Cells hang together when they share a vertex; components are numbered by their first cell.
    """
    num_vertices = int(cells.max()) + 1 if len(cells) else 0
    root = np.arange(num_vertices)
    while True:
        lowest = root[cells].min(axis=1)
        # Hook the roots of a cell's vertices to the lowest of them, then shorten all paths.
        before = root.copy()
        np.minimum.at(root, before[cells].ravel(), np.repeat(lowest, cells.shape[1]))
        while not np.array_equal(root, root[root]):
            root = root[root]
        if np.array_equal(root, before):
            break
    first = root[cells[:, 0]]
    _, first_cell, component = np.unique(first, return_index=True, return_inverse=True)
    rank = np.empty(len(first_cell), dtype=np.int64)
    rank[np.argsort(first_cell)] = np.arange(len(first_cell))
    return rank[component]


def _num_nodes(degree: int, vertices: int, edges: int, facets: int, cells: int) -> int:
    inner = degree - 1
    return vertices + inner * (edges + inner * (facets + inner * cells))


def _unique_rows(rows: Ints) -> tuple[Ints, Ints]:
    """Return the different rows of (num_cells, num_sides, width) and the number of each."""
    num_cells, num_sides, width = rows.shape
    flat = rows.reshape(-1, width)
    order = np.lexsort(flat.T[::-1])
    in_order = flat[order]
    starts = np.ones(len(flat), dtype=bool)
    starts[1:] = (in_order[1:] != in_order[:-1]).any(axis=1)
    number = np.empty(len(flat), dtype=np.int64)
    number[order] = np.cumsum(starts) - 1
    return in_order[starts], number.reshape(num_cells, num_sides)

"""A finite-element space: nodes, their numbers, and which components are prescribed.

Nodes are Gauss-Lobatto-Legendre points.  A node belongs to the entity (vertex, edge, facet or cell)
in whose interior it lies; PETSc numbers the entities, and within an entity the nodes run in a
direction that all cells and ranks see alike, because it follows the vertex numbers of the whole
mesh.

Prescribed components are left out of the T-vector (PETSc global vector) by the section; the
L-vector (PETSc local vector) holds all components of all nodes of the rank, three per node.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.topology import Topology

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Space:
    """Continuous vector-valued Lagrange elements of one degree on one rank.

    Attributes:
        degree: Polynomial degree p.
        dm: A clone of the mesh's DMPlex with the section of this space.
        nodes: L-vector node number of each element node in tensor order, shape
            (num_elements, (p + 1)³).
        X: Initial coordinates of the nodes, shape (num_nodes, 3).
        prescribed: Which components of which nodes are prescribed, shape (num_nodes, 3).
        on_surface: Which nodes lie on which surface, shape (num_nodes, num_surfaces).
        numbers: Number of each node in the whole mesh, counted through the owned nodes of rank 0,
            1, ..., shape (num_nodes,).
        owned_numbers: The range of `numbers` that this rank owns.
        t_sizes: Entries of the T-vector on this rank and on all ranks.
    """

    degree: int
    dm: PETSc.DMPlex
    nodes: Ints
    X: Floats
    prescribed: Bools
    on_surface: Bools
    numbers: Ints
    owned_numbers: tuple[int, int]
    t_sizes: tuple[int, int]

    @property
    def num_nodes(self) -> int:
        """Return the number of nodes of this rank, ghosts included."""
        return len(self.X)

    @property
    def owned(self) -> Bools:
        """Return which nodes of this rank it owns, shape (num_nodes,)."""
        first, last = self.owned_numbers
        return (self.numbers >= first) & (self.numbers < last)

    @property
    def owned_nodes(self) -> Ints:
        """Return the nodes that this rank owns, in the order of their numbers."""
        owned = np.flatnonzero(self.owned)
        return owned[np.argsort(self.numbers[owned])]

    @property
    def num_dofs(self) -> int:
        """Return the number of unknowns of all ranks."""
        return self.t_sizes[1]


def build_space(topology: Topology, degree: int, point_prescribed: Bools) -> Space:
    """Return the space of a degree.

    Args:
        topology: The distributed mesh.
        degree: Polynomial degree p >= 1.
        point_prescribed: Which components are prescribed on which DMPlex points, shape
            (num_points, 3).
    """
    plex = topology.plex
    counts = _nodes_of_each_point(plex, degree)
    first_node = np.concatenate([[0], np.cumsum(counts)])
    nodes = _element_nodes(topology, degree, first_node)

    to_nodes = interpolation(
        gauss_lobatto(topology.geometry_degree + 1)[0], gauss_lobatto(degree + 1)[0]
    )
    X = np.empty((first_node[-1], 3))
    X[nodes] = tensor_interpolate(to_nodes, topology.coordinates)

    dm = with_section(plex, degree, num_components=3, point_prescribed=point_prescribed)
    numbers, owned_numbers = _node_numbers(plex, degree)
    return Space(
        degree=degree,
        dm=dm,
        nodes=nodes,
        X=X,
        prescribed=np.repeat(point_prescribed, counts, axis=0),
        on_surface=np.repeat(topology.points_on_surfaces(), counts, axis=0),
        numbers=numbers,
        owned_numbers=owned_numbers,
        t_sizes=dm.createGlobalVec().getSizes(),
    )


def tensor_interpolate(matrix: Floats, values: Floats, dimension: int = 3) -> Floats:
    """Apply a one-dimensional matrix in all directions to element values.

    Args:
        matrix: Shape (n, m).
        values: Shape (num_elements, m^dimension, num_components), in tensor order.
        dimension: Number of directions.

    Returns:
        Values of shape (num_elements, n^dimension, num_components).
    """
    num_elements, _, num_components = values.shape
    n, m = matrix.shape
    result = values.reshape(num_elements, *[m] * dimension, num_components)
    for axis in range(1, dimension + 1):
        result = np.moveaxis(np.tensordot(result, matrix, axes=(axis, 1)), -1, axis)
    return np.ascontiguousarray(result).reshape(num_elements, n**dimension, num_components)


def _nodes_of_each_point(plex: PETSc.DMPlex, degree: int) -> Ints:
    """Return the number of nodes in the interior of each DMPlex point."""
    _, num_points = plex.getChart()
    counts = np.empty(num_points, dtype=np.int64)
    for depth in range(4):
        start, end = plex.getDepthStratum(depth)
        counts[start:end] = (degree - 1) ** depth
    return counts


def _element_nodes(topology: Topology, degree: int, first_node: Ints) -> Ints:
    """Return `Space.nodes`."""
    num_cells = len(topology.entities)
    inner = np.arange(degree - 1)
    nodes = np.empty(
        (num_cells, degree + 1, degree + 1, degree + 1), dtype=np.int64
    )  # [ξ₃, ξ₂, ξ₁]
    corners = topology.corners.reshape(-1, 2, 2, 2)  # [cell, ξ₃, ξ₂, ξ₁]
    for entity in range(27):
        ends = (entity // 9, entity // 3 % 3, entity % 3)  # along ξ₃, ξ₂, ξ₁
        free = [axis for axis in range(3) if ends[axis] == 1]
        if free and degree == 1:
            continue
        # The corners of this entity, as an array over its free axes (slow to fast).
        corner = corners[(slice(None), *(slice(None) if end == 1 else end // 2 for end in ends))]
        index = _canonical_index(corner, inner, num_cells)
        target = (
            slice(None),
            *(slice(1, degree) if end == 1 else (0 if end == 0 else degree) for end in ends),
        )
        points = topology.entities[:, entity].reshape(-1, *[1] * len(free))
        nodes[target] = first_node[points] + index
    return nodes.reshape(num_cells, (degree + 1) ** 3)


def _canonical_index(corner: Ints, inner: Ints, num_cells: int) -> Ints:
    """Return the index of each interior node of an entity, alike for all cells around it.

    Args:
        corner: Vertex numbers at the corners of the entity, shape (num_cells, 2, ...) with one
            axis for each free direction, slow to fast.
        inner: 0, ..., p - 2.
        num_cells: Number of cells.

    Returns:
        Shape (num_cells, p - 1, ...): counted from the corner with the lowest vertex number, on a
        facet fastest towards the lower of its two neighbours.
    """
    dimension = corner.ndim - 1
    size = len(inner)
    if dimension == 0:
        return np.zeros(num_cells, dtype=np.int64)
    if dimension == 1:
        flip = (corner[:, 0] > corner[:, 1])[:, None]
        return np.where(flip, size - 1 - inner, inner)
    if dimension == 2:
        origin = np.argmin(corner.reshape(-1, 4), axis=1)
        slow, fast = origin // 2, origin % 2
        cell = np.arange(num_cells)
        i = np.where(fast[:, None] == 1, size - 1 - inner, inner)[:, None, :]
        j = np.where(slow[:, None] == 1, size - 1 - inner, inner)[:, :, None]
        swap = (corner[cell, 1 - slow, fast] < corner[cell, slow, 1 - fast])[:, None, None]
        return np.where(swap, j + size * i, i + size * j)
    return np.arange(size**3).reshape(1, size, size, size)


def with_section(
    plex: PETSc.DMPlex, degree: int, num_components: int, point_prescribed: Bools | None
) -> PETSc.DMPlex:
    """Return a clone of the DMPlex with the section of a space."""
    dm = plex.clone()
    dm.setNumFields(1)
    fields, components, points = [], [], []
    if point_prescribed is not None:
        masks = point_prescribed @ np.array([1, 2, 4])
        for mask in range(1, 8):
            where = np.flatnonzero(masks == mask)
            chosen = [c for c in range(3) if mask >> c & 1]
            fields.append(0)
            components.append(PETSc.IS().createGeneral(chosen, comm=PETSc.COMM_SELF))
            points.append(
                PETSc.IS().createGeneral(where.astype(PETSc.IntType), comm=PETSc.COMM_SELF)
            )
    section = dm.createSection(
        [num_components],
        [num_components * (degree - 1) ** depth for depth in range(4)],
        bcField=fields,
        bcComps=components,
        bcPoints=points,
    )
    dm.setLocalSection(section)
    return dm


def _node_numbers(plex: PETSc.DMPlex, degree: int) -> tuple[Ints, tuple[int, int]]:
    """Return the number of each node in the whole mesh, and the range that this rank owns."""
    dm = with_section(plex, degree, num_components=1, point_prescribed=None)
    numbers_t = dm.createGlobalVec()
    first, last = numbers_t.getOwnershipRange()
    numbers_t.setArray(np.arange(first, last, dtype=float))
    numbers_l = dm.createLocalVec()
    dm.globalToLocal(numbers_t, numbers_l)
    return numbers_l.array.astype(np.int64), (first, last)

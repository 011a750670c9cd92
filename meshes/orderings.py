"""Node orderings of hexahedra in other programs, as permutation tables.

An ordering is an integer table t with t[m] = our tensor number of the node that the other program
counts as its m-th (from 0), so that for connectivities of shape (num_cells, num_nodes)

    theirs = ours[:, t],        ours = theirs[:, argsort(t)].

Hexahedra with 20 nodes have no nodes on facets and inside; t then numbers into the 27 nodes of
degree 2, and `serendipity` gives the seven missing ones.

References: VTK, vtkHigherOrderHexahedron::PointIndexFromIJK; Gmsh reference manual, Node ordering;
Abaqus Elements Guide, Three-dimensional solid element library; L. A. Schoof, V. R. Yarberry,
EXODUS II, Sandia report SAND92-2137, section 4.8.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from elastane.meshes.mesh import Floats, Ints

#: Corners as all of these programs count them: around the lower facet, then around the upper one.
_CORNERS: Ints = np.array(
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
)

_LOWER = ((0, 1), (1, 2), (2, 3), (3, 0))
_UPPER = ((4, 5), (5, 6), (6, 7), (7, 4))
_UPRIGHT = ((0, 4), (1, 5), (2, 6), (3, 7))
_GMSH_EDGES = (
    (0, 1), (0, 3), (0, 4), (1, 2), (1, 5), (2, 3),
    (2, 6), (3, 7), (4, 5), (4, 7), (5, 6), (6, 7),
)  # fmt: skip

# Facets by their corners, in the cyclic order that orients the nodes on them.
_X_MIN, _X_MAX = (0, 4, 7, 3), (1, 2, 6, 5)
_Y_MIN, _Y_MAX = (0, 1, 5, 4), (2, 3, 7, 6)
_Z_MIN, _Z_MAX = (0, 3, 2, 1), (4, 5, 6, 7)
_GMSH_FACETS = (_Z_MIN, _Y_MIN, _X_MIN, _X_MAX, _Y_MAX, _Z_MAX)
_INSIDE = tuple(range(8))


def _quadratic(*parts: tuple[int, ...]) -> Ints:
    """Return the table of a quadratic ordering; each node is the mean of some corners."""
    positions = np.array([2 * _CORNERS[list(part)].mean(axis=0) for part in parts])
    return _tensor_numbers(positions.round().astype(np.int64), 2)


def _tensor_numbers(positions: Ints, degree: int) -> Ints:
    i, j, k = positions.T
    return i + (degree + 1) * (j + (degree + 1) * k)


_EIGHT = tuple((corner,) for corner in range(8))

LINEAR: Ints = _tensor_numbers(_CORNERS, 1)

VTK_20: Ints = _quadratic(*_EIGHT, *_LOWER, *_UPPER, *_UPRIGHT)
VTK_27: Ints = _quadratic(
    *_EIGHT, *_LOWER, *_UPPER, *_UPRIGHT, _X_MIN, _X_MAX, _Y_MIN, _Y_MAX, _Z_MIN, _Z_MAX, _INSIDE
)

GMSH_20: Ints = _quadratic(*_EIGHT, *_GMSH_EDGES)

ABAQUS_20: Ints = VTK_20
ABAQUS_27: Ints = _quadratic(
    *_EIGHT, *_LOWER, *_UPPER, *_UPRIGHT, _INSIDE, _Z_MIN, _Z_MAX, _Y_MIN, _X_MAX, _Y_MAX, _X_MIN
)

EXODUS_20: Ints = _quadratic(*_EIGHT, *_LOWER, *_UPRIGHT, *_UPPER)
EXODUS_27: Ints = _quadratic(
    *_EIGHT, *_LOWER, *_UPRIGHT, *_UPPER, _INSIDE, _Z_MIN, _Z_MAX, _X_MIN, _X_MAX, _Y_MIN, _Y_MAX
)

#: Our facet for each side, as Abaqus (S1, S2, ...) and Exodus (1, 2, ...) count them.
ABAQUS_SIDES: Ints = np.array([4, 5, 2, 1, 3, 0])
EXODUS_SIDES: Ints = np.array([2, 1, 3, 0, 4, 5])


@cache
def vtk_lagrange(degree: int) -> Ints:
    """Return the table of VTK's Lagrange hexahedron in the numbering of VTU version 2.1 and newer.

    Corners, then nodes inside the edges, facets and the cell; within each, ξ₁ runs fastest.
    """
    inner = range(1, degree)
    corners = degree * _CORNERS
    # Along each edge in the positive direction: lower four, upper four, upright four.
    edges = [
        _between(corners[min(a, b, key=_height)], corners[max(a, b, key=_height)], degree)
        for a, b in (*_LOWER, *_UPPER, *_UPRIGHT)
    ]
    facets = [
        np.insert([[s, t] for t in inner for s in inner], direction, side, axis=1)
        for direction in range(3)
        for side in (0, degree)
        if degree > 1
    ]
    inside = np.array([[i, j, k] for k in inner for j in inner for i in inner], dtype=np.int64)
    return _tensor_numbers(
        np.concatenate([corners, *edges, *facets, inside.reshape(-1, 3)]), degree
    )


@cache
def vtk_lagrange_before_2_1(degree: int) -> Ints:
    """Return the table that VTU files below version 2.1 use: two upright edges change places."""
    table = vtk_lagrange(degree).copy()
    inner = degree - 1
    third, fourth = (slice(8 + edge * inner, 8 + (edge + 1) * inner) for edge in (10, 11))
    table[third], table[fourth] = table[fourth].copy(), table[third].copy()
    return table


@cache
def gmsh_lagrange(degree: int) -> Ints:
    """Return the table of Gmsh's complete hexahedron of any degree.

    Corners, edges and facets, then the nodes inside as a hexahedron of degree - 2, and so on.
    """
    return _tensor_numbers(_gmsh_hexahedron(degree * _CORNERS, degree), degree)


def from_other(program: str, num_nodes: int) -> Ints:
    """Return r with ours = theirs[:, r]: tensor order, or VTK's order for 20 nodes.

    Args:
        program: A key of `ORDERINGS`.
        num_nodes: Nodes of a hexahedron.
    """
    degree = round(num_nodes ** (1 / 3)) - 1
    table = ORDERINGS[program].get(num_nodes)
    if table is None:
        table = COMPLETE_ORDERINGS[program](degree)
    wanted = VTK_20 if num_nodes == 20 else np.arange(num_nodes)
    return np.argsort(table)[np.searchsorted(np.sort(table), wanted)]


@cache
def serendipity() -> Floats:
    """Return the 27 equidistant tensor nodes as combinations of the 20, shape (27, 20).

    The columns stand in VTK's order.  The serendipity functions of a corner and of a mid-edge node
    with coordinates ξ_a in {-1, 0, 1} are

        N = 1/8 Π (1 + ξ_d ξ_ad) (Σ ξ_d ξ_ad - 2),    N = 1/4 (1 - ξ_e²) Π_{d ≠ e} (1 + ξ_d ξ_ad).
    """
    k, j, i = np.indices((3, 3, 3)).reshape(3, -1) - 1.0
    tensor = np.stack([i, j, k], axis=1)
    nodes = tensor[VTK_20]
    products = tensor[:, None, :] * nodes[None, :, :]
    corner = (1.0 + products).prod(axis=2) * (products.sum(axis=2) - 2.0) / 8.0
    bubble = np.where(nodes[None] == 0.0, 1.0 - tensor[:, None] ** 2, 1.0 + products)
    edge = bubble.prod(axis=2) / 4.0
    return np.where((nodes != 0.0).all(axis=1)[None, :], corner, edge)


def _height(corner: int) -> int:
    return int(_CORNERS[corner].sum())


def _between(start: Ints, end: Ints, degree: int) -> Ints:
    """Return the inner nodes of the edge from start to end, in this direction."""
    step = (end - start) // degree
    return start + step * np.arange(1, degree)[:, None]


def _gmsh_hexahedron(corners: Ints, degree: int) -> Ints:
    if degree == 0:
        return corners[:1]
    if degree < 0:
        return corners[:0]
    edges = [_between(corners[a], corners[b], degree) for a, b in _GMSH_EDGES]
    facets = [_gmsh_facet_inside(corners[list(facet)], degree) for facet in _GMSH_FACETS]
    inside = corners + 1 - 2 * _CORNERS
    return np.concatenate([corners, *edges, *facets, _gmsh_hexahedron(inside, degree - 2)])


def _gmsh_facet_inside(corners: Ints, degree: int) -> Ints:
    """Return the nodes strictly inside a facet with these four corners."""
    if degree < 2:
        return corners[:0]
    first, second = (corners[1] - corners[0]) // degree, (corners[3] - corners[0]) // degree
    inside = corners + np.stack([first + second, second - first, -first - second, first - second])
    return _gmsh_quadrilateral(inside, degree - 2)


def _gmsh_quadrilateral(corners: Ints, degree: int) -> Ints:
    if degree == 0:
        return corners[:1]
    edges = [_between(corners[a], corners[b], degree) for a, b in _LOWER]
    return np.concatenate([corners, *edges, _gmsh_facet_inside(corners, degree)])


#: Tables of fixed size by program and number of nodes.
ORDERINGS: Mapping[str, Mapping[int, Ints]] = {
    "vtk": {8: LINEAR, 20: VTK_20, 27: VTK_27},
    "gmsh": {8: LINEAR, 20: GMSH_20},
    "abaqus": {8: LINEAR, 20: ABAQUS_20, 27: ABAQUS_27},
    "exodus": {8: LINEAR, 20: EXODUS_20, 27: EXODUS_27},
    "vtk lagrange": {},
    "vtk lagrange before 2.1": {},
}

#: Tables of any degree, for the numbers of nodes that have none above.
COMPLETE_ORDERINGS: Mapping[str, Callable[[int], Ints]] = {
    "gmsh": gmsh_lagrange,
    "vtk lagrange": vtk_lagrange,
    "vtk lagrange before 2.1": vtk_lagrange_before_2_1,
}

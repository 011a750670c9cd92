"""Every table is a permutation, and known nodes stand where the other programs put them."""

import numpy as np
import pytest

from elastane.meshes.lagrange import interpolation
from elastane.meshes.mesh import FACET_CORNERS, Ints
from elastane.meshes.orderings import (
    ABAQUS_20,
    ABAQUS_27,
    ABAQUS_SIDES,
    EXODUS_20,
    EXODUS_27,
    EXODUS_SIDES,
    GMSH_20,
    LINEAR,
    VTK_20,
    VTK_27,
    from_other,
    gmsh_lagrange,
    serendipity,
    vtk_lagrange,
    vtk_lagrange_before_2_1,
)

COMPLETE = {
    "linear": LINEAR,
    "vtk 27": VTK_27,
    "abaqus 27": ABAQUS_27,
    "exodus 27": EXODUS_27,
    **{f"vtk lagrange {degree}": vtk_lagrange(degree) for degree in range(1, 9)},
    **{f"old vtk lagrange {degree}": vtk_lagrange_before_2_1(degree) for degree in range(1, 9)},
    **{f"gmsh {degree}": gmsh_lagrange(degree) for degree in range(1, 9)},
}
INCOMPLETE = {"vtk": VTK_20, "gmsh": GMSH_20, "abaqus": ABAQUS_20, "exodus": EXODUS_20}


def _positions(table: Ints) -> Ints:
    """Return (i, j, k) of each node in the order of the other program."""
    size = {8: 2, 20: 3}.get(len(table), round(len(table) ** (1 / 3)))
    return np.stack([table % size, table // size % size, table // size**2], axis=1)


@pytest.mark.parametrize("name", COMPLETE)
def test_a_complete_table_is_a_permutation(name: str) -> None:
    assert np.array_equal(np.sort(COMPLETE[name]), np.arange(len(COMPLETE[name])))


@pytest.mark.parametrize("name", INCOMPLETE)
def test_an_incomplete_table_has_corners_and_edges_once(name: str) -> None:
    at_end = _positions(INCOMPLETE[name]) != 1
    assert len(np.unique(INCOMPLETE[name])) == 20
    assert at_end[:8].all()
    assert (at_end[8:].sum(axis=1) == 2).all()


@pytest.mark.parametrize("name", [*COMPLETE, *INCOMPLETE])
def test_corners_go_around_below_and_then_above(name: str) -> None:
    table = (COMPLETE | INCOMPLETE)[name]
    positions = _positions(table)[:8]
    degree = positions.max()
    expected = [
        [0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]
    ]  # fmt: skip
    assert np.array_equal(positions, degree * np.array(expected))


# Nodes counted from 0, as in the manuals' pictures, at (i, j, k) in {0, 1, 2}³.
@pytest.mark.parametrize(
    ("table", "node", "position"),
    [
        (VTK_20, 8, (1, 0, 0)),
        (VTK_20, 15, (0, 1, 2)),
        (VTK_20, 18, (2, 2, 1)),
        (VTK_27, 20, (0, 1, 1)),
        (VTK_27, 25, (1, 1, 2)),
        (VTK_27, 26, (1, 1, 1)),
        (GMSH_20, 9, (0, 1, 0)),
        (GMSH_20, 10, (0, 0, 1)),
        (GMSH_20, 13, (1, 2, 0)),
        (GMSH_20, 19, (1, 2, 2)),
        (gmsh_lagrange(2), 20, (1, 1, 0)),
        (gmsh_lagrange(2), 22, (0, 1, 1)),
        (ABAQUS_27, 20, (1, 1, 1)),
        (ABAQUS_27, 22, (1, 1, 2)),
        (ABAQUS_27, 26, (0, 1, 1)),
        (EXODUS_20, 12, (0, 0, 1)),
        (EXODUS_20, 16, (1, 0, 2)),
        (EXODUS_27, 20, (1, 1, 1)),
        (EXODUS_27, 23, (0, 1, 1)),
        (EXODUS_27, 25, (1, 0, 1)),
    ],
)
def test_a_known_node_stands_where_the_manual_has_it(
    table: Ints, node: int, position: tuple[int, int, int]
) -> None:
    assert tuple(_positions(table)[node]) == position


def test_quadratic_lagrange_cells_of_vtk_differ_from_27_nodes_in_nothing() -> None:
    assert np.array_equal(vtk_lagrange(2), VTK_27)


def _vtk_index(i: int, j: int, k: int, order: int) -> int:
    """Return VTK's number of a node, by the case distinctions of the VTK documentation."""
    inner = order - 1
    on_i, on_j, on_k = (index in (0, order) for index in (i, j, k))
    if on_i + on_j + on_k == 3:
        return ((2 if j else 1) if i else (3 if j else 0)) + (4 if k else 0)
    if on_i + on_j + on_k == 2:
        layer = 8 + (4 * inner if k else 0)
        if not on_i:
            return layer + i - 1 + (2 * inner if j else 0)
        if not on_j:
            return layer + j - 1 + (inner if i else 3 * inner)
        return 8 + 8 * inner + k - 1 + inner * ((2 if j else 1) if i else (3 if j else 0))
    offset = 8 + 12 * inner
    if on_i + on_j + on_k == 1:
        if on_i:
            return offset + j - 1 + inner * (k - 1) + (inner**2 if i else 0)
        if on_j:
            return offset + 2 * inner**2 + i - 1 + inner * (k - 1) + (inner**2 if j else 0)
        return offset + 4 * inner**2 + i - 1 + inner * (j - 1) + (inner**2 if k else 0)
    return offset + 6 * inner**2 + i - 1 + inner * (j - 1 + inner * (k - 1))


@pytest.mark.parametrize("degree", range(1, 9))
def test_lagrange_cells_follow_the_case_distinctions_of_vtk(degree: int) -> None:
    positions = _positions(vtk_lagrange(degree)).tolist()
    numbers = [_vtk_index(i, j, k, degree) for i, j, k in positions]
    assert numbers == list(range((degree + 1) ** 3))


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_old_lagrange_cells_exchange_the_edges_at_the_back(degree: int) -> None:
    new, old = vtk_lagrange(degree), vtk_lagrange_before_2_1(degree)
    moved = _positions(new)[new != old]
    assert len(moved) == 2 * (degree - 1)
    # Upright edges at ξ₂ = 1.
    assert (moved[:, 1] == degree).all()
    assert ((moved[:, 2] > 0) & (moved[:, 2] < degree)).all()


@pytest.mark.parametrize("program", ["vtk", "gmsh", "abaqus", "exodus"])
@pytest.mark.parametrize("num_nodes", [8, 20, 27])
def test_from_other_undoes_the_table(program: str, num_nodes: int) -> None:
    tables = {
        "vtk": {8: LINEAR, 20: VTK_20, 27: VTK_27},
        "gmsh": {8: LINEAR, 20: GMSH_20, 27: gmsh_lagrange(2)},
        "abaqus": {8: LINEAR, 20: ABAQUS_20, 27: ABAQUS_27},
        "exodus": {8: LINEAR, 20: EXODUS_20, 27: EXODUS_27},
    }
    theirs = tables[program][num_nodes]
    expected = VTK_20 if num_nodes == 20 else np.arange(num_nodes)
    assert np.array_equal(theirs[from_other(program, num_nodes)], expected)


def test_sides_of_abaqus_and_exodus_have_their_corners() -> None:
    # Corners counted from 1, from the manuals.
    abaqus = [[1, 2, 3, 4], [5, 8, 7, 6], [1, 5, 6, 2], [2, 6, 7, 3], [3, 7, 8, 4], [4, 8, 5, 1]]
    exodus = [[1, 2, 6, 5], [2, 3, 7, 6], [3, 4, 8, 7], [1, 5, 8, 4], [1, 4, 3, 2], [5, 6, 7, 8]]
    for sides, facets in ((abaqus, ABAQUS_SIDES), (exodus, EXODUS_SIDES)):
        for corners, facet in zip(sides, facets, strict=True):
            assert set(LINEAR[np.array(corners) - 1]) == set(FACET_CORNERS[facet])


def test_serendipity_keeps_its_nodes_and_reproduces_its_polynomials() -> None:
    matrix = serendipity()
    assert np.array_equal(matrix[VTK_20], np.eye(20))
    x, y, z = (_positions(np.arange(27)) - 1.0).T
    # Complete quadratics, and the superlinear terms of the serendipity family.
    for values in (1 + x, x * y, x**2 + y * z, x**2 * y * z, x * y * z, y * z**2):
        np.testing.assert_allclose(matrix @ values[VTK_20], values, atol=1e-15)
    # Products of two squares are not among them.
    assert np.abs(matrix @ ((x * y) ** 2)[VTK_20] - (x * y) ** 2).max() > 0.1


def test_equidistant_nodes_of_degree_two_are_those_of_gauss_and_lobatto() -> None:
    nodes = np.linspace(-1.0, 1.0, 3)
    assert np.array_equal(interpolation(nodes, nodes), np.eye(3))

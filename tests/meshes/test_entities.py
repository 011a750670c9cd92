import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.entities import (
    FACET_EDGES,
    connected_components,
    find_entities,
    find_facets,
    surface_entities,
)
from elastane.meshes.mesh import EDGE_CORNERS, FACET_CORNERS
from elastane.meshes.refine import refine_mesh


@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 3, 4)])
def test_a_box_has_as_many_entities_as_its_grid(counts: tuple[int, int, int]) -> None:
    a, b, c = counts
    entities = find_entities(Box(cells=counts).build(1, 0).cells)
    assert entities.num_vertices == (a + 1) * (b + 1) * (c + 1)
    assert len(entities.edges) == (
        a * (b + 1) * (c + 1) + (a + 1) * b * (c + 1) + (a + 1) * (b + 1) * c
    )
    assert len(entities.facets) == (a + 1) * b * c + a * (b + 1) * c + a * b * (c + 1)


@pytest.mark.parametrize("degree", range(1, 9))
def test_nodes_of_any_degree_are_counted_as_on_a_grid(degree: int) -> None:
    entities = find_entities(Box(cells=(2, 3, 4)).build(1, 0).cells)
    assert entities.num_nodes(degree) == (2 * degree + 1) * (3 * degree + 1) * (4 * degree + 1)


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_nodes_on_surfaces_are_counted_once(degree: int) -> None:
    mesh = Box(cells=(2, 3, 4)).build(1, 0)
    entities = find_entities(mesh.cells)
    bottom = surface_entities(entities, mesh.surfaces["z-min"])
    side = surface_entities(entities, mesh.surfaces["x-max"])
    along_x, along_y, along_z = 2 * degree + 1, 3 * degree + 1, 4 * degree + 1
    assert bottom.num_nodes(degree) == along_x * along_y
    assert side.num_nodes(degree) == along_y * along_z
    assert (bottom | side).num_nodes(degree) == along_x * along_y + along_y * along_z - along_y


def test_entities_of_cells_have_the_vertices_of_the_tables() -> None:
    mesh = Annulus(cells=(1, 3, 2)).build(1, 0)
    entities = find_entities(mesh.cells)
    edges = np.sort(mesh.cells[:, EDGE_CORNERS], axis=-1)
    facets = np.sort(mesh.cells[:, FACET_CORNERS], axis=-1)
    assert np.array_equal(entities.edges[entities.cell_edges], edges)
    assert np.array_equal(entities.facets[entities.cell_facets], facets)
    assert len(np.unique(entities.facets, axis=0)) == len(entities.facets)


def test_edges_of_facets_are_the_four_around_them() -> None:
    for corners, edges in zip(FACET_CORNERS, FACET_EDGES, strict=True):
        assert sorted(EDGE_CORNERS[edges].ravel()) == sorted(np.repeat(corners, 2))


def test_facets_are_found_by_their_corners_in_any_order() -> None:
    entities = find_entities(Box(cells=(2, 2, 2)).build(1, 0).cells)
    corners = entities.facets[:, [2, 0, 3, 1]]
    assert np.array_equal(find_facets(entities, corners), np.arange(len(corners)))
    strange = np.array([[0, 1, 2, 3], [-1, 0, 1, 4]])
    assert np.array_equal(find_facets(entities, strange), [-1, -1])
    assert find_facets(entities, np.empty((0, 4), dtype=np.int64)).shape == (0,)


def test_parts_without_a_common_vertex_are_components() -> None:
    cells = refine_mesh(Box(cells=(3, 1, 1)).build(1, 0), 1).cells
    shuffled = np.random.default_rng(2).permutation(len(cells))
    first, second = cells[shuffled], cells + cells.max() + 1
    components = connected_components(np.concatenate([second, first, second + second.max() + 1]))
    assert np.array_equal(components, np.repeat([0, 1, 2], len(cells)))


def test_a_long_chain_is_one_component() -> None:
    cells = Box(cells=(500, 1, 1)).build(1, 0).cells
    shuffled = np.random.default_rng(2).permutation(cells.max() + 1)[cells]
    assert connected_components(shuffled).max() == 0


def test_cells_that_share_an_edge_only_hang_together() -> None:
    mesh = Box(cells=(2, 2, 1)).build(1, 0)
    assert connected_components(mesh.cells[[0, 3]]).max() == 0

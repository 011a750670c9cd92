"""Laws of every body: what its volume, surfaces and topology must be."""

from math import pi

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.cook import Cook
from elastane.meshes.element_map import (
    cell_volumes,
    corner_coordinates,
    determinants,
    facet_area_vectors,
    facet_areas,
    facet_nodes,
    gradients_by_chunk,
)
from elastane.meshes.entities import find_entities
from elastane.meshes.lagrange import gauss_lobatto
from elastane.meshes.mesh import Floats, Mesh
from elastane.meshes.refine import change_geometry_degree, refine_mesh
from elastane.meshes.schwarz import SchwarzP
from elastane.meshes.sphere_shell import SphereShell

BODIES: dict[str, Body] = {
    "box": Box((1.0, 2.0, 3.0), (2, 1, 3), (-1.0, 0.5, 2.0)),
    "cook": Cook(2.0, (3, 2, 1)),
    "quarter": Annulus(1.0, 2.0, 1.5, 90.0, (2, 3, 1)),
    "three quarters": Annulus(0.5, 1.0, 1.0, 270.0, (1, 6, 2)),
    "ring": Annulus(1.0, 2.0, 1.0, 360.0, (1, 6, 2)),
    "smallest ring": Annulus(1.0, 2.0, 1.0, 360.0, (1, 3, 1)),
    "sphere": SphereShell(1.0, 2.0, (2, 2)),
    "schwarz": SchwarzP((2, 1, 1), 0.2, 1, 2),
}

VOLUMES = {
    "box": 6.0,
    "cook": 2.0 * 48.0 * (44.0 + 16.0) / 2.0,
    "quarter": 1.5 * 3.0 * pi / 4.0,
    "three quarters": 0.75 * 0.75 * pi,
    "ring": 3.0 * pi,
    "smallest ring": 3.0 * pi,
    "sphere": 7.0 * pi / 6.0,
}

#: Area and integral of the outward normal of some surfaces.
AREAS = {
    ("box", "x-max"): (6.0, (6.0, 0.0, 0.0)),
    ("box", "y-min"): (3.0, (0.0, -3.0, 0.0)),
    ("cook", "left"): (88.0, (-88.0, 0.0, 0.0)),
    ("cook", "right"): (32.0, (32.0, 0.0, 0.0)),
    ("cook", "bottom"): (2.0 * np.hypot(48.0, 44.0), (88.0, -96.0, 0.0)),
    ("cook", "top"): (2.0 * np.hypot(48.0, 16.0), (-32.0, 96.0, 0.0)),
    ("quarter", "inner"): (0.75 * pi, (-1.5, -1.5, 0.0)),
    ("quarter", "outer"): (1.5 * pi, (3.0, 3.0, 0.0)),
    ("quarter", "theta-min"): (1.5, (0.0, -1.5, 0.0)),
    ("quarter", "theta-max"): (1.5, (-1.5, 0.0, 0.0)),
    ("quarter", "z-max"): (0.75 * pi, (0.0, 0.0, 0.75 * pi)),
    ("ring", "inner"): (2.0 * pi, (0.0, 0.0, 0.0)),
    ("sphere", "inner"): (pi / 2.0, (-pi / 4.0, -pi / 4.0, -pi / 4.0)),
    ("sphere", "outer"): (2.0 * pi, (pi, pi, pi)),
    ("sphere", "y-min"): (0.75 * pi, (0.0, -0.75 * pi, 0.0)),
}

every_body = pytest.mark.parametrize("name", BODIES)


@pytest.mark.parametrize("name", VOLUMES)
def test_volume_converges_to_the_exact_one(name: str) -> None:
    errors = [
        abs(cell_volumes(BODIES[name].build(degree, 0)).sum() / VOLUMES[name] - 1.0)
        for degree in (1, 2, 4, 8)
    ]
    assert errors[3] < 2e-13
    # Bodies with plane sides are exact from the start.
    assert errors[1] < max(0.1 * errors[0], 2e-15)
    assert errors[2] < max(0.01 * errors[1], 2e-14)


@pytest.mark.parametrize(("name", "surface"), AREAS)
def test_areas_and_outward_normals_are_exact(name: str, surface: str) -> None:
    area, normal = AREAS[name, surface]
    mesh = BODIES[name].build(8, 0)
    facets = mesh.surfaces[surface]
    assert facet_areas(mesh, facets).sum() == pytest.approx(area, rel=1e-10)
    np.testing.assert_allclose(
        facet_area_vectors(mesh, facets).sum(axis=0), normal, atol=1e-10 * area
    )


@every_body
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_boundary_is_the_surfaces_and_is_closed(name: str, degree: int) -> None:
    mesh = BODIES[name].build(degree, 0)
    tagged = np.concatenate(list(mesh.surfaces.values()))
    boundary = find_entities(mesh.cells).boundary_facets
    assert len(tagged) == len(boundary)
    assert np.array_equal(np.unique(tagged, axis=0), boundary)
    closure = facet_area_vectors(mesh, boundary).sum(axis=0)
    np.testing.assert_allclose(closure, 0.0, atol=1e-13 * facet_areas(mesh, boundary).sum())


@every_body
def test_the_names_are_known_before_building(name: str) -> None:
    body = BODIES[name]
    mesh = body.build(1, 0)
    assert tuple(mesh.surfaces) == body.surface_names
    assert mesh.regions == body.region_names
    assert np.array_equal(mesh.cell_regions, np.zeros(mesh.num_cells))


@every_body
@pytest.mark.parametrize("refine", [0, 1])
def test_the_number_of_cells_is_known_before_building(name: str, refine: int) -> None:
    mesh = BODIES[name].build(1, refine)
    assert mesh.num_cells == BODIES[name].num_cells(refine) == len(mesh.coordinates)


@every_body
@pytest.mark.parametrize("degree", [1, 2, 5])
def test_cells_are_right_handed(name: str, degree: int) -> None:
    mesh = BODIES[name].build(degree, 0)
    for _, gradients in gradients_by_chunk(mesh, gauss_lobatto(degree + 1)[0]):
        assert determinants(gradients).min() > 0.0


@every_body
def test_euler_characteristic_and_neighbours(name: str) -> None:
    body = BODIES[name]
    mesh = body.build(1, 0)
    entities = find_entities(mesh.cells)
    euler = (
        entities.num_vertices - len(entities.edges) + len(entities.facets) - mesh.num_cells
    )  # fmt: skip
    # A ring has one hole; a Schwarz cell is a sphere with six holes: 2 - 6, joined along circles.
    expected = {"ring": 0, "smallest ring": 0, "schwarz": 2 * -4}.get(name, 1)
    assert euler == expected
    assert np.array_equal(np.unique(mesh.cells), np.arange(entities.num_vertices))
    assert set(entities.cells_per_facet) <= {1, 2}


@every_body
@pytest.mark.parametrize("degree", [1, 2, 4])
def test_neighbours_agree_on_the_positions_of_shared_nodes(name: str, degree: int) -> None:
    mesh = BODIES[name].build(degree, 0)
    entities = find_entities(mesh.cells)
    by_vertex = np.empty((entities.num_vertices, 3))
    corners = corner_coordinates(mesh)
    by_vertex[mesh.cells] = corners
    rounding = 1e-13 * np.abs(corners).max()
    np.testing.assert_allclose(by_vertex[mesh.cells], corners, rtol=0, atol=rounding)
    # The nodes of a facet in an order that does not depend on the cell.
    nodes = mesh.coordinates[:, facet_nodes(degree)].reshape(-1, (degree + 1) ** 2, 3)
    order = np.lexsort(np.round(nodes, 7).transpose(2, 0, 1), axis=-1)
    nodes = np.take_along_axis(nodes, order[..., None], axis=1)
    by_facet = np.empty((len(entities.facets), *nodes.shape[1:]))
    facet = entities.cell_facets.ravel()
    by_facet[facet] = nodes
    np.testing.assert_allclose(by_facet[facet], nodes, rtol=0, atol=rounding)


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_nodes_of_curved_surfaces_lie_on_them(degree: int) -> None:
    mesh = SphereShell(1.0, 2.0, (2, 2)).build(degree, 1)
    for surface, radius in (("inner", 1.0), ("outer", 2.0)):
        facets = mesh.surfaces[surface]
        nodes = mesh.coordinates[facets[:, :1], facet_nodes(degree)[facets[:, 1]]]
        np.testing.assert_allclose(np.linalg.norm(nodes, axis=-1), radius, rtol=1e-14)
    for axis, surface in enumerate(("x-min", "y-min", "z-min")):
        facets = mesh.surfaces[surface]
        nodes = mesh.coordinates[facets[:, :1], facet_nodes(degree)[facets[:, 1]]]
        assert np.array_equal(nodes[..., axis], np.zeros(nodes.shape[:2]))


@every_body
def test_a_body_refines_as_its_mesh_does(name: str) -> None:
    coarse, fine = BODIES[name].build(8, 0), BODIES[name].build(2, 1)
    split = refine_mesh(coarse, 1)
    before, after = find_entities(fine.cells), find_entities(split.cells)
    assert after.num_nodes(1) == before.num_nodes(1)
    assert after.num_nodes(3) == before.num_nodes(3)
    for surface, facets in fine.surfaces.items():
        assert len(split.surfaces[surface]) == len(facets)


@every_body
def test_refinement_keeps_volume_areas_and_regions(name: str) -> None:
    mesh = BODIES[name].build(3, 0)
    fine = refine_mesh(mesh, 1)
    assert cell_volumes(fine).sum() == pytest.approx(cell_volumes(mesh).sum(), rel=1e-13)
    children = cell_volumes(fine).reshape(-1, 8)
    np.testing.assert_allclose(children.sum(axis=1), cell_volumes(mesh), rtol=1e-12)
    assert find_entities(fine.cells).num_vertices == find_entities(mesh.cells).num_nodes(2)
    assert np.array_equal(fine.cell_regions, np.repeat(mesh.cell_regions, 8))
    for surface, facets in mesh.surfaces.items():
        assert len(fine.surfaces[surface]) == 4 * len(facets)
        vectors = facet_area_vectors(fine, fine.surfaces[surface]).reshape(-1, 4, 3).sum(axis=1)
        np.testing.assert_allclose(vectors, facet_area_vectors(mesh, facets), atol=1e-11)
    tagged = np.concatenate(list(fine.surfaces.values()))
    assert np.array_equal(np.unique(tagged, axis=0), find_entities(fine.cells).boundary_facets)


def test_a_higher_geometry_degree_changes_nothing() -> None:
    mesh = BODIES["sphere"].build(2, 0)
    higher = change_geometry_degree(mesh, 5)
    np.testing.assert_allclose(cell_volumes(higher), cell_volumes(mesh), rtol=1e-13)
    back = change_geometry_degree(higher, 2)
    np.testing.assert_allclose(back.coordinates, mesh.coordinates, atol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Box(size=(1.0, 0.0, 1.0)), "box: size must be positive and finite, got 0.0"),
        (
            lambda: Box(cells=(1, 0, 1)),
            r"box: cells must be 3 positive whole numbers .*\[1, 0, 1\]",
        ),
        (lambda: Box(cells=(1, 1)), "box: cells must be 3"),  # type: ignore[arg-type]
        (lambda: Box(origin=(float("nan"), 0.0, 0.0)), "box: origin must be three finite numbers"),
        (lambda: Cook(thickness=-1.0), "cook: thickness must be positive"),
        (lambda: Annulus(inner=2.0, outer=1.0), "annulus: inner must be smaller than outer"),
        (lambda: Annulus(inner=0.0), "annulus: inner must be positive"),
        (lambda: Annulus(angle=400.0), r"annulus: angle must lie in \(0, 360\] degrees, got 400.0"),
        (lambda: Annulus(cells=(1, 2, 1)), "annulus: a cell may span at most 120 degrees"),
        (lambda: SphereShell(cells=(0, 1)), "sphere_shell: cells must be 2 positive whole"),
        (lambda: SchwarzP(thickness=0.7), "schwarz_p: thickness must be below 0.6366"),
        (lambda: SchwarzP(layers=0), "schwarz_p: layers must be 1 positive whole"),
        (lambda: SchwarzP(refine=-1), r"refine must lie in 0\.\.10, got -1"),
        (lambda: Box().build(9, 0), r"geometry_degree must lie in 1\.\.8, got 9"),
        (lambda: Box().build(1, 11), r"refine must lie in 0\.\.10, got 11"),
    ],
)
def test_wrong_values_are_refused_with_field_and_value(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        make()


def _on_schwarz(points: Floats) -> Floats:
    return np.cos(np.pi * points).sum(axis=-1)


@pytest.mark.parametrize("num_cells", [1, 2, 3])
@pytest.mark.parametrize(("degree", "layers", "limit"), [(2, 2, 23040), (3, 1, 41472)])
def test_schwarz_has_the_unknowns_of_the_published_runs(
    num_cells: int, degree: int, layers: int, limit: int
) -> None:
    mesh = SchwarzP((num_cells,) * 3, 0.2, 2, layers).build(1, 0)
    unknowns = 3 * find_entities(mesh.cells).num_nodes(degree)
    # Tubes cut by the box count whole, those inside half.
    assert 0.0 < unknowns / num_cells**3 / limit - 1.0 < 0.061 / num_cells


def test_schwarz_has_the_symmetry_of_the_cube() -> None:
    mesh = SchwarzP((1, 1, 1), 0.2, 1, 1).build(2, 0)
    nodes = mesh.coordinates.reshape(-1, 3)

    def as_set(points: Floats) -> Floats:
        return np.unique(np.round(points, 12) + 0.0, axis=0)

    original = as_set(nodes)
    for image in (nodes[:, [1, 0, 2]], nodes[:, [1, 2, 0]], nodes * [-1.0, 1.0, 1.0]):
        np.testing.assert_allclose(as_set(image), original, atol=2e-12)


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_schwarz_walls_are_cut_by_the_box_at_right_angles(degree: int) -> None:
    mesh = SchwarzP((2, 1, 1), 0.3, 1, 1).build(degree, 0)
    for surface, axis, value in (("x-min", 0, -1.0), ("x-max", 0, 3.0), ("z-max", 2, 1.0)):
        facets = mesh.surfaces[surface]
        nodes = mesh.coordinates[facets[:, :1], facet_nodes(degree)[facets[:, 1]]]
        np.testing.assert_allclose(nodes[..., axis], value, atol=1e-14)


def test_schwarz_middle_surface_is_the_level_set_and_walls_have_the_thickness() -> None:
    degree = 4
    mesh = SchwarzP((1, 1, 1), 0.2, 1, 1).build(degree, 0)
    layers = mesh.coordinates.reshape(mesh.num_cells, degree + 1, -1, 3)
    np.testing.assert_allclose(_on_schwarz(layers[:, degree // 2]), 0.0, atol=1e-13)
    across = np.linalg.norm(layers[:, -1] - layers[:, 0], axis=-1)
    np.testing.assert_allclose(across, 0.2, rtol=1e-13)
    # The centre of the cell is inside, where f > 0.
    assert (_on_schwarz(layers[:, 0]) > 0.0).all()
    assert (_on_schwarz(layers[:, -1]) < 0.0).all()


def test_schwarz_volume_is_that_of_a_thin_shell() -> None:
    """By Steiner's formula the volume is area * thickness + 2 π χ thickness³ / 12 / extent."""
    volumes = [
        cell_volumes(SchwarzP((1, 1, 1), thickness, 2, 1).build(4, 0)).sum()
        for thickness in (0.01, 0.2)
    ]
    # Gauss and Bonnet: the integral of the Gaussian curvature of one cell is 2 π (-4), as the
    # curves on the planes of symmetry are geodesics.
    area = volumes[0] / 0.01 + 8.0 * np.pi * 0.01**2 / 12.0
    expected = area * 0.2 - 8.0 * np.pi * 0.2**3 / 12.0
    assert volumes[1] == pytest.approx(expected, rel=1e-5)


def test_a_mesh_without_cells_has_no_vertices() -> None:
    empty = Mesh(np.empty((0, 8), dtype=np.int64), np.empty((0, 8, 3)), 1, (), np.empty(0, int), {})
    assert empty.num_vertices == 0

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.element_map import apply_tensor
from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.locate import locate
from elastane.meshes.mesh import Floats, Mesh
from elastane.meshes.schwarz import SchwarzP
from elastane.meshes.sphere_shell import SphereShell


def _position(mesh: Mesh, cell: int, xi: Floats) -> Floats:
    nodes = gauss_lobatto(mesh.geometry_degree + 1)[0]
    first, second, third = (interpolation(nodes, xi[d : d + 1]) for d in range(3))
    return apply_tensor((first, second, third), mesh.coordinates[cell : cell + 1])[0, 0]


@pytest.mark.parametrize("degree", [1, 2, 4])
@pytest.mark.parametrize(
    "body",
    [Box((1, 2, 3), (2, 3, 4)), Annulus(cells=(2, 6, 1)), SphereShell(cells=(2, 2)), SchwarzP()],
    ids=lambda body: type(body).__name__,
)
def test_a_point_of_a_cell_is_found_in_it(body: Body, degree: int) -> None:
    mesh = body.build(degree, 0)
    random = np.random.default_rng(5)
    cells = random.integers(mesh.num_cells, size=40)
    xi = random.uniform(-0.99, 0.99, (40, 3))
    points = np.array([_position(mesh, cell, at) for cell, at in zip(cells, xi, strict=True)])
    found, found_xi = locate(mesh.coordinates, degree, points)
    assert np.array_equal(found, cells)
    np.testing.assert_allclose(found_xi, xi, atol=1e-9)


def test_a_point_outside_of_every_cell_is_not_found() -> None:
    mesh = Annulus(inner=1.0, outer=2.0, length=1.0, cells=(2, 8, 1)).build(2, 0)
    points = np.array([[0.0, 0.0, 0.5], [0.0, 0.99, 0.5], [1.5, 0.0, 1.01], [9.0, 9.0, 9.0]])
    found, xi = locate(mesh.coordinates, 2, points)
    assert np.array_equal(found, [-1, -1, -1, -1])
    assert np.isnan(xi).all()


def test_every_vertex_is_found_in_its_first_cell_at_a_corner() -> None:
    mesh = Box(cells=(3, 2, 2)).build(1, 0)
    vertices = np.unique(mesh.coordinates.reshape(-1, 3), axis=0)
    found, xi = locate(mesh.coordinates, 1, vertices)
    np.testing.assert_allclose(np.abs(xi), 1.0, atol=1e-12)
    touching = [
        int(np.flatnonzero((mesh.coordinates == vertex).all(axis=2).any(axis=1))[0])
        for vertex in vertices
    ]
    assert np.array_equal(found, touching)


def test_the_tolerance_finds_a_point_of_the_true_boundary() -> None:
    mesh = Annulus(angle=90.0, cells=(1, 3, 1)).build(1, 0)
    point = 2.0 * np.array([[np.cos(np.pi / 4), np.sin(np.pi / 4), 0.25]])
    assert locate(mesh.coordinates, 1, point)[0][0] == -1
    cell, xi = locate(mesh.coordinates, 1, point, tolerance=0.2)
    assert cell[0] == 1
    np.testing.assert_allclose(xi[0], [1.0, 0.0, 0.0], atol=1e-12)


def test_no_cells_hold_nothing() -> None:
    found, _ = locate(np.empty((0, 8, 3)), 1, np.zeros((2, 3)))
    assert np.array_equal(found, [-1, -1])

from pathlib import Path

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.element_map import corner_coordinates, facet_areas
from elastane.meshes.file_body import MeshFile
from elastane.meshes.source import BODIES, MeshSource, SubSurface

PUNCH = SubSurface("z-max", (0.0, 0.0, 0.0), (0.5, 0.5, 1.0))


def test_a_sub_surface_holds_the_facets_inside_its_box() -> None:
    mesh = MeshSource(Box(cells=(4, 4, 2)), sub_surfaces={"punch": PUNCH}).build(2)
    assert facet_areas(mesh, mesh.surfaces["punch"]).sum() == pytest.approx(0.25, rel=1e-14)
    corners = corner_coordinates(mesh)[mesh.surfaces["punch"][:, 0]]
    assert corners[..., :2].max() <= 0.5
    assert len(mesh.surfaces["z-max"]) == 16


def test_a_sub_surface_follows_refinement() -> None:
    for refine in (0, 1, 2):
        mesh = MeshSource(Box(cells=(2, 2, 1)), refine, sub_surfaces={"punch": PUNCH}).build(1)
        assert len(mesh.surfaces["punch"]) == 4**refine


def test_corners_on_the_side_of_the_box_count_as_inside_up_to_rounding() -> None:
    third = SubSurface("z-max", (0.0, 0.0, 0.0), (0.1 + 0.2, 1.0, 1.0))
    mesh = MeshSource(Box(cells=(10, 1, 1)), sub_surfaces={"third": third}).build(1)
    assert len(mesh.surfaces["third"]) == 3


def test_names_are_known_without_building() -> None:
    # 8 * 10⁹ cells would not fit.
    source = MeshSource(Box(cells=(2, 1, 1)), refine=10, sub_surfaces={"punch": PUNCH})
    assert source.surface_names == ("x-min", "x-max", "y-min", "y-max", "z-min", "z-max", "punch")
    assert source.region_names == ("body",)
    assert source.expected_cells == 2 * 8**10


def test_an_empty_sub_surface_says_where_the_surface_is() -> None:
    far = SubSurface("z-max", (2.0, 0.0, 0.0), (3.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"surfaces: far: no facet of 'z-max' .* from \[0\.0, 0"):
        MeshSource(Box(), sub_surfaces={"far": far}).build(1)


def test_a_sub_surface_of_nothing_names_the_nearest_surface() -> None:
    source = MeshSource(Box(), sub_surfaces={"punch": SubSurface("zmax", (0, 0, 0), (1, 1, 1))})
    with pytest.raises(ValueError, match="unknown surface 'zmax'; did you mean 'z-max'"):
        source.build(1)


def test_a_sub_surface_cannot_take_a_name_in_use() -> None:
    with pytest.raises(ValueError, match="the mesh has a surface 'x-min' already"):
        MeshSource(Box(), sub_surfaces={"x-min": PUNCH}).build(1)


def test_a_box_turned_inside_out_is_refused() -> None:
    with pytest.raises(ValueError, match="surfaces: min must not exceed max"):
        SubSurface("z-max", (0.0, 1.0, 0.0), (1.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("source", "degree", "expected"),
    [
        (MeshSource(Box()), 3, 1),
        (MeshSource(Annulus()), 3, 3),
        (MeshSource(Annulus(), geometry_degree=2), 3, 2),
        (MeshSource(Box(), geometry_degree=4), 1, 4),
    ],
)
def test_the_geometry_degree_is_the_given_one_or_follows_the_body(
    source: MeshSource, degree: int, expected: int
) -> None:
    mesh = source.build(degree)
    assert mesh.geometry_degree == expected
    assert mesh.coordinates.shape[1] == (expected + 1) ** 3


@pytest.mark.parametrize(("refine", "geometry_degree"), [(-1, None), (11, None), (0, 9), (0, 0)])
def test_resolution_out_of_range_is_refused(refine: int, geometry_degree: int | None) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        MeshSource(Box(), refine, geometry_degree)


def test_every_body_can_be_made_from_its_key() -> None:
    assert set(BODIES) == {"box", "annulus", "sphere_shell", "cook", "schwarz_p", "file"}
    for key, make in BODIES.items():
        if make is MeshFile:
            assert make(Path("part.msh")) == MeshFile(Path("part.msh"))
        else:
            assert np.isfinite(make().build(1, 0).coordinates).all(), key

"""Fields of mesh files: read in every format, kept by refinement, distribution and the parent."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.assemble import Assembly, assemble
from elastane.meshes.element_map import field_values
from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.lagrange import gauss, interpolation
from elastane.meshes.mesh import Floats, Mesh, MeshField
from elastane.meshes.orderings import VTK_20
from elastane.meshes.read import read_mesh
from elastane.meshes.reading_process import READERS
from elastane.meshes.refine import change_geometry_degree, refine_mesh
from elastane.meshes.summary import summarise_file
from tests.meshes.field_files import FORMATS, write_fields

FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "temperature": lambda X: X @ [1.0, 2.0, 3.0],
    "growth": lambda X: X * [1.0, -2.0, 0.5],
}


def sector(degree: int) -> Mesh:
    """Return a curved body of two regions whose nodes are written with all their digits."""
    mesh = Annulus(angle=60.0, cells=(2, 3, 2)).build(degree, 0)
    coordinates = np.round(mesh.coordinates, 9)
    outside = np.arange(mesh.num_cells) >= 5
    return replace(
        mesh,
        coordinates=coordinates,
        regions=("tube", "coat"),
        cell_regions=outside.astype(np.int64),
    )


def middles(mesh: Mesh) -> Floats:
    middle: Floats = mesh.coordinates.mean(axis=1)
    return middle


def written(folder: Path, file_format: str, mesh: Mesh) -> Path:
    cell_fields = {"stiffness": middles(mesh)[:, 0], "fibre": middles(mesh) + 1.0}
    return write_fields(folder, file_format, mesh, cell_fields, FUNCTIONS)


def read_here(path: Path) -> Assembly:
    """Read without a process of its own, which takes half a second."""
    return assemble(READERS[path.suffix](path))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("degree", [1, 2])
def test_fields_are_found_where_they_belong(tmp_path: Path, file_format: str, degree: int) -> None:
    """The nodes are rounded to nine digits and written with twelve: nothing is lost on the way."""
    mesh = read_here(written(tmp_path, file_format, sector(degree))).mesh
    fields = {name: mesh.fields[name] for name in ("stiffness", "fibre", *FUNCTIONS)}
    kinds = [field.kind for field in fields.values()]
    assert kinds == [
        "scalar, constant in each cell",
        "vector, constant in each cell",
        "scalar, at the nodes",
        "vector, at the nodes",
    ]
    np.testing.assert_allclose(fields["stiffness"].values[:, 0, 0], middles(mesh)[:, 0], atol=1e-14)
    np.testing.assert_allclose(fields["fibre"].values[:, 0], middles(mesh) + 1.0, atol=1e-14)
    for name, function in FUNCTIONS.items():
        expected = function(mesh.coordinates).reshape(fields[name].values.shape)
        np.testing.assert_allclose(fields[name].values, expected, atol=1e-13)


@pytest.mark.skipif(shutil.which("gmsh") is None, reason="gmsh is not installed")
@pytest.mark.parametrize("binary", [0, 1])
def test_views_that_gmsh_saves(tmp_path: Path, binary: int) -> None:
    """Gmsh reads what our writer writes, and we read what Gmsh saves, in sixteen digits."""
    written(tmp_path, "msh 4.1 text", sector(2))
    views = ("stiffness", "fibre", *FUNCTIONS)
    saves = [f'Save View[{index}] "{name}.msh";' for index, name in enumerate(views)]
    lines = [f"Mesh.Binary = {binary};", 'Merge "part.msh";']
    (tmp_path / "save.geo").write_text("\n".join([*lines, *saves]), encoding="utf-8")
    command = ["gmsh", "save.geo", "-parse_and_exit"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    for name in views:
        mesh = read_here(tmp_path / f"{name}.msh").mesh
        expected = {
            "stiffness": lambda X: X.mean(axis=1)[:, None, :1],
            "fibre": lambda X: X.mean(axis=1)[:, None] + 1.0,
        }.get(name, FUNCTIONS.get(name))
        assert expected is not None
        found = mesh.fields[name].values
        np.testing.assert_allclose(
            found, expected(mesh.coordinates).reshape(found.shape), atol=1e-12
        )


def test_nodes_that_an_element_of_twenty_lacks_are_interpolated() -> None:
    """A linear function stays itself."""
    mesh = sector(2)
    points, number = np.unique(mesh.coordinates.reshape(-1, 3), axis=0, return_inverse=True)
    nodes = number.reshape(mesh.coordinates.shape[:2])[:, VTK_20]
    values = FUNCTIONS["temperature"](points)[:, None]
    content = FileMesh(
        points=points,
        blocks=(Block(nodes, np.arange(len(nodes))),),
        point_fields={"temperature": values},
    )
    found = assemble(content).mesh
    expected = FUNCTIONS["temperature"](found.coordinates)[:, :, None]
    np.testing.assert_allclose(found.fields["temperature"].values, expected, atol=1e-13)


@pytest.mark.parametrize("file_format", ["msh 2 text", "msh 4.1 binary"])
def test_cells_and_nodes_without_a_value_have_none(tmp_path: Path, file_format: str) -> None:
    mesh = sector(1)
    stiffness = np.where(np.arange(mesh.num_cells) < 9, 2.0, np.nan)
    functions = {"half": lambda X: np.where(X[:, 2] > 0.75, np.nan, X[:, 0])}
    found = read_here(write_fields(tmp_path, file_format, mesh, {"E": stiffness}, functions)).mesh
    assert np.flatnonzero(found.fields["E"].missing()).tolist() == [9, 10, 11]
    above = (found.coordinates[:, :, 2] > 0.75).any(axis=1)
    assert np.array_equal(found.fields["half"].missing(), above)


@pytest.mark.parametrize("file_format", ["msh 4.1 text", "vtu"])
def test_the_summary_lists_fields(tmp_path: Path, file_format: str) -> None:
    """Read as users do: in a process of its own, through the file between the two."""
    path = written(tmp_path, file_format, sector(2))
    text = summarise_file(path)
    assert "\nfields\n" in text
    (line,) = [line for line in text.splitlines() if line.startswith("  stiffness ")]
    values = read_mesh(path).mesh.fields["stiffness"].values
    extent = f"values from {values.min():.6g} to {values.max():.6g}"
    assert line.endswith(f"scalar, constant in each cell   {extent}")
    assert "  growth               vector, at the nodes   length from" in text


def test_refinement_keeps_what_a_field_is() -> None:
    """A child has its parent's constant, and the same polynomial."""
    mesh = sector(2)
    X = mesh.coordinates
    fields = {
        "cells": MeshField(np.arange(mesh.num_cells, dtype=float)[:, None, None]),
        "nodes": MeshField(np.stack([X[..., 0] * X[..., 1], X[..., 2], X[..., 0]], axis=-1)),
    }
    points = gauss(3)[0]
    child = 0.5 * (points - 1.0)  # the child at the lower ends of its parent's directions
    coarse = replace(mesh, fields=fields)
    fine = refine_mesh(coarse, 1)
    assert np.array_equal(fine.fields["cells"].values[:, 0, 0], np.arange(8 * 12) // 8)
    expected = field_values(coarse.fields["nodes"], child)
    found = field_values(MeshField(fine.fields["nodes"].values[::8]), points)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    higher = change_geometry_degree(coarse, 4)
    np.testing.assert_allclose(
        field_values(higher.fields["nodes"], points),
        field_values(coarse.fields["nodes"], points),
        atol=1e-13,
    )
    assert higher.fields["cells"] is fields["cells"]


def test_values_at_points_are_those_of_the_element_map() -> None:
    mesh = sector(2)
    points = gauss(3)[0]
    X = field_values(MeshField(mesh.coordinates), points)
    field = MeshField(FUNCTIONS["temperature"](mesh.coordinates)[:, :, None])
    np.testing.assert_allclose(
        field_values(field, points)[..., 0], FUNCTIONS["temperature"](X), atol=1e-13
    )
    assert interpolation(points, points) == pytest.approx(np.eye(3))


SECTION = '$ElementData\n1\n"E"\n1\n0.0\n3\n0\n1\n2\n7 1.0\n8 2.0\n$EndElementData\n'


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (SECTION.replace("\n2\n7", "\n3\n7"), "claims 3 times 1 values and holds 4 numbers"),
        (SECTION.replace("\n1\n2\n7", "\n2\n7"), "does not say its step, components and length"),
        (SECTION.replace("3\n0\n1\n2", "2\n0\n1"), "does not say its step, components and length"),
        (SECTION.replace('1\n"E"', '9999\n"E"'), "9999.*where a number of lines belongs"),
        (SECTION.replace("1.0", "one"), "something that is not a number"),
        (SECTION.replace("7 ", "7.5 "), r"\d\.5 stands where an integer belongs"),
        (SECTION.replace('"E"', '"\x07"'), "cannot be the name of a field"),
        (SECTION.replace("$EndElementData\n", ""), "does not end"),
        (
            SECTION + SECTION.replace("0\n1\n2\n7 1.0\n8 2.0", "0\n3\n1\n7 1 1 1"),
            "'E' is given as scalar and as vector",
        ),
    ],
    ids=range(9),
)
def test_damaged_fields_are_refused(tmp_path: Path, section: str, message: str) -> None:
    path = written(tmp_path, "msh 2 text", sector(1))
    content = path.read_text(encoding="utf-8").partition("$ElementData")[0]
    # Cells are numbered after the facets.
    first = sum(map(len, sector(1).surfaces.values())) + 1
    section = section.replace("7", str(first)).replace("8 ", f"{first + 1} ")
    path.write_text(content + section, encoding="utf-8")
    with pytest.raises(MeshError, match=message):
        read_here(path)


def test_a_name_for_cells_and_nodes_means_the_cells_and_warns(tmp_path: Path) -> None:
    mesh = sector(1)
    values = np.ones(mesh.num_cells)
    path = write_fields(tmp_path, "msh 4.1 text", mesh, {"T": values}, {"T": lambda X: X[:, 0]})
    found = read_here(path)
    assert not found.mesh.fields["T"].is_nodal
    assert any("'T' is given for cells and at nodes" in warning for warning in found.warnings)


def test_other_views_are_left_out(tmp_path: Path) -> None:
    """Tensors, and what is about surfaces alone."""
    path = written(tmp_path, "msh 4.1 text", sector(1))
    tensor = '$NodeData\n1\n"stress"\n1\n0.0\n3\n0\n9\n1\n1 1 2 3 4 5 6 7 8 9\n$EndNodeData\n'
    surface = SECTION.replace('"E"', '"flux"').replace("7 1.0\n8", "1 1.0\n2")
    path.write_text(path.read_text(encoding="utf-8") + tensor + surface, encoding="utf-8")
    assert not {"stress", "flux"} & set(read_here(path).mesh.fields)

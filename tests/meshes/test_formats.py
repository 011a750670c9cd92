"""A mesh written in any format is read as the same body with the same regions and surfaces."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.assemble import Assembly, assemble
from elastane.meshes.element_map import (
    apply_tensor,
    cell_volumes,
    facet_area_vectors,
    facet_areas,
)
from elastane.meshes.file_body import MeshFile
from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.lagrange import interpolation
from elastane.meshes.mesh import Floats, Ints, Mesh
from elastane.meshes.orderings import (
    ABAQUS_20,
    ABAQUS_27,
    EXODUS_20,
    EXODUS_27,
    LINEAR,
    VTK_20,
    VTK_27,
    serendipity,
    vtk_lagrange,
    vtk_lagrange_before_2_1,
)
from elastane.meshes.read import read_mesh
from elastane.meshes.reading_process import READERS
from elastane.meshes.refine import change_geometry_degree
from elastane.meshes.source import MeshSource, SubSurface

WriteMsh = Callable[..., None]
DEGREE = {8: 1, 20: 2, 27: 2}


def read_here(path: Path) -> Assembly:
    """Read without a process of its own, which takes half a second."""
    return assemble(READERS[path.suffix](path))


def check_same(found: Mesh, written: Mesh) -> None:
    """The files keep twelve digits; the cells may stand in another order."""
    assert found.geometry_degree == written.geometry_degree
    assert found.num_vertices == written.num_vertices
    volumes = np.sort(cell_volumes(found)), np.sort(cell_volumes(written))
    np.testing.assert_allclose(volumes[0], volumes[1], rtol=1e-9)
    for name, facets in written.surfaces.items():
        assert len(found.surfaces[name]) == len(facets)
        for quantity in (facet_areas, facet_area_vectors):
            np.testing.assert_allclose(
                quantity(found, found.surfaces[name]).sum(axis=0),
                quantity(written, facets).sum(axis=0),
                atol=1e-9,
            )


@pytest.fixture
def two_regions(sector: Mesh) -> Mesh:
    """Return the sector with an inner and an outer region."""
    radius = np.linalg.norm(sector.coordinates[:, 13, :2], axis=1)
    return replace(
        sector, regions=("tube", "the coat"), cell_regions=(radius > 1.5).astype(np.int64)
    )


def _with_nodes(mesh: Mesh, num_nodes: int) -> Mesh:
    """Return what of a mesh of degree 2 is left with so many nodes."""
    if num_nodes == 27:
        return mesh
    if num_nodes == 8:
        return change_geometry_degree(mesh, 1)
    coordinates = np.einsum("tn,cnx->ctx", serendipity(), mesh.coordinates[:, VTK_20])
    return replace(mesh, coordinates=coordinates)


@pytest.mark.parametrize("num_nodes", [8, 20, 27])
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("version", ["2.2", "4.1"])
def test_gmsh_files(
    tmp_path: Path,
    write_msh: WriteMsh,
    two_regions: Mesh,
    version: str,
    binary: bool,
    num_nodes: int,
) -> None:
    mesh = _with_nodes(two_regions, num_nodes)
    path = tmp_path / "body.msh"
    write_msh(path, mesh, num_nodes, version, binary)
    found = read_here(path).mesh
    check_same(found, mesh)
    assert found.regions == ("tube", "the coat")
    volumes = cell_volumes(found)
    for region in range(2):
        expected = cell_volumes(mesh)[mesh.cell_regions == region].sum()
        assert volumes[found.cell_regions == region].sum() == pytest.approx(expected, rel=1e-9)


def test_big_endian_gmsh_files(tmp_path: Path, write_msh: WriteMsh, sector: Mesh) -> None:
    path = tmp_path / "body.msh"
    write_msh(path, sector, 27, "4.1", True)
    swapped = path.read_bytes().replace(b"4.1 1 8\n\1\0\0\0", b"4.1 1 8\n\0\0\0\1")
    path.write_bytes(swapped)
    with pytest.raises(MeshError, match=r"claims|is no count"):
        read_here(path)


GEOMETRY = """
SetFactory("OpenCASCADE");
Point(1) = {1, 0, 0};
Extrude {1, 0, 0} { Point{1}; Layers{2}; }
Extrude {0, 0, 1} { Line{1}; Layers{2}; Recombine; }
Extrude {{0, 0, 1}, {0, 0, 0}, Pi/2} { Surface{1}; Layers{3}; Recombine; }
Physical Volume("rod") = {1};
Physical Surface("start") = {1};
Physical Surface(7) = {2};
Physical Curve("edge") = {1};
"""


@pytest.mark.skipif(shutil.which("gmsh") is None, reason="gmsh is not installed")
@pytest.mark.parametrize(
    ("order", "options"),
    [
        (1, ["-format", "msh41"]),
        (2, ["-format", "msh41", "-bin"]),
        (2, ["-format", "msh22", "-setnumber", "Mesh.SecondOrderIncomplete", "1"]),
        (3, ["-format", "msh22", "-bin"]),
        (4, ["-format", "msh41"]),
    ],
)
def test_files_that_gmsh_writes(tmp_path: Path, order: int, options: list[str]) -> None:
    (tmp_path / "body.geo").write_text(GEOMETRY)
    command = [
        "gmsh",
        "-3",
        "-v",
        "1",
        "-order",
        str(order),
        *options,
        "-o",
        "body.msh",
        "body.geo",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    mesh = read_here(tmp_path / "body.msh").mesh
    assert mesh.geometry_degree == order
    assert mesh.regions == ("rod",)
    assert set(mesh.surfaces) == {"start", "surface-7"}
    assert facet_areas(mesh, mesh.surfaces["start"]).sum() == pytest.approx(1.0, rel=1e-9)
    np.testing.assert_allclose(
        facet_area_vectors(mesh, mesh.surfaces["start"]).sum(axis=0), [0.0, -1.0, 0.0], atol=1e-9
    )
    exact = 3.0 * np.pi / 4.0
    assert abs(cell_volumes(mesh).sum() / exact - 1.0) < [0.05, 2e-4, 2e-4, 1e-6][order - 1]


def _meshio_blocks(
    msh_writer: ModuleType, mesh: Mesh, table: Ints, facet_table: list[int], tags: str
) -> tuple[Floats, list[Ints], list[Ints], dict[str, list[Ints]]]:
    """Return points, hexahedra and quadrilaterals, the latter tagged 1, 2, ... by surface."""
    points, nodes = msh_writer.number_nodes(mesh)
    parts = msh_writer.make_parts(mesh, nodes, {1: 8, 2: 27}[mesh.geometry_degree])
    surfaces = [part for part in parts if part.dimension == 2]
    quadrilaterals = np.concatenate([part.nodes for part in surfaces])[:, facet_table]
    surface_tags = np.concatenate([np.full(len(part.nodes), part.tag) for part in surfaces])
    return (
        points,
        [nodes[:, table]],
        [quadrilaterals],
        {tags: [mesh.cell_regions + 1, surface_tags]},
    )


MESHIO = [
    # file name, cell type, number of nodes, table, type of quadrilaterals, their nodes
    ("b.vtu", "hexahedron", 8, LINEAR, "quad", [0, 1, 2, 3]),
    ("b.vtu", "hexahedron20", 20, VTK_20, "quad8", list(range(8))),
    ("b.vtu", "hexahedron27", 27, VTK_27, "quad9", list(range(9))),
    ("b.vtk", "hexahedron", 8, LINEAR, "quad", [0, 1, 2, 3]),
    ("b.vtk", "hexahedron20", 20, VTK_20, "quad8", list(range(8))),
    ("b.mesh", "hexahedron", 8, LINEAR, "quad", [0, 1, 2, 3]),
    ("b.bdf", "hexahedron", 8, LINEAR, "quad", [0, 1, 2, 3]),
]


@pytest.mark.parametrize(
    ("name", "kind", "num_nodes", "table", "facet_kind", "facet_table"),
    MESHIO,
    ids=[f"{row[0]} {row[1]}" for row in MESHIO],
)
def test_files_that_meshio_writes(
    tmp_path: Path,
    msh_writer: ModuleType,
    two_regions: Mesh,
    name: str,
    kind: str,
    num_nodes: int,
    table: Ints,
    facet_kind: str,
    facet_table: list[int],
) -> None:
    meshio = pytest.importorskip("meshio")
    mesh = _with_nodes(two_regions, num_nodes)
    tags = {"b.mesh": "medit:ref", "b.bdf": "nastran:ref"}.get(name, "MaterialIds")
    points, cells, facets, data = _meshio_blocks(msh_writer, mesh, table, facet_table, tags)
    path = tmp_path / name
    meshio.Mesh(points, [(kind, cells[0]), (facet_kind, facets[0])], cell_data=data).write(path)
    found = read_here(path).mesh
    surfaces = {f"surface-{tag}": part for tag, part in enumerate(mesh.surfaces.values(), 1)}
    check_same(found, replace(mesh, surfaces=surfaces))
    assert found.regions == ("region-1", "region-2")


@pytest.mark.parametrize(
    ("version", "ordering"), [("2.2", vtk_lagrange), ("0.1", vtk_lagrange_before_2_1)]
)
@pytest.mark.parametrize("degree", [2, 3])
def test_lagrange_cells_of_vtu_files_follow_the_version(
    tmp_path: Path,
    msh_writer: ModuleType,
    version: str,
    ordering: Callable[[int], Ints],
    degree: int,
) -> None:
    meshio = pytest.importorskip("meshio")
    # Gauss-Lobatto and equidistant nodes differ from degree 3: straight cells do not care.
    mesh = Annulus(angle=60.0, cells=(1, 2, 1)).build(1, 0)
    nodes_1d = np.linspace(-1.0, 1.0, degree + 1)
    matrix = interpolation(np.array([-1.0, 1.0]), nodes_1d)
    positions = apply_tensor((matrix, matrix, matrix), mesh.coordinates)
    fine = Mesh(mesh.cells, positions, degree, mesh.regions, mesh.cell_regions, {})
    points, nodes = msh_writer.number_nodes(fine)
    path = tmp_path / "b.vtu"
    cells = [("VTK_LAGRANGE_HEXAHEDRON", nodes[:, ordering(degree)])]
    meshio.Mesh(points, cells).write(path)
    text = path.read_bytes().replace(b'version="0.1"', f'version="{version}"'.encode(), 1)
    path.write_bytes(text)
    found = read_here(path).mesh
    assert found.geometry_degree == degree
    assert cell_volumes(found).sum() == pytest.approx(cell_volumes(mesh).sum(), rel=1e-9)


def _abaqus_text(points: Floats, nodes: Ints, mesh: Mesh) -> str:
    """Return an input file with regions by sections, a surface by sides and one by nodes."""
    kind, table = {8: ("C3D8R", LINEAR), 20: ("C3D20", ABAQUS_20), 27: ("C3D27", ABAQUS_27)}[
        {1: 8, 2: 27}[mesh.geometry_degree]
    ]
    lines = ["*Heading", "** a comment", "*Part, name=PART-1", "*Node"]
    lines += [f"{10 * i + 10}, {x:.12g}, {y:.12g}, {z:.12g}" for i, (x, y, z) in enumerate(points)]
    lines.append(f"*Element, type={kind}, elset=everything")
    for cell, row in enumerate(10 * nodes[:, table] + 10):
        numbers = [100 + cell, *row.tolist()]
        pieces = [numbers[start : start + 16] for start in range(0, len(numbers), 16)]
        lines += [
            ", ".join(map(str, piece)) + ("," if piece is not pieces[-1] else "")
            for piece in pieces
        ]
    for region, name in enumerate(mesh.regions):
        members = np.flatnonzero(mesh.cell_regions == region) + 100
        lines += [f'*Elset, elset="{name}"', ", ".join(map(str, members))]
        lines.append(f"*Solid Section, elset={name.upper()}, material=STEEL")
    lines += ["*Elset, elset=half, generate", "100, 105, 1"]
    inner = mesh.surfaces["inner"]
    # Sides of Abaqus for the facets x-min, x-max, y-min, y-max, z-min, z-max.
    side = np.array([6, 4, 3, 5, 1, 2])[inner[:, 1]]
    lines.append("*Surface, type=ELEMENT, name=inner")
    lines += [f"{cell + 100}, S{number}" for cell, number in zip(inner[:, 0], side, strict=True)]
    bottom = np.flatnonzero(np.abs(points[:, 2]) < 1e-9) * 10 + 10
    lines += [
        "*Nset, nset=z-min",
        *[", ".join(map(str, bottom[i : i + 8])) for i in range(0, len(bottom), 8)],
    ]
    lines += ["*Nset, nset=again", "z-min", "*Nset, nset=tip", str(bottom[0]), "*End Part"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("num_nodes", [8, 27])
def test_abaqus_files(
    tmp_path: Path, msh_writer: ModuleType, two_regions: Mesh, num_nodes: int
) -> None:
    mesh = _with_nodes(two_regions, num_nodes)
    path = tmp_path / "body.inp"
    points, nodes = msh_writer.number_nodes(mesh)
    path.write_text(_abaqus_text(points, nodes, mesh))
    assembly = read_here(path)
    found = assembly.mesh
    assert found.regions == ("tube", "the coat")
    assert set(found.surfaces) == {"inner", "z-min", "again"}
    surfaces = {name: mesh.surfaces[name] for name in ("inner", "z-min")}
    check_same(
        found,
        replace(mesh, surfaces=surfaces),
    )
    assert np.array_equal(found.surfaces["again"], found.surfaces["z-min"])
    assert sorted(assembly.element_numbers) == list(range(100, 112))
    assert assembly.warnings == ("node set 'tip' holds no whole facet and makes no surface",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("*Include, input=/etc/passwd\n", r"\*INCLUDE: only flat input files"),
        ("*Node, input=nodes.txt\n", r"\*NODE: only flat input files"),
        ("*Ngen\n1, 5, 1\n", r"\*NGEN: only flat input files"),
        ("*Part, name=a\n*End Part\n*Part, name=b\n", "the file has 2 parts"),
        ("*Node\n1, 0., 0.\n", r"\*NODE: 3 numbers are not rows of 4"),
        ("*Elset, elset=a\nb\n", "there is no set 'b'"),
        ("*Elset, elset=a, generate\n1, 10000000000, 1\n", "is no range"),
        ("*Node\n1, 0., 0., x\n", "holds something that is not a number"),
        ("*Node\n1,0,0,0\n1,1,0,0\n", "node 1 is defined twice"),
        (
            "*Node\n1,0,0,0\n*Element, type=C3D8\n7,1,1,1,1,1,1,1,9\n",
            "element 7 uses node 9, which",
        ),
        ("*Node\n1,0,0,0\n*Element, type=C3D10\n1,1,1,1,1,1,1,1,1,1,1\n", "tetrahedra come later"),
        ("*Node\n1,0,0,0\n", "the file has no hexahedra"),
    ],
)
def test_abaqus_files_that_are_not_read(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "body.inp"
    path.write_text(text)
    with pytest.raises(MeshError, match=message):
        read_here(path)


@pytest.mark.parametrize("num_nodes", [8, 20, 27])
def test_exodus_files(
    tmp_path: Path, msh_writer: ModuleType, two_regions: Mesh, num_nodes: int
) -> None:
    netcdf = pytest.importorskip("netCDF4")
    mesh = _with_nodes(two_regions, num_nodes)
    points, nodes = msh_writer.number_nodes(mesh)
    table = {8: LINEAR, 20: EXODUS_20, 27: EXODUS_27}[num_nodes]
    path = tmp_path / "body.exo"
    with netcdf.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.createDimension("len_string", 33)
        file.createDimension("num_nodes", len(points))
        file.createDimension("num_el_blk", 2)
        file.createDimension("num_side_sets", 1)
        for axis, name in enumerate(("coordx", "coordy", "coordz")):
            file.createVariable(name, "f8", ("num_nodes",))[:] = points[:, axis]
        file.createVariable("eb_prop1", "i4", ("num_el_blk",))[:] = [5, 9]
        names = file.createVariable("eb_names", "S1", ("num_el_blk", "len_string"))
        names[0, :4] = np.array(list("tube"), dtype="S1")
        order = np.argsort(mesh.cell_regions, kind="stable")
        for region in range(2):
            block = nodes[mesh.cell_regions == region][:, table] + 1
            file.createDimension(f"n{region}", len(block))
            file.createDimension(f"w{region}", num_nodes)
            connectivity = file.createVariable(
                f"connect{region + 1}", "i4", (f"n{region}", f"w{region}")
            )
            connectivity.elem_type = f"hex{num_nodes}"
            connectivity[:] = block
        facets = mesh.surfaces["outer"]
        file.createVariable("ss_prop1", "i4", ("num_side_sets",))[:] = [7]
        file.createDimension("sides", len(facets))
        place = np.argsort(order)
        file.createVariable("elem_ss1", "i4", ("sides",))[:] = place[facets[:, 0]] + 1
        # Sides of Exodus for the facets x-min, x-max, y-min, y-max, z-min, z-max.
        file.createVariable("side_ss1", "i4", ("sides",))[:] = np.array([4, 2, 1, 3, 5, 6])[
            facets[:, 1]
        ]
    found = read_here(path).mesh
    assert found.regions == ("tube", "region-9")
    check_same(
        found,
        replace(mesh, surfaces={"surface-7": facets}),
    )


def test_a_file_is_a_body_like_any_other(
    tmp_path: Path, write_msh: WriteMsh, two_regions: Mesh
) -> None:
    path = tmp_path / "body.msh"
    write_msh(path, two_regions, 27)
    part = SubSurface("z-max", (0.0, 0.0, 0.0), (3.0, 3.0, 3.0))
    source = MeshSource(MeshFile(path), refine=1, sub_surfaces={"part": part})
    assert source.expected_cells == 8 * two_regions.num_cells
    assert source.surface_names == (*two_regions.surfaces, "part")
    assert source.region_names == ("tube", "the coat")
    mesh = source.build(4)
    assert mesh.geometry_degree == 2
    assert mesh.num_cells == source.expected_cells
    assert cell_volumes(mesh).sum() == pytest.approx(cell_volumes(two_regions).sum(), rel=1e-9)
    assert MeshSource(MeshFile(path), geometry_degree=1).build(4).geometry_degree == 1


def test_the_example_is_what_its_program_writes(tmp_path: Path, msh_writer: ModuleType) -> None:
    written = tmp_path / "bimaterial.msh"
    msh_writer.write_msh(written, msh_writer.make_bimaterial(), 27)
    assert written.read_text() == msh_writer.EXAMPLE.read_text()
    content = read_mesh(msh_writer.EXAMPLE)
    assert content.mesh.regions == ("fiber", "matrix")
    assert content.warnings == ()
    volumes = [cell_volumes(content.mesh)[content.mesh.cell_regions == i].sum() for i in range(2)]
    fiber = 0.5 * np.pi * 0.4**2 / 4.0
    np.testing.assert_allclose(volumes, [fiber, 0.5 - fiber], rtol=1e-4)


def test_what_a_reader_finds_survives_the_way_to_the_parent(tmp_path: Path) -> None:
    block = np.arange(8)[None, :]
    sent = FileMesh(
        points=np.arange(24.0).reshape(8, 3),
        blocks=(Block(block, np.array([4711])), Block(np.arange(20)[None, :], np.array([7]))),
        cell_sets={"Körper a": np.array([0, 1]), "leer": np.array([], dtype=np.int64)},
        quadrilaterals=np.array([[0, 1, 3, 2]]),
        quadrilateral_sets={"unten": np.array([0])},
        side_sets={"s": np.array([[0, 5], [1, 3]])},
        node_sets={},
        unsupported={"wedge": 3},
    )
    sent.save(tmp_path / "mesh.npz")
    got = FileMesh.load(tmp_path / "mesh.npz")
    assert np.array_equal(got.points, sent.points)
    assert [b.kind for b in got.blocks] == ["hex8", "hex20"]
    for family in ("cell_sets", "quadrilateral_sets", "side_sets", "node_sets"):
        one, other = getattr(got, family), getattr(sent, family)
        assert list(one) == list(other)
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert got.unsupported == sent.unsupported

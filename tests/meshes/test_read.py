"""Damaged and hostile files end in one message that says what, where and what to do."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elastane.meshes import read
from elastane.meshes.assemble import assemble
from elastane.meshes.box import Box
from elastane.meshes.element_map import cell_volumes, determinants, gradients_by_chunk
from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.lagrange import gauss
from elastane.meshes.mesh import Ints, Mesh
from elastane.meshes.read import read_mesh
from elastane.meshes.reading_process import READERS
from elastane.meshes.summary import find_worst_cell, scaled_jacobians, summarise_file

WriteMsh = Callable[..., None]

#: Corners of a cell that is turned over: ξ₁ changes its direction.
MIRRORED = [1, 0, 3, 2, 5, 4, 7, 6]


def _file_mesh(mesh: Mesh, **changes: object) -> FileMesh:
    """Return a mesh of degree 1 as a reader would find it, elements counted from 4700."""
    points = np.empty((mesh.num_vertices, 3))
    points[mesh.cells] = mesh.coordinates
    content = FileMesh(
        points=points,
        blocks=(Block(mesh.cells, np.arange(mesh.num_cells) + 4700),),
        cell_sets={"rod": np.arange(mesh.num_cells)},
        side_sets=mesh.surfaces,
    )
    return replace(content, **changes)  # type: ignore[arg-type]


def _with_cells(mesh: Mesh, cells: Ints) -> FileMesh:
    numbers = np.arange(len(cells)) + 4700
    return _file_mesh(mesh, blocks=(Block(cells, numbers),), cell_sets={}, side_sets={})


def test_a_sound_mesh_passes_without_a_warning(cube: Mesh) -> None:
    assembly = assemble(_file_mesh(cube))
    assert assembly.warnings == ()
    assert assembly.mesh.regions == ("rod",)
    assert np.array_equal(assembly.mesh.cells, cube.cells)
    assert cell_volumes(assembly.mesh).sum() == pytest.approx(1.0, rel=1e-14)


def test_mirrored_elements_are_named_by_number_kind_and_region(cube: Mesh) -> None:
    cells = cube.cells.copy()
    cells[[3, 5]] = cells[[3, 5]][:, MIRRORED]
    content = _file_mesh(cube, blocks=(Block(cells, np.arange(8) + 4708),))
    message = (
        r"element 4711 \(hex8, region rod\): det dX/dxi = -0\.0156 at Gauss-Lobatto point \d of 8; "
        "2 such elements, the first: 4711, 4713; the element is left-handed: nodes swapped"
    )
    with pytest.raises(MeshError, match=message):
        assemble(content)


@pytest.mark.parametrize("seed", range(60))
def test_a_spoilt_element_is_found(cube: Mesh, seed: int) -> None:
    """Turned over, nodes swapped, collapsed, or folded by a node that moved: all are refused."""
    random = np.random.default_rng(seed)
    cells, cell = cube.cells.copy(), int(random.integers(8))
    content = _file_mesh(cube)
    points = content.points.copy()
    kind = seed % 4
    if kind == 0:
        cells[cell] = cells[cell][MIRRORED]
    elif kind == 1:
        first, second = random.choice(8, 2, replace=False)
        cells[cell, [first, second]] = cells[cell, [second, first]]
    elif kind == 2:
        first, second = random.choice(8, 2, replace=False)
        cells[cell, first] = cells[cell, second]
    else:
        corner, opposite = cells[cell, [0, 7]]
        points[corner] += random.uniform(1.05, 3.0) * (points[opposite] - points[corner])
    blocks = (Block(cells, content.blocks[0].numbers),)
    with pytest.raises(MeshError, match=r"element \d+ \(hex8, region rod\)"):
        assemble(replace(content, points=points, blocks=blocks, side_sets={}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: _with_cells(m, m.cells[[0, 1, 1]]), "have the same corners; 1 such pairs"),
        (
            lambda m: _with_cells(m, np.vstack([m.cells, [*m.cells[0, 4:], 18, 20, 24, 26]])),
            "shares a facet with two or more others",
        ),
        (
            lambda m: _with_cells(m, m.cells + 1),
            r"nodes of hex8 elements must lie in 1\.\.27, got 28",
        ),
        (lambda m: _with_cells(m, m.cells - 1), r"must lie in 1\.\.27, got 0"),
        (lambda m: _with_cells(m, m.cells[:0]), "the file has no hexahedra; are volumes meshed"),
        (lambda m: _file_mesh(m, unsupported={"tetrahedron": 7}), "7 tetrahedron.*come later"),
        (
            lambda m: _file_mesh(m, points=np.full((27, 3), np.nan)),
            "27 nodes have coordinates that",
        ),
        (lambda m: _file_mesh(m, points=np.full((27, 3), 1e200)), "27 nodes have coordinates that"),
        (
            lambda m: _file_mesh(m, cell_sets={"a": np.arange(5), "b": np.arange(3, 7)}),
            "regions 'a' and 'b' overlap in 2 elements",
        ),
        (lambda m: _file_mesh(m, cell_sets={"a\nb": np.arange(5)}), "cannot be the name of a"),
        (lambda m: _file_mesh(m, cell_sets={"a": np.array([8])}), "element set 'a' must lie in"),
        (
            lambda m: _file_mesh(
                m,
                quadrilaterals=np.array([[0, 1, 4, 12]]),
                quadrilateral_sets={"top": np.array([0])},
            ),
            "surface 'top': 1 of its 1 elements are no facet of a hexahedron, the first with its",
        ),
    ],
)
def test_what_cannot_be_computed_on_is_refused(
    cube: Mesh, spoil: Callable[[Mesh], FileMesh], message: str
) -> None:
    with pytest.raises(MeshError, match=message):
        assemble(spoil(cube))


def test_suspicious_things_are_warned_about(cube: Mesh) -> None:
    content = _file_mesh(cube)
    upper = content.blocks[0].nodes[4:]
    middle = np.unique(upper[:, :4])
    copies = np.full(27, -1)
    copies[middle] = 27 + np.arange(9)
    torn = content.blocks[0].nodes.copy()
    torn[4:, :4] = copies[torn[4:, :4]]
    points = np.concatenate([content.points, content.points[middle], [[9.0, 9.0, 9.0]]])
    inner = np.array([[0, 1], [0, 5]])
    assembly = assemble(
        replace(content, points=points, blocks=(Block(torn, content.blocks[0].numbers),))
    )
    orphans, cracks = assembly.warnings
    assert orphans == "1 nodes belong to no hexahedron and are left out"
    assert "9 pairs of nodes lie in the same place and are not merged" in cracks
    assembly = assemble(
        _file_mesh(cube, side_sets={"mixed": np.array([[0, 0], [0, 1]]), "in": inner})
    )
    assert list(assembly.mesh.surfaces) == ["mixed"]
    assert len(assembly.mesh.surfaces["mixed"]) == 1
    assert assembly.warnings[0].startswith("surface 'mixed': 1 of its 2 facets lie inside the body")


def test_cells_outside_of_all_sets_are_the_body(cube: Mesh) -> None:
    mesh = assemble(_file_mesh(cube, cell_sets={"rod": np.arange(3)})).mesh
    assert mesh.regions == ("rod", "body")
    assert mesh.cell_regions.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert assemble(_file_mesh(cube, cell_sets={})).mesh.regions == ("body",)


def test_a_set_of_everything_beside_others_is_no_region(cube: Mesh) -> None:
    sets = {"all-of-it": np.arange(8), "a": np.arange(3), "b": np.arange(3, 8)}
    assert assemble(_file_mesh(cube, cell_sets=sets)).mesh.regions == ("a", "b")


def test_surface_elements_and_node_sets_make_the_surfaces_of_sides(cube: Mesh) -> None:
    content = _file_mesh(cube)
    bottom = np.flatnonzero(content.points[:, 2] == 0.0)
    corners = cube.cells[cube.surfaces["z-min"][:, 0]][:, [0, 2, 3, 1]]
    found = assemble(
        replace(
            content,
            quadrilaterals=corners,
            quadrilateral_sets={"quads": np.arange(4)},
            node_sets={"nodes": bottom},
        )
    ).mesh
    for name in ("quads", "nodes"):
        assert np.array_equal(found.surfaces[name], found.surfaces["z-min"])


def test_a_file_is_read_in_its_process(tmp_path: Path, write_msh: WriteMsh, sector: Mesh) -> None:
    path = tmp_path / "Körper mit Loch.msh"
    write_msh(path, sector, 27)
    content = read_mesh(path)
    assert content.mesh.num_cells == sector.num_cells
    assert len(content.sha256) == 64
    assert content.element_numbers.min() == 33
    assert read_mesh(path) is content
    write_msh(path, Box(cells=(2, 1, 1)).build(1, 0), 8)
    assert read_mesh(path).mesh.num_cells == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.msh", None, "missing.msh: No such file"),
        ("body.xdmf", b"", "body.xdmf: unknown ending '.xdmf'"),
        ("body.ms", b"", "unknown ending '.ms'; did you mean '.msh'"),
        ("body.msh", b"", r"body.msh: there is no section \$MeshFormat"),
        ("body.msh", b"$MeshFormat\n4.1 0 8\n", r"section \$MeshFormat does not end; was the file"),
        ("body.inp", b"*INCLUDE, INPUT=../secret.inp\n", r"\*INCLUDE: only flat input files"),
        ("body.vtu", b"<VTKFile", "body.vtu: "),
        ("body.vtk", b"no vtk at all", "body.vtk: "),
        ("body.exo", b"\x89HDF\r\n\x1a\n", "body.exo: "),
    ],
)
def test_messages_begin_with_the_file(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MeshError, match=message) as caught:
        read_mesh(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_header_that_claims_too_much_asks_for_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "body.msh"
    head = b"$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Nodes\n"
    claims = b"1 1000000000000 1 1000000000000\n3 1 0 1000000000000\n"
    path.write_bytes(head + claims + b"$EndNodes\n$Elements\n0 0 0 0\n$EndElements\n")
    with pytest.raises(MeshError, match="claims 1000000000000 more numbers where 0 are left"):
        read_mesh(path)


def _reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """Let the reading process be a Python program of the test's own."""
    script = tmp_path / "script.py"
    script.write_text(body)
    # Not in the first line itself: a path with a space is no interpreter there.
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    path = tmp_path / f"{time.monotonic_ns()}.msh"
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os; os.abort()", "the reading process ended with -6 after"),
        ("raise SystemExit(7)", "the reading process ended with 7 after"),
        ("raise SystemExit(0)", "the reading process left no mesh; is the disk full"),
        ("import sys; open(sys.argv[5], 'w').write('x')", "the reading process left no mesh"),
    ],
)
def test_a_reading_process_that_breaks_is_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    with pytest.raises(MeshError, match=message):
        read_mesh(_reader(tmp_path, monkeypatch, body))


def test_a_reading_process_that_hangs_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "_CPU_SECONDS", 1)
    monkeypatch.setattr(read, "_WALL_PER_CPU", 0.5)
    path = _reader(tmp_path, monkeypatch, "import time; time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(MeshError, match="not read within"):
        read_mesh(path)
    assert time.monotonic() - start < 10.0


def test_the_memory_of_the_process_is_limited(
    tmp_path: Path, write_msh: WriteMsh, sector: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "body.msh"
    write_msh(path, sector, 27)
    monkeypatch.setattr(read, "_MEMORY_BYTES", 1 << 26)
    with pytest.raises(MeshError, match=r"memory|ended with"):
        read_mesh(path)


SPIN = """
import elastane.meshes.reading_process as process
def spin(path):
    while True:
        pass
process.READERS = {".msh": spin}
process.main(["body.msh", "result", str(1 << 33), "1"])
"""


def test_the_time_of_the_process_is_limited() -> None:
    done = subprocess.run([sys.executable, "-c", SPIN], timeout=60, check=False)
    assert done.returncode == -signal.SIGXCPU


def _mutate(content: bytes, random: np.random.Generator) -> bytes:
    """Return the content with one damage."""
    data = bytearray(content)
    start = int(random.integers(len(data)))
    end = min(len(data), start + int(random.integers(1, 60)))
    kind = int(random.integers(8))
    if kind == 0:
        data[start] = int(random.integers(256))
    elif kind == 1:
        del data[start:end]
    elif kind == 2:
        data[start:start] = data[start:end]
    elif kind == 3:
        del data[start:]
    elif kind == 4:
        words = [b" -1 ", b" nan ", b" 1e999 ", b" 999999999999 ", b" 0 ", b" x ", b"$", b"\n"]
        data[start:end] = words[int(random.integers(len(words)))]
    elif kind == 5:
        data[start:end] = random.bytes(end - start)
    elif kind == 6:
        lines = bytes(data).split(b"\n")
        one, other = random.integers(len(lines), size=2)
        lines[one], lines[other] = lines[other], lines[one]
        data = bytearray(b"\n".join(lines))
    else:
        digits = [place for place in range(start, len(data)) if 48 <= data[place] < 58][:1]
        for place in digits:
            data[place] = 48 + int(random.integers(10))
    return bytes(data)


def _is_refused(read: Callable[[], Mesh], original: Mesh) -> bool:
    """Read a damaged file: one line of message, or a mesh that can be computed on."""
    try:
        mesh = read()
    except MeshError as error:
        message = str(error)
    else:
        # Abaqus files state no counts: one that is cut off between two lines is a smaller mesh.
        assert 0 < mesh.num_cells <= original.num_cells
        assert np.array_equal(np.unique(mesh.cells), np.arange(mesh.num_vertices))
        for _, gradients in gradients_by_chunk(mesh, gauss(3)[0]):
            assert determinants(gradients).min() > 0.0
        return False
    assert 0 < len(message) < 1000
    assert "\n" not in message
    return True


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("version", ["2.2", "4.1"])
def test_damaged_gmsh_files_are_refused_or_read_right(
    tmp_path: Path, write_msh: WriteMsh, sector: Mesh, version: str, binary: bool
) -> None:
    """In this process, where nothing but the reader's own care holds exceptions back."""
    path = tmp_path / "body.msh"
    write_msh(path, sector, 27, version, binary)
    content = path.read_bytes()
    random = np.random.default_rng(25)
    num_refused = 0
    for _ in range(200):
        path.write_bytes(_mutate(content, random))
        start = time.monotonic()
        num_refused += _is_refused(lambda: assemble(READERS[".msh"](path)).mesh, sector)
        assert time.monotonic() - start < 10.0
    assert num_refused > 100


@pytest.mark.parametrize("name", ["body.vtu", "body.vtk", "body.mesh"])
def test_damaged_files_that_meshio_reads_are_refused_or_read_right(
    tmp_path: Path, cube: Mesh, name: str
) -> None:
    meshio = pytest.importorskip("meshio")
    points = _file_mesh(cube).points
    cells = cube.cells[:, [0, 1, 3, 2, 4, 5, 7, 6]]
    path = tmp_path / name
    meshio.Mesh(points, [("hexahedron", cells)]).write(path)
    content = path.read_bytes()
    random = np.random.default_rng(26)
    for index in range(6):
        damaged = path.with_stem(f"damaged-{index}")
        damaged.write_bytes(_mutate(content, random))
        _is_refused(lambda: read_mesh(damaged).mesh, cube)  # noqa: B023 (called at once)


def test_damaged_abaqus_files_are_refused_or_read_right(tmp_path: Path, cube: Mesh) -> None:
    points = _file_mesh(cube).points
    rows = np.column_stack([np.arange(8) + 1, cube.cells[:, [0, 1, 3, 2, 4, 5, 7, 6]] + 1])
    lines = ["*NODE", *(f"{i}, {x}, {y}, {z}" for i, (x, y, z) in enumerate(points, 1))]
    lines += ["*ELEMENT, TYPE=C3D8, ELSET=rod", *(", ".join(map(str, row)) for row in rows)]
    lines += ["*NSET, NSET=end", "1, 2, 3, 4, 5, 6, 7, 8, 9", "*SURFACE, NAME=s", "rod, S1"]
    content = "\n".join(lines).encode()
    path = tmp_path / "body.inp"
    random = np.random.default_rng(27)
    for _ in range(200):
        path.write_bytes(_mutate(content, random))
        _is_refused(lambda: assemble(READERS[".inp"](path)).mesh, cube)


def test_the_summary_says_what_is_in_a_file(
    tmp_path: Path, write_msh: WriteMsh, sector: Mesh
) -> None:
    path = tmp_path / "body.msh"
    write_msh(path, sector, 27)
    text = summarise_file(path)
    for part in (
        "12 hexahedra, element map of degree 2",
        "(0.5, 0, 0) to (2, 1.73205, 1)",
        "outer                        6 facets  area 2.094",
        "worst element    ",
        "(in no surface)              0 facets",
    ):
        assert part in text


def test_the_worst_cell_is_the_flattest(cube: Mesh) -> None:
    coordinates = cube.coordinates.copy()
    coordinates[5, :4, 0] += 0.4
    skewed = replace(cube, coordinates=coordinates)
    worst = find_worst_cell(skewed)
    assert worst.cell == 5
    assert worst.scaled_jacobian == pytest.approx(0.5 / np.hypot(0.5, 0.4), rel=1e-12)
    np.testing.assert_allclose(np.delete(scaled_jacobians(skewed), 5), 1.0, rtol=1e-12)


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, write_msh: WriteMsh, cube: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    path = tmp_path / "body.msh"
    write_msh(path, cube, 8)
    read_mesh(path)
    assert list(folder.iterdir()) == []

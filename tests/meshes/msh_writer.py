"""Writes meshes as MSH files of both versions, as text and binary.

Run as a program it writes the example jobs/examples/bimaterial.msh: a quarter of a round fiber in a
block of matrix, one quarter of a unit cell with its symmetry planes, in hexahedra with 27 nodes.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elastane.meshes.element_map import facet_nodes
from elastane.meshes.grid import grid_parameters
from elastane.meshes.mesh import Floats, Ints, Mesh
from elastane.meshes.orderings import GMSH_20, LINEAR, gmsh_lagrange

EXAMPLE = Path(__file__).parents[2] / "jobs" / "examples" / "bimaterial.msh"

#: Gmsh's types of hexahedra and quadrilaterals, and our nodes in their order, by nodes of a cell.
TYPES = {
    8: (5, LINEAR, 3, [0, 1, 3, 2]),
    20: (17, GMSH_20, 16, [0, 2, 8, 6, 1, 5, 7, 3]),
    27: (12, gmsh_lagrange(2), 10, [0, 2, 8, 6, 1, 5, 7, 3, 4]),
}


@dataclass(frozen=True)
class Part:
    """Elements of one geometric entity, which is a physical group of its own."""

    dimension: int
    tag: int
    name: str
    type: int
    nodes: Ints


def write_msh(
    path: Path, mesh: Mesh, num_nodes: int, version: str = "4.1", binary: bool = False
) -> None:
    """Write a mesh whose degree fits the number of nodes of a cell; one with 27 may lose seven."""
    points, nodes = number_nodes(mesh)
    parts = make_parts(mesh, nodes, num_nodes)
    used = np.unique(np.concatenate([part.nodes.ravel() for part in parts]))
    write = _write_4 if version == "4.1" else _write_2
    write(path, points, used, parts, binary)


def number_nodes(mesh: Mesh) -> tuple[Floats, Ints]:
    """Return the different nodes of a mesh and their numbers in each cell, told apart by place."""
    _, first, number = np.unique(
        np.round(mesh.coordinates.reshape(-1, 3), 9), axis=0, return_index=True, return_inverse=True
    )
    points = np.round(mesh.coordinates.reshape(-1, 3)[first], 12) + 0.0
    return points, number.reshape(mesh.coordinates.shape[:2])


def make_parts(mesh: Mesh, nodes: Ints, num_nodes: int) -> list[Part]:
    cell_type, cell_table, facet_type, facet_table = TYPES[num_nodes]
    parts = []
    for tag, (name, facets) in enumerate(mesh.surfaces.items(), start=1):
        sides = facet_nodes(mesh.geometry_degree)[facets[:, 1]][:, facet_table]
        parts.append(Part(2, tag, name, facet_type, nodes[facets[:, :1], sides]))
    for tag, name in enumerate(mesh.regions, start=1):
        cells = nodes[mesh.cell_regions == tag - 1]
        parts.append(Part(3, tag, name, cell_type, cells[:, cell_table]))
    return parts


def _names(parts: list[Part]) -> str:
    lines = [f'{part.dimension} {part.tag} "{part.name}"' for part in parts]
    return "\n".join(["$PhysicalNames", str(len(lines)), *lines, "$EndPhysicalNames", ""])


class _Output:
    """Numbers as text or bytes."""

    def __init__(self, binary: bool) -> None:
        self._binary = binary
        self.content = b""

    def text(self, text: str) -> None:
        self.content += text.encode()

    def line(self, integers: list[int], sizes: list[int]) -> None:
        if self._binary:
            self.content += struct.pack(f"<{len(integers)}i{len(sizes)}Q", *integers, *sizes)
        else:
            self.text(" ".join(map(str, [*integers, *sizes])) + "\n")

    def rows(self, rows: np.ndarray) -> None:
        if self._binary:
            self.content += np.asarray(
                rows, dtype="<f8" if rows.dtype == float else "<u8"
            ).tobytes()
        else:
            self.text("".join(" ".join(map(_number, row)) + "\n" for row in rows.tolist()))


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.12g}"


def _write_4(path: Path, points: Floats, used: Ints, parts: list[Part], binary: bool) -> None:
    out = _Output(binary)
    out.text(f"$MeshFormat\n4.1 {int(binary)} 8\n")
    out.text("\1\0\0\0\n" if binary else "")
    out.text(f"$EndMeshFormat\n{_names(parts)}$Entities\n")
    by_dimension = [[part for part in parts if part.dimension == d] for d in range(4)]
    out.line([], [len(some) for some in by_dimension])
    for part in (part for some in by_dimension for part in some):
        corners = points[part.nodes.ravel()]
        box = [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
        if binary:
            out.content += struct.pack("<i6dQiQ", part.tag, *box, 1, part.tag, 0)
        else:
            out.text(f"{part.tag} {' '.join(map(_number, box))} 1 {part.tag} 0\n")
    out.text("$EndEntities\n$Nodes\n" if not binary else "\n$EndEntities\n$Nodes\n")
    out.line([], [1, len(used), 1, len(points)])
    out.line([3, 1, 0], [len(used)])
    out.rows(used[:, None] + 1)
    out.rows(points[used])
    out.text("$EndNodes\n$Elements\n" if not binary else "\n$EndNodes\n$Elements\n")
    num_elements = sum(len(part.nodes) for part in parts)
    out.line([], [len(parts), num_elements, 1, num_elements])
    first = 1
    for part in parts:
        out.line([part.dimension, part.tag, part.type], [len(part.nodes)])
        numbers = np.arange(first, first + len(part.nodes))
        out.rows(np.column_stack([numbers, part.nodes + 1]))
        first += len(part.nodes)
    out.text("$EndElements\n" if not binary else "\n$EndElements\n")
    path.write_bytes(out.content)


def _write_2(path: Path, points: Floats, used: Ints, parts: list[Part], binary: bool) -> None:
    out = _Output(binary)
    out.text(f"$MeshFormat\n2.2 {int(binary)} 8\n")
    out.text("\1\0\0\0\n" if binary else "")
    out.text(f"$EndMeshFormat\n{_names(parts)}$Nodes\n{len(used)}\n")
    if binary:
        node = np.dtype([("number", "<i4"), ("position", "<f8", 3)])
        nodes = np.empty(len(used), dtype=node)
        nodes["number"], nodes["position"] = used + 1, points[used]
        out.content += nodes.tobytes()
    else:
        out.rows(np.column_stack([(used + 1).astype(object), points[used].astype(object)]))
    num_elements = sum(len(part.nodes) for part in parts)
    out.text(f"$EndNodes\n$Elements\n{num_elements}\n")
    first = 1
    for part in parts:
        count = len(part.nodes)
        numbers, tags = np.arange(first, first + count), np.full((count, 2), part.tag)
        rows = np.column_stack([numbers, tags, part.nodes + 1])
        if binary:
            out.line([part.type, count, 2], [])
            out.content += rows.astype("<i4").tobytes()
        else:
            out.rows(np.insert(rows, [1], [part.type, 2], axis=1))
        first += count
    out.text("$EndElements\n" if not binary else "\n$EndElements\n")
    path.write_bytes(out.content)


def make_bimaterial() -> Mesh:
    """Return a quarter of a fiber of radius 0.4 in a block of 1 by 1 by 0.5."""
    radius, core = 0.4, 0.2

    def arc(start: float) -> Callable[[Floats], Floats]:
        return lambda t: radius * _direction(0.25 * np.pi * (start + t))

    def straight(begin: list[float], end: list[float]) -> Callable[[Floats], Floats]:
        return lambda t: np.array(begin) + t[..., None] * (np.array(end) - np.array(begin))

    # Blocks between two curves, counted outwards and anticlockwise, with cells in each direction.
    core_block = (straight([0, 0], [0, core]), straight([core, 0], [core, core]), (2, 2))
    right, top = straight([core, 0], [core, core]), straight([core, core], [0, core])
    fiber = [core_block, (right, arc(0), (1, 2)), (top, arc(1), (1, 2))]
    matrix = [
        (arc(0), straight([1, 0], [1, 1]), (2, 2)),
        (arc(1), straight([1, 1], [0, 1]), (2, 2)),
    ]
    blocks = [_block(*block, layers=2, height=0.5) for block in (*fiber, *matrix)]
    coordinates = np.concatenate(blocks)
    num_fiber = sum(map(len, blocks[: len(fiber)]))
    corners = coordinates[:, [0, 2, 6, 8, 18, 20, 24, 26]]
    cells = np.unique(np.round(corners.reshape(-1, 3), 9), axis=0, return_inverse=True)[1]
    return Mesh(
        cells=cells.reshape(-1, 8),
        coordinates=coordinates,
        geometry_degree=2,
        regions=("fiber", "matrix"),
        cell_regions=(np.arange(len(coordinates)) >= num_fiber).astype(np.int64),
        surfaces={
            f"{axis}-{end}": _facets_at(coordinates, d, value)
            for d, (axis, upper) in enumerate([("x", 1.0), ("y", 1.0), ("z", 0.5)])
            for end, value in (("min", 0.0), ("max", upper))
        },
    )


def _direction(angle: Floats) -> Floats:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _block(
    inner: Callable[[Floats], Floats],
    outer: Callable[[Floats], Floats],
    counts: tuple[int, int],
    layers: int,
    height: float,
) -> Floats:
    out, along, up = np.moveaxis(grid_parameters((*counts, layers), 2), -1, 0)
    plane = (1.0 - out)[..., None] * inner(along) + out[..., None] * outer(along)
    return np.concatenate([plane, height * up[..., None]], axis=-1)


def _facets_at(coordinates: Floats, axis: int, value: float) -> Ints:
    positions = coordinates[:, facet_nodes(2), axis]
    return np.argwhere((np.abs(positions - value) < 1e-9).all(axis=2))


if __name__ == "__main__":
    write_msh(EXAMPLE, make_bimaterial(), 27)

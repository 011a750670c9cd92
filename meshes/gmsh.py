"""Gmsh's MSH files, versions 2 and 4.1, text and binary.

Physical groups of volumes become sets of cells, those of surfaces sets of quadrilaterals; elements
of lower dimension serve nothing else and are skipped.  Views of scalars and vectors become fields.

Reference: Gmsh reference manual, MSH file format and MSH file format version 2 (legacy).
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.mesh import Ints
from elastane.meshes.msh_2 import read_msh_2_binary, read_msh_2_text
from elastane.meshes.msh_4 import read_msh_4
from elastane.meshes.msh_elements import MshContent, MshGroup
from elastane.meshes.msh_fields import gather, read_msh_fields
from elastane.meshes.number_index import NumberIndex
from elastane.meshes.number_stream import BinaryNumbers, NumberStream, TextNumbers
from elastane.meshes.orderings import from_other

_SECTION = re.compile(rb"\$([A-Za-z]+)[ \t\r]*\n")
_FORMAT = re.compile(rb"\s*(\d+(?:\.\d+)?)\s+([01])\s+(\d+)[ \t\r]*\n")
_NAME = re.compile(r'\s*(\d)\s+(\d+)\s+"(.*)"\s*$')


def read_gmsh(path: Path) -> FileMesh:
    """Return the content of an MSH file.

    Raises:
        MeshError: If the file is not of this format or damaged.
    """
    sections = _sections(path.read_bytes())
    if "PartitionedEntities" in sections:
        raise MeshError("the mesh is partitioned; save it in one piece (Mesh.PartitionCount = 0)")
    for needed in ("MeshFormat", "Nodes", "Elements"):
        if needed not in sections:
            raise MeshError(f"there is no section ${needed}: no complete MSH file")
    names = _physical_names(sections.get("PhysicalNames", [b""])[0])
    return _file_mesh(_read_sections(sections), names)


def _sections(content: bytes) -> dict[str, list[bytes]]:
    """Return what stands between each $Name and $EndName, by name."""
    sections: dict[str, list[bytes]] = {}
    position = 0
    while start := _SECTION.search(content, position):
        end = content.find(b"$End" + start[1], start.end())
        name = start[1].decode()
        if end < 0:
            raise MeshError(f"section ${name} does not end; was the file cut off?")
        sections.setdefault(name, []).append(content[start.end() : end])
        position = end + len("$End") + len(name)
    return sections


def _read_sections(every: Mapping[str, list[bytes]]) -> MshContent:
    sections = {name: parts[0] for name, parts in every.items()}
    header = _FORMAT.match(sections["MeshFormat"])
    if header is None:
        raise MeshError("section $MeshFormat must begin with version, file type and data size")
    version, binary, size_bytes = float(header[1]), header[2] == b"1", int(header[3])
    if not (2.0 <= version < 3.0 or version == 4.1):
        raise MeshError(f"MSH version {version} is not read; save as version 4.1 or 2.2")
    if binary and size_bytes not in (4, 8):
        raise MeshError(f"section $MeshFormat: a data size of {size_bytes} bytes is not read")
    byte_order = _byte_order(sections["MeshFormat"][header.end() :]) if binary else ""

    def stream(name: str) -> NumberStream:
        if binary:
            return BinaryNumbers(name, sections[name], byte_order, size_bytes)
        return TextNumbers(name, sections[name])

    if version >= 3.0:
        content = read_msh_4(sections, stream)
    else:
        content = read_msh_2_binary(sections, byte_order) if binary else read_msh_2_text(sections)
    element_fields, node_fields = (
        tuple(read_msh_fields(name, every.get(name, ()), byte_order))
        for name in ("ElementData", "NodeData")
    )
    return replace(content, element_fields=element_fields, node_fields=node_fields)


def _byte_order(one: bytes) -> str:
    """Return the byte order in which the first four bytes are the integer 1."""
    for byte_order, expected in (("<", b"\1\0\0\0"), (">", b"\0\0\0\1")):
        if one[:4] == expected:
            return byte_order
    raise MeshError("section $MeshFormat of a binary file must hold the integer 1")


def _physical_names(section: bytes) -> dict[tuple[int, int], str]:
    """Return the names of physical groups (dimension, tag)."""
    try:
        lines = section.decode().splitlines()[1:]
    except UnicodeDecodeError:
        raise MeshError("section $PhysicalNames is not UTF-8 text") from None
    names = {}
    for line in filter(str.strip, lines):
        match = _NAME.match(line)
        if match is None:
            raise MeshError(f'section $PhysicalNames: {line!r} is not: dimension tag "name"')
        names[int(match[1]), int(match[2])] = match[3]
    return names


def _file_mesh(content: MshContent, names: Mapping[tuple[int, int], str]) -> FileMesh:
    families: dict[str, list[MshGroup]] = {}
    for group in content.groups:
        families.setdefault(group.type.family, []).append(group)
    points = NumberIndex("node", content.node_numbers)
    hexahedra = sorted(families.get("hexahedron", []), key=lambda group: group.type.num_nodes)
    blocks = _blocks(hexahedra, points)
    numbers = [block.numbers for block in blocks if content.element_fields]
    cells = NumberIndex("element", np.concatenate([np.empty(0, dtype=np.int64), *numbers]))
    surfaces = [group for group in families.get("quadrilateral", []) if group.physical]
    corners = [points(group.nodes[:, :4], group.numbers) for group in surfaces]
    return FileMesh(
        points=content.points,
        blocks=blocks,
        cell_sets=_sets(hexahedra, 3, "region", names),
        quadrilaterals=np.concatenate([np.empty((0, 4), dtype=np.int64), *corners]),
        quadrilateral_sets=_sets(surfaces, 2, "surface", names),
        unsupported=_unsupported(content.groups),
        cell_fields=gather(content.element_fields, cells),
        point_fields=gather(content.node_fields, points),
    )


def _unsupported(groups: Sequence[MshGroup]) -> dict[str, int]:
    """Return how many elements there are that belong to the mesh and are not hexahedra."""
    counts: Counter[str] = Counter()
    for group in groups:
        tagged_triangles = group.type.family == "triangle" and len(group.physical) > 0
        if tagged_triangles or group.type.family in ("tetrahedron", "wedge", "pyramid"):
            counts[group.type.family] += len(group.numbers)
    return dict(counts)


def _blocks(groups: Sequence[MshGroup], points: NumberIndex) -> tuple[Block, ...]:
    """Return one block for each number of nodes; the groups are sorted by it."""
    blocks = []
    for num_nodes in sorted({group.type.num_nodes for group in groups}):
        same = [group for group in groups if group.type.num_nodes == num_nodes]
        numbers = np.concatenate([group.numbers for group in same])
        nodes = points(np.concatenate([group.nodes for group in same]), numbers)
        blocks.append(Block(nodes[:, from_other("gmsh", num_nodes)], numbers))
    return tuple(blocks)


def _sets(
    groups: Sequence[MshGroup], dimension: int, unnamed: str, names: Mapping[tuple[int, int], str]
) -> dict[str, Ints]:
    """Return the elements, counted through all groups, of each physical group."""
    members: dict[str, list[Ints]] = {}
    start = 0
    for group in groups:
        elements = np.arange(start, start + len(group.numbers))
        start += len(group.numbers)
        for tag in group.physical:
            name = names.get((dimension, tag), f"{unnamed}-{tag}")
            members.setdefault(name, []).append(elements)
    return {name: np.concatenate(parts) for name, parts in members.items()}

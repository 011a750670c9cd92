"""Exodus II files: blocks are regions, side sets and node sets are surfaces.

Reference: L. A. Schoof, V. R. Yarberry, EXODUS II, Sandia report SAND92-2137.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.mesh import Floats, Ints
from elastane.meshes.orderings import EXODUS_SIDES, from_other

#: Beginnings of the names of element types, by what they are for us.
_FAMILIES = {
    "hexahedron": ("HEX",),
    "surface": ("SHELL", "QUAD"),
    "nothing": ("SPHERE", "BAR", "BEAM", "TRUSS", "EDGE", "CIRCLE"),
}


@dataclass(frozen=True)
class _ElementBlock:
    """A block of elements.

    Attributes:
        name: Name of the block.
        kind: Type of its elements, in capitals.
        nodes: Indices of points, shape (num_elements, num_nodes).
        first: Number of elements in the blocks before.
    """

    name: str
    kind: str
    nodes: Ints
    first: int

    @property
    def family(self) -> str:
        for family, beginnings in _FAMILIES.items():
            if self.kind.startswith(beginnings):
                return family
        return "unsupported"

    @property
    def numbers(self) -> Ints:
        return np.arange(self.first, self.first + len(self.nodes)) + 1


def read_exodus(path: Path) -> FileMesh:
    """Return the content of an Exodus file.

    Raises:
        MeshError: If netCDF4 is missing or the file lacks what a mesh needs.
    """
    try:
        import netCDF4
    except ImportError:
        raise MeshError("Exodus files need the package netCDF4: pip install netCDF4") from None
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return _file_mesh(file)


def _file_mesh(file: Any) -> FileMesh:
    blocks = _element_blocks(file)
    hexahedra = [block for block in blocks if block.family == "hexahedron"]
    surfaces = [block for block in blocks if block.family == "surface"]
    unsupported = Counter[str]()
    for block in blocks:
        if block.family == "unsupported":
            unsupported[block.kind] += len(block.nodes)
    no_corners = np.empty((0, 4), dtype=np.int64)
    return FileMesh(
        points=_points(file),
        blocks=tuple(
            Block(block.nodes[:, from_other("exodus", block.nodes.shape[1])], block.numbers)
            for block in hexahedra
        ),
        cell_sets=_consecutive(hexahedra),
        quadrilaterals=np.concatenate([no_corners, *(block.nodes[:, :4] for block in surfaces)]),
        quadrilateral_sets=_consecutive(surfaces),
        side_sets=_side_sets(file, blocks),
        node_sets={
            name: _indices(file, f"node_ns{index}")
            for index, name in enumerate(_names(file, "ns", "nodes"), start=1)
            if f"node_ns{index}" in file.variables
        },
        unsupported=dict(unsupported),
    )


def _element_blocks(file: Any) -> list[_ElementBlock]:
    blocks: list[_ElementBlock] = []
    first = 0
    for index, name in enumerate(_names(file, "eb", "region"), start=1):
        if f"connect{index}" not in file.variables:
            continue
        kind = str(file.variables[f"connect{index}"].elem_type).upper()
        block = _ElementBlock(name, kind, _indices(file, f"connect{index}"), first)
        if block.family == "hexahedron" and block.nodes.shape[1] not in (8, 20, 27):
            raise MeshError(f"block {name!r}: {kind} with {block.nodes.shape[1]} nodes is not read")
        blocks.append(block)
        first += len(block.nodes)
    return blocks


def _consecutive(blocks: list[_ElementBlock]) -> dict[str, Ints]:
    """Return the elements of each block, counted through these blocks only."""
    sets: dict[str, Ints] = {}
    start = 0
    for block in blocks:
        sets[block.name] = np.arange(start, start + len(block.nodes))
        start += len(block.nodes)
    return sets


def _points(file: Any) -> Floats:
    if "coord" in file.variables:
        return np.asarray(file.variables["coord"][:], dtype=float).T
    names = ("coordx", "coordy", "coordz")
    if not all(name in file.variables for name in names):
        raise MeshError("the file has no coordinates in three dimensions")
    return np.stack([np.asarray(file.variables[name][:], dtype=float) for name in names], axis=1)


def _names(file: Any, family: str, unnamed: str) -> list[str]:
    """Return the names of element blocks (eb), side sets (ss) or node sets (ns)."""
    dimension = {"eb": "num_el_blk", "ss": "num_side_sets", "ns": "num_node_sets"}[family]
    if dimension not in file.dimensions:
        return []
    numbers = list(range(1, file.dimensions[dimension].size + 1))
    if f"{family}_prop1" in file.variables:
        numbers = file.variables[f"{family}_prop1"][:].tolist()
    names = [f"{unnamed}-{number}" for number in numbers]
    if f"{family}_names" in file.variables:
        for index, characters in enumerate(file.variables[f"{family}_names"][: len(names)]):
            given = b"".join(characters).split(b"\0")[0].decode(errors="replace").strip()
            names[index] = given or names[index]
    return names


def _side_sets(file: Any, blocks: list[_ElementBlock]) -> dict[str, Ints]:
    cell_of_element = np.full(sum(len(block.nodes) for block in blocks), -1, dtype=np.int64)
    numbers = [block.numbers for block in blocks if block.family == "hexahedron"]
    hexahedra = np.concatenate([np.empty(0, dtype=np.int64), *numbers]) - 1
    cell_of_element[hexahedra] = np.arange(len(hexahedra))
    sets = {}
    for index, name in enumerate(_names(file, "ss", "surface"), start=1):
        if f"elem_ss{index}" not in file.variables:
            continue
        elements, sides = _indices(file, f"elem_ss{index}"), _indices(file, f"side_ss{index}")
        inside = (elements >= 0) & (elements < len(cell_of_element)) & (sides >= 0) & (sides < 6)
        if not inside.all():
            raise MeshError(f"side set {name!r} names elements or sides that do not exist")
        cells = cell_of_element[elements]
        pairs = np.stack([cells, EXODUS_SIDES[sides]], axis=1)[cells >= 0]
        if len(pairs):
            sets[name] = pairs
    return sets


def _indices(file: Any, variable: str) -> Ints:
    """Return numbers that the file counts from 1."""
    return np.asarray(file.variables[variable][:], dtype=np.int64) - 1

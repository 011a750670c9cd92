"""What a mesh file says, before anything about it is believed.

Readers of formats end here; `assemble` checks it and makes the mesh.  It goes from the reading
process to its parent as plain arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elastane.meshes.mesh import Floats, Ints

_SETS = ("cell_sets", "quadrilateral_sets", "side_sets", "node_sets")
_FIELDS = ("cell_fields", "point_fields")


class MeshError(ValueError):
    """A mesh file cannot be computed on; the message says what, where and what to do."""


@dataclass(frozen=True)
class Block:
    """Hexahedra with the same number of nodes.

    Attributes:
        nodes: Indices of the points of each hexahedron, shape (num_cells, num_nodes): tensor
            order for 8, 27, 64, ... nodes, VTK's order for 20.
        numbers: The file's own numbers of the hexahedra, shape (num_cells,).
    """

    nodes: Ints
    numbers: Ints

    @property
    def kind(self) -> str:
        """Return the name for messages, e.g. hex20."""
        return f"hex{self.nodes.shape[1]}"


@dataclass(frozen=True)
class FileMesh:
    """The content of a mesh file.

    Cells count through all blocks; all numbers are indices from 0.

    Attributes:
        points: Coordinates, shape (num_points, 3).
        blocks: The hexahedra.
        cell_sets: Cells of each named set.
        quadrilaterals: Points at the corners of surface elements, shape (num, 4).
        quadrilateral_sets: Surface elements of each named set.
        side_sets: Pairs (cell, facet) of each named set.
        node_sets: Points of each named set.
        unsupported: How many elements there are of those kinds that no cell can be made of.
        cell_fields: Numbers for each cell by name, shape (num_cells, 1 or 3); NaN is none.
        point_fields: Numbers at each point by name, shape (num_points, 1 or 3); NaN is none.
    """

    points: Floats
    blocks: tuple[Block, ...]
    cell_sets: Mapping[str, Ints] = field(default_factory=dict)
    quadrilaterals: Ints = field(default_factory=lambda: np.empty((0, 4), dtype=np.int64))
    quadrilateral_sets: Mapping[str, Ints] = field(default_factory=dict)
    side_sets: Mapping[str, Ints] = field(default_factory=dict)
    node_sets: Mapping[str, Ints] = field(default_factory=dict)
    unsupported: Mapping[str, int] = field(default_factory=dict)
    cell_fields: Mapping[str, Floats] = field(default_factory=dict)
    point_fields: Mapping[str, Floats] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the arrays into one file."""
        arrays = {"points": self.points, "quadrilaterals": self.quadrilaterals}
        for index, block in enumerate(self.blocks):
            arrays[f"nodes_{index}"], arrays[f"numbers_{index}"] = block.nodes, block.numbers
        for family in _SETS:
            arrays |= _pack(family, getattr(self, family))
        for kind in _FIELDS:
            fields = getattr(self, kind)
            arrays[f"{kind}_names"] = np.array(list(fields), dtype=str)
            arrays |= {f"{kind}_{index}": field for index, field in enumerate(fields.values())}
        arrays["unsupported"] = np.array(list(self.unsupported), dtype=str)
        arrays["unsupported_count"] = np.array(list(self.unsupported.values()), dtype=np.int64)
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "FileMesh":
        """Return what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        num_blocks = sum(name.startswith("nodes_") for name in arrays)
        unsupported = zip(
            arrays["unsupported"].tolist(), arrays["unsupported_count"].tolist(), strict=True
        )
        named: dict[str, Any] = {family: _unpack(family, arrays) for family in _SETS}
        named |= {
            kind: {
                name: arrays[f"{kind}_{index}"]
                for index, name in enumerate(arrays[f"{kind}_names"].tolist())
            }
            for kind in _FIELDS
        }
        return cls(
            points=arrays["points"],
            blocks=tuple(
                Block(arrays[f"nodes_{index}"], arrays[f"numbers_{index}"])
                for index in range(num_blocks)
            ),
            quadrilaterals=arrays["quadrilaterals"],
            unsupported=dict(unsupported),
            **named,
        )


def _pack(family: str, sets: Mapping[str, Ints]) -> dict[str, np.ndarray]:
    sizes = [len(members) for members in sets.values()]
    width = (2,) if family == "side_sets" else ()
    empty = np.empty((0, *width), dtype=np.int64)
    return {
        f"{family}_names": np.array(list(sets), dtype=str),
        f"{family}_sizes": np.array(sizes, dtype=np.int64),
        f"{family}_members": np.concatenate([empty, *sets.values()]),
    }


def _unpack(family: str, arrays: Mapping[str, np.ndarray]) -> dict[str, Ints]:
    ends = np.cumsum(arrays[f"{family}_sizes"])
    parts = np.split(arrays[f"{family}_members"], ends[:-1]) if len(ends) else []
    return dict(zip(arrays[f"{family}_names"].tolist(), parts, strict=True))

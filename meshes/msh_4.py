"""Sections of MSH files of version 4.1: blocks of nodes and elements by geometric entity."""

from collections.abc import Callable, Mapping

import numpy as np

from elastane.meshes.file_mesh import MeshError
from elastane.meshes.msh_elements import MshContent, MshGroup, find_element_type
from elastane.meshes.number_stream import NumberStream

#: Numbers that give the position of a point or the box of a higher entity.
_EXTENT = (3, 6, 6, 6)


def read_msh_4(sections: Mapping[str, bytes], stream: Callable[[str], NumberStream]) -> MshContent:
    """Return nodes and elements.

    Args:
        sections: Bytes of each section.
        stream: Opens the numbers of a section.
    """
    physical = _read_entities(stream("Entities")) if "Entities" in sections else {}
    node_numbers, points = _read_nodes(stream("Nodes"))
    return MshContent(node_numbers, points, _read_elements(stream("Elements"), physical))


def _read_entities(numbers: NumberStream) -> dict[tuple[int, int], tuple[int, ...]]:
    """Return the physical groups of each entity (dimension, tag)."""
    physical = {}
    for dimension, count in enumerate(numbers.sizes(4).tolist()):
        for _ in range(count):
            (tag,) = numbers.integers(1).tolist()
            numbers.floats(_EXTENT[dimension])
            groups = numbers.integers(int(numbers.sizes(1)[0]))
            # A negative tag tells that the group turns the entity round.
            physical[dimension, tag] = tuple(np.unique(np.abs(groups)).tolist())
            if dimension > 0:
                numbers.integers(int(numbers.sizes(1)[0]))
    return physical


def _read_nodes(numbers: NumberStream) -> tuple[np.ndarray, np.ndarray]:
    num_blocks, num_nodes = numbers.sizes(4)[:2].tolist()
    node_numbers, points = [np.empty(0, dtype=np.int64)], [np.empty((0, 3))]
    for _ in range(num_blocks):
        dimension, _, parametric = numbers.integers(3).tolist()
        (count,) = numbers.sizes(1).tolist()
        width = 3 + (dimension if parametric else 0)
        node_numbers.append(numbers.sizes(count))
        points.append(numbers.floats(count * width).reshape(count, width)[:, :3])
    found = sum(map(len, points))
    if found != num_nodes:
        raise MeshError(f"section $Nodes claims {num_nodes} nodes and lists {found}")
    return np.concatenate(node_numbers), np.concatenate(points)


def _read_elements(
    numbers: NumberStream, physical: Mapping[tuple[int, int], tuple[int, ...]]
) -> list[MshGroup]:
    num_blocks, num_elements = numbers.sizes(4)[:2].tolist()
    groups = []
    for _ in range(num_blocks):
        dimension, entity, type_number = numbers.integers(3).tolist()
        (count,) = numbers.sizes(1).tolist()
        kind = find_element_type(type_number)
        width = 1 + kind.num_nodes
        rows = numbers.sizes(count * width).reshape(count, width)
        tags = physical.get((dimension, entity), ())
        groups.append(MshGroup(kind, tags, rows[:, 0], rows[:, 1:]))
    found = sum(len(group.numbers) for group in groups)
    if found != num_elements:
        raise MeshError(f"section $Elements claims {num_elements} elements and lists {found}")
    return groups

"""Sections of MSH files of version 2: a list of nodes and a list of elements with tags."""

from collections.abc import Mapping

import numpy as np

from elastane.meshes.file_mesh import MeshError
from elastane.meshes.mesh import Ints
from elastane.meshes.msh_elements import ElementType, MshContent, MshGroup, find_element_type
from elastane.meshes.number_stream import BinaryNumbers, as_integers, parse_numbers


def read_msh_2_text(sections: Mapping[str, bytes]) -> MshContent:
    """Return nodes and elements of a text file."""
    count, text = _count_line("Nodes", sections)
    values = parse_numbers("Nodes", text)
    if len(values) != 4 * count:
        raise MeshError(
            f"section $Nodes claims {count} nodes with 4 numbers each and holds {len(values)} "
            "numbers; was the file cut off?"
        )
    rows = values.reshape(count, 4)
    groups = _read_element_lines(*_count_line("Elements", sections))
    return MshContent(as_integers("Nodes", rows[:, 0]), rows[:, 1:], groups)


def read_msh_2_binary(sections: Mapping[str, bytes], byte_order: str) -> MshContent:
    """Return nodes and elements of a binary file."""
    count, content = _count_line("Nodes", sections)
    node = np.dtype([("number", f"{byte_order}i4"), ("position", f"{byte_order}f8", 3)])
    nodes = BinaryNumbers("Nodes", content, byte_order, 8).records(count, node)
    count, content = _count_line("Elements", sections)
    return MshContent(
        nodes["number"].astype(np.int64),
        nodes["position"].astype(np.float64),
        _read_element_blocks(count, BinaryNumbers("Elements", content, byte_order, 8)),
    )


def _count_line(section: str, sections: Mapping[str, bytes]) -> tuple[int, bytes]:
    """Return the number in the first line and what follows."""
    line, _, rest = sections[section].partition(b"\n")
    if not line.strip().isdigit() or len(line) > 20:
        raise MeshError(f"section ${section} must begin with a number, not {line[:20]!r}")
    return int(line), rest


def _read_element_lines(count: int, text: bytes) -> list[MshGroup]:
    """Return the elements of lines `number type num_tags tags... nodes...`."""
    values = as_integers("Elements", parse_numbers("Elements", text))
    width = _numbers_per_line(text)
    if len(width) != count or width.sum() != len(values):
        raise MeshError(f"section $Elements claims {count} elements and has {len(width)} lines")
    if len(width) == 0:
        return []
    if width.min() < 4:
        raise MeshError("section $Elements has a line with fewer than four numbers")
    start = np.cumsum(width) - width
    # Lines of the same length, type and number of tags form one array.
    layout = np.stack([width, values[start + 1], values[start + 2]], axis=1)
    groups = []
    for (length, type_number, num_tags), lines in _equal_rows(layout):
        kind = find_element_type(type_number)
        if num_tags < 0 or length != 3 + num_tags + kind.num_nodes:
            number = values[start[lines[0]]]
            raise MeshError(
                f"element {number}: {kind.family} with {kind.num_nodes} nodes and {num_tags} tags "
                f"in a line of {length} numbers"
            )
        rows = values[start[lines][:, None] + np.arange(length)]
        groups += _groups(kind, num_tags, rows)
    return groups


def _numbers_per_line(text: bytes) -> Ints:
    """Return how many numbers stand in each line that has any."""
    characters = np.frombuffer(text, dtype=np.uint8)
    blank = characters <= ord(" ")
    begins = ~blank & np.concatenate([[True], blank[:-1]])
    line = np.cumsum(characters == ord("\n"))
    width = np.bincount(line[begins])
    return width[width > 0]


def _equal_rows(table: Ints) -> list[tuple[list[int], Ints]]:
    """Return each different row with the numbers of the rows that equal it."""
    rows, group = np.unique(table, axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(group.ravel()))[:-1])
    return list(zip(rows.tolist(), parts, strict=True))


def _groups(kind: ElementType, num_tags: int, rows: Ints) -> list[MshGroup]:
    """Return the elements by their physical group, the first tag; 0 is none."""
    physical = np.abs(rows[:, 3]) if num_tags > 0 else np.zeros(len(rows), dtype=np.int64)
    return [
        MshGroup(kind, tuple(tag for tag in tags if tag), rows[some, 0], rows[some, 3 + num_tags :])
        for tags, some in _equal_rows(physical[:, None])
    ]


def _read_element_blocks(count: int, numbers: BinaryNumbers) -> list[MshGroup]:
    """Return the elements of blocks with headers `type num_elements num_tags`."""
    by_layout: dict[tuple[int, int], list[Ints]] = {}
    found = 0
    while found < count:
        type_number, num_elements, num_tags = numbers.integers(3).tolist()
        kind = find_element_type(type_number)
        if num_elements < 1 or num_tags < 0:
            raise MeshError(f"section $Elements has a block of {num_elements} elements")
        width = 1 + num_tags + kind.num_nodes
        rows = numbers.integers(num_elements * width).reshape(num_elements, width)
        by_layout.setdefault((type_number, num_tags), []).append(rows)
        found += num_elements
    groups = []
    for (type_number, num_tags), parts in by_layout.items():
        rows = np.concatenate(parts)
        # As in a line of text, but without type and number of tags.
        rows = np.insert(rows, [1, 1], 0, axis=1)
        groups += _groups(find_element_type(type_number), num_tags, rows)
    return groups

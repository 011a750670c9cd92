"""Sections $ElementData and $NodeData of MSH files: numbers for elements or nodes, with a name.

Both versions of the format have the same: lines of text that say what follows, then a number of an
element or node with its values, as text or as bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from elastane.meshes.file_mesh import MeshError
from elastane.meshes.mesh import Floats, Ints
from elastane.meshes.number_index import NumberIndex
from elastane.meshes.number_stream import BinaryNumbers, as_integers, parse_numbers

#: Lines of one kind in the head of a section; Gmsh writes four at most.
_MAX_TAGS = 100


@dataclass(frozen=True)
class MshField:
    """Values of one section.

    Attributes:
        name: Name of Gmsh's view.
        numbers: The file's own numbers of elements or nodes, shape (num,).
        values: Their values, shape (num, components).
    """

    name: str
    numbers: Ints
    values: Floats


def read_msh_fields(name: str, sections: Iterable[bytes], byte_order: str) -> Iterator[MshField]:
    """Yield the scalars and vectors of sections of that name; byte_order "" stands for text.

    Raises:
        MeshError: If a section is damaged.
    """
    for section in sections:
        texts, rest = _tags(name, section)
        _, rest = _tags(name, rest)
        integers, rest = _tags(name, rest)
        if len(integers) < 3 or not all(tag.isdigit() for tag in integers[:3]):
            raise MeshError(f"section ${name} does not say its step, components and length")
        num_components, count = int(integers[1]), int(integers[2])
        view = texts[0].strip().strip('"') if texts else "unnamed"
        if num_components in (1, 3):
            read = _read_bytes if byte_order else _read_text
            yield MshField(view, *read(name, rest, num_components, count, byte_order))


def gather(fields: Iterable[MshField], index: NumberIndex) -> dict[str, Floats]:
    """Return the values of those that are in the index, NaN for those without, by name.

    Sections of one name complete each other; where two say something, the later holds, so that of
    several steps in time the last is kept.
    """
    found: dict[str, Floats] = {}
    for field in fields:
        place, known = index.find(field.numbers)
        if not known.any():  # it is about elements of surfaces or lines
            continue
        shape = (len(index), field.values.shape[1])
        values = found.setdefault(field.name, np.full(shape, np.nan))
        if values.shape != shape:
            raise MeshError(f"the field {field.name!r} is given as scalar and as vector")
        values[place[known]] = field.values[known]
    return found


def _tags(name: str, text: bytes) -> tuple[list[str], bytes]:
    """Return the lines that a first line with their number announces, and what follows."""
    line, _, rest = text.partition(b"\n")
    if not line.strip().isdigit() or len(line) > 20 or int(line) > _MAX_TAGS:
        raise MeshError(f"section ${name}: {line[:20]!r} stands where a number of lines belongs")
    tags = []
    for _ in range(int(line)):
        line, _, rest = rest.partition(b"\n")
        tags.append(line.decode(errors="replace").strip())
    return tags, rest


def _read_text(
    name: str, text: bytes, num_components: int, count: int, byte_order: str
) -> tuple[Ints, Floats]:
    values = parse_numbers(name, text)
    if len(values) != count * (1 + num_components):
        raise MeshError(
            f"section ${name} claims {count} times {num_components} values and holds "
            f"{len(values)} numbers; was the file cut off?"
        )
    rows = values.reshape(count, 1 + num_components)
    return as_integers(name, rows[:, 0]), rows[:, 1:]


def _read_bytes(
    name: str, content: bytes, num_components: int, count: int, byte_order: str
) -> tuple[Ints, Floats]:
    row = np.dtype([("number", f"{byte_order}i4"), ("values", f"{byte_order}f8", num_components)])
    rows = BinaryNumbers(name, content, byte_order, 8).records(count, row)
    values = rows["values"].astype(np.float64).reshape(count, num_components)
    return rows["number"].astype(np.int64), values

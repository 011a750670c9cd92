"""Abaqus input files, as far as they describe a mesh.

Regions are the sets named in *SOLID SECTION, or those of *ELSET, or those of *ELEMENT: the first of
these that has every hexahedron once.  *SURFACE, sets of surface elements and *NSET give surfaces.
Names are compared without regard to case and kept as written.  Files are read flat: one part, no
generated nodes, and nothing from other files.

Reference: Abaqus Keywords Guide.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.mesh import Ints
from elastane.meshes.number_index import NumberIndex
from elastane.meshes.number_stream import as_integers, parse_numbers
from elastane.meshes.orderings import ABAQUS_SIDES, from_other

#: Keywords that make nodes or elements in ways that are not read, or read other files.
_REFUSED = (
    "INCLUDE", "MANIFEST", "NGEN", "NFILL", "NCOPY", "NMAP", "ELGEN", "ELCOPY", "SYSTEM",
)  # fmt: skip

_HEXAHEDRON = re.compile(r"C3D(8|20|27)[A-Z]*$")
_QUADRILATERAL = re.compile(r"(?:S|M3D|SFM3D|R3D|CPS|CPE)([489])(?:R[A-Z0-9]*|T|I|H)?$")
_SERVES_NOTHING = re.compile(r"(T[23]D|B[23]|R3D2|MASS|ROTARYI|SPRING|DASHPOT|CONN)")


@dataclass(frozen=True)
class _Keyword:
    """A keyword with its parameters in capitals and its lines of data."""

    name: str
    parameters: Mapping[str, str]
    lines: list[str]

    def numbers(self, width: int) -> np.ndarray:
        """Return the data as rows of so many numbers; a row may go over several lines."""
        text = " ".join(self.lines).replace(",", " ").encode()
        values = parse_numbers(f"*{self.name}", text)
        if len(values) % width:
            raise MeshError(f"*{self.name}: {len(values)} numbers are not rows of {width}")
        return values.reshape(-1, width)


class _Sets:
    """Named sets of numbers, of which some are given by the names of others."""

    def __init__(self) -> None:
        self._members: dict[str, list[Ints]] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, members: Ints) -> None:
        """Add members to the set of that name."""
        key = name.upper()
        self._names.setdefault(key, name)
        self._members.setdefault(key, []).append(members)

    def find(self, name: str) -> Ints:
        """Return the members of a set.

        Raises:
            MeshError: If there is no such set.
        """
        key = name.upper()
        if key not in self._members:
            raise MeshError(f"there is no set {name!r}")
        return np.concatenate(self._members[key])

    def items(self) -> Iterator[tuple[str, Ints]]:
        """Yield the names as first written with the members."""
        for key, name in self._names.items():
            yield name, np.concatenate(self._members[key])


@dataclass
class _Deck:
    """What the keywords have said so far; numbers are the file's own."""

    nodes: list[np.ndarray] = field(default_factory=list)
    hexahedra: dict[int, list[Ints]] = field(default_factory=dict)
    quadrilaterals: list[Ints] = field(default_factory=list)
    element_sets: _Sets = field(default_factory=_Sets)
    node_sets: _Sets = field(default_factory=_Sets)
    named_in_sections: set[str] = field(default_factory=set)
    named_in_elements: set[str] = field(default_factory=set)
    surfaces: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    unsupported: dict[str, int] = field(default_factory=dict)
    num_parts: int = 0


def read_abaqus(path: Path) -> FileMesh:
    """Return the content of an input file.

    Raises:
        MeshError: If the file is damaged or uses what is not read.
    """
    deck = _Deck()
    for keyword in _keywords(path.read_text(encoding="utf-8", errors="replace")):
        if keyword.name in _REFUSED or "INPUT" in keyword.parameters:
            raise MeshError(
                f"*{keyword.name}: only flat input files are read, without other files and "
                "without generated nodes or elements; write the mesh out in one file"
            )
        if keyword.name in _READERS:
            _READERS[keyword.name](deck, keyword)
    if deck.num_parts > 1:
        raise MeshError(f"the file has {deck.num_parts} parts; only flat input files are read")
    return _file_mesh(deck)


def _keywords(text: str) -> Iterator[_Keyword]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("**")]
    starts = [index for index, line in enumerate(lines) if line.lstrip().startswith("*")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        header = lines[start].strip()
        first_data = start + 1
        while header.endswith(",") and first_data < end:
            header += lines[first_data]
            first_data += 1
        name, *parameters = (part.strip() for part in header.lstrip("* ").split(","))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield _Keyword(
            name=" ".join(name.upper().split()),
            parameters={key.strip().upper(): value.strip(" \"'") for key, _, value in pairs},
            lines=lines[first_data:end],
        )


def _read_nodes(deck: _Deck, keyword: _Keyword) -> None:
    rows = keyword.numbers(4)
    deck.nodes.append(rows)
    if "NSET" in keyword.parameters:
        deck.node_sets.add(keyword.parameters["NSET"], as_integers("*NODE", rows[:, 0]))


def _read_elements(deck: _Deck, keyword: _Keyword) -> None:
    kind = keyword.parameters.get("TYPE", "").upper()
    hexahedron, quadrilateral = _HEXAHEDRON.match(kind), _QUADRILATERAL.match(kind)
    if hexahedron:
        num_nodes = int(hexahedron[1])
        rows = as_integers("*ELEMENT", keyword.numbers(1 + num_nodes))
        deck.hexahedra.setdefault(num_nodes, []).append(rows)
    elif quadrilateral:
        rows = as_integers("*ELEMENT", keyword.numbers(1 + int(quadrilateral[1])))
        deck.quadrilaterals.append(rows[:, :5])
    elif _SERVES_NOTHING.match(kind):
        return
    else:
        deck.unsupported[kind] = deck.unsupported.get(kind, 0) + len(keyword.lines)
        return
    if "ELSET" in keyword.parameters:
        deck.element_sets.add(keyword.parameters["ELSET"], rows[:, 0])
        deck.named_in_elements.add(keyword.parameters["ELSET"].upper())


def _read_element_set(deck: _Deck, keyword: _Keyword) -> None:
    _read_set(deck.element_sets, keyword, "ELSET")


def _read_node_set(deck: _Deck, keyword: _Keyword) -> None:
    _read_set(deck.node_sets, keyword, "NSET")


def _read_set(sets: _Sets, keyword: _Keyword, parameter: str) -> None:
    name = keyword.parameters.get(parameter, "")
    if "GENERATE" in keyword.parameters:
        for line in keyword.lines:
            bounds = parse_numbers(f"*{keyword.name}", line.replace(",", " ").encode())
            if len(bounds) not in (2, 3):
                raise MeshError(f"*{keyword.name}, GENERATE: {line.strip()!r} is no range")
            first, last, step = [*as_integers(f"*{keyword.name}", bounds).tolist(), 1][:3]
            if step < 1 or not 0 <= last - first < 10**9:
                raise MeshError(f"*{keyword.name}, GENERATE: {line.strip()!r} is no range")
            sets.add(name, np.arange(first, last + 1, step))
        return
    items = [item.strip() for line in keyword.lines for item in line.split(",") if item.strip()]
    numbers = [item for item in items if item.isdigit()]
    text = " ".join(numbers).encode()
    sets.add(name, as_integers(f"*{keyword.name}", parse_numbers(f"*{keyword.name}", text)))
    for item in items:
        if not item.isdigit():
            sets.add(name, sets.find(item.strip("\"'")))


def _read_section(deck: _Deck, keyword: _Keyword) -> None:
    if "ELSET" in keyword.parameters:
        deck.named_in_sections.add(keyword.parameters["ELSET"].upper())


def _read_surface(deck: _Deck, keyword: _Keyword) -> None:
    name = keyword.parameters.get("NAME", "")
    for line in keyword.lines:
        member, _, side = line.partition(",")
        deck.surfaces.setdefault(name, []).append((member.strip(" \"'"), side.strip(" ,").upper()))


def _count_part(deck: _Deck, keyword: _Keyword) -> None:
    deck.num_parts += 1


_READERS = {
    "NODE": _read_nodes,
    "ELEMENT": _read_elements,
    "ELSET": _read_element_set,
    "NSET": _read_node_set,
    "SOLID SECTION": _read_section,
    "SURFACE": _read_surface,
    "PART": _count_part,
}


def _file_mesh(deck: _Deck) -> FileMesh:
    nodes = np.concatenate([np.empty((0, 4)), *deck.nodes])
    points = NumberIndex("node", as_integers("*NODE", nodes[:, 0]))
    blocks = []
    for num_nodes, parts in sorted(deck.hexahedra.items()):
        rows = np.concatenate(parts)
        blocks.append(
            Block(points(rows[:, 1:], rows[:, 0])[:, from_other("abaqus", num_nodes)], rows[:, 0])
        )
    surface_rows = np.concatenate([np.empty((0, 5), dtype=np.int64), *deck.quadrilaterals])
    numbers = [block.numbers for block in blocks]
    cells = NumberIndex("element", np.concatenate([np.empty(0, dtype=np.int64), *numbers]))
    quadrilaterals = NumberIndex("surface element", surface_rows[:, 0])
    return FileMesh(
        points=nodes[:, 1:],
        blocks=tuple(blocks),
        cell_sets=_regions(deck, cells),
        quadrilaterals=points(surface_rows[:, 1:], surface_rows[:, 0]),
        quadrilateral_sets={
            name: found
            for name, members in deck.element_sets.items()
            if len(found := quadrilaterals.among(members))
        },
        side_sets=_side_sets(deck, cells),
        node_sets={name: points(members) for name, members in deck.node_sets.items()},
        unsupported=deck.unsupported,
    )


def _regions(deck: _Deck, cells: NumberIndex) -> dict[str, Ints]:
    sets = {name: np.unique(cells.among(members)) for name, members in deck.element_sets.items()}
    sets = {name: found for name, found in sets.items() if len(found)}
    in_sections = {name for name in sets if name.upper() in deck.named_in_sections}
    in_elements = {name for name in sets if name.upper() in deck.named_in_elements}
    choices = [in_sections, set(sets) - in_elements, in_elements, set(sets)]
    regions = [{name: sets[name] for name in sets if name in choice} for choice in choices]
    return next((choice for choice in regions if _is_partition(choice, len(cells))), regions[-1])


def _is_partition(sets: Mapping[str, Ints], num_cells: int) -> bool:
    every = np.concatenate([np.empty(0, dtype=np.int64), *sets.values()])
    return len(every) == num_cells == len(np.unique(every))


def _side_sets(deck: _Deck, cells: NumberIndex) -> dict[str, Ints]:
    """Return the surfaces made of sides S1 to S6 of elements or of sets of elements."""
    sets = {}
    for name, items in deck.surfaces.items():
        sides = [np.empty((0, 2), dtype=np.int64)]
        for member, side in items:
            if re.fullmatch("S[1-6]", side) is None:
                continue
            numbers = (
                np.array([int(member)]) if member.isdigit() else deck.element_sets.find(member)
            )
            found = cells.among(numbers)
            facet = ABAQUS_SIDES[int(side[1]) - 1]
            sides.append(np.stack([found, np.full_like(found, facet)], axis=1))
        sets[name] = np.concatenate(sides)
    return {name: sides for name, sides in sets.items() if len(sides)}

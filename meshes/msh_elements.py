"""Elements as an MSH file of any version lists them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elastane.meshes.file_mesh import MeshError
from elastane.meshes.mesh import Floats, Ints
from elastane.meshes.msh_fields import MshField


@dataclass(frozen=True)
class ElementType:
    """A kind of element: its family and how many nodes it has."""

    family: str
    num_nodes: int


def _family(family: str, num_nodes: Mapping[int, int]) -> dict[int, ElementType]:
    return {number: ElementType(family, nodes) for number, nodes in num_nodes.items()}


#: Gmsh's element types by number.
ELEMENT_TYPES: Mapping[int, ElementType] = {
    **_family("point", {15: 1}),
    **_family("line", {1: 2, 8: 3, 26: 4, 27: 5, 28: 6, 62: 7, 63: 8, 64: 9, 65: 10, 66: 11}),
    **_family("triangle", {2: 3, 9: 6, 20: 9, 21: 10, 22: 12, 23: 15, 24: 15, 25: 21}),
    **_family(
        "quadrilateral",
        {3: 4, 16: 8, 10: 9, 36: 16, 37: 25, 38: 36, 47: 49, 48: 64, 49: 81, 50: 100},
    ),
    **_family("tetrahedron", {4: 4, 11: 10, 29: 20, 30: 35, 31: 56}),
    **_family(
        "hexahedron",
        {5: 8, 17: 20, 12: 27, 92: 64, 93: 125, 94: 216, 95: 343, 96: 512, 97: 729},
    ),
    **_family("wedge", {6: 6, 18: 15, 13: 18}),
    **_family("pyramid", {7: 5, 19: 13, 14: 14}),
}


@dataclass(frozen=True)
class MshGroup:
    """Elements of one type in the same physical groups.

    Attributes:
        type: Kind of element.
        physical: Tags of the physical groups.
        numbers: The file's own element numbers, shape (num_elements,).
        nodes: The file's own node numbers, shape (num_elements, num_nodes).
    """

    type: ElementType
    physical: tuple[int, ...]
    numbers: Ints
    nodes: Ints


@dataclass(frozen=True)
class MshContent:
    """Nodes and elements, and what else is said of them.

    Attributes:
        node_numbers: The file's own numbers of the nodes, shape (num_nodes,).
        points: Their coordinates, shape (num_nodes, 3).
        groups: The elements.
        element_fields: Numbers for elements.
        node_fields: Numbers for nodes.
    """

    node_numbers: Ints
    points: Floats
    groups: Sequence[MshGroup]
    element_fields: Sequence[MshField] = ()
    node_fields: Sequence[MshField] = ()


def find_element_type(number: int) -> ElementType:
    """Return the type of that number.

    Raises:
        MeshError: If there is none.
    """
    try:
        return ELEMENT_TYPES[number]
    except KeyError:
        raise MeshError(f"element type {number} of Gmsh is unknown here") from None

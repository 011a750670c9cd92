"""Where the values of a material parameter come from: numbers, formulas, fields, directions.

What a user gives for a parameter is a tree: an array is the tuple of its entries along the first
axis, and a leaf a source of numbers or of whole vectors, which stand for the last axis.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Points of the initial configuration, and what is known there.

    Attributes:
        X: Their coordinates, shape (num_points, 3).
        load_fraction: The load fraction t.
        fields: Fields of the mesh at the points by name, shape (num_points, components).
    """

    X: Floats
    load_fraction: float = 1.0
    fields: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.X)


#: For what is the same everywhere and always.
ANYWHERE = Places(np.zeros((1, 3)), 0.0)


class Source(Protocol):
    """Numbers, or vectors, at places."""

    @property
    def is_vector(self) -> bool:
        """Return whether it has three components rather than being a number."""

    @property
    def uses_space(self) -> bool:
        """Return whether it may differ from point to point."""

    @property
    def uses_time(self) -> bool:
        """Return whether it may change with the load fraction."""

    def at(self, places: Places) -> Floats:
        """Return the values, shape (num_points,), of a vector (3, num_points).

        Raises:
            ValueError: If there is no finite value; the message says where.
        """


Tree: TypeAlias = Source | tuple["Tree", ...]


def values_of(tree: Tree, places: Places) -> Floats:
    """Return the values of a tree, its axes first, shape (..., num_points).

    What is the same everywhere and always is given once, shape (..., 1).
    """
    return _values_of(tree, places if varies(tree) else ANYWHERE)


def _values_of(tree: Tree, places: Places) -> Floats:
    if isinstance(tree, tuple):
        return np.stack([_values_of(entry, places) for entry in tree])
    return tree.at(places)


def varies(tree: Tree) -> bool:
    """Return whether values may differ from point to point or change with the load."""
    return any(leaf.uses_space or leaf.uses_time for leaf in leaves(tree))


def leaves(tree: Tree) -> Iterator[Source]:
    """Yield the sources of a tree in order."""
    if isinstance(tree, tuple):
        for entry in tree:
            yield from leaves(entry)
    else:
        yield tree


def shape_of(tree: Tree) -> tuple[int, ...]:
    """Return the axes of the values of a tree; entries of an array must be alike."""
    if isinstance(tree, tuple):
        return (len(tree), *shape_of(tree[0]))
    return (3,) if tree.is_vector else ()


@dataclass(frozen=True)
class FieldValues:
    """A field that comes with the mesh.

    Attributes:
        field: Its name.
        is_vector: Whether it has three components.
    """

    field: str
    is_vector: bool = False

    @property
    def uses_space(self) -> bool:
        """Return True."""
        return True

    @property
    def uses_time(self) -> bool:
        """Return False."""
        return False

    def at(self, places: Places) -> Floats:
        """Return the values of the field.

        Raises:
            ValueError: If the mesh gives none at a point.
        """
        values = places.fields[self.field]
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            place = ", ".join(f"{x:.6g}" for x in places.X[int(np.argmax(bad))])
            raise ValueError(
                f"the mesh has no finite value of {self.field!r} at ({place}) and "
                f"{int(bad.sum()) - 1} further points where it is needed"
            )
        return values.T if self.is_vector else values[:, 0]

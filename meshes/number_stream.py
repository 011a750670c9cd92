"""Numbers one after the other from a piece of a file, as text or as bytes.

A count that a file claims is compared with what is left before any memory is asked for.
"""

import warnings
from abc import ABC, abstractmethod

import numpy as np

from elastane.meshes.file_mesh import MeshError
from elastane.meshes.mesh import Floats, Ints

#: Integers above are not exact as floating-point numbers, and no index is as large.
_MAX_INTEGER = 2.0**53


class NumberStream(ABC):
    """Numbers that are taken from the front."""

    @abstractmethod
    def integers(self, count: int) -> Ints:
        """Return the next integers of the ordinary size."""

    @abstractmethod
    def sizes(self, count: int) -> Ints:
        """Return the next integers that count or number things."""

    @abstractmethod
    def floats(self, count: int) -> Floats:
        """Return the next floating-point numbers."""


class TextNumbers(NumberStream):
    """Numbers in text, separated by white space."""

    def __init__(self, section: str, text: bytes) -> None:
        self._section = section
        self._values = parse_numbers(section, text)
        self._position = 0

    def integers(self, count: int) -> Ints:
        """Return the next integers."""
        return as_integers(self._section, self.floats(count))

    def sizes(self, count: int) -> Ints:
        """Return the next integers."""
        return self.integers(count)

    def floats(self, count: int) -> Floats:
        """Return the next floating-point numbers."""
        end = self._position + _checked(self._section, count, len(self._values) - self._position)
        values = self._values[self._position : end]
        self._position = end
        return values


class BinaryNumbers(NumberStream):
    """Numbers as bytes.

    Args:
        section: Name for messages.
        content: The bytes.
        byte_order: "<" or ">".
        size_bytes: Bytes of an integer that counts things.
    """

    def __init__(self, section: str, content: bytes, byte_order: str, size_bytes: int) -> None:
        self._section = section
        self._content = content
        self._position = 0
        self._integer = np.dtype(f"{byte_order}i4")
        self._size = np.dtype(f"{byte_order}u{size_bytes}")
        self._float = np.dtype(f"{byte_order}f8")

    def integers(self, count: int) -> Ints:
        """Return the next 4-byte integers."""
        return self._take(count, self._integer).astype(np.int64)

    def sizes(self, count: int) -> Ints:
        """Return the next integers that count or number things."""
        values = self._take(count, self._size)
        if values.max(initial=0) > _MAX_INTEGER:
            raise MeshError(f"section ${self._section}: {values.max()} is no count or number")
        return values.astype(np.int64)

    def floats(self, count: int) -> Floats:
        """Return the next 8-byte floating-point numbers."""
        return self._take(count, self._float).astype(np.float64)

    def records(self, count: int, dtype: np.dtype[np.void]) -> np.ndarray:
        """Return the next records of several fields."""
        return self._take(count, dtype)

    def _take(self, count: int, dtype: np.dtype) -> np.ndarray:
        left = (len(self._content) - self._position) // dtype.itemsize
        _checked(self._section, count, left)
        values = np.frombuffer(self._content, dtype, count, self._position)
        self._position += count * dtype.itemsize
        return values


def parse_numbers(section: str, text: bytes) -> Floats:
    """Return all numbers of a text.

    Raises:
        MeshError: If there is anything else in it.
    """
    if not text.strip():
        # numpy reads white space alone as -1.
        return np.empty(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text, dtype=np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            raise MeshError(f"section ${section} holds something that is not a number") from None


def as_integers(section: str, values: Floats) -> Ints:
    """Return the values as integers.

    Raises:
        MeshError: If one is not an integer.
    """
    with np.errstate(invalid="ignore"):
        whole = (np.abs(values) < _MAX_INTEGER) & (values == np.floor(values))
    if not whole.all():
        raise MeshError(f"section ${section}: {values[~whole][0]} stands where an integer belongs")
    return values.astype(np.int64)


def _checked(section: str, count: int, left: int) -> int:
    if not 0 <= count <= left:
        raise MeshError(
            f"section ${section} claims {count} more numbers where {left} are left; "
            "was the file cut off?"
        )
    return count

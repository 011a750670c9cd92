"""From a file's own numbers of nodes or elements to indices from 0."""

import numpy as np

from elastane.meshes.file_mesh import MeshError
from elastane.meshes.mesh import Ints


class NumberIndex:
    """Finds the places of numbers in a list without repetitions.

    Args:
        kind: What is numbered, for messages.
        numbers: The list, shape (num,).

    Raises:
        MeshError: If a number stands in the list twice.
    """

    def __init__(self, kind: str, numbers: Ints) -> None:
        self._kind = kind
        self._order = np.argsort(numbers, kind="stable")
        self._sorted = numbers[self._order]
        twice = self._sorted[1:][np.diff(self._sorted) == 0]
        if len(twice):
            raise MeshError(f"{kind} {twice[0]} is defined twice")

    def __len__(self) -> int:
        """Return how many numbers there are."""
        return len(self._sorted)

    def __call__(self, numbers: Ints, users: Ints | None = None) -> Ints:
        """Return the places of the numbers, in the same shape.

        Args:
            numbers: What to find.
            users: Numbers of the elements that each row belongs to, for messages.

        Raises:
            MeshError: If a number is not in the list.
        """
        place, known = self.find(numbers)
        if not known.all():
            first = np.argwhere(~known)[0]
            user = "" if users is None else f"element {users[first[0]]} uses "
            raise MeshError(
                f"{user}{self._kind} {numbers[tuple(first)]}, which the file does not define"
            )
        return place

    def among(self, numbers: Ints) -> Ints:
        """Return the places of those numbers that are in the list."""
        place, known = self.find(numbers)
        return place[known]

    def find(self, numbers: Ints) -> tuple[Ints, np.ndarray]:
        """Return a place for each number, and whether the number is in the list."""
        place = np.searchsorted(self._sorted, numbers)
        place = np.minimum(place, max(len(self._sorted) - 1, 0))
        if len(self._sorted) == 0:
            return place, np.zeros(numbers.shape, dtype=bool)
        return self._order[place], self._sorted[place] == numbers

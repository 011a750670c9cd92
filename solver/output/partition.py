"""How the rows of a global array lie on the ranks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm


@dataclass(frozen=True)
class Partition:
    """Rows of a global array by rank, those of rank 0 first.

    Attributes:
        counts: Number of rows of each rank.
        first: Number of the first row of this rank.
    """

    counts: tuple[int, ...]
    first: int

    @classmethod
    def of(cls, num_rows: int, comm: "Intracomm") -> "Partition":
        """Return the partition in which this rank has `num_rows` rows; collective."""
        counts = tuple(comm.allgather(num_rows))
        return cls(counts, sum(counts[: comm.rank]))

    @property
    def total(self) -> int:
        """Return the number of rows of all ranks."""
        return sum(self.counts)

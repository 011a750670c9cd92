"""Matrices of 6 x 6 blocks on the devices of several ranks, each with rows of its own."""

from dataclasses import dataclass

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.exchange import Messages, ask_owners
from elastane.solver.memory import Memory, Vector

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Unknowns of an aggregate: its translations and rotations.
SIX = 6


@dataclass(frozen=True)
class Entries:
    """The entries of this rank's rows of a matrix.

    Attributes:
        rows: Row of each entry, counted on this rank.
        columns: Column of each entry in the whole matrix.
        values: The entries.
        num_rows: Rows of this rank.
        starts: Where the columns of each rank begin, and the end, shape (ranks + 1,).
        comm: The ranks.
    """

    rows: Ints
    columns: Ints
    values: Floats
    num_rows: int
    starts: Ints
    comm: MPI.Comm

    @classmethod
    def of(cls, matrix: PETSc.Mat) -> "Entries":
        """Return the entries of a matrix of PETSc's."""
        starts, columns, values = matrix.getValuesCSR()
        rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        return cls(
            rows,
            columns.astype(np.int64),
            values,
            len(starts) - 1,
            np.asarray(matrix.getOwnershipRangesColumn(), np.int64),
            matrix.comm.tompi4py(),
        )

    @property
    def first_row(self) -> int:
        """Return the number in the whole matrix of this rank's first row, of a square one."""
        return int(self.starts[self.comm.rank])


class Ghosts:
    """Blocks of a vector that other ranks own.

    Args:
        wanted: Their numbers in the whole vector, rising.
        starts: Where the blocks of each rank begin, and the end.
        comm: The ranks.
        memory: Where the vector lies.
    """

    def __init__(self, wanted: Ints, starts: Ints, comm: MPI.Comm, memory: Memory) -> None:
        # Ranks without blocks begin where the next one does: the last of them owns it.
        owners = np.searchsorted(starts[1:], wanted, side="right")
        questions = {int(rank): wanted[owners == rank] for rank in np.unique(owners)}
        asked = ask_owners(comm, questions)
        sent = np.concatenate([np.zeros(0, np.int64), *asked.values()]) - starts[comm.rank]
        # A block is two nodes of three components to a pass.
        nodes = (2 * sent[:, None] + np.arange(2)).astype(np.int32)
        self._memory, self._nodes = memory, memory.take(nodes.reshape(-1))
        self._num_sent = nodes.size
        self._sent, self._received = (
            memory.zeros((count, SIX), np.float64) for count in (len(sent), len(wanted))
        )
        self._pack = memory.functions("cycle", np.float64).pack
        self._has_messages = bool(questions or asked)
        self._messages = Messages(
            comm,
            memory.mail(self._sent, self._received),
            outgoing={rank: len(blocks) for rank, blocks in asked.items()},
            incoming={rank: len(blocks) for rank, blocks in questions.items()},
        )

    def update(self, x: Vector) -> Vector:
        """Return the wanted blocks of a vector, in memory that the next call overwrites."""
        if self._has_messages:
            self._memory.bound(self._pack, self._num_sent, self._nodes, x, self._sent)()
            self._messages.exchange()
        return self._received


class BlockMatrix:
    """A matrix of 6 x 6 blocks, its rows padded to the longest.

    Args:
        entries: The entries of this rank's rows.
        memory: The device.

    Attributes:
        size: Number of rows of this rank.
    """

    def __init__(self, entries: Entries, memory: Memory) -> None:
        self.size, starts = entries.num_rows, entries.starts // SIX
        first, end = starts[entries.comm.rank : entries.comm.rank + 2]
        block_columns = entries.columns // SIX
        own = (block_columns >= first) & (block_columns < end)
        wanted = np.unique(block_columns[~own])
        self._num_own = end - first
        local = np.where(
            own, block_columns - first, self._num_own + np.searchsorted(wanted, block_columns)
        )
        num_columns, num_rows = int(self._num_own) + len(wanted), self.size // SIX
        pairs = entries.rows // SIX * num_columns + local
        blocks, block_of = np.unique(pairs, return_inverse=True)
        rows, columns = np.divmod(blocks, max(num_columns, 1))
        place = np.arange(len(blocks)) - np.searchsorted(rows, rows)
        self._width = int(place.max(initial=-1)) + 1
        padded_columns = np.full((self._width, num_rows), -1, np.int32)
        padded_columns[place, rows] = columns
        padded = np.zeros((self._width, SIX, self.size))
        padded[place[block_of], entries.columns % SIX, entries.rows] = entries.values
        self._memory = memory
        self._ghosts = Ghosts(wanted, starts, entries.comm, memory)
        self._arrays = memory.take(padded_columns), memory.take(padded)
        self._function = memory.functions("blocks", np.float64).add_block_rows

    def apply(self, x: Vector, y: Vector) -> None:
        """Add the matrix times x to y; collective."""
        arrays = *self._arrays, x, self._ghosts.update(x), y
        call = self._memory.bound(self._function, self.size, *arrays)
        call(float(self._width), float(self._num_own))

"""Aggregates of p = 1 nodes: a coarse problem of six unknowns each, without smoothed interpolation.

Around ten to twenty strongly coupled nodes of one rank make an aggregate.  It moves rigidly,

    u(X) = t + ω × (X - c) / h,

with c the middle of its nodes and h their spread, so that a coarse unknown is a translation t or a
scaled rotation ω.  The matrix on the aggregates is the sum over elements of Mᵀ A M, where A is the
matrix of an element and M holds the rigid motions of its nodes: nothing is ever assembled on the
nodes themselves, and its rows are as few as a twentieth of theirs.

Motions that are not smoothed make a coarse matrix that is too stiff for what varies from aggregate
to aggregate.  A Chebyshev smoother that reaches low in the spectrum makes up for it: measured on
shells, as many iterations as with smoothed aggregation, for a fortieth of its set-up.

Reference: P. Vaněk, J. Mandel, M. Brezina, Computing 56 (1996) 179-196, for aggregates by strength
and for rigid motions as coarse functions.
"""

import ctypes
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import DTypeLike, NDArray
from petsc4py import PETSc

from elastane.solver.memory import HOST, Memory, Vector
from elastane.solver.padding import Padding
from elastane.solver.passes import library
from elastane.solver.petsc_c import set_preallocation_coo, set_values_coo
from elastane.solver.space import Space

Array = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Most nodes that an aggregate starts with; on meshes it ends with two thirds of it.  Measured on
#: shells: half of it saves a tenth of the iterations (a fifth where walls are thin) and makes a
#: matrix of four times as many entries.
SIZE = 27

#: Share of the largest entry of the diagonal that is added to it: aggregates on a
#: line or of a single node have motions that move nothing.  Far above rounding, far below what a
#: slender body makes soft.
SHIFT = 1e-12


class Aggregates:
    """The aggregates of a space, the matrix on them, and the way to them and back.

    Args:
        space: The p = 1 space.
        matrices: Element matrices that tell which nodes are strongly coupled, shape
            (num_elements, 24, 24) with index 3 node + component.
        dtype: Type of the numbers of L-vectors and element matrices.
        memory: Where L-vectors and element matrices lie.

    Attributes:
        of_node: Aggregate of each node of this rank, -1 for none, shape (num_nodes,); numbers
            count the aggregates that this rank needs.
        needed: Numbers, among those of all ranks, of the aggregates that this rank needs, rising.
        matrix: The matrix on the aggregates, in blocks of six.
        forces, motions: Vectors of that matrix, to restrict to and to prolong from.
        own_forces, needed_motions: The forces on this rank's aggregates and the motions of those
            that it needs, where L-vectors lie.
    """

    def __init__(
        self, space: Space, matrices: Vector, dtype: DTypeLike, memory: Memory = HOST
    ) -> None:
        self._dtype, self._memory = np.dtype(dtype), memory
        self._functions = memory.functions("aggregates", self._dtype)
        self._num_nodes, self._num_elements = space.num_nodes, len(space.nodes)
        comm: MPI.Intracomm = space.dm.comm.tompi4py()
        own = self._gather(space, memory.read(matrices))
        num_own = int(own.max(initial=-1)) + 1
        first = comm.scan(num_own) - num_own
        numbers, d, centers, spreads = _places(space, own, first, num_own)

        needed, of_node = np.unique(numbers, return_inverse=True)
        skipped = int(np.any(numbers < 0))
        self.needed = needed = needed[skipped:]
        self.of_node = (of_node - skipped).astype(np.int32)
        own = np.where(space.owned, numbers - first, -1).clip(min=-1).astype(np.int32)
        modes = _modes(d, space.prescribed | (numbers < 0)[:, None], self._dtype)
        self._make_matrix(space, needed, num_own)
        self._own, self._of_node, self._modes, self._nodes = (
            memory.take(values)
            for values in (own, self.of_node, modes, space.nodes.astype(np.int32))
        )
        self.own_forces = memory.zeros(6 * num_own, np.float64)
        self.needed_motions = memory.zeros(6 * len(needed), np.float64)
        self._make_near_null_space(comm, centers, spreads)

    def _gather(self, space: Space, matrices: Array) -> NDArray[np.int32]:
        """Return the aggregate of each owned node, counted on this rank, and others < 0."""
        rows = np.repeat(space.nodes, 8, axis=1)
        columns = np.tile(space.nodes, 8)
        pairs, place = np.unique(rows * space.num_nodes + columns, return_inverse=True)
        traces = np.einsum("eicjc->eij", matrices.reshape(-1, 8, 3, 8, 3), dtype=np.float64)
        coupling = np.bincount(place.reshape(-1), traces.reshape(-1), minlength=len(pairs))
        row, column = np.divmod(pairs, space.num_nodes)
        diagonal = np.ones(space.num_nodes)
        # A tangent under load may be negative here and there.
        diagonal[row[row == column]] = np.abs(coupling[row == column])
        other = row != column
        row, column = row[other], column[other].astype(np.int32)
        strengths = np.abs(coupling[other]) / np.sqrt(diagonal[row] * diagonal[column])
        starts = np.searchsorted(row, np.arange(space.num_nodes + 1)).astype(np.int32)
        aggregates = np.where(space.owned & ~space.prescribed.all(axis=1), -1, -2).astype(np.int32)
        library("aggregates", np.dtype(np.float64)).gather_aggregates(
            ctypes.c_int(space.num_nodes),
            _pointer(starts),
            _pointer(column),
            _pointer(strengths),
            ctypes.c_int(SIZE),
            _pointer(aggregates),
        )
        return aggregates

    def _make_matrix(self, space: Space, needed: Ints, num_own: int) -> None:
        """Fix the pattern of the matrix, and make vectors."""
        of_element = self.of_node[space.nodes].astype(np.int64)
        rows, columns = np.repeat(of_element, 8, axis=1), np.tile(of_element, 8)
        both = (rows >= 0) & (columns >= 0)
        keys = np.where(both, rows * len(needed) + columns, -1)
        blocks, slots = np.unique(keys, return_inverse=True)
        skipped = int(not both.all())
        self._slots = self._memory.take((slots.reshape(-1) - skipped).astype(np.int32))
        pairs = needed[np.stack(np.divmod(blocks[skipped:], max(len(needed), 1)))]
        six = np.arange(6)
        unknowns = (6 * pairs[:, :, None] + six).astype(PETSc.IntType)
        self._blocks = self._memory.zeros((pairs.shape[1], 6, 6), np.float64)

        self.matrix = PETSc.Mat().create(comm=space.dm.comm)
        self.matrix.setSizes(((6 * num_own, PETSc.DETERMINE),) * 2)
        self.matrix.setBlockSize(6)
        self.matrix.setType(PETSc.Mat.Type.AIJ)
        set_preallocation_coo(
            self.matrix,
            np.repeat(unknowns[0], 6, axis=1).reshape(-1),
            np.tile(unknowns[1], 6).reshape(-1),
        )
        self.motions, self.forces = self.matrix.createVecs()
        self._local = PETSc.Vec().createSeq(6 * len(needed))
        places = (6 * needed[:, None] + six).reshape(-1).astype(PETSc.IntType)
        places = PETSc.IS().createGeneral(places, comm=PETSc.COMM_SELF)
        self._scatter = PETSc.Scatter().create(self.motions, places, self._local, None)

    def _make_near_null_space(self, comm: MPI.Comm, centers: Floats, spreads: Floats) -> None:
        """Tell the matrix the rigid motions of the whole body."""
        total = comm.allreduce(np.append(centers.sum(axis=0), len(centers)))
        x = centers - total[:3] / max(total[3], 1.0)
        motions = np.zeros((len(centers), 6, 6))
        motions[:, :3, :] = _rigid(x)
        motions[:, range(3, 6), range(3, 6)] = spreads[:, None]
        vectors: list[PETSc.Vec] = []
        for mode in range(6):
            vector = self.motions.duplicate()
            vector.array[:] = motions[:, :, mode].reshape(-1)
            for other in vectors:
                vector.axpy(-vector.dot(other), other)
            vector.normalize()
            vectors.append(vector)
        self.matrix.setNearNullSpace(PETSc.NullSpace().create(vectors=vectors, comm=comm))

    def assemble(self, matrices: Vector) -> None:
        """Take over element matrices, see `Aggregates`; collective."""
        assert matrices.dtype == self._dtype
        memory, blocks = self._memory, self._blocks
        memory.clear(blocks)
        arrays = matrices, self._nodes, self._modes, self._slots, blocks
        memory.bound(self._functions.add_galerkin, 64 * self._num_elements, *arrays)()
        set_values_coo(self.matrix, memory.read(blocks).reshape(-1))
        diagonal = self.matrix.getDiagonal()
        diagonal.shift(SHIFT * diagonal.norm(PETSc.NormType.INFINITY))
        self.matrix.setDiagonal(diagonal)

    def restrict(self, r: Vector) -> None:
        """Overwrite `forces` by forces and moments of an L-vector that is alike on all ranks."""
        self.gather(r)
        self.forces.setArray(self._memory.read(self.own_forces))

    def gather(self, r: Vector) -> None:
        """Overwrite `own_forces` likewise."""
        assert r.dtype == self._dtype
        memory, forces = self._memory, self.own_forces
        memory.clear(forces)
        arrays = self._own, self._modes, r, forces
        memory.bound(self._functions.add_restricted, self._num_nodes, *arrays)()

    def prolong(self, x: Vector) -> None:
        """Overwrite an L-vector by the displacement of `motions`, ghosts too."""
        self._scatter.scatter(self.motions, self._local)
        self._memory.write(self._local.array_r, self.needed_motions)
        self.spread(x)

    def spread(self, x: Vector) -> None:
        """Overwrite an L-vector by the displacement of `needed_motions`."""
        assert x.dtype == self._dtype
        arrays = self._of_node, self._modes, self.needed_motions, x
        self._memory.bound(self._functions.prolong_motions, self._num_nodes, *arrays)()


def _places(
    space: Space, own: NDArray[np.int32], first: int, num_own: int
) -> tuple[Ints, Floats, Floats, Floats]:
    """Return where the nodes lie in their aggregates.

    Returns:
        Number of the aggregate of each node in the whole mesh, -1 for none; (X - c) / h of each
        node, shape (num_nodes, 3); c and h of the own aggregates.
    """
    member = own >= 0
    counts = np.bincount(own[member], minlength=num_own)
    X = space.X[member]
    sums = np.stack([np.bincount(own[member], x, num_own) for x in X.T], axis=1)
    centers: Floats = sums / counts[:, None]
    d = np.zeros((space.num_nodes, 3))
    d[member] = X - centers[own[member]]
    squares = (d[member] ** 2).sum(axis=1)
    spreads: Floats = np.sqrt(np.bincount(own[member], squares, num_own) / counts)
    # A single node has no rotation.
    spreads[spreads == 0.0] = 1.0
    d[member] /= spreads[own[member], None]
    numbers = np.zeros((space.num_nodes, 3))
    numbers[:, 0] = np.where(member, own + first, -1)
    padding = Padding(space, np.float64)
    numbers = padding.from_owners(numbers)
    return numbers[:, 0].astype(np.int64), padding.from_owners(d), centers, spreads


def _rigid(d: Floats) -> Floats:
    """Return t + ω × d at places d, as a matrix on (t, ω), shape (len(d), 3, 6)."""
    motions = np.zeros((len(d), 3, 6))
    motions[:, range(3), range(3)] = 1.0
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        motions[:, b, 3 + axis] = d[:, a]
        motions[:, a, 3 + axis] = -d[:, b]
    return motions


def _modes(d: Floats, zero: NDArray[np.bool_], dtype: np.dtype[Any]) -> Array:
    """Return the rigid motions of aggregates at the nodes, shape (num_nodes, 3, 6)."""
    return np.ascontiguousarray(np.where(zero[:, :, None], 0.0, _rigid(d)), dtype=dtype)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)

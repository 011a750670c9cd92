"""The assembled p = 1 Jacobian, padded, for algebraic multigrid and direct solvers."""

import ctypes
from collections.abc import Callable, Iterable

import numpy as np
from _ceed_cffi import ffi, lib
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.body import Body
from elastane.solver.ceed import Ceed, CeedOperator, shared_vector
from elastane.solver.log import logged
from elastane.solver.padding import Padding
from elastane.solver.petsc_c import set_preallocation_coo, set_values_coo
from elastane.solver.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.signedinteger]

#: Yields terms of the Jacobian as operators: the same ones in the same order every time.
Terms = Callable[[], Iterable[CeedOperator]]


class AssembledJacobian:
    """The Jacobian of the p = 1 space as a padded matrix.

    Args:
        ceed: The libCEED context.
        space: The p = 1 space.
        terms: Terms beside the element matrices, e.g. of follower loads.

    Attributes:
        padded: The matrix, with the rigid-body modes as its near-null space.
    """

    def __init__(self, ceed: Ceed, space: Space, terms: Terms) -> None:
        self._ceed, self._terms = ceed, terms
        padded = Padding(space, np.float64).numbers
        # PETSc ignores entries whose row or column is negative.
        number = np.where(space.prescribed, -1, padded).astype(PETSc.IntType)
        elements = number[space.nodes].reshape(-1, 24)
        fixed = padded[space.owned[:, None] & space.prescribed]
        rows, columns = [np.repeat(elements, 24, axis=1)], [np.tile(elements, 24)]
        self._counts = []
        for term in terms():
            pair = operator_pattern(ceed, term)
            rows.append(number.reshape(-1)[pair[0]])
            columns.append(number.reshape(-1)[pair[1]])
            self._counts.append(len(pair[0]))
        first, last = space.owned_numbers
        size = (3 * (last - first), PETSc.DETERMINE)
        self.padded = PETSc.Mat().create(comm=space.dm.comm)
        self.padded.setSizes((size, size))
        self.padded.setBlockSize(3)
        self.padded.setType(PETSc.Mat.Type.AIJ)
        pattern = [
            np.concatenate([*(part.reshape(-1) for part in parts), fixed])
            for parts in (rows, columns)
        ]
        self._values = np.zeros(len(pattern[0]))
        self._num_fixed = len(fixed)
        set_preallocation_coo(self.padded, *pattern)
        X = PETSc.Vec().createWithArray(space.X[space.owned_nodes], bsize=3, comm=space.dm.comm)
        self.padded.setNearNullSpace(PETSc.NullSpace().createRigidBody(X))

    @logged("coarse assembly")
    def assemble(self, matrices: NDArray[np.floating]) -> None:
        """Take over element matrices, and the other terms at the stored state.

        Args:
            matrices: Shape (num_elements, 24, 24) with index 3 node + component.
        """
        values, start = self._values, matrices.size
        values[:start] = matrices.reshape(-1)
        for term, count in zip(self._terms(), self._counts, strict=True):
            values[start : start + count] = operator_values(self._ceed, term, count)
            start += count
        largest = np.abs(values[:start]).max(initial=0.0)
        values[start:] = self.padded.comm.tompi4py().allreduce(largest, op=MPI.MAX)
        set_values_coo(self.padded, values)


def element_matrices(body: Body, space: Space) -> Floats:
    """Return the element matrices of a body from libCEED, where there are no fused kernels.

    Returns:
        Shape (num_elements, 24, 24) with index 3 node + component.
    """
    matrices = np.zeros((len(space.nodes), 576))
    start = 0
    elements = np.concatenate([np.zeros(0, np.int64), *(part.elements for part in body.parts)])
    for term in body.jacobian_ranges(space):
        rows, columns = operator_pattern(body.ceed, term)
        here = elements[start : start + len(rows) // 576]
        # libCEED orders the entries of all elements alike: the first one tells how.
        dofs = (3 * space.nodes[here[0], :, None] + np.arange(3)).reshape(-1)
        sorter = np.argsort(dofs)
        row, column = (
            sorter[np.searchsorted(dofs, entries[:576], sorter=sorter)]
            for entries in (rows, columns)
        )
        values = operator_values(body.ceed, term, len(rows)).reshape(-1, 576)
        matrices[here[:, None], 24 * row + column] = values
        start += len(here)
    return matrices.reshape(-1, 24, 24)


def operator_pattern(ceed: Ceed, term: CeedOperator) -> tuple[Ints, Ints]:
    """Return rows and columns, in the L-vector, of the entries that an operator assembles."""
    libc = ctypes.CDLL(None)
    count = ffi.new("CeedSize *")
    pair = ffi.new("CeedInt **"), ffi.new("CeedInt **")
    ceed._check_error(lib.CeedOperatorLinearAssembleSymbolic(term._pointer[0], count, *pair))
    result = []
    for pointer in pair:
        buffer = ffi.buffer(pointer[0], 4 * count[0])
        result.append(np.frombuffer(buffer, dtype=np.int32).copy())
        libc.free(ctypes.c_void_p(int(ffi.cast("uintptr_t", pointer[0]))))
    return result[0], result[1]


def operator_values(ceed: Ceed, term: CeedOperator, count: int) -> Floats:
    """Return the entries that an operator assembles, in the order of `operator_pattern`."""
    values = np.zeros(count)
    vector = shared_vector(ceed, values)
    ceed._check_error(lib.CeedOperatorLinearAssemble(term._pointer[0], vector._pointer[0]))
    return values

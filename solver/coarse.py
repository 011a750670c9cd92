"""The p = 1 problem: assembled from libCEED, padded, and solved algebraically.

Algebraic multigrid works on whole nodes: where single components are removed (slip, symmetry) its
interpolation breaks.  So the assembled matrix keeps three components per node, with a row of the
identity, scaled to the matrix, for each prescribed one; vectors are padded with zeros there.
"""

import ctypes
from collections.abc import Callable, Iterator

import numpy as np
from _ceed_cffi import ffi, lib
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.ceed import Ceed, CeedOperator, shared_vector
from elastane.solver.log import logged
from elastane.solver.petsc_c import set_preallocation_coo, set_values_coo
from elastane.solver.space import Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class CoarseMatrix:
    """The assembled Jacobian of the p = 1 space, three components per node.

    It is the context of a PETSc matrix on the T-vectors, without the padding.

    Args:
        ceed: The libCEED context.
        space: The p = 1 space.
        operators: Yields the terms of the Jacobian, the same ones in the same order every time.
        mat_type: PETSc type of the matrix.

    Attributes:
        padded: The matrix, with rows of prescribed components.
        unknowns: Positions in the padded vector of the entries of the T-vector of this rank.
    """

    def __init__(
        self,
        ceed: Ceed,
        space: Space,
        operators: Callable[[], Iterator[CeedOperator]],
        mat_type: str,
    ) -> None:
        self._ceed = ceed
        self._operators = operators
        first, last = space.owned_numbers
        padded = (3 * space.numbers[:, None] + np.arange(3)).astype(PETSc.IntType)
        self.unknowns = _in_t_vector(space, padded) - 3 * first

        # PETSc ignores entries whose row or column is negative.
        number = np.where(space.prescribed, -1, padded).reshape(-1).astype(PETSc.IntType)
        rows, columns, self._counts = self._pattern(number)
        fixed = padded[space.owned[:, None] & space.prescribed]

        size = (3 * (last - first), PETSc.DETERMINE)
        self.padded = PETSc.Mat().create(comm=space.dm.comm)
        self.padded.setSizes((size, size))
        self.padded.setBlockSize(3)
        self.padded.setType(mat_type)
        set_preallocation_coo(
            self.padded, np.concatenate([rows, fixed]), np.concatenate([columns, fixed])
        )
        self._num_entries = len(rows) + len(fixed)
        X = PETSc.Vec().createWithArray(space.X[space.owned_nodes], bsize=3, comm=space.dm.comm)
        self.padded.setNearNullSpace(PETSc.NullSpace().createRigidBody(X))
        self._x, self._y = self.padded.createVecs()

    def _pattern(
        self, number: NDArray[np.signedinteger]
    ) -> tuple[NDArray[np.signedinteger], NDArray[np.signedinteger], list[int]]:
        """Return rows and columns of the entries that the terms assemble, and how many each."""
        libc = ctypes.CDLL(None)
        rows: list[NDArray[np.signedinteger]] = []
        columns: list[NDArray[np.signedinteger]] = []
        counts = []
        for term in self._operators():
            count = ffi.new("CeedSize *")
            pair = ffi.new("CeedInt **"), ffi.new("CeedInt **")
            self._ceed._check_error(
                lib.CeedOperatorLinearAssembleSymbolic(term._pointer[0], count, *pair)
            )
            for pointer, target in zip(pair, (rows, columns), strict=True):
                local = np.frombuffer(ffi.buffer(pointer[0], 4 * count[0]), dtype=np.int32)
                target.append(number[local])
                libc.free(ctypes.c_void_p(int(ffi.cast("uintptr_t", pointer[0]))))
            counts.append(int(count[0]))
        nothing = np.zeros(0, PETSc.IntType)
        return np.concatenate([nothing, *rows]), np.concatenate([nothing, *columns]), counts

    @logged("coarse assembly")
    def assemble(self) -> None:
        """Assemble the Jacobian at the stored state."""
        values = np.zeros(self._num_entries)
        start = 0
        for term, count in zip(self._operators(), self._counts, strict=True):
            vector = shared_vector(self._ceed, values[start : start + count])
            self._ceed._check_error(
                lib.CeedOperatorLinearAssemble(term._pointer[0], vector._pointer[0])
            )
            start += count
        largest = np.abs(values[:start]).max(initial=0.0)
        values[start:] = self.padded.comm.tompi4py().allreduce(largest, op=MPI.MAX)
        set_values_coo(self.padded, values)

    def mult(self, mat: PETSc.Mat, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Set y to the matrix times x, both without padding."""
        self._x.array[self.unknowns] = x.array_r
        self.padded.mult(self._x, self._y)
        y.setArray(self._y.array_r[self.unknowns])


class PaddedSolver:
    """Context of a PETSc preconditioner: pads the vector, solves, and takes the padding off.

    Args:
        matrix: The p = 1 matrix.
        prefix: Prefix of the options of the solver inside.
    """

    def __init__(self, matrix: CoarseMatrix, prefix: str) -> None:
        self._matrix = matrix
        self.inner = PETSc.PC().create(comm=matrix.padded.comm)
        self.inner.setOptionsPrefix(prefix)
        self.inner.setOperators(matrix.padded)
        self.inner.setFromOptions()
        self._x, self._y = matrix.padded.createVecs()

    def setUp(self, pc: PETSc.PC) -> None:
        """Set up the solver for the matrix as it is now."""
        self.inner.setUp()

    @logged("coarse solve")
    def apply(self, pc: PETSc.PC, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Set y to the approximate solution for the right-hand side x."""
        self._x.array[self._matrix.unknowns] = x.array_r
        self.inner.apply(self._x, self._y)
        y.setArray(self._y.array_r[self._matrix.unknowns])


def _in_t_vector(space: Space, values: NDArray[np.signedinteger]) -> Ints:
    """Return the entries of this rank's T-vector of integers given for each node component."""
    local = space.dm.createLocalVec()
    local.setArray(values.reshape(-1).astype(float))
    result = space.dm.createGlobalVec()
    space.dm.localToGlobal(local, result)
    return result.array.astype(np.int64)

"""The problem on aggregates, solved on the devices: what PETSc's GAMG sets up, applied there.

A device would wait for a solve on the host in every cycle.  GAMG builds matrices and smoothed
interpolations on the hosts, seldom; they go to the devices in blocks of six, one for each pair of
rigid motions, and there cycles smooth by Chebyshev polynomials with the blocks of the diagonal.
The coarsest matrix is inverted, and each rank has its rows of that.
"""

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.cycle import FIRST_ESTIMATE, SAFETY
from elastane.solver.device.block_matrix import SIX, BlockMatrix, Entries
from elastane.solver.eigenvalue import largest_eigenvalue
from elastane.solver.memory import Memory, Vector
from elastane.solver.polynomials import first_kind
from elastane.solver.smoother import Chebyshev

Floats = NDArray[np.float64]

#: Up to so many unknowns a matrix is inverted; a fifth of a second.
MOST_INVERTED = 1000

#: Degree and relative lower bound of the smoothers, and cycles of a solve, as on the host: see
#: `elastane.solver.preconditioners.gamg`.
DEGREE, LOWER, CYCLES = 4, 0.04, 2


class BlockJacobi:
    """The inverse blocks of a diagonal, a `Preconditioner` of smoothers.

    Args:
        entries: The entries of a matrix.
        memory: The device.

    Attributes:
        W: Ones.
    """

    def __init__(self, entries: Entries, memory: Memory) -> None:
        size, columns = entries.num_rows, entries.columns - entries.first_row
        on_diagonal = entries.rows // SIX == columns // SIX
        rows, columns = entries.rows[on_diagonal], columns[on_diagonal]
        blocks = np.zeros((size // SIX, SIX, SIX))
        blocks[rows // SIX, rows % SIX, columns % SIX] = entries.values[on_diagonal]
        inverse: Floats = np.linalg.inv(blocks).astype(np.float64)
        block, row, column = np.indices(inverse.shape).reshape(3, -1)
        own = Entries(
            rows=SIX * block + row,
            columns=SIX * block + column + entries.first_row,
            values=inverse.reshape(-1),
            num_rows=size,
            starts=entries.starts,
            comm=entries.comm,
        )
        self._memory, self._blocks = memory, BlockMatrix(own, memory)
        self.W = memory.take(np.ones(size))

    def apply(self, r: Vector, y: Vector) -> None:
        """Add the inverse blocks times r to y."""
        self._blocks.apply(r, y)

    def precondition(self, r: Vector, z: Vector) -> None:
        """Set z to the inverse blocks times r."""
        self._memory.clear(z)
        self.apply(r, z)


class Inverse:
    """A matrix that is inverted.

    Args:
        entries: Its entries.
        memory: The device.

    Attributes:
        b, x: Right-hand side and solution.
    """

    def __init__(self, entries: Entries, memory: Memory) -> None:
        comm, first, num_rows = entries.comm, entries.first_row, entries.num_rows
        size = int(entries.starts[-1])
        matrix: Floats = np.zeros((size, size))
        for rows, columns, values in comm.allgather(
            (entries.rows + first, entries.columns, entries.values)
        ):
            matrix[rows, columns] = values
        inverse: Floats = np.linalg.inv(matrix)[first : first + num_rows].astype(np.float64)
        row, column = np.indices(inverse.shape).reshape(2, -1)
        own = Entries(row, column, inverse.reshape(-1), num_rows, entries.starts, comm)
        self._memory, self._inverse = memory, BlockMatrix(own, memory)
        self.b, self.x = (memory.zeros(num_rows, np.float64) for _ in range(2))

    def cycle(self) -> None:
        """Set x to the solution for b; collective."""
        self._memory.clear(self.x)
        self._inverse.apply(self.b, self.x)


class MatrixLevel:
    """A level of matrices with all below it.

    Args:
        matrix: Its matrix.
        interpolation: From the level below.
        below: That level.
        memory: The device.

    Attributes:
        matrix: The matrix on the device.
        b, x: Right-hand side and solution.
    """

    def __init__(
        self,
        matrix: PETSc.Mat,
        interpolation: PETSc.Mat,
        below: "MatrixLevel | Inverse",
        memory: Memory,
    ) -> None:
        self._memory, self._below = memory, below
        entries = Entries.of(matrix)
        self.matrix = BlockMatrix(entries, memory)
        self._prolong = BlockMatrix(Entries.of(interpolation), memory)
        transposed = interpolation.transpose(PETSc.Mat())
        self._restrict = BlockMatrix(Entries.of(transposed), memory)
        jacobi = BlockJacobi(entries, memory)
        size, steps = self.matrix.size, first_kind(DEGREE, LOWER)
        self._smoother = Chebyshev(size, np.float64, steps, jacobi, memory)
        memory.copy(jacobi.W, self._smoother.W)
        self.b, self.x = self._smoother.b, self._smoother.x
        noise = np.random.default_rng(entries.comm.rank).uniform(-1.0, 1.0, size)
        self._smoother.bound = SAFETY * largest_eigenvalue(
            memory,
            self.matrix.apply,
            jacobi.precondition,
            jacobi.W,
            entries.comm.allreduce,
            memory.take(noise),
            FIRST_ESTIMATE,
        )

    def cycle(self) -> None:
        """Set x to the approximate solution for b; collective."""
        smoother, below, apply = self._smoother, self._below, self.matrix.apply
        smoother.smooth_from_zero(apply)
        smoother.weigh_residual(apply)
        self._memory.clear(below.b)
        self._restrict.apply(smoother.r, below.b)
        below.cycle()
        self._prolong.apply(below.x, smoother.y)
        smoother.add()
        smoother.smooth(apply)


class Hierarchy:
    """All levels of a matrix.

    Args:
        pc: PETSc's preconditioner of the matrix, set up.
        memory: The device.
    """

    def __init__(self, pc: PETSc.PC, memory: Memory) -> None:
        self._memory = memory
        matrix = pc.getOperators()[0]
        num_levels = pc.getMGLevels() if pc.getType() == PETSc.PC.Type.GAMG else 1
        coarsest = pc.getMGSmoother(0).getOperators()[0] if num_levels > 1 else matrix
        self._top: MatrixLevel | Inverse = Inverse(Entries.of(coarsest), memory)
        for level in range(1, num_levels):
            matrix = pc.getMGSmoother(level).getOperators()[0]
            self._top = MatrixLevel(matrix, pc.getMGInterpolation(level), self._top, memory)
        self._size = matrix.getLocalSize()[0]
        self._product = memory.zeros(self._size, np.float64)
        self._add = memory.functions("cycle", np.float64).add_scaled

    def solve(self, b: Vector, x: Vector) -> None:
        """Set x to the approximate solution for b; collective."""
        memory, top = self._memory, self._top
        memory.copy(b, top.b)
        top.cycle()
        memory.copy(top.x, x)
        if isinstance(top, Inverse):
            return
        for _ in range(CYCLES - 1):
            memory.copy(b, top.b)
            memory.clear(self._product)
            top.matrix.apply(x, self._product)
            memory.bound(self._add, self._size, self._product, top.b)(-1.0)
            top.cycle()
            memory.bound(self._add, self._size, top.x, x)(1.0)

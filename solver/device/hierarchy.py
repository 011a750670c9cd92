"""The problem on aggregates, solved on the device: what PETSc's GAMG sets up, applied there.

On the host that solve would take many times as long as all the rest of a cycle on a device.  GAMG
builds matrices and smoothed interpolations on the host, seldom; they go to the device in blocks of
six, one for each pair of rigid motions, and there cycles smooth by Chebyshev polynomials with the
blocks of the diagonal.  The coarsest matrix is inverted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.cycle import FIRST_ESTIMATE, SAFETY
from elastane.solver.eigenvalue import largest_eigenvalue
from elastane.solver.memory import Memory, Vector
from elastane.solver.polynomials import first_kind
from elastane.solver.smoother import Chebyshev

Floats = NDArray[np.float64]

#: Unknowns of an aggregate: its translations and rotations.
SIX = 6

#: Up to so many unknowns a matrix is inverted; a fifth of a second.
MOST_INVERTED = 1000

#: Degree and relative lower bound of the smoothers, and cycles of a solve, as on the host: see
#: `elastane.solver.preconditioners.gamg`.
DEGREE, LOWER, CYCLES = 4, 0.04, 2


class BlockMatrix:
    """A matrix of 6 x 6 blocks on a device, its rows padded to the longest.

    Args:
        matrix: The matrix, of one rank.
        memory: The device.
        transposed: Whether to take the transpose.

    Attributes:
        size: Number of rows.
    """

    def __init__(self, matrix: PETSc.Mat, memory: Memory, *, transposed: bool = False) -> None:
        rows, columns, values = _entries(matrix)
        shape = matrix.getSize()
        if transposed:
            rows, columns, shape = columns, rows, shape[::-1]
        self.size = shape[0]
        num_rows, num_columns = (size // SIX for size in shape)
        pairs = rows // SIX * num_columns + columns // SIX
        blocks, block_of = np.unique(pairs, return_inverse=True)
        block_rows, block_columns = np.divmod(blocks, num_columns)
        place = np.arange(len(blocks)) - np.searchsorted(block_rows, block_rows)
        self._width = int(place.max(initial=-1)) + 1
        padded_columns = np.full((self._width, num_rows), -1, np.int32)
        padded_columns[place, block_rows] = block_columns
        padded = np.zeros((self._width, SIX, self.size))
        padded[place[block_of], columns % SIX, rows] = values
        self._memory = memory
        self._arrays = memory.take(padded_columns), memory.take(padded)
        self._function = memory.functions("blocks", np.float64).add_block_rows

    def apply(self, x: Vector, y: Vector) -> None:
        """Add the matrix times x to y."""
        self._memory.bound(self._function, self.size, *self._arrays, x, y)(float(self._width))


class BlockJacobi:
    """The inverse blocks of a diagonal, as Chebyshev smoothers take a preconditioner.

    Args:
        matrix: The matrix.
        memory: The device.

    Attributes:
        W: Ones.
    """

    def __init__(self, matrix: PETSc.Mat, memory: Memory) -> None:
        rows, columns, values = _entries(matrix)
        size = matrix.getSize()[0]
        diagonal = rows // SIX == columns // SIX
        blocks = np.zeros((size // SIX, SIX, SIX))
        rows, columns = rows[diagonal], columns[diagonal]
        blocks[rows // SIX, rows % SIX, columns % SIX] = values[diagonal]
        inverse = np.linalg.inv(blocks)
        self.W = memory.take(np.ones(size))
        self._memory = memory
        self._columns = memory.take(np.arange(size // SIX, dtype=np.int32))
        # [column][row], see blocks.cu.
        self._values = memory.take(inverse.transpose(2, 0, 1).reshape(SIX, size))
        self._function = memory.functions("blocks", np.float64).add_block_rows

    def apply(self, r: Vector, y: Vector) -> None:
        """Add the inverse blocks times r to y."""
        arrays = self._columns, self._values, r, y
        self._memory.bound(self._function, self.W.size, *arrays)(1.0)

    def precondition(self, r: Vector, z: Vector) -> None:
        """Set z to the inverse blocks times r."""
        self._memory.clear(z)
        self.apply(r, z)


class Inverse:
    """A matrix that is inverted.

    Args:
        matrix: The matrix.
        memory: The device.

    Attributes:
        b, x: Right-hand side and solution.
    """

    def __init__(self, matrix: PETSc.Mat, memory: Memory) -> None:
        size = matrix.getSize()[0]
        full: Floats = np.zeros((size, size))
        rows, columns, values = _entries(matrix)
        full[rows, columns] = values
        inverse = np.linalg.inv(full)
        self.b, self.x = (memory.zeros(size, np.float64) for _ in range(2))
        function = memory.functions("blocks", np.float64).multiply_full
        symmetric = memory.take(0.5 * (inverse + inverse.T))
        self.cycle = memory.bound(function, size, symmetric, self.b, self.x)


class MatrixLevel:
    """A level of matrices with all below it.

    Args:
        matrix: Its matrix.
        interpolation: From the level below.
        below: That level.
        memory: The device.

    Attributes:
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
        self.matrix = BlockMatrix(matrix, memory)
        self._prolong = BlockMatrix(interpolation, memory)
        self._restrict = BlockMatrix(interpolation, memory, transposed=True)
        jacobi = BlockJacobi(matrix, memory)
        size, steps = self.matrix.size, first_kind(DEGREE, LOWER)
        self._smoother = Chebyshev(size, np.float64, steps, jacobi, memory)
        memory.copy(jacobi.W, self._smoother.W)
        self.b, self.x = self._smoother.b, self._smoother.x
        noise = np.random.default_rng(1).uniform(-1.0, 1.0, size)
        self._smoother.bound = SAFETY * largest_eigenvalue(
            memory,
            self.matrix.apply,
            jacobi.precondition,
            jacobi.W,
            lambda total: total,
            memory.take(noise),
            FIRST_ESTIMATE,
        )

    def cycle(self) -> None:
        """Set x to the approximate solution for b."""
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
        pc: PETSc's preconditioner of the matrix, set up on one rank.
        memory: The device.
    """

    def __init__(self, pc: PETSc.PC, memory: Memory) -> None:
        self._memory = memory
        matrix = pc.getOperators()[0]
        if pc.getType() != PETSc.PC.Type.GAMG or pc.getMGLevels() == 1:
            self._top: MatrixLevel | Inverse = Inverse(matrix, memory)
            return
        self._top = Inverse(pc.getMGSmoother(0).getOperators()[0], memory)
        for level in range(1, pc.getMGLevels()):
            matrix = pc.getMGSmoother(level).getOperators()[0]
            below = self._top
            self._top = MatrixLevel(matrix, pc.getMGInterpolation(level), below, memory)
        functions, size = memory.functions("cycle", np.float64), matrix.getSize()[0]
        self._residual, self._product = (memory.zeros(size, np.float64) for _ in range(2))
        self._add, self._size = functions.add_scaled, size

    def solve(self, b: Vector, x: Vector) -> None:
        """Set x to the approximate solution for b."""
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


def _entries(matrix: PETSc.Mat) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return rows, columns and values of the entries of a matrix of one rank."""
    starts, columns, values = matrix.getValuesCSR()
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns.astype(np.int64), values

"""Where libCEED meets PETSc: L-vectors shared without copies, operators as matrices.

The only file that knows both libraries.  A PETSc local vector and a CeedVector share their memory
for life; an apply moves data from the T-vector to the L-vector and back, and nothing else.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import libceed
import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.ceed import (
    Ceed,
    CeedOperator,
    CeedVector,
)
from elastane.solver.log import logged
from elastane.solver.space import Space

Floats = NDArray[np.float64]


class LVector:
    """An L-vector: all components of all nodes of this rank.

    Attributes:
        petsc: The PETSc vector.
    """

    def __init__(self, ceed: Ceed, space: Space) -> None:
        self.petsc = space.dm.createLocalVec()
        self.petsc.zeroEntries()
        self._array: Floats = self.petsc.array.reshape(-1, 3)
        self._ceed = ceed.Vector(self._array.size)
        if self._array.size:
            self._ceed.set_array(self._array.reshape(-1), cmode=libceed.USE_POINTER)

    # PETSc remembers norms, and that a vector is zero: whoever may write to the memory must say so.

    @property
    def array(self) -> Floats:
        """Return the memory, shape (num_nodes, 3)."""
        self.petsc.stateIncrease()
        return self._array

    @property
    def ceed(self) -> CeedVector:
        """Return the CeedVector on the memory."""
        self.petsc.stateIncrease()
        return self._ceed


class Operator(Protocol):
    """A linear operator from one L-vector to another."""

    def apply(self, u: LVector, v: LVector) -> None:
        """Overwrite v with this rank's part of the operator applied to u."""


class LOperator:
    """The sum of CeedOperators from one L-vector to another.

    Args:
        ceed: The libCEED context.
        operators: Its terms; none on a rank without elements.
    """

    def __init__(self, ceed: Ceed, operators: Sequence[CeedOperator]) -> None:
        self._operator: CeedOperator = ceed.CompositeOperator()
        # libCEED keeps its operators alive, but not what belongs to them in Python.
        self._terms = tuple(operators)
        for term in operators:
            self._operator.add_sub(term)

    def apply(self, u: LVector, v: LVector) -> None:
        """Overwrite v with the operator applied to u."""
        if not self._terms:
            v.petsc.zeroEntries()
        else:
            self._operator.apply(u.ceed, v.ceed)


class JacobianMat:
    """Context of a matrix-free PETSc matrix: the Jacobian of one level.

    Args:
        space: The space of the level.
        operator: du -> dR on L-vectors.
        diagonal: Adds the diagonal of this rank's part to an L-vector.
        du: L-vector to work with; zero at prescribed components, and kept so.
        dR: L-vector to work with.
    """

    def __init__(
        self,
        space: Space,
        operator: Operator,
        diagonal: Callable[[CeedVector], None],
        du: LVector,
        dR: LVector,
    ) -> None:
        self._dm = space.dm
        self._operator = operator
        self._diagonal = diagonal
        self._du = du
        self._dR = dR
        #: Times the matrix was applied.
        self.num_applies = 0

    @logged("jacobian")
    def mult(self, mat: PETSc.Mat, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Set y to the Jacobian times x."""
        # Prescribed components of the L-vector are not written here and stay zero.
        self._dm.globalToLocal(x, self._du.petsc)
        self._operator.apply(self._du, self._dR)
        y.zeroEntries()
        self._dm.localToGlobal(self._dR.petsc, y, PETSc.InsertMode.ADD_VALUES)
        self.num_applies += 1

    def add_prescribed(
        self, jump: NDArray[np.float64], prescribed: NDArray[np.bool_], y: PETSc.Vec
    ) -> None:
        """Add the columns of prescribed components times their jump to y.

        Args:
            jump: Change of the displacement, shape (num_nodes, 3).
            prescribed: Which components count, same shape.
            y: T-vector.
        """
        self._du.petsc.zeroEntries()
        self._du.array[prescribed] = jump[prescribed]
        self._operator.apply(self._du, self._dR)
        self._du.petsc.zeroEntries()
        self._dm.localToGlobal(self._dR.petsc, y, PETSc.InsertMode.ADD_VALUES)

    @logged("diagonal")
    def getDiagonal(self, mat: PETSc.Mat, d: PETSc.Vec) -> None:  # noqa: D102 (PETSc's name)
        self._dR.petsc.zeroEntries()
        self._diagonal(self._dR.ceed)
        d.zeroEntries()
        self._dm.localToGlobal(self._dR.petsc, d, PETSc.InsertMode.ADD_VALUES)


def python_mat(context: object, rows: Space, columns: Space) -> PETSc.Mat:
    """Return the PETSc matrix of a context, from the T-vectors of `columns` to those of `rows`."""
    sizes = (rows.t_sizes, columns.t_sizes)
    mat = PETSc.Mat().createPython(sizes, context, comm=rows.dm.comm)
    mat.setUp()
    return mat

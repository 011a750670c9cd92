"""What solves the p = 1 problem at the bottom of the multigrid cycle, approximately.

Two ways: from the assembled matrix by one of PETSc's preconditioners, without any smoothing by the
cycle; or, `needs_smoothing`, by a correction from aggregates of nodes, after the cycle has smoothed
the p = 1 level without a matrix as it does the finer ones.

Which is better is a matter of memory traffic.  A product with the assembled p = 1 matrix moves as
many bytes as three quarters of an apply of the Jacobian at p = 2, a cycle of BoomerAMG does some
seven of them, and its set-up ninety.  An apply without a matrix in single precision costs a sixth
of the Jacobian's; the matrix on the aggregates has a twelfth of the entries, and its set-up costs
twenty products.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike
from petsc4py import PETSc

from elastane.solver.aggregates import Aggregates
from elastane.solver.assembled import AssembledJacobian, element_matrices
from elastane.solver.body import Body
from elastane.solver.ceed import CeedOperator
from elastane.solver.cycle import LevelJacobian
from elastane.solver.fused.level import FusedLevel
from elastane.solver.level_operator import CoarseSolver
from elastane.solver.log import logged
from elastane.solver.memory import Memory, Vector
from elastane.solver.padding import Padding
from elastane.solver.preconditioners import gamg
from elastane.solver.space import Space
from elastane.solver.surfaces import PressureLoad

#: Returns the element matrices at the present state, shape (num_elements, 24, 24) with index
#: 3 node + component.
ElementMatrices = Callable[[], Vector]

#: Up to so many unknowns, a matrix on aggregates is factorised: a solve then costs less than a
#: cycle and saves a third of the iterations on shells.  The factors of 3,000 unknowns of a shell
#: cost as much as half a load step, those of 10,000 twenty times as much.
MOST_FACTORISED = 3500


class AssembledSolver:
    """A PETSc preconditioner of the assembled matrix.

    Args:
        jacobian: The matrix.
        matrices: Element matrices at the present state.
        space: The p = 1 space.
        dtype: Type of the numbers of L-vectors.
        prefix: Prefix of the PETSc options.
        memory: Where L-vectors and element matrices lie; what PETSc does is done on the host.

    Attributes:
        jacobian: See above.
        pc: The preconditioner.
        num_rebuilds: Times it was set up.
    """

    needs_smoothing = False

    def __init__(
        self,
        jacobian: AssembledJacobian,
        matrices: ElementMatrices,
        space: Space,
        dtype: DTypeLike,
        prefix: str,
        memory: Memory,
    ) -> None:
        self.jacobian, self._matrices = jacobian, matrices
        self._padding, self._memory = Padding(space, dtype), memory
        self._r, self._x = (self._padding.create_vector() for _ in range(2))
        self.num_rebuilds = 0
        self.pc = PETSc.PC().create(comm=space.dm.comm)
        self.pc.setOptionsPrefix(prefix)

    def update(self) -> None:
        """Do nothing: matrix and preconditioner stay."""

    @logged("coarse assembly")
    def rebuild(self) -> None:
        """Assemble the matrix and set up its preconditioner; collective."""
        self.jacobian.assemble(self._memory.read(self._matrices()))
        self.pc.setOperators(self.jacobian.padded)
        if not self.num_rebuilds:
            # Not before: options come after the solver is made.
            self.pc.setFromOptions()
        self.pc.setUp()
        self.num_rebuilds += 1

    @logged("coarse solve")
    def apply(self, r: Vector, x: Vector) -> None:
        """Set x to the approximate solution for r, see `CoarseSolver`; collective."""
        memory, padding = self._memory, self._padding
        padding.pad(memory.read(r), self._r)
        self.pc.apply(self._r, self._x)
        if memory.is_host:
            padding.unpad(self._x, x)
        else:
            solution = np.zeros(x.shape, x.dtype)
            padding.unpad(self._x, solution)
            memory.write(solution, x)


class AggregateSolver:
    """A correction by the rigid motions of aggregates.

    Follower loads are left to the smoother of the p = 1 level: the matrix on the aggregates stays
    symmetric and as positive as the material.

    Args:
        matrices: Element matrices at the present state.
        space: The p = 1 space.
        dtype: Type of the numbers of L-vectors.
        prefix: Prefix of the PETSc options.
        memory: Where L-vectors and element matrices lie; what PETSc does is done on the host.

    Attributes:
        pc: The preconditioner of the matrix on the aggregates.
        aggregates: The aggregates, those of the first state; None before the first `rebuild`.
        num_rebuilds: Times it was set up.
        most_factorised: Up to so many unknowns the matrix is factorised.
        smoothed_aggregation: PETSc's options beyond.
    """

    needs_smoothing = True
    most_factorised = MOST_FACTORISED
    smoothed_aggregation: Mapping[str, str] = gamg.SMOOTHED_AGGREGATION

    def __init__(
        self,
        matrices: ElementMatrices,
        space: Space,
        dtype: DTypeLike,
        prefix: str,
        memory: Memory,
    ) -> None:
        self._matrices, self._space, self._dtype = matrices, space, dtype
        self._memory = memory
        self.aggregates: Aggregates | None = None
        self.num_rebuilds = 0
        self.pc = PETSc.PC().create(comm=space.dm.comm)
        self.pc.setOptionsPrefix(prefix)

    def update(self) -> None:
        """Do nothing: the matrix on the aggregates stays."""

    @logged("coarse assembly")
    def rebuild(self) -> None:
        """Set up for the present state, with the aggregates of the first one; collective."""
        matrices = self._matrices()
        if self.aggregates is None:
            self.aggregates = Aggregates(self._space, matrices, self._dtype, self._memory)
            self._choose(self.aggregates.matrix)
        self.aggregates.assemble(matrices)
        self.pc.setOperators(self.aggregates.matrix)
        self.pc.setUp()
        self.num_rebuilds += 1

    def _choose(self, matrix: PETSc.Mat) -> None:
        """Choose the preconditioner of the matrix by its size; the user's options go first."""
        small = matrix.getSize()[0] <= self.most_factorised
        database = PETSc.Options(self.pc.getOptionsPrefix())
        for name, value in (gamg.FACTORISATION if small else self.smoothed_aggregation).items():
            if not database.hasName(name):
                database.setValue(name, value)
        self.pc.setOperators(matrix)
        self.pc.setFromOptions()

    @logged("coarse solve")
    def apply(self, r: Vector, x: Vector) -> None:
        """Set x to the correction for the residual r, see `CoarseSolver`; collective."""
        aggregates = self.aggregates
        assert aggregates is not None, "rebuild() comes first"
        aggregates.restrict(r)
        self.pc.apply(aggregates.forces, aggregates.motions)
        aggregates.prolong(x)


def make_coarse_solver(
    kind: str,
    body: Body,
    pressures: Sequence[PressureLoad],
    level: LevelJacobian,
    prefix: str,
) -> CoarseSolver:
    """Return a solver of the p = 1 problem.

    Args:
        kind: A name in `COARSE`.
        body: The body.
        pressures: Follower loads.
        level: The Jacobian of the p = 1 level.
        prefix: Prefix of the PETSc options.
    """
    space, dtype, operator, memory = level.space, level.dtype, level.operator, level.memory

    def matrices() -> Vector:
        if isinstance(operator, FusedLevel):
            return operator.element_matrices()
        return element_matrices(body, space)

    if kind == "gamg":
        return AggregateSolver(matrices, space, dtype, prefix, memory)

    def loads() -> Iterator[CeedOperator]:
        for load in pressures:
            yield from load.jacobian(space)

    jacobian = AssembledJacobian(body.ceed, space, loads)
    return AssembledSolver(jacobian, matrices, space, dtype, prefix, memory)

"""The V-cycle of p-multigrid, as a PETSc preconditioner.

It works on L-vectors in which a node that ranks share has its whole value on each of them, and a
prescribed component is zero; between two applies of an operator there is nothing but passes over
memory.  In single precision all of it costs half: what the preconditioner loses in digits, the
Krylov method in double precision does not notice.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.eigenvalue import largest_eigenvalue
from elastane.solver.exchange import Exchange
from elastane.solver.fast_diagonal import FastDiagonal
from elastane.solver.level_operator import CoarseSolver, LevelOperator, LevelTangent
from elastane.solver.log import logged
from elastane.solver.memory import Vector
from elastane.solver.passes import bound, passes
from elastane.solver.polynomials import Step
from elastane.solver.smoother import Chebyshev
from elastane.solver.space import Space
from elastane.solver.transfer import Transfer

Floats = NDArray[np.float64]

#: Iterations of the first estimate of the largest eigenvalue, of one that goes on from the last
#: eigenvector with a new diagonal, and of one that follows the state with the old one.
FIRST_ESTIMATE, LATER_ESTIMATE, FOLLOWING_ESTIMATE = 10, 6, 3

#: The estimate comes from below, and falls short by some percent; a bound that is as much too high
#: costs less than a twentieth of the smoothing, one that is too low lets high modes grow, at the
#: degree of the p = 1 level so fast that 1.05 was not enough on 64,000 nodes.
SAFETY = 1.1


class LevelJacobian:
    """The Jacobian of one level, loads included, whole at shared nodes.

    Args:
        space: The space of the level.
        operator: The body's part.
        tangents: Those of follower loads.
        exchange: Sums over ranks, in the precision of the operator.

    Attributes:
        memory: Where its vectors lie, as those of the exchange.
        num_applies: Times it was applied.
    """

    def __init__(
        self,
        space: Space,
        operator: LevelOperator,
        tangents: Sequence[LevelTangent],
        exchange: Exchange,
    ) -> None:
        self.space, self.operator, self.exchange = space, operator, exchange
        self.memory = exchange.memory
        self._tangents = tangents
        self._comm: MPI.Comm = space.dm.comm.tompi4py()
        self.num_applies = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the precision of its vectors."""
        return self.operator.dtype

    def zeros(self) -> Vector:
        """Return a flat L-vector of zeros."""
        return self.memory.zeros(3 * self.space.num_nodes, self.dtype)

    def update(self, u: Floats) -> None:
        """Take over the state of the displacement L-vector of the finest level, (num_nodes, 3)."""
        self.operator.update(u)
        for tangent in self._tangents:
            tangent.update()

    @logged("level apply")
    def apply(self, x: Vector, y: Vector) -> None:
        """Add the Jacobian times x to y, which must be zero at shared nodes; collective."""
        self.num_applies += 1
        self.apply_own(x, y)
        self.exchange.sum(y)

    def apply_own(self, x: Vector, y: Vector) -> None:
        """Add this rank's part of the Jacobian times x to y."""
        self.operator.apply_add(x, y)
        for tangent in self._tangents:
            tangent.apply_add(x, y)

    @logged("diagonal")
    def diagonal(self) -> NDArray[Any]:
        """Return the diagonal, as a flat array of this host; collective."""
        diagonal = self._own_diagonal()
        self.exchange.sum(diagonal)
        return self.memory.read(diagonal)

    def own_diagonal(self) -> NDArray[Any]:
        """Return this rank's part of the diagonal, as a flat array of this host."""
        return self.memory.read(self._own_diagonal())

    def _own_diagonal(self) -> Vector:
        diagonal = self.zeros()
        self.operator.add_diagonal(diagonal)
        for tangent in self._tangents:
            tangent.add_diagonal(diagonal)
        return diagonal


class Below(Protocol):
    """A level with all below it.

    Attributes:
        b, x: Right-hand side and solution, flat L-vectors.
        exchange: Sums its L-vectors over ranks.
    """

    b: Vector
    x: Vector
    exchange: Exchange

    def cycle(self) -> None:
        """Set x to an approximate solution for b."""


class Bottom:
    """The p = 1 problem, handed to a solver.

    Args:
        jacobian: Its Jacobian.
        solver: The solver.

    Attributes: see `Below`.
    """

    def __init__(self, jacobian: LevelJacobian, solver: CoarseSolver) -> None:
        self.b, self.x = jacobian.zeros(), jacobian.zeros()
        self.exchange = jacobian.exchange
        self._solver = solver

    def cycle(self) -> None:
        """Set x to an approximate solution for b."""
        self._solver.apply(self.b, self.x)


class Level:
    """A level with a smoother, and all below it.

    Args:
        jacobian: Its Jacobian.
        steps: The polynomial of the smoother.
        below: The next coarser level, or the solver.
        transfer: The transfer to what lies below.
        elements: The preconditioner of the smoother; None for Jacobi.

    Attributes:
        smoother: Its smoother.
        transfer, elements: See above.
        eigenvalue: Last estimate of the largest eigenvalue.
        estimates: Applies that estimates took so far.
        b, x, exchange: See `Below`.
    """

    def __init__(
        self,
        jacobian: LevelJacobian,
        steps: list[Step],
        below: Below,
        transfer: Transfer,
        elements: FastDiagonal | None = None,
    ) -> None:
        self.jacobian, self.exchange = jacobian, jacobian.exchange
        self._below, self.transfer, self.elements = below, transfer, elements
        size, memory = 3 * jacobian.space.num_nodes, jacobian.memory
        self.smoother = Chebyshev(size, jacobian.dtype, steps, elements, memory)
        self.b, self.x = self.smoother.b, self.smoother.x
        memory.copy(transfer.weights, self.smoother.W)
        #: 1 for the unknowns of this rank, else 0.
        self._counted = jacobian.zeros()
        self._eigenvector: Vector | None = None
        self._free = ~jacobian.space.prescribed.reshape(-1)
        self.eigenvalue = np.nan
        self.estimates = 0

    def rebuild(self) -> None:
        """Evaluate the diagonal and the bound of the smoother at the present state; collective."""
        space, memory = self.jacobian.space, self.jacobian.memory
        diagonal = np.abs(self.jacobian.diagonal())
        free = ~space.prescribed.reshape(-1) & (diagonal > 0.0)
        # The absolute value keeps the smoother positive where the tangent is not.
        S = np.divide(1.0, diagonal, where=free, out=np.zeros_like(diagonal))
        memory.write(S, self.smoother.S)
        memory.write((free & np.repeat(space.owned, 3)).astype(S.dtype), self._counted)
        if self.elements:
            self.elements.update(S)
        self._free = free
        self._estimate(LATER_ESTIMATE)
        self.smoother.bound = SAFETY * self.eigenvalue

    def follow(self) -> None:
        """Raise the bound to that of a new state with the diagonal of an old one; collective.

        A tenth above its bound a polynomial is beyond 1 already, and the cycle no longer positive.
        """
        self._estimate(FOLLOWING_ESTIMATE)
        self.smoother.bound = max(self.smoother.bound, SAFETY * self.eigenvalue)

    @logged("eigenvalue")
    def _estimate(self, iterations: int) -> None:
        jacobian = self.jacobian
        before, comm = jacobian.num_applies, jacobian.space.dm.comm.tompi4py()
        if self._eigenvector is None:
            iterations = FIRST_ESTIMATE
            noise = np.where(self._free, _noise(jacobian.space), 0.0)
            self._eigenvector = jacobian.memory.take(noise.astype(jacobian.dtype))
        estimate = largest_eigenvalue(
            jacobian.memory,
            jacobian.apply,
            self.elements.precondition if self.elements else self._precondition,
            self._counted,
            comm.allreduce,
            self._eigenvector,
            iterations,
        )
        if np.isfinite(estimate):
            self.eigenvalue = estimate
        else:
            # The state is out of bounds: the linear solve will fail, and the step be cut.
            self._eigenvector = None
        self.estimates += jacobian.num_applies - before

    def _precondition(self, r: Vector, z: Vector) -> None:
        """Set z to S r."""
        memory = self.jacobian.memory
        multiply = memory.functions("cycle", self.jacobian.dtype).multiply
        memory.bound(multiply, self._counted.size, self.smoother.S, r, z)()

    def cycle(self) -> None:
        """Set x to the approximate solution for b by one cycle; collective."""
        smoother, below, apply = self.smoother, self._below, self.jacobian.apply
        smoother.smooth_from_zero(apply)
        smoother.weigh_residual(apply)
        self.transfer.restrict(smoother.r, below.b)
        below.cycle()
        self.transfer.prolong(below.x, smoother.y)
        smoother.add()
        smoother.smooth(apply)


def _noise(space: Space) -> Floats:
    """Return numbers in [-1, 1] without order, flat, alike for a node on all ranks."""
    components = 3 * space.numbers[:, None] + np.arange(3)
    # Multiples of the golden ratio never repeat; their squares have no order either.
    noise: Floats = np.modf(0.6180339887498949 * components**2)[0]
    return 2.0 * noise.reshape(-1) - 1.0


class CyclePC:
    """Context of a PETSc preconditioner: one cycle on a T-vector.

    Args:
        level: The finest level.
        space: Its space.

    Attributes:
        num_cycles: Times it was applied.
    """

    def __init__(self, level: Below, space: Space) -> None:
        self._level, self._memory = level, level.exchange.memory
        self._positions = t_positions(space)
        size, dtype = 3 * space.num_nodes, level.exchange.dtype
        self._passes = passes(dtype)
        self._b = level.b if self._memory.is_host else np.zeros(size, dtype)
        self.num_cycles = 0

    @logged("cycle")
    def apply(self, pc: PETSc.PC, r: PETSc.Vec, z: PETSc.Vec) -> None:
        """Set z to the approximate solution for the residual r."""
        level, positions = self._level, self._positions
        self.num_cycles += 1
        # Residuals get as small as single precision cannot tell from zero.
        norm = r.norm(PETSc.NormType.INFINITY)
        if norm == 0.0:
            z.zeroEntries()
            return
        bound(self._passes.scatter, len(positions), positions, r.array_r, self._b)(1.0 / norm)
        if not self._memory.is_host:
            self._memory.write(self._b, level.b)
        level.exchange.share(level.b)
        level.cycle()
        x = self._memory.read(level.x)
        bound(self._passes.gather, len(positions), positions, x, z.array)(norm)


def t_positions(space: Space) -> NDArray[np.int32]:
    """Return the position in the flat L-vector of each entry of this rank's T-vector."""
    local, result = space.dm.createLocalVec(), space.dm.createGlobalVec()
    local.setArray(np.arange(3 * space.num_nodes, dtype=float))
    space.dm.localToGlobal(local, result)
    return result.array.astype(np.int32)

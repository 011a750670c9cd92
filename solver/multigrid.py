"""p-multigrid on the Jacobian: matrix-free levels above a p = 1 problem.

Each level applies the tangent with the basis of its own degree and smooths by Chebyshev
polynomials, preconditioned by elements, or by Jacobi at p = 1.  Level 0 is the coarsest, as in
PCMG.

Reference: J. Brown et al., Performance portable solid mechanics via matrix-free p-multigrid,
arXiv:2204.01722.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.body import Body
from elastane.solver.ceed import CeedOperator, CeedVector
from elastane.solver.ceed_mat import JacobianMat, LOperator, LVector, Operator, python_mat
from elastane.solver.coarse_solvers import make_coarse_solver
from elastane.solver.cycle import Below, Bottom, CyclePC, Level, LevelJacobian
from elastane.solver.exchange import Exchange, find_sharing
from elastane.solver.fast_diagonal import FastDiagonal
from elastane.solver.fused.level import FusedLevel
from elastane.solver.level_operator import (
    CeedLevel,
    CoarseSolver,
    LevelOperator,
    LevelTangent,
    SurfaceTangent,
)
from elastane.solver.options import COARSE_PREFIX
from elastane.solver.polynomials import DEGREES, SMOOTHERS, first_kind
from elastane.solver.problem import MultigridSettings
from elastane.solver.rebuild import MANY, RebuildRule
from elastane.solver.space import Space
from elastane.solver.surfaces import PressureLoad
from elastane.solver.transfer import Interpolation, SameSpace, Transfer

Floats = NDArray[np.float64]

#: Degree and relative lower bound of the smoother of the p = 1 level above aggregates.  An apply
#: costs a sixth of one at p = 2, and motions of aggregates leave more to it than p = 1 to p = 2.
LOWEST = (8, 0.01)


class Multigrid:
    """The Jacobian on all levels and the preconditioner made of them.

    Args:
        body: Operators of the body.
        pressures: Follower loads.
        spaces: Spaces of the levels, from degree 1 to the degree of the displacement.
        settings: What the user may choose.
        single: Whether fused levels work in single precision.

    Attributes:
        jacobian: The Jacobian of the finest level as a PETSc matrix.
        levels: The Jacobians that the cycle applies, coarse to fine.
        smoothed: The levels with a smoother; p = 1 is one of them where the coarse solver asks.
        finest: The finest of all, with all below it.
        coarse: The solver of the p = 1 problem.
        rule: Says when the preconditioner is rebuilt.
        smoother_degree: Degree of the smoothers above p = 1.
    """

    def __init__(
        self,
        body: Body,
        pressures: list[PressureLoad],
        spaces: list[Space],
        settings: MultigridSettings,
        *,
        single: bool = True,
    ) -> None:
        self._body, self._pressures = body, pressures
        ceed = body.ceed
        self._single = single
        automatic = settings.smoother_degree is None and len(spaces) > 1
        self.rule = RebuildRule(may_raise=automatic)
        self.smoother_degree = settings.smoother_degree or DEGREES[0]
        self._polynomial = SMOOTHERS[settings.smoother]
        self._diagonal: NDArray[Any] | None = None
        fine = spaces[-1]
        self._fine_terms = body.jacobian(fine)
        self.jacobian = python_mat(
            JacobianMat(
                fine,
                self._fine_operator(fine),
                self._add_diagonal(fine),
                LVector(ceed, fine),
                LVector(ceed, fine),
            ),
            fine,
            fine,
        )
        self._fine_space = fine
        self.levels = [self._level_jacobian(space) for space in spaces]
        self.coarse = self._coarse_solver(settings.coarse)
        below: Below = Bottom(self.levels[0], self.coarse)
        self.smoothed: list[Level] = []
        steps = self._polynomial(self.smoother_degree)
        if self.coarse.needs_smoothing:
            lowest = self.levels[0]
            same = SameSpace(lowest.space, lowest.dtype, lowest.memory)
            below = Level(lowest, first_kind(*LOWEST), below, same)
            self.smoothed.append(below)
        for coarse, finer in itertools.pairwise(self.levels):
            below = Level(finer, steps, below, *self._between(coarse, finer))
            self.smoothed.append(below)
        self.finest = below
        self._pc = CyclePC(below, fine)

    def _coarse_solver(self, kind: str) -> CoarseSolver:
        return make_coarse_solver(kind, self._body, self._pressures, self.levels[0], COARSE_PREFIX)

    def _between(
        self, coarse: LevelJacobian, finer: LevelJacobian
    ) -> tuple[Transfer, FastDiagonal]:
        """Return transfer and preconditioner of the smoother between two levels."""
        transfer = Interpolation(coarse.space, finer.space, coarse.exchange, finer.exchange)
        return transfer, FastDiagonal(finer.space, finer.exchange)

    def _fine_operator(self, space: Space) -> Operator:
        """Return the Jacobian of the finest level in double precision, loads included."""
        loads = [term for load in self._pressures for term in load.jacobian(space)]
        return LOperator(self._body.ceed, self._fine_terms + loads)

    def _level_jacobian(self, space: Space) -> LevelJacobian:
        operator = self._level_operator(space)
        tangents = [
            self._tangent(load, space, operator.dtype)
            for load in self._pressures
            if len(load.surface.facets)
        ]
        exchange = Exchange(space, operator.dtype, find_sharing(space), self._body.memory)
        return LevelJacobian(space, operator, tangents, exchange)

    def _tangent(self, load: PressureLoad, space: Space, dtype: np.dtype[Any]) -> LevelTangent:
        """Return the tangent of a follower load on a level whose vectors have that precision."""
        return SurfaceTangent(self._body.ceed, load, space)

    def _level_operator(self, space: Space) -> LevelOperator:
        if self._body.fused:
            return FusedLevel(self._body, space, self._fine_space, single=self._single)

        def lasting(space: Space) -> list[CeedOperator]:
            return self._fine_terms if space is self._fine_space else self._body.jacobian(space)

        return CeedLevel(self._body.ceed, space, lasting, self._body.jacobian_ranges)

    def _transient(self, space: Space) -> Iterator[CeedOperator]:
        """Yield the terms of the Jacobian as transient operators."""
        yield from self._body.jacobian_ranges(space)
        for load in self._pressures:
            yield from load.jacobian(space)

    def _add_diagonal(self, space: Space) -> Callable[[CeedVector], None]:
        def add(diagonal: CeedVector) -> None:
            for term in self._transient(space):
                term.linear_assemble_add_diagonal(diagonal)

        return add

    def update(self, u: Floats) -> None:
        """Take over a new state, and rebuild where the rule says so; collective.

        Args:
            u: Displacement L-vector of the residual that stored the state, (num_nodes, 3).
        """
        self.jacobian.stateIncrease()
        for level in self.levels:
            level.update(u)
        self.coarse.update()
        diagonal = self.levels[0].diagonal()
        reason = self.rule.reason(self._change(diagonal))
        if reason:
            self.rebuild(reason)
            self._diagonal = diagonal
        else:
            for smoothed in self.smoothed:
                smoothed.follow()
            self.rule.kept()

    def rebuild(self, reason: str) -> None:
        """Build all that is kept anew at the present state; collective."""
        self.coarse.rebuild()
        for level in self.smoothed:
            level.rebuild()
        if reason == MANY:
            self.smoother_degree = DEGREES[1]
            for level in self.smoothed:
                if level.elements:
                    level.smoother.steps = self._polynomial(self.smoother_degree)
        self.rule.rebuilt(reason)

    def _change(self, diagonal: NDArray[Any]) -> float:
        """Return the largest relative change of the p = 1 diagonal since the last rebuild."""
        if self._diagonal is None:
            return np.inf
        free = ~self.levels[0].space.prescribed.reshape(-1)
        before = self._diagonal[free]
        change = np.abs(diagonal[free] - before) / np.abs(before)
        comm: MPI.Comm = self.levels[0].space.dm.comm.tompi4py()
        return comm.allreduce(float(change.max(initial=0.0)), op=MPI.MAX)

    def statistics(self) -> dict[str, Any]:
        """Return what the preconditioner did so far, for the report: plain counts."""
        return {
            "rebuilds": dict(self.rule.counts),
            "smoother_degree": self.smoother_degree,
            "cycles": self._pc.num_cycles,
            "jacobian_applies": self.jacobian.getPythonContext().num_applies,
            "levels": [
                {
                    "degree": level.jacobian.space.degree,
                    "precision": level.jacobian.dtype.name,
                    "applies": level.jacobian.num_applies,
                    "applies_in_estimates": level.estimates,
                    "largest_eigenvalue": level.eigenvalue,
                }
                for level in self.smoothed
            ],
        }

    def configure(self, pc: PETSc.PC) -> None:
        """Make a PETSc preconditioner this one."""
        pc.setType(PETSc.PC.Type.PYTHON)
        pc.setPythonContext(self._pc)

    def take_over(self, ksp: PETSc.KSP) -> str:
        """Let a Krylov method run where the vectors lie: PETSc's, here; return its name."""
        return str(ksp.getType())

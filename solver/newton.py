"""One load step by Newton's method, with PETSc's SNES.

A step that moves a support starts with the linearised problem at the old state: the jump of the
prescribed displacement enters through the tangent,

    K δu = -(R(u) + K_p Δu_p),

where K_p are the columns of the prescribed components.  Inserting the jump into the displacement at
once would crush the elements along the surface.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.ceed_mat import JacobianMat
from elastane.solver.mechanics import Mechanics
from elastane.solver.multigrid import Multigrid
from elastane.solver.options import PREFIX, delete_unused, insert_options, refused_options, unused
from elastane.solver.petsc_c import set_function_domain_error
from elastane.solver.problem import SolverSettings
from elastane.solver.report import Cause, NewtonReport

#: First and largest linear tolerance when tolerances are adaptive: a rougher solution would save
#: few Krylov iterations and cost a further Newton iteration.
FIRST_RTOL = 1e-2

#: A residual is what rounding makes of it if it is below so many units in the last place of the
#: forces that single unknowns exert; those of a slender body cancel almost entirely.  Measured are
#: 1 to 2 units.
UNITS_OF_ROUNDING = 4.0

#: Rounding is thought of when the residual does not halve any more and has fallen so far.
SMALL = 1e-5

#: Newton's method ended there.
ROUNDING = "CONVERGED_ROUNDING"

#: No linear solve is asked for more: rounding would keep it from getting there.
SMALLEST_RTOL = 1e-10

#: What the failures of a linear solver are, by PETSc's names, and what they mean.
LINEAR_FAILURES = {
    "DIVERGED_MAX_IT": (Cause.LINEAR_SLOW, "too slow, the preconditioner does not fit"),
    "DIVERGED_DTOL": (Cause.LINEAR, "its residual grew"),
    "DIVERGED_INDEFINITE_MAT": (
        Cause.LINEAR_INDEFINITE,
        "the tangent is not positive definite, as beyond a limit load or where a material is "
        "unstable",
    ),
    "DIVERGED_INDEFINITE_PC": (Cause.LINEAR, "the preconditioner is not positive definite"),
    "DIVERGED_NANORINF": (Cause.NOT_A_NUMBER, "a number of it is infinite or none"),
    "DIVERGED_PCSETUP_FAILED": (Cause.LINEAR, "its preconditioner could not be built"),
}

#: Called after each iteration: iteration, residual norm, Krylov iterations, smallest det F.
Monitor = Callable[[int, float, int, float], None]


@dataclass
class Course:
    """The course of a load step so far.

    Attributes:
        monitor: Told of every iteration.
        norms: Residual norms.
        krylov: Krylov iterations of each Newton iteration.
        linear_total: Krylov iterations that SNES counted.
        resumed: Whether SNES starts again at a residual that is known.
        rounding: Residual norm that is made of rounding; 0 where that was not looked into.
    """

    monitor: Monitor
    norms: list[float] = field(default_factory=list)
    krylov: list[int] = field(default_factory=list)
    linear_total: int = 0
    resumed: bool = False
    rounding: float = 0.0

    @property
    def is_stuck(self) -> bool:
        """Return whether the residual is small and does not fall any more."""
        *before, last = self.norms
        return bool(before) and 0.5 * before[-1] < last < SMALL * max(before)

    def add(self, norm: float, krylov_iterations: int | None, min_J: float) -> None:
        """Take note of a residual norm and of the Krylov iterations that led to it, if any."""
        if krylov_iterations is not None:
            self.krylov.append(krylov_iterations)
        self.monitor(len(self.norms), norm, self.krylov[-1] if self.krylov else 0, min_J)
        self.norms.append(norm)

    def report(self, reason: str, why: tuple[Cause, str] | None) -> NewtonReport:
        """Return the report at the end; `why` is the cause of a failure, in words too."""
        cause, message = why or ("", "")
        course = tuple(self.norms), tuple(self.krylov)
        return NewtonReport(why is None, reason, *course, message=message, cause=cause)


class Newton:
    """Newton's method on a body.

    Args:
        mechanics: The residual.
        multigrid: The Jacobian and its preconditioner.
        settings: Tolerances and options.

    Attributes:
        num_residuals: Times the residual was evaluated.
        work: A T-vector that anybody may spoil between solves.
    """

    def __init__(
        self, mechanics: Mechanics, multigrid: Multigrid, settings: SolverSettings
    ) -> None:
        self._mechanics = mechanics
        self._multigrid = multigrid
        self._settings = settings
        self._bound, self._norm = 0.0, 0.0
        self._min_J = np.nan
        self.num_residuals = 0
        insert_options(settings, bool(mechanics.pressures))

        self._R, self.work = (multigrid.jacobian.createVecLeft() for _ in range(2))
        self.snes = PETSc.SNES().create(comm=mechanics.space.dm.comm)
        self.snes.setOptionsPrefix(PREFIX)
        self.snes.setFunction(self._residual, self._R)
        self.snes.setJacobian(self._jacobian, multigrid.jacobian)
        with refused_options(settings):
            multigrid.configure(self.snes.getKSP().getPC())
            self.snes.setFromOptions()
        ksp = self.snes.getKSP()
        self._krylov = multigrid.take_over(ksp)
        ksp.setConvergenceHistory(reset=True)
        ksp.setPostSolve(lambda ksp, b, x: self._learn(ksp))
        self._rtol, self._atol, self._stol, self._max_it = self.snes.getTolerances()

    def set_up(self, u: PETSc.Vec) -> None:
        """Set up the preconditioner at a first state.

        Raises:
            ValueError: If one of the user's options was not used by anything, or PETSc knows
                neither its value.
        """
        self._mechanics.evaluate(u, self._R)
        ksp = self.snes.getKSP()
        ksp.setOperators(self._multigrid.jacobian)
        with refused_options(self._settings):
            self._multigrid.update(self._mechanics.u.array)
            ksp.setUp()
        ignored = unused(self._settings)
        if ignored:
            raise ValueError(
                f"petsc_options: nothing used {', '.join(ignored)}; options go without the prefix "
                f"-{PREFIX}, e.g. ksp_type, ksp_max_it, coarse_pc_type"
            )
        # The coarse solver may do without some of ours; PETSc would list them as mistakes.
        delete_unused()

    def _residual(self, snes: PETSc.SNES, u: PETSc.Vec, R: PETSc.Vec) -> None:
        self.num_residuals += 1
        self._min_J = self._mechanics.evaluate(u, R)
        # A comparison that is false for NaN.
        if not self._min_J > 0.0:
            set_function_domain_error(snes)

    def _jacobian(self, snes: PETSc.SNES, u: PETSc.Vec, J: PETSc.Mat, P: PETSc.Mat) -> None:
        # The line search may have left the state of another trial point.
        self._mechanics.evaluate(u, self.work)
        self._multigrid.update(self._mechanics.u.array)
        if self._settings.linear.rtol is None:
            snes.getKSP().setTolerances(rtol=self._adaptive_rtol(snes.getFunctionNorm()))

    def _learn(self, ksp: PETSc.KSP) -> None:
        """Tell the rule of rebuilds how a linear solve went."""
        norms, reason = ksp.getConvergenceHistory(), ksp.getConvergedReason()
        # One that ran out of iterations is slow, too.
        ended = reason > 0 or reason == PETSc.KSP.ConvergedReason.DIVERGED_MAX_IT
        if ended and len(norms) > 1 and norms[-1] > 0.0:
            self._multigrid.rule.solved(ksp.getIterationNumber(), np.log10(norms[0] / norms[-1]))

    def _adaptive_rtol(self, norm: float) -> float:
        """Return the linear tolerance at a residual norm.

        It follows the convergence of Newton's method (choice 2 of Eisenstat and Walker, SIAM J.
        Sci. Comput. 17 (1996) 16-32).  The last iteration goes two digits beyond the bound of the
        residual norm: energies then agree to ten digits wherever and however often it is solved.
        """
        previous, self._norm = self._norm, norm
        forcing = min(FIRST_RTOL, 0.9 * (norm / previous) ** 2) if previous else FIRST_RTOL
        if forcing * norm < 10.0 * self._bound:
            return max(0.01 * self._bound / norm, SMALLEST_RTOL)
        return forcing

    def solve(self, u: PETSc.Vec, load_fraction: float, monitor: Monitor) -> NewtonReport:
        """Advance the unknowns u to a load fraction.

        The loads and supports are those of `load_fraction` afterwards; u is spoilt if the report
        says that the step did not converge.
        """
        course = Course(monitor)
        mechanics = self._mechanics
        mechanics.set_load(load_fraction)
        before = np.where(mechanics.space.prescribed, mechanics.u.array, 0.0)
        jump = mechanics.prescribed_displacement(load_fraction) - before
        self._bound, self._norm = self._atol, 0.0
        rtol, iterations = self._rtol, self._max_it
        if mechanics.space.dm.comm.tompi4py().allreduce(bool(jump.any()), op=MPI.LOR):
            self._predict(u, jump, course)
            mechanics.move_supports(load_fraction)
            reason = self.snes.getKSP().getConvergedReason()
            if reason < 0:
                return course.report(_name(PETSc.KSP, reason), self._linear_failure())
            # What counts is the residual before the linearised problem was solved.
            self._bound = max(self._atol, self._rtol * course.norms[0])
            rtol, iterations = 0.0, max(self._max_it - 1, 1)
        self.snes.setTolerances(rtol=rtol, atol=self._bound, stol=self._stol, max_it=iterations)
        self.snes.cancelMonitor()
        self.snes.setMonitor(lambda _, iteration, norm: self._record(iteration, norm, course))
        self.snes.solve(None, u)
        failed = PETSc.SNES.ConvergedReason.DIVERGED_LINEAR_SOLVE
        if self.snes.getConvergedReason() == failed and self._rebuild_may_help():
            # From the last iterate, with a preconditioner built there.  Iterations of the solve
            # that failed count with those of the next one.
            left = max(iterations - self.snes.getIterationNumber(), 1)
            self.snes.setTolerances(rtol=0.0, atol=self._bound, stol=self._stol, max_it=left)
            course.resumed = True
            course.linear_total -= self.snes.getLinearSolveIterations()
            self.snes.solve(None, u)
        name = _name(PETSc.SNES, self.snes.getConvergedReason())
        if self._bound < course.norms[-1] <= course.rounding:
            return course.report(ROUNDING, None)
        converged = self.snes.getConvergedReason() > 0
        return course.report(name, None if converged else self._why(name))

    def _record(self, iteration: int, norm: float, course: Course) -> None:
        if not course.norms:
            self._bound = max(self._atol, self._rtol * norm)
        total = self.snes.getLinearSolveIterations()
        if course.resumed:
            course.resumed = False
            return
        # Iteration 0 is the state at the start: no linear solve led to it.
        course.add(norm, total - course.linear_total if iteration else None, self._min_J)
        course.linear_total = total
        if course.is_stuck:
            course.rounding = course.rounding or self._rounding()
            self.snes.setTolerances(atol=max(self._bound, course.rounding))

    def _rounding(self) -> float:
        """Return the residual norm that rounding of the unknowns makes; collective.

        A node moves by no less than a unit in the last place of its displacement, and its force by
        that times the diagonal of the Jacobian: no residual is smaller but by chance.
        """
        forces = self.work
        self._multigrid.jacobian.getDiagonal(forces)
        forces.pointwiseMult(forces, self.snes.getSolution())
        return UNITS_OF_ROUNDING * float(np.finfo(float).eps) / 2.0 * forces.norm()

    def _predict(self, u: PETSc.Vec, jump: NDArray[np.float64], course: Course) -> None:
        """Add the solution of the linearised problem to u."""
        mechanics, jacobian = self._mechanics, self._multigrid.jacobian
        self._min_J = mechanics.evaluate(u, self._R)
        self._multigrid.update(mechanics.u.array)
        context: JacobianMat = jacobian.getPythonContext()
        context.add_prescribed(jump, mechanics.space.prescribed, self._R)
        course.add(self._R.norm(), None, self._min_J)
        self._R.scale(-1.0)
        ksp = self.snes.getKSP()
        ksp.setOperators(jacobian)
        ksp.setTolerances(rtol=self._settings.linear.rtol or FIRST_RTOL)
        ksp.solve(self._R, self.work)
        iterations = ksp.getIterationNumber()
        if ksp.getConvergedReason() < 0 and self._rebuild_may_help():
            self._multigrid.update(mechanics.u.array)
            ksp.solve(self._R, self.work)
            iterations += ksp.getIterationNumber()
        u.axpy(1.0, self.work)
        course.krylov.append(iterations)

    def _rebuild_may_help(self) -> bool:
        """Mark the preconditioner for a rebuild; return whether that may mend a failed solve."""
        reason = self.snes.getKSP().getConvergedReason()
        # No preconditioner makes a tangent positive.
        if reason == PETSc.KSP.ConvergedReason.DIVERGED_INDEFINITE_MAT:
            return False
        return self._multigrid.rule.failed()

    def _why(self, reason: str) -> tuple[Cause, str]:
        """Return why the iteration failed, and that in words."""
        if not self._min_J > 0.0:
            cell, (x, y, z) = self._mechanics.worst_cell()
            return Cause.INVERTED, (
                f"an element was turned inside out (det F {self._min_J:.3g} in cell {cell} around "
                f"({x:.4g}, {y:.4g}, {z:.4g}))"
            )
        if "LINEAR_SOLVE" in reason:
            return self._linear_failure()
        if "MAX_IT" in reason:
            return Cause.ITERATIONS, f"no convergence in {self._max_it} iterations"
        if "LINE_SEARCH" in reason:
            return Cause.LINE_SEARCH, "the line search found no smaller residual"
        if "NAN" in reason:
            return Cause.NOT_A_NUMBER, "the residual is not a number"
        return Cause.OTHER, f"Newton's method ended with {reason}"

    def _linear_failure(self) -> tuple[Cause, str]:
        """Return why the linear solver failed, which it is, and what that means."""
        ksp = self.snes.getKSP()
        reason = _name(PETSc.KSP, ksp.getConvergedReason())
        cause, meaning = LINEAR_FAILURES.get(reason, (Cause.LINEAR, "it broke down"))
        coarse = self._settings.multigrid.coarse
        return cause, (
            f"the linear solver failed ({reason}) in iteration {ksp.getIterationNumber()} of "
            f"{self._krylov} with p-multigrid and {coarse} on degree 1: {meaning}"
        )


def _name(kind: Any, reason: int) -> str:
    """Return PETSc's name of a converged reason."""
    for name, value in vars(kind.ConvergedReason).items():
        if value == reason and name.isupper() and "_" in name:
            return name
    return f"REASON_{reason}"

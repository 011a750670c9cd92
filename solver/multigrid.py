"""p-multigrid on the Jacobian: matrix-free levels above an assembled p = 1 problem.

Each level but the coarsest applies the same QFunction at the quadrature points of the finest one,
with the basis of its own degree, and smooths by Chebyshev polynomials of the Jacobi-preconditioned
operator.  Level 0 is the coarsest, as in PCMG.

Reference: J. Brown et al., Performance portable solid mechanics via matrix-free p-multigrid,
arXiv:2204.01722.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from petsc4py import PETSc

from elastane.solver.ceed import Ceed, CeedOperator, CeedVector
from elastane.solver.ceed_mat import JacobianMat, LOperator, LVector, ProlongationMat, python_mat
from elastane.solver.coarse import CoarseMatrix, PaddedSolver
from elastane.solver.operators import Body
from elastane.solver.preconditioners import COARSE
from elastane.solver.problem import MultigridSettings
from elastane.solver.space import Space
from elastane.solver.surfaces import PressureLoad

#: Prefix of all our PETSc options; users' `petsc_options` go under it.
PREFIX = "elastane_"

#: Prefix of the solver of the p = 1 problem.
COARSE_PREFIX = f"{PREFIX}coarse_"


@dataclass(frozen=True)
class Level:
    """One level.

    Attributes:
        space: Its space.
        mat: Its Jacobian as a PETSc matrix.
        du: L-vector to work with, zero at prescribed components.
        dR: L-vector to work with.
    """

    space: Space
    mat: PETSc.Mat
    du: LVector
    dR: LVector


class Multigrid:
    """The Jacobian on all levels and the preconditioner made of them.

    Args:
        ceed: The libCEED context.
        body: Operators of the body.
        pressures: Follower loads.
        spaces: Spaces of the levels, from degree 1 to the degree of the displacement.
        mat_type: PETSc type of the p = 1 matrix.

    Attributes:
        levels: The levels, coarse to fine.
        coarse_matrix: The assembled p = 1 Jacobian.
    """

    def __init__(
        self,
        ceed: Ceed,
        body: Body,
        pressures: list[PressureLoad],
        spaces: list[Space],
        mat_type: str,
    ) -> None:
        self._ceed = ceed
        self._body = body
        self._pressures = pressures
        self.coarse_matrix = CoarseMatrix(
            ceed, spaces[0], lambda: self._transient(spaces[0]), mat_type
        )
        self._smoothers: list[PETSc.KSP] = []
        self.levels: list[Level] = []
        for space in spaces:
            du, dR = LVector(ceed, space), LVector(ceed, space)
            context: object = self.coarse_matrix
            # The coarsest level is applied through its matrix, unless it is the only one.
            if space.degree > 1 or len(spaces) == 1:
                context = JacobianMat(space, self._operator(space), self._diagonal(space), du, dR)
            self.levels.append(Level(space, python_mat(context, space, space), du, dR))

    def _operator(self, space: Space) -> LOperator:
        terms = self._body.jacobian(space)
        for load in self._pressures:
            terms += load.jacobian(space)
        return LOperator(self._ceed, terms)

    def _transient(self, space: Space) -> Iterator[CeedOperator]:
        """Yield the terms of the Jacobian as transient operators."""
        yield from self._body.jacobian_ranges(space)
        for load in self._pressures:
            yield from load.jacobian(space)

    def _diagonal(self, space: Space) -> Callable[[CeedVector], None]:
        def add(diagonal: CeedVector) -> None:
            for term in self._transient(space):
                term.linear_assemble_add_diagonal(diagonal)

        return add

    @property
    def jacobian(self) -> PETSc.Mat:
        """Return the Jacobian of the finest level."""
        return self.levels[-1].mat

    def update(self) -> None:
        """Take over a new stored state: assemble p = 1, and mark all levels as changed."""
        self.coarse_matrix.assemble()
        for level in self.levels:
            level.mat.assemble()
            level.mat.stateIncrease()
        # A KSP looks at the state of its matrix only when it is given one.
        for smoother, level in zip(self._smoothers, self.levels, strict=False):
            smoother.setOperators(level.mat)

    def configure(self, pc: PETSc.PC) -> None:
        """Make a PETSc preconditioner this one; options are read from the database."""
        if len(self.levels) == 1:
            self._use_coarse_solver(pc)
            return
        pc.setType(PETSc.PC.Type.MG)
        pc.setMGLevels(len(self.levels))
        for number, level in enumerate(self.levels):
            smoother = pc.getMGSmoother(number)
            smoother.setOperators(level.mat)
            self._smoothers.append(smoother)
            if number:
                coarse = self.levels[number - 1]
                transfer = ProlongationMat(
                    self._ceed,
                    coarse.space,
                    level.space,
                    (coarse.du, coarse.dR),
                    (level.du, level.dR),
                )
                pc.setMGInterpolation(number, python_mat(transfer, level.space, coarse.space))
        coarse_solver = pc.getMGCoarseSolve()
        coarse_solver.setType(PETSc.KSP.Type.PREONLY)
        self._use_coarse_solver(coarse_solver.getPC())

    def _use_coarse_solver(self, pc: PETSc.PC) -> None:
        pc.setType(PETSc.PC.Type.PYTHON)
        pc.setPythonContext(PaddedSolver(self.coarse_matrix, COARSE_PREFIX))


def default_options(settings: MultigridSettings, num_levels: int) -> Mapping[str, str]:
    """Return the PETSc options of the preconditioner, without our prefix."""
    coarse = {f"coarse_{name}": value for name, value in COARSE[settings.coarse].items()}
    if num_levels == 1:
        return coarse
    return {
        "mg_levels_ksp_type": "chebyshev",
        "mg_levels_ksp_max_it": str(settings.smoother_degree),
        "mg_levels_ksp_norm_type": "none",
        "mg_levels_ksp_chebyshev_esteig": "0,0.1,0,1.1",
        # The default, GMRES, keeps a vector for each of its ten iterations.
        "mg_levels_esteig_ksp_type": "cg",
        "mg_levels_pc_type": "jacobi",
        **coarse,
    }

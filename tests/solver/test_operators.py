"""The operators against dense assembly on a few elements, and against each other."""

import numpy as np
import pytest
from petsc4py import PETSc

from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.loading import Run
from tests.verification.cases import Floats, clamp, displacement, pressure, problem, start

SYMMETRY = [
    displacement("x-min", 0, None, None),
    displacement("y-min", None, 0, None),
    displacement("z-min", None, None, 0),
]

CASES: dict[str, tuple[Body, list[BoundaryCondition]]] = {
    "clamped": (Box(cells=(2, 1, 1)), [clamp("x-min")]),
    "slip": (Box(cells=(2, 1, 1)), [displacement("x-min", 0, None, None)]),
    "free": (Box(cells=(1, 1, 1)), []),
    "pressure": (SphereShell(cells=(1, 1)), [*SYMMETRY, pressure("inner", 0.2)]),
}


def dense(mat: PETSc.Mat) -> Floats:
    x, y = mat.createVecs()
    columns = []
    for j in range(mat.getSize()[1]):
        x.zeroEntries()
        x.setValue(j, 1.0)
        x.assemble()
        mat.mult(x, y)
        columns.append(y.array.copy())
    return np.stack(columns, axis=1)


def deformed(name: str, degree: int) -> Run:
    """Return a run under load, its Jacobian taken at a random state in `run.u`."""
    body, boundary = CASES[name]
    run = start(problem(body, degree, boundary))
    run.mechanics.set_load(1.0)
    size = run.u.getLocalSize()
    run.u.setArray(0.05 / degree * np.random.default_rng(1).standard_normal(size))
    residual(run, run.u.array.copy())
    run.multigrid.update()
    return run


def residual(run: Run, u: Floats) -> Floats:
    run.u.setArray(u)
    R = run.u.duplicate()
    assert run.mechanics.evaluate(run.u, R) > 0.0
    return R.array.copy()


each_case = pytest.mark.parametrize("name", CASES)
each_degree = pytest.mark.parametrize("degree", [1, 2, 3])


@each_case
@each_degree
def test_jacobian_is_the_derivative_of_the_residual(name: str, degree: int) -> None:
    """The pressure's tangent included; the quotient is wrong by h² f''' and by eps / h."""
    run = deformed(name, degree)
    jacobian = dense(run.multigrid.jacobian)
    u, h = run.u.array.copy(), 1e-6
    du = np.random.default_rng(2).standard_normal(len(u))
    quotient = (residual(run, u + h * du) - residual(run, u - h * du)) / (2.0 * h)
    np.testing.assert_allclose(jacobian @ du, quotient, atol=1e-8 * np.abs(quotient).max())


@each_case
@each_degree
def test_diagonal_is_that_of_the_jacobian(name: str, degree: int) -> None:
    """On every level; sums in another order differ by rounding."""
    run = deformed(name, degree)
    for level in run.multigrid.levels[-1:0:-1] or run.multigrid.levels:
        columns = dense(level.mat)
        diagonal = level.mat.createVecLeft()
        level.mat.getDiagonal(diagonal)
        scale = np.abs(columns).max()
        np.testing.assert_allclose(diagonal.array, np.diag(columns), atol=1e-13 * scale)

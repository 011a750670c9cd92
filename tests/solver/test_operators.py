"""The operators against dense assembly on a few elements, and against each other."""

import numpy as np
import pytest
from petsc4py import PETSc

from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.loading import Run
from elastane.solver.problem import MultigridSettings
from elastane.solver.space import Space
from tests.verification.cases import (
    Floats,
    clamp,
    displacement,
    pressure,
    problem,
    renumbered,
    start,
)

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


def dense_transpose(mat: PETSc.Mat) -> Floats:
    x, y = mat.createVecs()
    columns = []
    for j in range(mat.getSize()[0]):
        y.zeroEntries()
        y.setValue(j, 1.0)
        y.assemble()
        mat.multTranspose(y, x)
        columns.append(x.array.copy())
    return np.stack(columns, axis=1)


def prolongations(run: Run) -> list[PETSc.Mat]:
    """Return the prolongation to each level but the coarsest."""
    pc = run.newton.snes.getKSP().getPC()
    return [pc.getMGInterpolation(level) for level in range(1, len(run.multigrid.levels))]


def unknowns(space: Space, nodal: Floats) -> Floats:
    """Return the T-vector of nodal values."""
    local, values = space.dm.createLocalVec(), space.dm.createGlobalVec()
    local.setArray(nodal.reshape(-1))
    space.dm.localToGlobal(local, values)
    return values.array.copy()


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


@pytest.mark.parametrize("name", ["clamped", "slip", "free"])
@each_degree
def test_jacobian_of_dead_loads_is_symmetric(name: str, degree: int) -> None:
    """On every level."""
    run = deformed(name, degree)
    for level in run.multigrid.levels:
        jacobian = dense(level.mat)
        np.testing.assert_allclose(jacobian, jacobian.T, atol=1e-13 * np.abs(jacobian).max())


@pytest.mark.parametrize("name", ["clamped", "slip", "free"])
@each_degree
def test_residual_is_the_derivative_of_the_energy(name: str, degree: int) -> None:
    """The quotient is wrong by h² times a third derivative, and by eps / h."""
    run = deformed(name, degree)
    u, h = run.u.array.copy(), 2e-6
    du = np.random.default_rng(3).standard_normal(len(u))

    def energy(displacement: Floats) -> float:
        residual(run, displacement)
        return run.mechanics.strain_energy()

    quotient = (energy(u + h * du) - energy(u - h * du)) / (2.0 * h)
    assert residual(run, u) @ du == pytest.approx(quotient, rel=1e-7)


@each_case
def test_assembled_matrix_of_degree_one_is_the_jacobian(name: str) -> None:
    """Rows of prescribed components stand apart, on the diagonal."""
    run = deformed(name, 1)
    matrix = run.multigrid.coarse_matrix
    jacobian, padded = dense(run.multigrid.jacobian), dense(matrix.padded)
    scale = np.abs(jacobian).max()
    inside = matrix.unknowns
    np.testing.assert_allclose(padded[np.ix_(inside, inside)], jacobian, atol=1e-13 * scale)
    prescribed = np.setdiff1d(np.arange(len(padded)), inside)
    assert not padded[np.ix_(inside, prescribed)].any()
    assert not padded[np.ix_(prescribed, inside)].any()
    fixed = padded[np.ix_(prescribed, prescribed)]
    np.testing.assert_array_equal(fixed, np.diag(np.diag(fixed)))
    assert (np.diag(fixed) > 0.0).all()


@each_case
@pytest.mark.parametrize("degree", [2, 3, 4])
def test_restriction_is_the_transpose_of_prolongation(name: str, degree: int) -> None:
    run = deformed(name, degree)
    assert len(run.multigrid.levels) > 1
    for mat in prolongations(run):
        np.testing.assert_allclose(dense_transpose(mat), dense(mat).T, atol=1e-14)


@each_case
@pytest.mark.parametrize("degree", [2, 3])
def test_every_level_is_the_jacobian_between_prolongations(name: str, degree: int) -> None:
    """Levels use the quadrature points of the finest, so that they are its Galerkin products."""
    run = deformed(name, degree)
    product = dense(run.multigrid.jacobian)
    coarser = run.multigrid.levels[-2::-1]
    for level, mat in zip(coarser, reversed(prolongations(run)), strict=True):
        P = dense(mat)
        product = P.T @ product @ P
        scale = np.abs(product).max()
        np.testing.assert_allclose(dense(level.mat), product, atol=1e-13 * scale)


@pytest.mark.parametrize("levels", ["logarithmic", "uniform"])
def test_prolongation_keeps_polynomials(levels: str) -> None:
    """Those of the coarse degree, on cells whose axes are turned."""
    mesh = renumbered(Box(cells=(2, 2, 1)).build(1, 0), seed=3)
    run = start(problem(mesh, 5, [], multigrid=MultigridSettings(levels=levels)))
    for coarse, fine, mat in zip(run.spaces[:-1], run.spaces[1:], prolongations(run), strict=True):
        x, y = mat.createVecs()
        x.setArray(unknowns(coarse, polynomial(coarse.X, coarse.degree)))
        mat.mult(x, y)
        expected = unknowns(fine, polynomial(fine.X, coarse.degree))
        np.testing.assert_allclose(y.array, expected, atol=1e-13)


def polynomial(X: Floats, degree: int) -> Floats:
    x, y, z = X.T
    columns = [
        x**degree * y - z,
        (x - 0.2) ** degree * (y - 0.3) ** degree * (z + 0.1) ** degree,
        z**degree - 1.0,
    ]
    return np.stack(columns, axis=1)

"""The operators against dense assembly on a few elements, and against each other."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.cycle import Level, LevelJacobian
from elastane.solver.loading import Run
from elastane.solver.problem import MultigridSettings
from elastane.solver.space import Space
from elastane.solver.transfer import Transfer
from tests.verification.cases import (
    Floats,
    clamp,
    displacement,
    pressure,
    problem,
    renumbered,
    start,
)

Function = Callable[[NDArray[Any], NDArray[Any]], None]

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


def deformed(name: str, degree: int, backend: str = "cpu") -> Run:
    """Return a run under load, its Jacobian taken at a random state in `run.u`."""
    body, boundary = CASES[name]
    run = start(problem(body, degree, boundary, backend=backend))
    run.mechanics.set_load(1.0)
    size = run.u.getLocalSize()
    run.u.setArray(0.05 / degree * np.random.default_rng(1).standard_normal(size))
    residual(run, run.u.array.copy())
    run.multigrid.update(run.mechanics.u.array)
    run.multigrid.rebuild("another state")
    return run


def residual(run: Run, u: Floats) -> Floats:
    run.u.setArray(u)
    R = run.u.duplicate()
    assert run.mechanics.evaluate(run.u, R) > 0.0
    return R.array.copy()


def free(space: Space) -> NDArray[np.int64]:
    """Return the positions in the flat L-vector of what is not prescribed."""
    return np.flatnonzero(~space.prescribed.reshape(-1))


def columns(level: LevelJacobian, apply: Function, source: Space, target: Space) -> Floats:
    """Return the matrix of a function that sets its second argument, without prescribed ones."""
    found = []
    for j in free(source):
        x, y = (np.zeros(3 * space.num_nodes, level.dtype) for space in (source, target))
        x[j] = 1.0
        apply(x, y)
        found.append(y[free(target)].astype(float))
    return np.stack(found, axis=1)


def dense_levels(run: Run) -> list[Floats]:
    """Return the Jacobian of each level in single precision, coarse to fine."""
    return [columns(level, level.apply, level.space, level.space) for level in run.multigrid.levels]


def prolongations(run: Run) -> list[Floats]:
    """Return the prolongation to each level but the coarsest."""
    return [
        columns(level.jacobian, level.transfer.prolong, coarse, fine)
        for level, coarse, fine in interpolated(run)
    ]


def interpolated(run: Run) -> list[tuple[Level, Space, Space]]:
    """Return each level above p = 1 with the next coarser space and its own."""
    levels = run.multigrid.smoothed[-len(run.spaces) + 1 :]
    return list(zip(levels, run.spaces[:-1], run.spaces[1:], strict=True))


each_case = pytest.mark.parametrize("name", CASES)
each_degree = pytest.mark.parametrize("degree", [1, 2, 3])


#: libCEED reads a state in double, fused kernels one in single precision: products of up to three
#: of its numbers are wrong by 3 x 6e-8.
BACKENDS = {"/cpu/self/opt/blocked": 1e-8, "cpu": 2e-7}


@pytest.mark.parametrize(("backend", "eps"), BACKENDS.items(), ids=BACKENDS)
@each_case
@each_degree
def test_jacobian_is_the_derivative_of_the_residual(
    name: str, degree: int, backend: str, eps: float
) -> None:
    """The pressure's tangent included; the quotient is wrong by h² f''' and by eps / h."""
    run = deformed(name, degree, backend)
    jacobian = dense(run.multigrid.jacobian)
    u, h = run.u.array.copy(), 1e-6
    du = np.random.default_rng(2).standard_normal(len(u))
    quotient = (residual(run, u + h * du) - residual(run, u - h * du)) / (2.0 * h)
    np.testing.assert_allclose(jacobian @ du, quotient, rtol=0.0, atol=eps * np.abs(quotient).max())


@each_case
@each_degree
def test_diagonal_is_that_of_the_jacobian(name: str, degree: int) -> None:
    """On every level, follower loads included; sums in another order differ by rounding."""
    run = deformed(name, degree)
    jacobian = dense(run.multigrid.jacobian)
    diagonal = run.multigrid.jacobian.createVecLeft()
    run.multigrid.jacobian.getDiagonal(diagonal)
    close(diagonal.array, np.diag(jacobian), 1e-13)
    for level, matrix in zip(run.multigrid.levels, dense_levels(run), strict=True):
        close(level.diagonal()[free(level.space)], np.diag(matrix), 1e-6)


@pytest.mark.parametrize("name", ["clamped", "slip", "free"])
@each_degree
def test_jacobian_of_dead_loads_is_symmetric(name: str, degree: int) -> None:
    """On every level; in single precision there, with sums of some hundred terms."""
    run = deformed(name, degree)
    for jacobian, eps in [
        (dense(run.multigrid.jacobian), 1e-13),
        *zip(dense_levels(run), itertools.repeat(1e-6)),
    ]:
        np.testing.assert_allclose(jacobian, jacobian.T, atol=eps * np.abs(jacobian).max())


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
@pytest.mark.parametrize("degree", [2, 3, 4])
def test_restriction_is_the_transpose_of_prolongation(name: str, degree: int) -> None:
    run = deformed(name, degree)
    assert len(run.multigrid.levels) > 1
    for (level, coarse, fine), matrix in zip(interpolated(run), prolongations(run), strict=True):
        transfer = level.transfer

        def restrict(r: Floats, b: Floats, transfer: Transfer = transfer) -> None:
            transfer.restrict(transfer.weights * r, b)

        np.testing.assert_allclose(
            columns(level.jacobian, restrict, fine, coarse), matrix.T, atol=1e-6
        )


@each_case
@pytest.mark.parametrize("degree", [2, 3])
def test_every_level_is_the_jacobian_between_prolongations(name: str, degree: int) -> None:
    """libCEED's levels use the quadrature points of the finest: they are its Galerkin products."""
    galerkin_products(deformed(name, degree, backend="/cpu/self/opt/blocked"), 1e-13)


@pytest.mark.parametrize("name", ["clamped", "slip", "free"])
@pytest.mark.parametrize("degree", [2, 3])
def test_levels_with_fewer_points_are_as_exact_at_rest(name: str, degree: int) -> None:
    """On straight elements p + 1 points integrate the Jacobian of degree p at rest exactly."""
    body, boundary = CASES[name]
    galerkin_products(start(problem(body, degree, boundary)), 1e-6)


def galerkin_products(run: Run, eps: float) -> None:
    """Hold each level to the Jacobian between prolongations."""
    product = dense(run.multigrid.jacobian)
    levels = dense_levels(run)
    close(levels[-1], product, eps)
    for level, P in zip(levels[-2::-1], reversed(prolongations(run)), strict=True):
        product = P.T @ product @ P
        close(level, product, eps)


def close(found: Floats, expected: Floats, eps: float) -> None:
    np.testing.assert_allclose(found, expected, atol=eps * np.abs(expected).max())


@pytest.mark.parametrize("levels", ["logarithmic", "uniform"])
def test_prolongation_keeps_polynomials(levels: str) -> None:
    """Those of the coarse degree, on cells whose axes are turned."""
    mesh = renumbered(Box(cells=(2, 2, 1)).build(1, 0), seed=3)
    run = start(problem(mesh, 5, [], multigrid=MultigridSettings(levels=levels)))
    for level, coarse, fine in interpolated(run):
        x = polynomial(coarse.X, coarse.degree).astype(level.jacobian.dtype).reshape(-1)
        y = np.zeros(3 * fine.num_nodes, level.jacobian.dtype)
        level.transfer.prolong(x, y)
        expected = polynomial(fine.X, coarse.degree).reshape(-1)
        np.testing.assert_allclose(y, expected, atol=1e-6)


def polynomial(X: Floats, degree: int) -> Floats:
    x, y, z = X.T
    columns = [
        x**degree * y - z,
        (x - 0.2) ** degree * (y - 0.3) ** degree * (z + 0.1) ** degree,
        z**degree - 1.0,
    ]
    return np.stack(columns, axis=1)

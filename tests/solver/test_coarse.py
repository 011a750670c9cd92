"""The p = 1 problem: its assembled matrix, its aggregates, and what solves it."""

from collections.abc import Callable

import numpy as np
import pytest
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.meshes.box import Box
from elastane.solver import coarse_solvers
from elastane.solver.aggregates import SIZE, Aggregates
from elastane.solver.assembled import element_matrices
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.coarse_solvers import AggregateSolver, AssembledSolver
from elastane.solver.fused.level import FusedLevel
from elastane.solver.loading import Run
from elastane.solver.padding import Padding
from elastane.solver.problem import LinearSettings, MultigridSettings, Problem
from tests.verification.cases import (
    Floats,
    clamp,
    displacement,
    material,
    pressure,
    problem,
    start,
    traction,
)
from tests.verification.ranks import call_on_ranks

COMM = MPI.COMM_WORLD

SUPPORTS: dict[str, list[BoundaryCondition]] = {
    "clamped": [clamp("x-min")],
    "slip": [displacement("x-min", 0, None, None), displacement("y-min", None, 0, None)],
    "follower": [clamp("x-min"), pressure("z-max", 0.1)],
    "free": [],
}

each_support = pytest.mark.parametrize("name", SUPPORTS)


def beam(name: str, coarse: str, degree: int = 1, **settings: object) -> Problem:
    """Return a beam of four by three by two cells, of two stiffnesses."""
    return problem(
        Box(size=(3.0, 1.0, 1.0), cells=(4, 3, 2)),
        degree,
        SUPPORTS[name],
        material("neo-hookean", youngs_modulus="1 + 9 * x", poissons_ratio=0.3),
        multigrid=MultigridSettings(coarse=coarse),
        **settings,
    )


def deformed(chosen: Problem) -> Run:
    """Return a run under load, its preconditioner built at a random state."""
    run = start(chosen)
    run.mechanics.set_load(1.0)
    run.u.setArray(0.02 * np.random.default_rng(1).standard_normal(run.u.getLocalSize()))
    run.mechanics.evaluate(run.u, run.newton.work)
    run.multigrid.update(run.mechanics.u.array)
    run.multigrid.rebuild("another state")
    return run


def lowest_jacobian(run: Run) -> Floats:
    """Return the p = 1 Jacobian on L-vectors, prescribed components too."""
    level = run.multigrid.levels[0]
    found = []
    for column in np.eye(3 * level.space.num_nodes, dtype=level.dtype):
        y = level.zeros()
        level.apply(np.ascontiguousarray(column), y)
        found.append(y.astype(float))
    return np.stack(found, axis=1)


@each_support
def test_assembled_matrix_is_the_jacobian(name: str) -> None:
    """Rows of prescribed components stand apart, on the diagonal; sums are of floats."""
    run = deformed(beam(name, "boomeramg"))
    solver = run.multigrid.coarse
    assert isinstance(solver, AssembledSolver)
    padded = solver.jacobian.padded[:, :]
    fixed = run.spaces[0].prescribed.reshape(-1)
    expected = lowest_jacobian(run)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(
        padded[np.ix_(~fixed, ~fixed)], expected[np.ix_(~fixed, ~fixed)], atol=1e-6 * scale
    )
    assert not padded[np.ix_(~fixed, fixed)].any()
    assert not padded[np.ix_(fixed, ~fixed)].any()
    diagonal = np.diag(padded)[fixed]
    np.testing.assert_array_equal(padded[np.ix_(fixed, fixed)], np.diag(diagonal))
    assert (diagonal > 0.0).all()


def test_libceed_assembles_the_element_matrices_of_the_fused_kernels() -> None:
    """To the rounding of single precision."""
    run = deformed(beam("clamped", "gamg"))
    operator = run.multigrid.levels[0].operator
    assert isinstance(operator, FusedLevel)
    expected = element_matrices(run.body, run.spaces[0])
    np.testing.assert_allclose(
        operator.element_matrices(), expected, atol=1e-6 * np.abs(expected).max()
    )


def test_a_direct_solve_is_exact() -> None:
    """To single precision times the condition of a beam of a few cells."""
    run = deformed(beam("clamped", "direct"))
    free = ~run.spaces[0].prescribed.reshape(-1)
    r = np.where(free, np.random.default_rng(2).standard_normal(len(free)), 0.0)
    r, x = r.astype(np.float32), np.ones(len(free), dtype=np.float32)
    run.multigrid.coarse.apply(r, x)
    assert not x[~free].any()
    left = lowest_jacobian(run)[free] @ x - r[free]
    assert np.abs(left).max() < 1e-3 * np.abs(r).max()


def aggregates_of(run: Run) -> Aggregates:
    solver = run.multigrid.coarse
    assert isinstance(solver, AggregateSolver)
    assert solver.aggregates is not None
    return solver.aggregates


@each_support
def test_every_node_that_can_move_is_in_one_aggregate(name: str) -> None:
    """No aggregate is larger than those that gather around a node, and what is left over."""
    run = deformed(beam(name, "gamg"))
    of_node = aggregates_of(run).of_node
    np.testing.assert_array_equal(of_node < 0, run.spaces[0].prescribed.all(axis=1))
    sizes = np.bincount(of_node[of_node >= 0])
    assert sizes.min() >= 1
    assert sizes.max() <= 2 * SIZE


def prolongation(run: Run) -> Floats:
    """Return the displacement of each unknown of the aggregates, without prescribed components."""
    aggregates = aggregates_of(run)
    x = np.ones(3 * run.spaces[0].num_nodes, dtype=np.float32)
    columns = []
    for unknown in np.eye(aggregates.motions.getSize()):
        aggregates.motions.setArray(unknown)
        aggregates.prolong(x)
        columns.append(x.astype(float))
    return np.stack(columns, axis=1)


@each_support
def test_matrix_on_aggregates_is_the_jacobian_between_prolongations(name: str) -> None:
    """Of the body alone: follower loads are left to the smoother."""
    run = deformed(beam(name, "gamg"))
    aggregates, P = aggregates_of(run), prolongation(run)
    matrices = element_matrices(run.body, run.spaces[0])
    dofs = (3 * run.spaces[0].nodes[:, :, None] + np.arange(3)).reshape(-1, 24)
    jacobian = np.zeros((len(P), len(P)))
    np.add.at(jacobian, (dofs[:, :, None], dofs[:, None, :]), matrices)
    expected = P.T @ jacobian @ P
    np.testing.assert_allclose(
        aggregates.matrix[:, :], expected, atol=1e-5 * np.abs(expected).max()
    )


@each_support
def test_rigid_motions_of_the_body_are_motions_of_aggregates(name: str) -> None:
    """Where nothing is prescribed; to the rounding of modes in single precision."""
    run = deformed(beam(name, "gamg"))
    aggregates, space = aggregates_of(run), run.spaces[0]
    x = np.zeros(3 * space.num_nodes, dtype=np.float32)
    found = []
    for motion in aggregates.matrix.getNearNullSpace().getVecs():
        motion.copy(aggregates.motions)
        aggregates.prolong(x)
        found.append(x.astype(float))
    rigid = np.zeros((6, space.num_nodes, 3))
    for axis in range(3):
        rigid[axis, :, axis] = 1.0
        rigid[3 + axis] = np.cross(np.eye(3)[axis], space.X)
    expected = np.where(space.prescribed, 0.0, rigid).reshape(6, -1)
    coefficients, *_ = np.linalg.lstsq(np.transpose(found), expected.T, rcond=None)
    np.testing.assert_allclose(np.transpose(found) @ coefficients, expected.T, atol=1e-5)


def test_matrix_on_aggregates_is_small() -> None:
    """A seventh of the entries of the p = 1 matrix in a block of 12³ cells, as accepted."""
    box = problem(
        Box(cells=(12, 12, 12)), 1, SUPPORTS["clamped"], multigrid=MultigridSettings(coarse="gamg")
    )
    run = start(box)
    nodes = run.spaces[0].nodes
    num_pairs = len(np.unique(np.repeat(nodes, 8, axis=1) * nodes.max() + np.tile(nodes, 8)))
    assert aggregates_of(run).matrix.getInfo()["nz_used"] <= 9 * num_pairs / 7


@pytest.mark.mpi
@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_aggregates_are_alike_on_all_ranks(run_ranks: Callable[..., str], num_ranks: int) -> None:
    """Restriction is the transpose of prolongation, and the matrix between them the Jacobian."""
    work, restricted, energy, on_aggregates, apart = call_on_ranks(
        run_ranks, num_ranks, two_ways_of_work
    )
    # Sums of some thousand products in single precision.
    assert restricted == pytest.approx(work, rel=1e-5)
    assert on_aggregates == pytest.approx(energy, rel=1e-5)
    assert apart == 0.0


def two_ways_of_work() -> tuple[float, ...]:
    """Return work and energy of a motion at the nodes and on aggregates, each by two ways."""
    settings = MultigridSettings(coarse="gamg")
    box = problem(Box(cells=(8, 8, 8)), 1, SUPPORTS["slip"], multigrid=settings)
    run = start(box, comm=COMM)
    level, space = run.multigrid.levels[0], run.spaces[0]
    aggregates = aggregates_of(run)
    random = np.random.default_rng(COMM.rank)
    x, r = level.zeros(), level.zeros()
    motions = random.standard_normal(aggregates.motions.getLocalSize())
    aggregates.motions.setArray(motions)
    aggregates.prolong(x)
    r[:] = np.sin(space.X.sum(axis=1)).repeat(3)
    aggregates.restrict(r)
    restricted = aggregates.forces.dot(aggregates.motions)
    image = aggregates.motions.duplicate()
    aggregates.matrix.mult(aggregates.motions, image)
    Ax = level.zeros()
    level.apply(x, Ax)
    owned = np.repeat(space.owned, 3)

    def dot(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
        return COMM.allreduce(float(a[owned].astype(float) @ b[owned].astype(float)))

    of_owners = Padding(space, np.float64).from_owners(x.astype(float).reshape(-1, 3))
    apart = COMM.allreduce(float(np.abs(of_owners.reshape(-1) - x).max()), op=MPI.MAX)
    return dot(r, x), restricted, dot(x, Ax), image.dot(aggregates.motions), apart


@pytest.mark.parametrize(("most_factorised", "allowed"), [(10**6, 11), (0, 12)])
def test_iterations_with_aggregates(
    most_factorised: int, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bent beam, p = 2, to 1e-6: accepted counts, with a factorised matrix and with GAMG."""
    monkeypatch.setattr(coarse_solvers, "MOST_FACTORISED", most_factorised)
    bent = problem(
        Box(size=(4.0, 1.0, 1.0), cells=(16, 4, 4)),
        2,
        [clamp("x-min"), traction("x-max", 0.0, 0.0, -1e-4)],
        multigrid=MultigridSettings(coarse="gamg", smoother_degree=3),
        linear=LinearSettings(rtol=1e-6),
    )
    report = start(bent).solve()
    assert max(report.steps[0].newton.krylov_iterations) <= allowed

"""The V-cycle as a preconditioner: what conjugate gradients and a user may rely on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.box import Box
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.loading import Run
from elastane.solver.multigrid import LOWEST, Multigrid
from elastane.solver.newton import Newton
from elastane.solver.polynomials import SMOOTHERS
from elastane.solver.problem import LinearSettings, MultigridSettings, NewtonSettings, Problem
from elastane.solver.rebuild import MANY
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

#: No kernel of ours runs here.
LIBCEED = "/cpu/self/opt/blocked"


def bent_beam(degree: int, **settings: Any) -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.02)]
    linear = LinearSettings(rtol=1e-6)
    return problem(Box(cells=(4, 2, 2)), degree, loads, linear=linear, **settings)


def pressed_sphere(degree: int, **settings: Any) -> Problem:
    supports: list[BoundaryCondition] = [
        displacement("x-min", 0, None, None),
        displacement("y-min", None, 0, None),
        displacement("z-min", None, None, 0),
        pressure("inner", 0.05),
    ]
    linear = LinearSettings(rtol=1e-6)
    return problem(SphereShell(cells=(3, 1)), degree, supports, linear=linear, **settings)


PROBLEMS = {"dead load": bent_beam, "follower load": pressed_sphere}

each_degree = pytest.mark.parametrize("degree", [1, 2, 3, 4])
each_coarse = pytest.mark.parametrize("coarse", ["boomeramg", "gamg", "direct"])


def dense(run: Run) -> Floats:
    """Return the matrix of the preconditioner."""
    pc = run.newton.snes.getKSP().getPC()
    x, y = run.multigrid.jacobian.createVecs()
    columns = []
    for j in range(x.getSize()):
        x.zeroEntries()
        x.setValue(j, 1.0)
        x.assemble()
        pc.apply(x, y)
        columns.append(y.array.copy())
    return np.stack(columns, axis=1)


@each_coarse
@each_degree
def test_cycle_is_symmetric_and_positive(degree: int, coarse: str) -> None:
    """As conjugate gradients need it; to the rounding of single precision."""
    run = start(bent_beam(degree, multigrid=MultigridSettings(coarse=coarse)))
    matrix = dense(run)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5 * np.abs(matrix).max())
    assert np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0] > 0.0


def test_cycle_is_linear_at_every_scale() -> None:
    """Residuals far below and above what single precision can tell from zero and infinity."""
    run = start(bent_beam(2))
    pc = run.newton.snes.getKSP().getPC()
    r, z = run.multigrid.jacobian.createVecs()
    r.setArray(np.random.default_rng(6).standard_normal(r.getLocalSize()))
    pc.apply(r, z)
    expected = z.array.copy()
    for scale in (1e-60, 1e60):
        scaled = r * scale
        pc.apply(scaled, z)
        np.testing.assert_allclose(z.array / scale, expected, rtol=1e-6)
    r.zeroEntries()
    pc.apply(r, z)
    assert not z.array.any()


def most_iterations(run: Run) -> int:
    return max(max(step.newton.krylov_iterations) for step in run.solve().steps)


@pytest.mark.parametrize("load", PROBLEMS)
@each_degree
def test_single_precision_costs_at_most_an_iteration(load: str, degree: int) -> None:
    """Against the same kernels in double."""
    single, double = (start(PROBLEMS[load](degree)) for _ in range(2))
    settings = double.problem.solver
    loads = [surface for _, surface in double.mechanics.pressures]
    double.multigrid = Multigrid(
        double.body, loads, double.spaces, settings.multigrid, single=False
    )
    double.newton = Newton(double.mechanics, double.multigrid, settings)
    double.newton.set_up(double.u)
    for run, dtype in ((single, np.float32), (double, np.float64)):
        assert all(level.dtype == dtype for level in run.multigrid.levels)
    assert most_iterations(single) <= most_iterations(double) + 1


@pytest.mark.parametrize("load", PROBLEMS)
@each_degree
def test_fewer_points_on_coarse_levels_cost_at_most_an_iteration(load: str, degree: int) -> None:
    """Against libCEED's levels in double with the quadrature points of the finest."""
    fewer, same = (start(PROBLEMS[load](degree, backend=backend)) for backend in ("cpu", LIBCEED))
    assert most_iterations(fewer) <= most_iterations(same) + 1


@pytest.mark.parametrize("smoother", SMOOTHERS)
def test_every_smoother_makes_a_good_preconditioner(smoother: str) -> None:
    """Six digits of a linear residual at degree 2 and 3."""
    for degree in (2, 3):
        run = start(bent_beam(degree, multigrid=MultigridSettings(smoother=smoother)))
        assert most_iterations(run) <= 16


@pytest.mark.mpi
@pytest.mark.parametrize("load", PROBLEMS)
def test_ranks_need_as_many_iterations_as_one(run_ranks: Callable[..., str], load: str) -> None:
    """Two more or less: aggregates end at the border of a rank."""
    counts = [call_on_ranks(run_ranks, ranks, iterations_of, load) for ranks in (1, 2, 3)]
    assert max(counts) - min(counts) <= 2


def iterations_of(load: str) -> int:
    return most_iterations(start(PROBLEMS[load](3), comm=COMM))


def rubber_block(degree: int, smoother_degree: int | None, most: int = 1000) -> Problem:
    """A block that hardly changes its volume: more than 12 iterations per digit."""
    rubber = material("neo-hookean", youngs_modulus=1.0, poissons_ratio=0.4995)
    return problem(
        Box(cells=(3, 3, 3)),
        degree,
        [clamp("x-min"), traction("x-max", 0.0, 0.0, -1e-3)],
        rubber,
        linear=LinearSettings(rtol=1e-3, max_iterations=most),
        multigrid=MultigridSettings(smoother_degree=smoother_degree),
        newton=NewtonSettings(),
    )


@pytest.mark.parametrize("smoother_degree", [None, 1, 2])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_degree_of_the_smoother_is_raised_for_slow_solves_unless_given(
    degree: int, smoother_degree: int | None
) -> None:
    """By counts: cycles before the rebuild at degree 1, those after it at degree 2.

    At p = 1 there is no such smoother.
    """
    run = start(rubber_block(degree, smoother_degree))
    report = run.solve()
    told, iterations = report.preconditioner, report.steps[0].newton.krylov_iterations
    first = iterations[0] + 1
    raised = degree > 1 and smoother_degree is None
    assert told["rebuilds"].get(MANY, 0) == raised
    assert told["smoother_degree"] == (2 if raised else smoother_degree or 1)
    for level in told["levels"][1:]:
        if raised:
            applies = 2 * first + 4 * (told["cycles"] - first)
        else:
            applies = 2 * told["smoother_degree"] * told["cycles"]
        assert level["applies"] == applies + level["applies_in_estimates"]


def test_the_raised_degree_saves_a_quarter_of_the_iterations() -> None:
    """From the second solve on; the first one is that at degree 1."""
    raised, low = (
        start(rubber_block(2, degree)).solve().steps[0].newton.krylov_iterations
        for degree in (None, 1)
    )
    assert raised[0] == low[0]
    assert len(raised) == len(low) > 2
    assert sum(raised[1:]) < 0.75 * sum(low[1:])


def test_a_solve_that_runs_out_of_iterations_is_tried_again_with_the_raised_degree() -> None:
    report = start(rubber_block(2, None, most=60)).solve()
    assert report.status == "converged"
    assert len(report.steps) == 1
    assert report.preconditioner["rebuilds"][MANY] == 1
    assert start(rubber_block(2, 1, most=60)).solve().status == "diverged"


def test_report_tells_what_the_preconditioner_did() -> None:
    run = start(bent_beam(3, newton=NewtonSettings()))
    report = run.solve()
    told = report.preconditioner
    iterations = sum(report.steps[0].newton.krylov_iterations)
    assert told["jacobian_applies"] == iterations
    assert told["cycles"] == iterations + len(report.steps[0].newton.krylov_iterations)
    assert sum(told["rebuilds"].values()) >= 1
    assert [level["degree"] for level in told["levels"]] == [1, 2, 3]
    for level in told["levels"]:
        assert level["precision"] == "float32"
        # A polynomial from zero, a residual, and the polynomial from there.
        degree = LOWEST[0] if level["degree"] == 1 else told["smoother_degree"]
        assert level["applies"] == 2 * degree * told["cycles"] + level["applies_in_estimates"]
        assert 1.0 < level["largest_eigenvalue"] < 30.0

"""What an apply of the Jacobian costs: how often it happens, and no memory."""

import gc
import resource
import tracemalloc
from pathlib import Path

import pytest
from petsc4py import PETSc

from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.ceed_mat import JacobianMat
from elastane.solver.cycle import FIRST_ESTIMATE, FOLLOWING_ESTIMATE, LATER_ESTIMATE
from elastane.solver.loading import Run
from elastane.solver.problem import LinearSettings, MultigridSettings
from tests.verification.cases import TIGHT, clamp, problem, start, traction


def bent_cube(degree: int, cells: int, smoother_degree: int = 3) -> Run:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.1)]
    return start(
        problem(
            Box(cells=(cells, cells, cells)),
            degree,
            loads,
            linear=LinearSettings(rtol=1e-3),
            multigrid=MultigridSettings(smoother_degree=smoother_degree),
            newton=TIGHT,
        )
    )


def fine_context(run: Run) -> JacobianMat:
    context: JacobianMat = run.multigrid.jacobian.getPythonContext()
    return context


@pytest.mark.parametrize("smoother_degree", [1, 2, 3, 4])
def test_fine_jacobian_is_applied_as_often_as_the_algorithm_needs_it(smoother_degree: int) -> None:
    """A V-cycle: smoothing from zero, the residual, smoothing again; CG begins with a cycle.

    CG itself applies it in double, the cycle in single precision.
    """
    run = bent_cube(2, 2, smoother_degree)
    level = run.multigrid.smoothed[-1]
    assert level.estimates == level.jacobian.num_applies == FIRST_ESTIMATE + 1
    iterations = run.solve().steps[-1].newton.krylov_iterations
    rebuilds = run.multigrid.rule.counts.total()
    assert fine_context(run).num_applies == sum(iterations)
    cycle = (smoother_degree - 1) + 1 + smoother_degree
    cycles = sum(iterations) + len(iterations)
    # The state of the set-up, and that of each iteration.
    kept = 1 + len(iterations) - rebuilds
    estimates = (
        (FIRST_ESTIMATE + 1)
        + (rebuilds - 1) * (LATER_ESTIMATE + 1)
        + kept * (FOLLOWING_ESTIMATE + 1)
    )
    assert level.estimates == estimates
    assert level.jacobian.num_applies == estimates + cycle * cycles


def test_residual_is_evaluated_at_each_trial_state_alone() -> None:
    """The line search tries a step or two; each iteration begins and ends at one of its states."""
    run = bent_cube(2, 2)
    iterations = len(run.solve().steps[-1].newton.krylov_iterations)
    assert run.newton.num_residuals <= 1 + 3 * iterations


def warm_body(degree: int) -> tuple[Run, PETSc.Vec, PETSc.Vec]:
    """Return a run after a few applies, and two of its vectors: 50 kB each for degree 2."""
    run = bent_cube(degree, 6)
    x, y = run.multigrid.jacobian.createVecs()
    x.set(1e-3)
    for _ in range(5):
        apply_all(run, x, y)
    return run, x, y


def apply_all(run: Run, x: PETSc.Vec, y: PETSc.Vec) -> None:
    run.multigrid.jacobian.mult(x, y)
    run.mechanics.evaluate(x, y)
    run.newton.snes.getKSP().getPC().apply(x, y)


def test_memory_does_not_grow_with_applies() -> None:
    """A vector lost in each apply would take 10 MB; the system hands out memory in pages."""
    run, x, y = warm_body(2)
    gc.collect()
    before = resident_bytes()
    for _ in range(200):
        apply_all(run, x, y)
    gc.collect()
    assert resident_bytes() - before < 10 * x.getLocalSize() * 8


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_apply_allocates_no_vector() -> None:
    """numpy tells tracemalloc of its arrays; what is left are a few Python objects.

    The residual is no such apply: it runs in transient operators, which take memory for a range of
    elements and give it back.
    """
    run, x, y = warm_body(3)
    gc.collect()
    tracemalloc.start()
    try:
        for operator in (run.multigrid.jacobian.mult, run.newton.snes.getKSP().getPC().apply):
            operator(x, y)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            operator(x, y)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 0.1 * x.getLocalSize() * 8
    finally:
        tracemalloc.stop()

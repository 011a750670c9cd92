"""Load steps that fail, grow, stop and end; and options that nothing used."""

from typing import Any

import pytest

from elastane.meshes.box import Box
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.problem import Loading, NewtonSettings, Problem
from tests.verification.cases import (
    Listener,
    attempt,
    clamp,
    displacement,
    material,
    pressure,
    problem,
    solve,
    start,
    traction,
)

SYMMETRY: list[BoundaryCondition] = [
    displacement("x-min", 0, None, None),
    displacement("y-min", None, 0, None),
    displacement("z-min", None, None, 0),
]


def bent_cube(force: float = 0.1, **settings: Any) -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -force)]
    return problem(Box(cells=(2, 2, 2)), 2, loads, **settings)


def crushed_cube(by: float, **settings: Any) -> Problem:
    supports: list[BoundaryCondition] = [clamp("z-min"), displacement("z-max", 0.0, 0.0, -by)]
    return problem(Box(cells=(2, 2, 2)), 2, supports, **settings)


def test_step_that_turns_elements_inside_out_is_cut() -> None:
    listener = Listener()
    state = solve(bent_cube(force=5.0), listener)
    failed = listener.of_kind("step_failed")
    assert any("inside out" in failure["message"] for failure in failed)
    loads = [step.load for step in state.report.steps]
    assert loads == sorted(loads)
    assert loads[-1] == 1.0


def test_step_whose_iteration_does_not_end_is_cut() -> None:
    listener = Listener()
    solve(crushed_cube(0.3, newton=NewtonSettings(max_iterations=3)), listener)
    reasons = {failure["reason"] for failure in listener.of_kind("step_failed")}
    assert "DIVERGED_MAX_IT" in reasons


def test_without_adaptive_steps_the_first_failure_ends_the_solve() -> None:
    listener = Listener()
    report = attempt(crushed_cube(0.95, loading=Loading(adaptive=False)), listener).report
    assert report.status == "diverged"
    assert len(listener.of_kind("step_failed")) == 1
    assert "loading.adaptive" in report.message


def test_pressure_that_nothing_can_bear_ends_at_a_limit_load() -> None:
    """V15: a sphere inflates without limit beyond a pressure of 0.28."""
    chosen = material("neo-hookean", youngs_modulus=1.0, poissons_ratio=0.45)
    report = attempt(
        problem(
            SphereShell(cells=(2, 2)),
            2,
            [*SYMMETRY, pressure("inner", 0.35)],
            chosen,
            loading=Loading(steps=10, min_step=1e-3),
            newton=NewtonSettings(max_iterations=25),
        )
    ).report
    assert report.status == "diverged"
    assert "limit load" in report.message
    # The incompressible sphere with the same shear modulus bears 0.2815.
    assert 0.35 * report.steps[-1].load == pytest.approx(0.28, rel=0.02)


@pytest.mark.parametrize(("event", "steps"), [("step_converged", 1), ("newton", 0)])
def test_request_to_stop_is_heard_between_iterations(event: str, steps: int) -> None:
    report = attempt(bent_cube(loading=Loading(steps=4)), Listener(stop_at=event)).report
    assert report.status == "interrupted"
    assert len(report.steps) == steps


def test_option_that_nothing_used_is_refused() -> None:
    with pytest.raises(ValueError, match="kps_type"):
        start(bent_cube(petsc_options={"kps_type": "cg"}))


@pytest.mark.parametrize("name", ["ksp_type", "pc_type", "coarse_pc_type"])
def test_option_with_a_value_that_petsc_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        start(bent_cube(petsc_options={name: "nonsense"}))


@pytest.mark.parametrize("krylov", ["gmres", "fgmres", "minres", "fcg"])
def test_another_krylov_method_finds_the_same(krylov: str) -> None:
    expected = solve(bent_cube()).energy
    assert solve(bent_cube(petsc_options={"ksp_type": krylov})).energy == pytest.approx(
        expected, rel=1e-10
    )


def test_options_of_a_solve_do_not_reach_the_next() -> None:
    """PETSc's database is one for the whole process."""
    expected = solve(bent_cube()).report.steps[-1].newton.krylov_iterations
    solve(problem(SphereShell(cells=(1, 1)), 2, [*SYMMETRY, pressure("inner", 0.1)]))
    solve(bent_cube(petsc_options={"mg_levels_pc_type": "none"}))
    assert solve(bent_cube()).report.steps[-1].newton.krylov_iterations == expected

"""Load steps that fail, grow, stop and end; and options that nothing used."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.box import Box
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.coarse_solvers import AggregateSolver
from elastane.solver.loading import Run
from elastane.solver.observer import Request
from elastane.solver.problem import LinearSettings, Loading, NewtonSettings, Problem
from tests.verification.cases import (
    Listener,
    attempt,
    clamp,
    common_folder,
    displacement,
    material,
    pressure,
    problem,
    solve,
    start,
    traction,
)
from tests.verification.ranks import call_on_ranks

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


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_a_slender_body_converges_as_far_as_rounding_lets_it(
    num_ranks: int, run_ranks: Callable[..., str]
) -> None:
    """A hundred times as long as thick: forces of nodes, 1e6 times the load, cancel.

    The tip sinks by F L³/(3 E I), but for what one layer of degree 2 locks.
    """
    reason, left, tip = call_on_ranks(run_ranks, num_ranks, slender_cantilever)
    assert reason == "CONVERGED_ROUNDING"
    # The bound that the job asks for is 3e-13; the load is 8e-5.
    assert 3e-13 < left < 1e-7 * 8e-5
    assert tip == pytest.approx(0.01 / 3.0, rel=0.03)


def slender_cantilever() -> tuple[str, float, float]:
    length, width, thickness, modulus = 1.0, 0.1, 0.01, 1e6
    force = 0.01 * modulus * width * thickness**3 / 12.0 / length**2
    body = Box(size=(length, width, thickness), cells=(16, 2, 1))
    load = traction("x-max", 0.0, 0.0, -force / (width * thickness))
    loads: list[BoundaryCondition] = [clamp("x-min"), load]
    solid = material("neo-hookean", youngs_modulus=modulus, poissons_ratio=0.3)
    (step,) = solve(problem(body, 2, loads, solid)).report.steps
    return step.newton.reason, step.newton.residual_norms[-1], step.max_displacement


def test_step_that_turns_elements_inside_out_is_cut() -> None:
    listener = Listener()
    state = solve(bent_cube(force=5.0), listener)
    failed = listener.of_kind("step_failed")
    assert any("inside out (det F" in failure["message"] for failure in failed)
    assert any("in cell" in failure["message"] for failure in failed)
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
    assert "loading: {adaptive: true}" in report.message


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
    # tests/verification/test_inflation.py; the incompressible sphere bears 0.2815.
    assert 0.35 * report.steps[-1].load == pytest.approx(0.277535, rel=0.01)


@pytest.mark.parametrize("chosen", [bent_cube, crushed_cube])
def test_linear_solver_that_does_not_end_is_named(chosen: Callable[..., Problem]) -> None:
    """In Newton's method as in the linearised start of a step that moves a support."""
    report = attempt(
        chosen(
            0.1,
            linear=LinearSettings(rtol=1e-6, max_iterations=2),
            loading=Loading(min_step=0.6),
        )
    ).report
    assert report.status == "diverged"
    assert "the linear solver failed (DIVERGED_MAX_IT)" in report.message


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
    solve(bent_cube(petsc_options={"coarse_pc_type": "jacobi"}))
    assert solve(bent_cube()).report.steps[-1].newton.krylov_iterations == expected


def test_increments_grow_again_after_easy_steps() -> None:
    """Each cut halves, three easy steps double, and none exceeds what the job asks for."""
    listener = Listener()
    loading = Loading(steps=2)
    solve(bent_cube(force=5.0, loading=loading, newton=NewtonSettings(max_iterations=8)), listener)
    started = listener.of_kind("step_started")
    failed = {(event["step"], event["attempt"]) for event in listener.of_kind("step_failed")}
    increments = [
        event["increment"] for event in started if (event["step"], event["attempt"]) not in failed
    ]
    ratios = {round(after / before, 6) for before, after in itertools.pairwise(increments[:-1])}
    assert failed
    assert 2.0 in ratios
    assert ratios <= {0.25, 0.5, 1.0, 2.0}
    assert max(increments) <= 1.0 / loading.steps + 1e-12
    for event in started:
        if event["attempt"] > 1:
            assert event["increment"] < 1.0 / loading.steps


def test_options_of_the_user_reach_petsc() -> None:
    run = start(
        bent_cube(
            petsc_options={
                "ksp_type": "fgmres",
                "snes_max_it": "7",
                "snes_rtol": "1e-5",
                "-ksp_max_it": "40",
                "coarse_pc_type": "jacobi",
            }
        )
    )
    ksp = run.newton.snes.getKSP()
    assert ksp.getType() == "fgmres"
    assert run.newton.snes.getTolerances()[0] == 1e-5
    assert run.newton.snes.getTolerances()[3] == 7
    assert ksp.getTolerances()[3] == 40
    solver = run.multigrid.coarse
    assert isinstance(solver, AggregateSolver)
    assert solver.pc.getType() == "jacobi"


def test_tolerances_of_the_user_hold_in_every_step() -> None:
    report = solve(bent_cube(loading=Loading(steps=2), petsc_options={"snes_rtol": "1e-3"})).report
    for step in report.steps:
        norms = step.newton.residual_norms
        assert norms[-2] > 1e-3 * norms[0] >= norms[-1]


@pytest.mark.mpi
def test_one_rank_that_is_asked_stops_all(run_ranks: Callable[..., str]) -> None:
    """And the state left is that of the steps done."""
    assert call_on_ranks(run_ranks, 2, interrupted_by_the_last_rank) == ["interrupted", 1]


def interrupted_by_the_last_rank() -> tuple[str, int]:
    comm = MPI.COMM_WORLD
    # Only rank 0 hears events; another is asked from the start of its second step.
    listener = Impatient(patience=10**6)
    chosen = bent_cube(loading=Loading(steps=4), newton=NewtonSettings(rtol=1e-4))
    with common_folder(comm) as folder:
        run = Run(chosen, folder, listener, comm)
        if comm.rank == comm.size - 1:
            listener.patience = 6
        report = run.solve()
    return report.status, len(report.steps)


@dataclass
class Impatient(Listener):
    """Asks to stop when it was looked at so many times."""

    patience: int = 0

    def request(self) -> Request:
        self.patience -= 1
        return Request.STOP if self.patience < 0 else Request.GO_ON


def test_load_that_names_the_load_fraction_is_not_scaled() -> None:
    """A traction of t² on an area of one, step by step."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, "-0.2*t**2")]
    state = solve(
        problem(
            Box(cells=(1, 1, 1)), 2, loads, loading=Loading(steps=4), surfaces=("x-min", "x-max")
        )
    )
    for step in state.report.steps:
        assert step.surfaces["x-max"].force[2] == pytest.approx(-0.2 * step.load**2, rel=1e-12)
        assert step.surfaces["x-min"].force[2] == pytest.approx(0.2 * step.load**2, rel=1e-9)


def test_displacement_that_names_the_load_fraction_is_not_scaled() -> None:
    supports: list[BoundaryCondition] = [clamp("x-min"), displacement("x-max", "0.2*t**2", 0, 0)]
    state = solve(
        problem(Box(cells=(1, 1, 1)), 2, supports, loading=Loading(steps=4), surfaces=("x-max",))
    )
    for step in state.report.steps:
        assert step.surfaces["x-max"].displacement[0] == pytest.approx(0.2 * step.load**2)


def confined(parts: int, **settings: Any) -> Problem:
    """Return a column that is stretched by a half and held on its sides."""
    sides = [
        displacement(f"{axis}-{side}", *(0.0 if other == axis else None for other in "xyz"))
        for axis in "yz"
        for side in ("min", "max")
    ]
    ends = [displacement("x-min", 0, None, None), displacement("x-max", 0.5, None, None)]
    mesh = Box(cells=(parts, 1, 1)).build(1, 0)
    if parts > 1:
        regions = tuple(f"part {part}" for part in range(parts))
        mesh = replace(mesh, regions=regions, cell_regions=np.arange(parts))
    return problem(mesh, 2, [*sides, *ends], **settings)


def energy_density(stretch: float, lame_mu: float, lame_lambda: float) -> float:
    logarithm = math.log(stretch)
    return (
        0.5 * lame_mu * (stretch**2 - 1.0) - lame_mu * logarithm + 0.5 * lame_lambda * logarithm**2
    )


def nominal_stress(stretch: float, lame_mu: float, lame_lambda: float) -> float:
    return lame_mu * (stretch - 1.0 / stretch) + lame_lambda * math.log(stretch) / stretch


def test_material_that_varies_with_the_load_fraction_is_that_of_each_step() -> None:
    chosen = material("neo-hookean", shear_modulus="1+t", lame_lambda="2*(1+t)")
    state = solve(confined(1, region_material=chosen, loading=Loading(steps=4)))
    for step in state.report.steps:
        t = step.load
        expected = energy_density(1.0 + 0.5 * t, 1.0 + t, 2.0 * (1.0 + t))
        assert step.strain_energy == pytest.approx(expected, rel=1e-12)


def test_energy_is_the_sum_over_regions() -> None:
    """Three parts in a row: equal stress, stretches of mean 1.5.  The last is one of "all"."""
    moduli = [(1.0, 2.0), (3.0, 1.0), (0.5, 4.0)]
    first, second, rest = (
        material("neo-hookean", shear_modulus=lame_mu, lame_lambda=lame_lambda)
        for lame_mu, lame_lambda in moduli
    )
    state = solve(confined(3, materials={"part 0": first, "part 1": second, "all": rest}))
    assert len(state.run.body.parts) == 3

    def stretches(stress: float) -> list[float]:
        return [stretch_under(stress, *m) for m in moduli]

    stress = root(lambda stress: sum(stretches(stress)) / 3.0 - 1.5, 0.0, 2.6)
    densities = [
        energy_density(stretch, *m) for stretch, m in zip(stretches(stress), moduli, strict=True)
    ]
    assert state.energy == pytest.approx(sum(densities) / 3.0, rel=1e-12)


def stretch_under(stress: float, lame_mu: float, lame_lambda: float) -> float:
    return root(lambda stretch: nominal_stress(stretch, lame_mu, lame_lambda) - stress, 0.5, 2.7)


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function vanishes, by halving."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) < 0.0 else (low, middle)
    return low


def test_regions_of_equal_materials_are_one_body() -> None:
    first, second = (material("neo-hookean", youngs_modulus=1.0, poissons_ratio=0.3) for _ in "12")
    mesh = Box(cells=(2, 2, 2)).build(1, 0)
    split = replace(mesh, regions=("a", "b"), cell_regions=np.arange(8) % 2)
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.1)]
    state = solve(problem(split, 2, loads, materials={"a": first, "b": second}))
    assert len(state.run.body.parts) == 2
    assert state.energy == pytest.approx(solve(bent_cube()).energy, rel=1e-12)


def test_step_that_ends_on_the_absolute_bound_with_forces_as_small_warns() -> None:
    default = NewtonSettings()
    tiny = attempt(bent_cube(force=1e-13, newton=default)).report
    assert any("atol" in warning for warning in tiny.warnings)
    assert not attempt(bent_cube(newton=default)).report.warnings


def test_steps_under_a_constant_load_need_no_warning() -> None:
    """The second step starts in equilibrium: its residual is rounding, and so it stays."""
    cube = problem(
        Box(cells=(2, 2, 2)),
        2,
        [clamp("x-min"), traction("x-max", 0.0, 0.0, "0.1*min(2*t, 1)")],
        loading=Loading(steps=2),
        newton=NewtonSettings(),
    )
    report = attempt(cube).report
    assert report.status == "converged"
    assert not report.warnings

"""Generalised Maxwell solids against closed forms, quadrature, an equation for creep, and laws."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]
from scipy.optimize import fsolve  # type: ignore[import-untyped]

from elastane.materials import find_model
from elastane.materials.maxwell import generalised_maxwell
from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.diagnostics import nodal_diagnostics
from elastane.solver.loading import Run
from elastane.solver.problem import Loading, NewtonSettings, RegionMaterial
from tests.verification.cases import (
    Floats,
    attempt,
    clamp,
    displacement,
    formula,
    material,
    problem,
    solve,
    start,
    traction,
)
from tests.verification.ranks import call_on_ranks

FRACTIONS, TIMES = (0.3, 0.2), (0.1, 1.0)
LAMBDA, MU = 2.0, 1.0

UNIAXIAL = np.diag([0.5, 0.0, 0.0])
SHEAR = np.array([[0.0, 0.6, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])

SIDES = ("x-min", "x-max", "y-min", "y-max", "z-min", "z-max")

#: Load fraction of what is applied at once.
AT_ONCE = 1e-10


def viscoelastic(
    relaxing: str = "isochoric", times: Sequence[float | str] = TIMES
) -> RegionMaterial:
    parameters: dict[str, Any] = {
        "lame_lambda": formula(LAMBDA),
        "shear_modulus": formula(MU),
        "fractions": tuple(formula(x) for x in FRACTIONS),
        "relaxation_times": tuple(formula(x) for x in times),
    }
    options: dict[str, str | int] = {"relaxing": relaxing, "branches": len(FRACTIONS)}
    return RegionMaterial(generalised_maxwell(find_model("neo-hookean")), parameters, options)


def elastic() -> RegionMaterial:
    return material("neo-hookean", lame_lambda=LAMBDA, shear_modulus=MU)


def affine(H: Floats, course: str) -> list[BoundaryCondition]:
    """Prescribe x = X + course(t) H X on all sides."""
    rows = ["+".join(f"({float(h)})*{x}" for h, x in zip(row, "xyz", strict=True)) for row in H]
    return [displacement(side, *(f"({course})*({row})" for row in rows)) for side in SIDES]


def advance(run: Run, loads: Sequence[float] | Floats) -> list[Floats]:
    """Step to the load fractions and return the Cauchy stress, (3, 3), at the end of each step.

    It is that of a corner; before and after the history is taken over it must be the same.
    """
    found = []
    for load in loads:
        assert run.newton.solve(run.u, load, lambda *_: None).converged
        run.mechanics.evaluate(run.u, run.newton.work)
        before = cauchy_stress(run)
        run.mechanics.commit()
        np.testing.assert_allclose(cauchy_stress(run), before, atol=1e-12)
        found.append(before)
    return found


def cauchy_stress(run: Run) -> Floats:
    mechanics = run.mechanics
    sums = nodal_diagnostics(
        mechanics.body, mechanics.space, mechanics.u.ceed, mechanics.load_fraction
    )
    xx, yy, zz, xy, yz, xz = sums[0, 1:7] / sums[0, 0]
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def elastic_stress(H: Floats) -> Floats:
    """Return S of ψ = λ/2 (ln J)² - μ ln J + μ tr E."""
    F = np.eye(3) + H
    inverse = np.linalg.inv(F.T @ F)
    stress: Floats = MU * (np.eye(3) - inverse) + LAMBDA * np.log(np.linalg.det(F)) * inverse
    return stress


def relaxing_stress(H: Floats, relaxing: str) -> Floats:
    """Return S of what relaxes: of ψ(J^(-1/3) F) it is J^(-2/3) times the deviator of S there."""
    if relaxing == "all":
        return elastic_stress(H)
    F = np.eye(3) + H
    C = F.T @ F
    shrunk = np.linalg.det(F) ** (-1 / 3) * F
    S = elastic_stress(shrunk - np.eye(3))
    stress: Floats = np.linalg.det(F) ** (-2 / 3) * (S - np.sum(S * C) / 3 * np.linalg.inv(C))
    return stress


def pushed_forward(S: Floats, H: Floats) -> Floats:
    F = np.eye(3) + H
    sigma: Floats = F @ S @ F.T / np.linalg.det(F)
    return sigma


@pytest.mark.parametrize("relaxing", ["isochoric", "all"])
@pytest.mark.parametrize("H", [UNIAXIAL, SHEAR], ids=["stretched", "sheared"])
@pytest.mark.parametrize("steps", [1, 7])
def test_stress_relaxes_as_the_closed_form(H: Floats, relaxing: str, steps: int) -> None:
    """A strain applied at once and held: exponentials, exact however long the steps are."""
    loading = Loading(duration=2.0)
    run = start(
        problem(
            Box(cells=(1, 1, 1)),
            2,
            affine(H, f"min(t/{AT_ONCE}, 1)"),
            viscoelastic(relaxing),
            loading=loading,
        )
    )
    loads = [AT_ONCE, *np.linspace(0.0, 1.0, steps + 1)[1:]]
    S, S_r = elastic_stress(H), relaxing_stress(H, relaxing)
    expected = []
    for load in loads:
        left = sum(
            g * np.exp(-loading.duration * load / tau)
            for g, tau in zip(FRACTIONS, TIMES, strict=True)
        )
        expected.append(pushed_forward(S - (sum(FRACTIONS) - left) * S_r, H))
    # What is applied at once takes 2e-10 s, 2e-9 of the shortest relaxation time.
    np.testing.assert_allclose(advance(run, loads), expected, atol=2e-9)


@pytest.mark.parametrize("relaxing", ["isochoric", "all"])
def test_error_of_a_ramp_falls_with_the_square_of_the_step(relaxing: str) -> None:
    """Against quadrature of the hereditary integral, by parts: no derivative of S_r is needed."""
    H = UNIAXIAL + SHEAR
    points, weights = np.polynomial.legendre.leggauss(80)
    times = 0.5 * (1.0 + points)
    courses = [relaxing_stress(t * H, relaxing) for t in times]
    end = relaxing_stress(H, relaxing)
    S = elastic_stress(H) - sum(FRACTIONS) * end
    for g, tau in zip(FRACTIONS, TIMES, strict=True):
        kernel = 0.5 * weights * np.exp(-(1.0 - times) / tau) / tau
        S = S + g * (end - np.tensordot(kernel, courses, axes=1))
    exact = pushed_forward(S, H)
    errors = []
    for steps in (10, 20, 40):
        run = start(problem(Box(cells=(1, 1, 1)), 1, affine(H, "t"), viscoelastic(relaxing)))
        last = advance(run, np.linspace(0.0, 1.0, steps + 1)[1:])[-1]
        errors.append(np.abs(last - exact).max())
    assert errors[-1] < 1e-3
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2.0, atol=0.1)


@pytest.mark.parametrize("relaxing", ["isochoric", "all"])
@pytest.mark.parametrize(
    ("duration", "left"), [(1e-10, 1.0), (1e10, 0.0)], ids=["at once", "slowly"]
)
def test_fast_loading_meets_the_elastic_solid_and_slow_loading_the_long_term_one(
    duration: float, left: float, relaxing: str
) -> None:
    """One step; branches 1e-9 or 1e10 times as slow or fast as the loading."""
    H = UNIAXIAL + SHEAR
    run = start(
        problem(
            Box(cells=(1, 1, 1)),
            2,
            affine(H, "t"),
            viscoelastic(relaxing),
            loading=Loading(duration=duration),
        )
    )
    lost = (1.0 - left) * sum(FRACTIONS)
    S = elastic_stress(H) - lost * relaxing_stress(H, relaxing)
    np.testing.assert_allclose(advance(run, [1.0])[-1], pushed_forward(S, H), atol=1e-8)


def test_rotating_a_relaxing_body_changes_nothing() -> None:
    """Stretched by half the load, then held: once at rest, once turning about an axis askew."""
    U = np.diag([0.4, -0.2, 0.1])
    stretched = affine(U, "min(2*t, 1)")
    angle = "1.5*max(2*t - 1, 0)"
    axis = np.array([1.0, 2.0, 2.0]) / 3.0
    W = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    # Rodrigues' formula: Q - I = sin(angle) W + (1 - cos(angle)) W²
    stretch = [f"(1 + ({u})*min(2*t, 1))*{x}" for u, x in zip(np.diag(U), "xyz", strict=True)]
    moved = []
    for i, x in enumerate("xyz"):
        turned = "+".join(
            f"(({W[i, j]})*sin({angle})+({(W @ W)[i, j]})*(1-cos({angle})))*{stretch[j]}"
            for j in range(3)
        )
        moved.append(f"{stretch[i]} - {x} + {turned}")
    turning = [displacement(side, *moved) for side in SIDES]
    loads = np.linspace(0.0, 1.0, 9)[1:]
    runs = [
        start(problem(Box(cells=(1, 1, 1)), 2, supports, viscoelastic(), loading=Loading()))
        for supports in (stretched, turning)
    ]
    at_rest, turned_stress = (advance(run, loads) for run in runs)
    for load, one, other in zip(loads, at_rest, turned_stress, strict=True):
        theta = 1.5 * max(2.0 * load - 1.0, 0.0)
        Q = np.eye(3) + np.sin(theta) * W + (1.0 - np.cos(theta)) * W @ W
        np.testing.assert_allclose(other, Q @ one @ Q.T, atol=1e-11)
    energies = [run.mechanics.strain_energy() for run in runs]
    assert energies[1] == pytest.approx(energies[0], rel=1e-11)


def creep(steps: int, load: float) -> float:
    """Return the stretch after 1 s under a dead load applied at once, all the energy relaxing."""
    symmetry = [
        displacement("x-min", 0, None, None),
        displacement("y-min", None, 0, None),
        displacement("z-min", None, None, 0),
    ]
    pull = traction("x-max", f"{load}*min(t/{AT_ONCE}, 1)", 0.0, 0.0)
    run = start(problem(Box(cells=(1, 1, 1)), 1, [*symmetry, pull], viscoelastic("all")))
    advance(run, [AT_ONCE, *np.linspace(0.0, 1.0, steps + 1)[1:]])
    return 1.0 + float(run.mechanics.u.array[:, 0].max())


def test_creep_follows_its_differential_equation() -> None:
    """With α_i = Q_i - g_i S in each branch: α_i' = -(α_i + g_i S)/τ_i.

    Equilibrium asks that λ₁ (S₁₁ + Σ α₁₁) is the load and S₂₂ + Σ α₂₂ = 0.
    """
    load = 0.5

    def stretches(alpha: Floats) -> Floats:
        axial, lateral = alpha.reshape(2, 2).sum(axis=0)

        def imbalance(stretch: Floats) -> list[float]:
            S = elastic_stress(np.diag([stretch[0], stretch[1], stretch[1]]) - np.eye(3))
            return [stretch[0] * (S[0, 0] + axial) - load, S[1, 1] + lateral]

        found: Floats = fsolve(imbalance, [1.2, 0.95], xtol=1e-13)
        return found

    def rate(_: float, alpha: Floats) -> Floats:
        axial, lateral = stretches(alpha)
        S = elastic_stress(np.diag([axial, lateral, lateral]) - np.eye(3))
        result: Floats = -(alpha + np.outer(FRACTIONS, np.diag(S)[:2]).ravel()) / np.repeat(
            TIMES, 2
        )
        return result

    course = solve_ivp(rate, (0.0, 1.0), np.zeros(4), rtol=1e-10, atol=1e-12)
    exact = stretches(course.y[:, -1])[0]
    assert exact > stretches(np.zeros(4))[0] + 0.1
    errors = [abs(creep(steps, load) - exact) for steps in (16, 32, 64)]
    assert errors[-1] < 1e-4
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 2.0, atol=0.15)


def bent(comm: Any = MPI.COMM_WORLD, **settings: Any) -> Run:
    """Return a beam that is bent and then left to creep."""
    return start(
        problem(
            Box(size=(2, 1, 1), cells=(3, 1, 1)),
            2,
            [clamp("x-min"), traction("x-max", 0.0, 0.0, "-0.05*min(4*t, 1)")],
            viscoelastic(),
            **settings,
        ),
        comm=comm,
    )


def energy_of_the_bent_beam() -> float:
    run = bent()
    advance_only(run, [0.25, 0.5, 1.0])
    return run.mechanics.strain_energy()


def advance_only(run: Run, loads: Sequence[float]) -> None:
    for load in loads:
        assert run.newton.solve(run.u, load, lambda *_: None).converged
        run.mechanics.evaluate(run.u, run.newton.work)
        run.mechanics.commit()


def test_number_of_ranks_does_not_change_the_history(run_ranks: Callable[..., str]) -> None:
    alone = energy_of_the_bent_beam()
    assert call_on_ranks(run_ranks, 2, energy_of_the_bent_beam) == pytest.approx(alone, rel=1e-11)


def test_a_failed_step_leaves_no_trace_in_the_history() -> None:
    """Cut in half after failures, a solve passes through the states of steps planned so."""
    H = 1.2 * UNIAXIAL + SHEAR
    hard = problem(
        Box(cells=(2, 1, 1)),
        2,
        [clamp("x-min"), *affine(H, "min(2*t, 1)")[1:2]],
        viscoelastic(),
        loading=Loading(steps=2, min_step=1e-3),
        newton=NewtonSettings(rtol=1e-11, atol=1e-13, max_iterations=5),
    )
    cut = attempt(hard)
    assert cut.report.status == "converged", cut.report.message
    loads = [step.load for step in cut.report.steps]
    assert len(loads) > 2
    planned = start(hard)
    advance_only(planned, loads)
    np.testing.assert_allclose(planned.mechanics.u.array, cut.u, atol=1e-10)


@pytest.mark.parametrize("second", ["viscoelastic", "varying", "elastic"])
def test_parts_remember_each_for_itself(second: str) -> None:
    """Two regions act as one if they are alike, also where parameters come from a formula.

    Beside an elastic region they do not.
    """
    mesh = Box(cells=(2, 1, 1)).build(1, 0)
    two = replace(mesh, regions=("left", "right"), cell_regions=np.array([0, 1]))
    supports = [clamp("x-min"), displacement("x-max", "0.4*min(2*t, 1)", 0.0, 0.0)]
    right = {
        "viscoelastic": viscoelastic(),
        "varying": viscoelastic(times=["0.1 + 0*x", 1.0]),
        "elastic": elastic(),
    }[second]
    loading = Loading(steps=4)
    one = solve(problem(mesh, 2, supports, viscoelastic(), loading=loading))
    other = solve(
        problem(two, 2, supports, materials={"left": viscoelastic(), "right": right},
                loading=loading)
    )  # fmt: skip
    alike = np.allclose(one.u, other.u, atol=1e-11)
    assert alike == (second != "elastic")
    if alike:
        np.testing.assert_allclose(one.cauchy_stress, other.cauchy_stress, atol=1e-9)


def test_strain_energy_is_that_of_the_long_term_response() -> None:
    """All relaxing: the elastic energy times what never relaxes, at any time."""
    supports = affine(UNIAXIAL, "min(2*t, 1)")
    chosen = {"loading": Loading(steps=4)}
    found = solve(problem(Box(cells=(1, 1, 1)), 1, supports, viscoelastic("all"), **chosen))
    bound = solve(problem(Box(cells=(1, 1, 1)), 1, supports, elastic(), **chosen))
    for one, other in zip(found.report.steps, bound.report.steps, strict=True):
        expected = (1.0 - sum(FRACTIONS)) * other.strain_energy
        assert one.strain_energy == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("times", [TIMES, ("0.1 + 0.1*x", 1.0)], ids=["constant", "varying"])
def test_jacobian_follows_the_length_of_the_step(times: Sequence[float | str]) -> None:
    """Its operators last from step to step; central differences of the residual do not."""
    supports: list[BoundaryCondition] = [
        clamp("x-min"),
        traction("x-max", 0.0, 0.0, "-0.1*min(4*t, 1)"),
    ]
    run = start(problem(Box(cells=(2, 1, 1)), 2, supports, viscoelastic("all", times)))
    advance_only(run, [0.001, 0.3])
    mechanics = run.mechanics
    mechanics.set_load(0.9)
    u, direction = run.u.copy(), run.u.duplicate()
    direction.setArray(np.random.default_rng(3).standard_normal(direction.getLocalSize()))
    step = 1e-5  # error of the quotient: 1e-10 from truncation, 1e-16 / 1e-5 from rounding
    forces = []
    for sign in (1.0, -1.0):
        moved, R = u.copy(), u.duplicate()
        moved.axpy(sign * step, direction)
        mechanics.evaluate(moved, R)
        forces.append(R.array.copy())
    mechanics.evaluate(u, u.duplicate())
    run.multigrid.update(run.mechanics.u.array)
    found = direction.duplicate()
    run.multigrid.jacobian.mult(direction, found)
    quotient = (forces[0] - forces[1]) / (2.0 * step)
    np.testing.assert_allclose(found.array, quotient, atol=1e-7 * np.abs(quotient).max())

"""A solve on a device: the same as on the host, and nothing crosses the bus that need not.

The device is one that the CPU plays (`elastane.solver.device.simulated`).
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.device import body
from elastane.solver.device.body import PIECES
from elastane.solver.loading import Run
from elastane.solver.problem import LinearSettings, Loading, MultigridSettings, Problem
from tests.verification.cases import (
    clamp,
    displacement,
    material,
    pressure,
    problem,
    solve,
    start,
    traction,
)
from tests.verification.ranks import call_on_ranks
from tests.verification.test_viscoelastic import viscoelastic

COMM = MPI.COMM_WORLD


def bent(degree: int, **settings: Any) -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.05)]
    return problem(Box(cells=(3, 2, 2)), degree, loads, **settings)


def stretched(degree: int, **settings: Any) -> Problem:
    supports: list[BoundaryCondition] = [clamp("x-min"), displacement("x-max", 0.1, 0.02, None)]
    return problem(Box(cells=(2, 2, 2)), degree, supports, **settings)


def inflated(degree: int, **settings: Any) -> Problem:
    loads: list[BoundaryCondition] = [
        displacement("x-min", 0, None, None),
        displacement("y-min", None, 0, None),
        displacement("z-min", None, None, 0),
        pressure("inner", 0.05),
    ]
    return problem(SphereShell(cells=(2, 1)), degree, loads, **settings)


def ring() -> Problem:
    loads: list[BoundaryCondition] = [clamp("z-min"), traction("z-max", 0.0, 0.05, 0.02)]
    return problem(Annulus(cells=(1, 6, 2)), 2, loads)


SOLVES: dict[str, Callable[[], Problem]] = {
    "p = 1": lambda: bent(1),
    "p = 2": lambda: bent(2),
    "p = 4 over 2 and 1": lambda: bent(4),
    "more points": lambda: bent(2, quadrature_extra=1),
    "assembled p = 1": lambda: bent(2, multigrid=MultigridSettings(coarse="boomeramg")),
    "moved support": lambda: stretched(2, loading=Loading(steps=2)),
    "curved cells": ring,
    "follower load": lambda: inflated(2),
    "varying parameters": lambda: bent(
        2, region_material=material("neo-hookean", youngs_modulus="1 + x", poissons_ratio=0.3)
    ),
    "in time": lambda: stretched(
        2,
        region_material=material("neo-hookean", youngs_modulus="1 + x + t", poissons_ratio=0.3),
        loading=Loading(steps=2),
    ),
    "history": lambda: stretched(
        1, region_material=viscoelastic(), loading=Loading(steps=3, duration=2.0)
    ),
    "principal stretches": lambda: bent(
        1, region_material=material("ogden", mu=[1.0, -0.2], alpha=[2.0, -2.0], bulk_modulus=3.0)
    ),
}


@pytest.mark.parametrize("name", SOLVES)
def test_a_device_solves_as_the_host_does(name: str) -> None:
    """Sums round otherwise; Newton's method leaves the square of that."""
    chosen = SOLVES[name]()
    host, device = (solve(replace(chosen, backend=each)) for each in ("cpu", "simulated"))
    size = np.abs(host.u).max()
    np.testing.assert_allclose(device.u, host.u, rtol=0.0, atol=1e-10 * size)
    assert device.energy == pytest.approx(host.energy, rel=1e-10)
    for ours, theirs in zip(device.report.steps, host.report.steps, strict=True):
        iterations = ours.newton.krylov_iterations, theirs.newton.krylov_iterations
        assert len(iterations[0]) == len(iterations[1])
        assert np.abs(np.subtract(*iterations)).max() <= 1
    np.testing.assert_allclose(device.cauchy_stress, host.cauchy_stress, atol=1e-9)


def test_in_an_iteration_inner_products_alone_cross_the_bus() -> None:
    """Two of them, and two at the start."""
    report = start(replace(bent(2), backend="simulated")).solve()
    told, crossed = report.preconditioner, report.preconditioner["device"]["in_krylov"]
    iterations = told["jacobian_applies"]
    solves = told["cycles"] - iterations
    assert crossed["uploads"] == 0
    assert crossed["downloads"] == 2 * (iterations + solves)
    assert crossed["bytes_down"] == 8 * crossed["downloads"]


def test_a_state_leaves_the_device_as_one_residual() -> None:
    """The displacement goes up; the residual and candidates for the smallest det F come down."""
    run = start(replace(bent(2), backend="simulated"))
    transfers = run.body.memory.device.transfers  # type: ignore[attr-defined]
    before = replace(transfers)
    run.mechanics.set_load(0.5)
    run.mechanics.u.array[:] = 1e-3 * run.spaces[-1].X
    run.body.add_residual(run.spaces[-1], run.mechanics.u.ceed, run.mechanics.R.ceed)
    crossed, size = transfers - before, 8 * 3 * run.spaces[-1].num_nodes
    candidates = min(run.topology.num_global_cells * 27, PIECES)
    assert (crossed.uploads, crossed.downloads) == (1, 3)
    assert (crossed.bytes_up, crossed.bytes_down) == (size, size + 16 * candidates)


@pytest.mark.parametrize("least", [-0.5, np.nan])
def test_the_smallest_det_F_and_its_cell_are_those_of_the_host(
    least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found in few pieces; a node that is moved across its cell, or to nowhere, is found."""
    monkeypatch.setattr(body, "PIECES", 7)
    worst = []
    for backend in ("cpu", "simulated"):
        run = start(replace(bent(2), backend=backend))
        space = run.spaces[-1]
        run.mechanics.u.array[space.nodes[5, 13]] = least
        vectors = run.mechanics.u.ceed, run.mechanics.R.ceed
        worst.append(run.body.add_residual(space, *vectors))
    assert worst[1][0] == pytest.approx(worst[0][0], rel=1e-12)
    assert worst[1][1] == worst[0][1] == 5


@pytest.mark.parametrize("method", ["gmres", "bcgs", "preonly"])
def test_a_krylov_method_that_does_not_run_there_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match=f"ksp_type {method} does not run on a device"):
        start(replace(bent(1, petsc_options={"ksp_type": method}), backend="simulated"))


@pytest.mark.parametrize("name", ["p = 2", "follower load"])
def test_the_diagonal_that_petsc_sees_is_that_of_the_host(name: str) -> None:
    """At a state that both store in single precision."""
    diagonals = []
    for backend in ("cpu", "simulated"):
        run = start(replace(SOLVES[name](), backend=backend))
        run.mechanics.u.array[:] = 0.01 * np.sin(run.spaces[-1].X)
        run.mechanics.u.array[run.spaces[-1].prescribed] = 0.0
        u = run.multigrid.jacobian.createVecRight()
        run.spaces[-1].dm.localToGlobal(run.mechanics.u.petsc, u)
        run.mechanics.evaluate(u, run.newton.work)
        run.multigrid.update(run.mechanics.u.array)
        diagonals.append(run.multigrid.jacobian.getDiagonal().array.copy())
    np.testing.assert_allclose(diagonals[1], diagonals[0], rtol=1e-6)


def test_gmres_begins_anew_as_often_as_asked() -> None:
    """Fewer vectors, more iterations; the option is used, and the answer the same."""
    linear = LinearSettings(rtol=1e-8)
    many = inflated(1, linear=linear)
    few = inflated(1, linear=linear, petsc_options={"ksp_gmres_restart": "2"})
    solved = [solve(replace(each, backend="simulated")) for each in (many, few)]
    iterations = [sum(s.report.steps[0].newton.krylov_iterations) for s in solved]
    assert iterations[1] > iterations[0]
    assert solved[1].energy == pytest.approx(solved[0].energy, rel=1e-10)


def test_another_norm_of_the_residual_is_refused() -> None:
    options = {"ksp_norm_type": "preconditioned"}
    with pytest.raises(ValueError, match="leave that out"):
        start(replace(bent(1, petsc_options=options), backend="simulated"))


def test_an_indefinite_tangent_is_told_as_on_the_host() -> None:
    """A column beyond its critical load, the step not cut.

    PETSc goes on after a first negative curvature until one of the other sign comes.
    """
    loads: list[BoundaryCondition] = [clamp("z-min"), traction("z-max", 0.0, 1e-4, -0.5)]
    column = problem(
        Box(size=(0.2, 0.2, 2.0), cells=(1, 1, 6)), 2, loads, loading=Loading(adaptive=False)
    )
    host, device = (
        start(replace(column, backend=backend)).solve().message for backend in ("cpu", "simulated")
    )
    assert "DIVERGED_INDEFINITE_MAT" in host
    count = r"in iteration \d+ "
    assert re.sub(count, "", device) == re.sub(count, "", host)


@pytest.mark.mpi
@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("name", ["p = 2", "follower load", "assembled p = 1"])
def test_ranks_with_a_device_each_solve_as_one(
    run_ranks: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, direct: bool
) -> None:
    """Whether messages go through the host or from device to device."""
    monkeypatch.setenv("ELASTANE_GPU_AWARE_MPI", str(int(direct)))
    one = solve(SOLVES[name]()).energy
    two = call_on_ranks(run_ranks, 2, energy_on_devices, name)
    assert two == pytest.approx(one, rel=1e-10)


def energy_on_devices(name: str) -> float:
    run: Run = start(replace(SOLVES[name](), backend="simulated"), comm=COMM)
    return run.solve().steps[-1].strain_energy

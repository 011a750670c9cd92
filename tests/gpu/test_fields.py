"""Fields, forces and work of a device against those of the CPU, on the same mesh."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.schwarz import SchwarzP
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.problem import LinearSettings, Problem
from tests.verification.cases import (
    Solved,
    clamp,
    displacement,
    material,
    pressure,
    problem,
    solve,
    traction,
)

#: Both end Newton's method at 1e-11 of the first residual, where one more iteration changes the
#: displacement by the square of that at most; sums in another order differ by rounding.
TOLERANCE = 1e-10


def bent_cube(degree: int, cells: int, linear_rtol: float = 1e-3) -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.1)]
    linear = LinearSettings(rtol=linear_rtol)
    return problem(Box(cells=(cells, cells, cells)), degree, loads, linear=linear)


def schwarz_shell(degree: int) -> Problem:
    """Return a shell of one unit cell, compressed."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", -0.02, 0.0, 0.0)]
    body = SchwarzP(extent=(1, 1, 1), thickness=0.2, refine=1, layers=1)
    return problem(body, degree, loads)


def pressed_ring() -> Problem:
    """Return a quarter of a ring under a follower pressure, which is not symmetric."""
    supports: list[BoundaryCondition] = [
        displacement("theta-min", None, 0, None),
        displacement("theta-max", 0, None, None),
        displacement("z-min", None, None, 0),
        pressure("inner", 0.1),
    ]
    body = Annulus(inner=1.0, outer=2.0, length=1.0, angle=90.0, cells=(2, 2, 1))
    return problem(body, 2, supports)


def varying_modulus() -> Problem:
    """Return a cube of a nearly incompressible solid whose modulus varies."""
    solid = material(
        "mooney-rivlin-isochoric",
        {"volumetric": "j2"},
        mu1="1 + x",
        mu2=0.3,
        bulk_modulus=50.0,
    )
    return replace(bent_cube(2, 2), materials={"all": solid})


CASES: dict[str, Callable[[], Problem]] = {
    "cube, p = 1": lambda: bent_cube(1, 4),
    "cube, p = 2": lambda: bent_cube(2, 2),
    "cube, p = 3": lambda: bent_cube(3, 2),
    "Schwarz shell, p = 2": lambda: schwarz_shell(2),
    "Schwarz shell, p = 3": lambda: schwarz_shell(3),
    "pressed ring": pressed_ring,
    "varying modulus": varying_modulus,
}


def both(chosen: Problem, backend: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Solved, Solved]:
    """Return a solution of the CPU, and one of the device."""
    with monkeypatch.context() as patch:
        patch.setenv("ELASTANE_CASES_BACKEND", "cpu")
        on_host = solve(chosen)
    on_device = solve(replace(chosen, backend=backend))
    assert on_device.report.backend.startswith(backend)
    return on_host, on_device


@pytest.mark.parametrize("name", CASES)
def test_fields_are_those_of_the_cpu(
    name: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, device = both(CASES[name](), backend, monkeypatch)
    for of_host, of_device in (
        (host.u, device.u),
        (host.reactions, device.reactions),
        (host.cauchy_stress, device.cauchy_stress),
    ):
        error = np.abs(of_device - of_host).max() / np.abs(of_host).max()
        assert error < TOLERANCE
    assert device.energy == pytest.approx(host.energy, rel=TOLERANCE)
    # The same method in the same precision: rounding may cost an iteration, not more.
    counts = [sum(state.report.steps[-1].newton.krylov_iterations) for state in (host, device)]
    steps = len(host.report.steps[-1].newton.krylov_iterations)
    assert abs(counts[1] - counts[0]) <= steps


@pytest.mark.parametrize("cells", [2, 4])
def test_inner_products_alone_cross_the_bus_in_krylov_iterations(backend: str, cells: int) -> None:
    """On one rank: two in each iteration, and two at the start."""
    state = solve(replace(bent_cube(2, cells), backend=backend))
    crossed = state.report.preconditioner["device"]["in_krylov"]
    solves = state.report.steps[-1].newton.krylov_iterations
    assert crossed["uploads"] == 0
    assert crossed["downloads"] == 2 * (sum(solves) + len(solves))
    assert crossed["bytes_down"] == 8 * crossed["downloads"]

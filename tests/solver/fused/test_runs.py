"""Whole solves by fused kernels and by libCEED alone."""

from dataclasses import replace

import numpy as np
import pytest

from elastane.solver.boundary import BoundaryCondition
from elastane.solver.report import Report
from tests.solver.fused.pairs import REFERENCE, distorted
from tests.verification.cases import Listener, clamp, material, pressure, problem, solve


def report(backend: str) -> tuple[Report, Listener]:
    """Return how a block of two materials bends under a pressure that follows it."""
    mesh = distorted((3, 3, 1))
    halves = replace(
        mesh,
        regions=("soft", "stiff"),
        cell_regions=(mesh.coordinates[:, :, 0].mean(axis=1) > 0.5).astype(np.int64),
    )
    materials = {
        name: material("neo-hookean", youngs_modulus=youngs_modulus, poissons_ratio=0.3)
        for name, youngs_modulus in (("soft", 1.0), ("stiff", 20.0))
    }
    boundary: list[BoundaryCondition] = [clamp("x-min"), pressure("z-max", 0.01)]
    listener = Listener()
    chosen = problem(halves, 2, boundary, materials=materials, backend=backend)
    return solve(chosen, listener).report, listener


def test_fused_kernels_change_nothing_of_a_result() -> None:
    """Newton's method ends at a residual of 1e-11, where the energy has its minimum."""
    (ours, listener), (theirs, _) = report("cpu"), report(REFERENCE)
    assert ours.backend == "/cpu/self/avx/blocked"
    assert theirs.backend == REFERENCE
    assert ours.steps[-1].strain_energy == pytest.approx(theirs.steps[-1].strain_energy, rel=1e-9)
    assert ours.steps[-1].min_J == pytest.approx(theirs.steps[-1].min_J, rel=1e-9)
    assert ours.dofs == theirs.dofs
    (event,) = listener.of_kind("fused_kernels")
    assert set(event["sources"]) >= {
        "neo-hookean-residual-p2-q3-g1-double",
        "neo-hookean-jacobian-p2-q3-g1-double",
        "neo-hookean-jacobian-p2-q3-g1-single",
        "neo-hookean-state-p2-q2-g1-single",
        "neo-hookean-matrices-p1-q2-g1-single",
    }

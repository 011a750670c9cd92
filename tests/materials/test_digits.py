"""The compiled C against the formulas of textbooks in 60 digits.

A material's `textbook` is its energy as the reference prints it, without any care for rounding; its
derivative is taken here by central differences whose error is far below a double's.
"""

from collections.abc import Mapping
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

from elastane.materials.model import Values
from tests.materials.conftest import Array, Compiled

DIGITS = 60

#: Step of the central differences: their error is 1e-40 of the third derivative.
STEP = mpmath.mpf("1e-20")


def states() -> Array:
    """Return displacement gradients: each size of strain, each volume ratio, and stretched ones.

    Strains go from 1e-12 to 1, twice each, in opposite directions, so that a switch is met on both
    its sides; J goes from 0.3 to 3.
    """
    generator = np.random.default_rng(50)
    sizes = [*10.0 ** np.arange(-12, -1), 0.1, 0.2]
    found = []
    for size in sizes:
        H = size * generator.uniform(-1, 1, (3, 3))
        found += [H, -H]
    for J in (0.3, 0.5, 0.9, 1.1, 2.0, 3.0):
        F = np.eye(3) + 0.3 * generator.uniform(-1, 1, (3, 3))
        found.append(np.cbrt(J / np.linalg.det(F)) * F - np.eye(3))
    for stretch in (0.6, 1.6):
        rotation = np.linalg.qr(generator.standard_normal((3, 3)))[0]
        found.append(rotation @ np.diag([stretch, 1.1, 0.8]) @ rotation.T - np.eye(3))
    return np.array(found)


def test_energy_and_stress_keep_every_digit(compiled: Compiled) -> None:
    """A textbook P loses m digits at strain 10⁻ᵐ; these lose none, for any example."""
    material = compiled.material
    assert material.textbook is not None
    H = states()
    for example in material.examples_of(compiled.choices):
        parameters = material.resolve(example, compiled.choices)
        energy, P = compiled.energy(H, parameters), compiled.stress(H, parameters)
        for k, gradient in enumerate(H):
            exact_energy, exact_P = by_the_book(compiled, gradient, parameters)
            scale = max(abs(x) for x in exact_P.flat)
            assert abs(energy[k] - exact_energy) <= 1e-12 * abs(exact_energy), gradient
            assert max(abs(x) for x in (P[k] - exact_P).flat) <= 1e-12 * scale, gradient


def by_the_book(compiled: Compiled, H: Array, parameters: Mapping[str, Values]) -> tuple[Any, Any]:
    """Return ψ and P of mpmath numbers."""
    material = compiled.material
    textbook = material.textbook
    assert textbook is not None
    options = material.energy_options(compiled.choices)
    with mpmath.workdps(DIGITS):
        arguments = {name: mpmath.mpf(float(value)) for name, value in parameters.items()}
        F = np.array([[mpmath.mpf(x) for x in row] for row in H.tolist()]) + np.eye(3, dtype=int)
        P = np.empty((3, 3), dtype=object)
        for i, j in np.ndindex(3, 3):
            D = np.zeros((3, 3), dtype=object)
            D[i, j] = STEP
            one, other = (textbook(X, **arguments, **options) for X in (F + D, F - D))
            P[i, j] = (one - other) / (2 * STEP)
        return textbook(F, **arguments, **options), P


@pytest.mark.parametrize("x", [1e-15, 1e-9, -1e-3, 0.0999, 0.1001, -0.1001, 3.0, -0.7])
def test_log1p_minus_keeps_every_digit(x: float) -> None:
    jax = pytest.importorskip("jax")
    from elastane.materials.invariants import log1p_minus

    with jax.enable_x64(True), mpmath.workdps(40):
        value, slope = jax.value_and_grad(log1p_minus)(x)
        curvature = jax.grad(jax.grad(log1p_minus))(x)
        exact = mpmath.log1p(mpmath.mpf(x)) - mpmath.mpf(x)
    assert float(value) == pytest.approx(float(exact), rel=2e-14)
    assert float(slope) == pytest.approx(-x / (1 + x), rel=5e-15)
    assert float(curvature) == pytest.approx(-1 / (1 + x) ** 2, rel=2e-15)


@pytest.mark.parametrize("x", [1e-15, 1e-9, -1e-3, 0.1999, 0.2001, -0.2001, 3.0, -5.0])
def test_expm1_minus_keeps_every_digit(x: float) -> None:
    jax = pytest.importorskip("jax")
    from elastane.materials.invariants import expm1_minus

    with jax.enable_x64(True), mpmath.workdps(40):
        value, slope = jax.value_and_grad(expm1_minus)(x)
        curvature = jax.grad(jax.grad(expm1_minus))(x)
        exact = mpmath.expm1(mpmath.mpf(x)) - mpmath.mpf(x)
    assert float(value) == pytest.approx(float(exact), rel=2e-14)
    assert float(slope) == pytest.approx(float(np.expm1(x)), rel=5e-15)
    assert float(curvature) == pytest.approx(float(np.exp(x)), rel=2e-15)

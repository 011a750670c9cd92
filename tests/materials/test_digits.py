"""The compiled C against text-book formulas evaluated in 50 digits."""

from collections.abc import Callable
from typing import TypeAlias

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

from tests.materials.conftest import Compiled

mp = mpmath.mp

Scalar: TypeAlias = Callable[[mpmath.mpf], mpmath.mpf]
EnergyAndStress: TypeAlias = tuple[mpmath.mpf, mpmath.matrix]


def isotropic(F: mpmath.matrix) -> tuple[mpmath.mpf, mpmath.matrix, mpmath.mpf]:
    """Return J, F⁻ᵀ and tr E."""
    return mpmath.det(F), (F**-1).T, (sum(x * x for x in F) - 3) / 2


def linear(F: mpmath.matrix, lame_lambda: mpmath.mpf, lame_mu: mpmath.mpf) -> EnergyAndStress:
    strain = (F + F.T) / 2 - mpmath.eye(3)
    trace = sum(strain[i, i] for i in range(3))
    energy = lame_lambda / 2 * trace**2 + lame_mu * sum(x * x for x in strain)
    return energy, lame_lambda * trace * mpmath.eye(3) + 2 * lame_mu * strain


def neo_hookean(F: mpmath.matrix, lame_lambda: mpmath.mpf, lame_mu: mpmath.mpf) -> EnergyAndStress:
    J, T, trace_E = isotropic(F)
    L = mpmath.log(J)
    energy = lame_lambda / 2 * L**2 + lame_mu * (trace_E - L)
    return energy, lame_mu * (F - T) + lame_lambda * L * T


def neo_hookean_j2(
    F: mpmath.matrix, lame_lambda: mpmath.mpf, lame_mu: mpmath.mpf
) -> EnergyAndStress:
    J, T, trace_E = isotropic(F)
    L = mpmath.log(J)
    energy = lame_lambda / 4 * (J**2 - 1 - 2 * L) + lame_mu * (trace_E - L)
    return energy, lame_mu * (F - T) + lame_lambda / 2 * (J**2 - 1) * T


def isochoric(
    F: mpmath.matrix, lame_mu: mpmath.mpf, bulk_modulus: mpmath.mpf, U: Scalar, dU: Scalar
) -> EnergyAndStress:
    J, T, trace_E = isotropic(F)
    I1, power = 3 + 2 * trace_E, J ** (-mpmath.mpf(2) / 3)
    energy = lame_mu / 2 * (power * I1 - 3) + bulk_modulus * U(J)
    return energy, lame_mu * power * (F - I1 / 3 * T) + bulk_modulus * dU(J) * J * T


def quadratic(F: mpmath.matrix, lame_mu: mpmath.mpf, bulk_modulus: mpmath.mpf) -> EnergyAndStress:
    return isochoric(F, lame_mu, bulk_modulus, lambda J: (J - 1) ** 2 / 2, lambda J: J - 1)


def j2(F: mpmath.matrix, lame_mu: mpmath.mpf, bulk_modulus: mpmath.mpf) -> EnergyAndStress:
    return isochoric(
        F,
        lame_mu,
        bulk_modulus,
        lambda J: (J**2 - 1 - 2 * mpmath.log(J)) / 4,
        lambda J: (J - 1 / J) / 2,
    )


def mooney_rivlin(
    F: mpmath.matrix, lame_lambda: mpmath.mpf, mu1: mpmath.mpf, mu2: mpmath.mpf
) -> EnergyAndStress:
    J, T, trace_E = isotropic(F)
    L, C = mpmath.log(J), F.T * F
    I1 = 3 + 2 * trace_E
    I2 = (I1**2 - sum(x * x for x in C)) / 2
    energy = lame_lambda / 2 * L**2 - (mu1 + 2 * mu2) * L + mu1 / 2 * (I1 - 3) + mu2 / 2 * (I2 - 3)
    P = mu1 * F + mu2 * (I1 * F - F * C) + (lame_lambda * L - mu1 - 2 * mu2) * T
    return energy, P


TEXT_BOOK: dict[str, Callable[..., EnergyAndStress]] = {
    "linear": linear,
    "neo-hookean": neo_hookean,
    "neo-hookean-j2": neo_hookean_j2,
    "neo-hookean-isochoric-quadratic": quadratic,
    "neo-hookean-isochoric-j2": j2,
    "mooney-rivlin": mooney_rivlin,
}


@pytest.mark.parametrize("states", ["small", "large"])
def test_energy_and_stress_keep_every_digit(
    compiled: Compiled, states: str, request: pytest.FixtureRequest
) -> None:
    """A textbook P loses m digits at strain 10⁻ᵐ; these lose none."""
    H = request.getfixturevalue(states)[1::8]
    energy, P = compiled.energy(H), compiled.stress(H)
    formula = TEXT_BOOK[compiled.name]
    with mpmath.workdps(60):
        parameters = {name: mpmath.mpf(value) for name, value in compiled.parameters.items()}
        for k, gradient in enumerate(H):
            F = mpmath.matrix(gradient.tolist()) + mpmath.eye(3)
            exact_energy, exact_P = formula(F, **parameters)
            exact = np.array(exact_P.tolist(), dtype=object)
            scale = max(abs(x) for x in exact.flat)
            assert abs(energy[k] - exact_energy) <= 1e-12 * abs(exact_energy)
            assert max(abs(x) for x in (P[k] - exact).flat) <= 1e-12 * scale


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

"""The example of an artery against the equilibrium of a tube, which depends on the radius alone.

With u(R) outwards, λ_r = 1 + u', λ_θ = 1 + u/R and λ_z = 1, the energy of the layer per angle and
length under an inner pressure p is

    Π(u) = ∫ ψ(λ_r, λ_θ) R dR - p ((R_i + u(R_i))² - R_i²) / 2.

Here u is a polynomial in R, and Π is stationary: no elements, no compiled kernels.
"""

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy.optimize import root  # type: ignore[import-untyped]

from elastane.jobs.job import load_job
from elastane.jobs.templates import EXAMPLES
from tests.verification.cases import Floats, solve

INNER, OUTER, PRESSURE, LENGTH = 0.71, 0.97, 13.3, 0.1
MU, KAPPA, K1, K2, ANGLE = 3.0, 300.0, 2.3632, 0.8393, np.deg2rad(29.0)
NUM_COEFFICIENTS = 10


def strain_energy(radial: Floats, hoop: Floats) -> Floats:
    """Return ψ of Holzapfel, Gasser and Ogden for two families at ±ANGLE."""
    J = radial * hoop
    isochoric = J ** (-2.0 / 3.0)
    first = isochoric * (radial**2 + hoop**2 + 1.0) - 3.0
    fourth = isochoric * (hoop**2 * np.cos(ANGLE) ** 2 + np.sin(ANGLE) ** 2) - 1.0
    tension = np.where(fourth.real > 0.0, fourth, 0.0)
    fibres = 2.0 * K1 / (2.0 * K2) * (np.exp(K2 * tension**2) - 1.0)
    return np.asarray(0.5 * MU * first + fibres + KAPPA * (J**2 - 1.0 - 2.0 * np.log(J)) / 4.0)


def energies(coefficients: Floats, pressure: float) -> tuple[Floats, Floats]:
    """Return ∫ ψ R dR and Π of a polynomial in the distance from the middle."""
    points, weights = leggauss(30)
    half = 0.5 * (OUTER - INNER)
    R, weights = 0.5 * (INNER + OUTER) + half * points, weights * half
    powers = np.arange(NUM_COEFFICIENTS)
    u = (coefficients * points[:, None] ** powers).sum(axis=1)
    slope = (coefficients * powers * points[:, None] ** np.maximum(powers - 1, 0)).sum(axis=1)
    stored = (strain_energy(1.0 + slope / half, 1.0 + u / R) * R * weights).sum()
    inside = INNER + (coefficients * (-1.0) ** powers).sum()
    return stored, stored - 0.5 * pressure * (inside**2 - INNER**2)


def gradient(coefficients: Floats, pressure: float) -> Floats:
    """Return dΠ by complex steps, exact to rounding."""
    steps = 1e-30j * np.eye(NUM_COEFFICIENTS)
    return np.array([energies(coefficients + step, pressure)[1].imag / 1e-30 for step in steps])


@pytest.fixture(scope="module")
def tube() -> Floats:
    """Return the coefficients under the full pressure, from those of a volume that stays."""
    points, _ = leggauss(30)
    R = 0.5 * (INNER + OUTER) + 0.5 * (OUTER - INNER) * points
    u = np.sqrt(R**2 + (INNER + 0.6) ** 2 - INNER**2) - R
    start = np.polynomial.polynomial.polyfit(points, u, NUM_COEFFICIENTS - 1)
    found = root(gradient, start, args=(PRESSURE,), tol=1e-13)
    assert np.abs(gradient(found.x, PRESSURE)).max() < 1e-9
    return np.asarray(found.x)


def test_the_example_of_an_artery_is_the_tube_of_one_dimension(tube: Floats) -> None:
    """One element of degree 4 through the wall, two around it: 3e-8, 8e-8, and 1e-7 in energy."""
    solved = solve(load_job(EXAMPLES / "artery.yml").problem)
    step = solved.report.steps[-1]
    powers = np.arange(NUM_COEFFICIENTS)
    inside, outside = (tube * (-1.0) ** powers).sum(), tube.sum()
    assert step.probes["inside"][0] == pytest.approx(inside, rel=3e-7)
    assert step.probes["outside"][0] == pytest.approx(outside, rel=3e-7)
    stored = float(energies(tube, PRESSURE)[0])
    assert step.strain_energy == pytest.approx(0.5 * np.pi * LENGTH * stored, rel=5e-7)
    assert inside == pytest.approx(0.63609, abs=1e-5)

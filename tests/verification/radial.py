"""Equilibria that depend on the radius alone, found as stationary points of the energy.

The unknown function of the radius is a polynomial, and its coefficients make the energy stationary:
no elements and no compiled kernels.  The energies are analytic, so a step along the imaginary axis
gives derivatives to rounding, and the coefficients fall geometrically with the degree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.polynomial.chebyshev import chebvander
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from tests.verification.cases import Floats

#: Strain energy per initial volume of the invariants I₁, I₂ and of J; complex where they are.
Density = Callable[[Any, Any, Any], Any]

COMPLEX_STEP = 1e-30


def neo_hookean(shear_modulus: float, lame_lambda: float) -> Density:
    def density(I1: Any, I2: Any, J: Any) -> Any:
        log_J = np.log(J)
        return 0.5 * shear_modulus * (I1 - 3.0 - 2.0 * log_J) + 0.5 * lame_lambda * log_J**2

    return density


def mooney_rivlin_isochoric(mu1: float, mu2: float, bulk_modulus: float) -> Density:
    """Return ψ with `volumetric: j2`; neo-Hookean for mu2 = 0."""

    def density(I1: Any, I2: Any, J: Any) -> Any:
        first = J ** (-2.0 / 3.0) * I1 - 3.0
        second = J ** (-4.0 / 3.0) * I2 - 3.0
        volume = 0.25 * (J**2 - 1.0 - 2.0 * np.log(J))
        return 0.5 * mu1 * first + 0.5 * mu2 * second + bulk_modulus * volume

    return density


def lame(youngs_modulus: float, poissons_ratio: float) -> tuple[float, float]:
    """Return μ and λ."""
    shear = youngs_modulus / (2.0 * (1.0 + poissons_ratio))
    return shear, 2.0 * shear * poissons_ratio / (1.0 - 2.0 * poissons_ratio)


def bulk_modulus(shear_modulus: float, poissons_ratio: float) -> float:
    return 2.0 * shear_modulus * (1.0 + poissons_ratio) / (3.0 * (1.0 - 2.0 * poissons_ratio))


@dataclass(frozen=True)
class Interval:
    """Chebyshev polynomials below a degree on [low, high], at Gauss points.

    The rule of 40 points is exact to rounding for the energies here.
    """

    low: float
    high: float
    size: int

    @cached_property
    def points(self) -> Floats:
        return self._middle + self._half * leggauss(40)[0]

    @cached_property
    def weights(self) -> Floats:
        return self._half * leggauss(40)[1]

    @cached_property
    def values(self) -> Floats:
        """Each polynomial at each point, shape (points, size)."""
        return np.asarray(chebvander(leggauss(40)[0], self.size - 1), dtype=np.float64)

    @cached_property
    def slopes(self) -> Floats:
        slopes = [self.series(row).deriv()(self.points) for row in np.eye(self.size)]
        return np.stack(slopes, axis=1)

    def series(self, coefficients: Floats) -> Chebyshev:
        return Chebyshev(coefficients, [self.low, self.high])

    @property
    def _middle(self) -> float:
        return 0.5 * (self.low + self.high)

    @property
    def _half(self) -> float:
        return 0.5 * (self.high - self.low)


def derivative(function: Callable[[Any], Any], at: float) -> float:
    """Return the derivative of an analytic function, exact to rounding."""
    return float(np.squeeze(function(at + 1j * COMPLEX_STEP)).imag / COMPLEX_STEP)


def stationary(energy: Callable[[NDArray[Any]], Any], start: Floats) -> Floats:
    """Return the coefficients, shape (size, 1), at which an energy is stationary.

    Args:
        energy: Takes columns of coefficients, shape (size, k), to an energy of each.
        start: Where Newton's method starts, shape (size,).
    """
    unit = np.eye(len(start))

    def gradient(coefficients: Floats) -> Floats:
        shifted = energy(coefficients[:, None] + 1j * COMPLEX_STEP * unit)
        return np.asarray(shifted.imag / COMPLEX_STEP)

    coefficients = start
    for _ in range(30):
        # Digits that differences lose cost iterations, not accuracy.
        steps = 1e-6 * unit
        changes = [gradient(coefficients + s) - gradient(coefficients - s) for s in steps]
        step = np.linalg.solve(np.array(changes) / 2e-6, gradient(coefficients))
        coefficients = coefficients - step
        if np.abs(step).max() < 1e-12:
            return coefficients[:, None]
    raise AssertionError(f"no stationary energy: the last step was {step}")

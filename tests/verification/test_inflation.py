"""V13, V15: hollow spheres blown up past the largest pressure that they bear, and to it.

A point at radius R goes to r(R³).  With λ_r = dr/dR and λ_θ = r/R twice, the energy of the sphere
whose inner radius is held at r_i is

    E(r, r_i) = 4π/3 ∫ W(I₁, I₂, J) d(R³),

stationary at r, and the pressure is dE/dr_i over the inner area 4π r_i².  An incompressible
neo-Hookean sphere keeps its volume, r³ - R³ = r_i³ - R_i³, and bears

    p = 2 μ (G(r_o/R_o) - G(r_i/R_i)),    G(λ) = 1/λ + 1/(4 λ⁴).

Reference: R. Ogden, Non-Linear Elastic Deformations, Ellis Horwood 1984, section 5.3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import Chebyshev
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.problem import Loading, NewtonSettings
from tests.verification.cases import Floats, displacement, material, problem, solve
from tests.verification.radial import (
    Density,
    Interval,
    bulk_modulus,
    derivative,
    lame,
    mooney_rivlin_isochoric,
    neo_hookean,
    stationary,
)

INNER = 1.0

#: Outer radius of a thin sphere, and the inner radius at which it bears most.
THIN, LIMIT_RADIUS = 1.2, 1.4701638

SYMMETRY: list[BoundaryCondition] = [
    displacement("x-min", 0, None, None),
    displacement("y-min", None, 0, None),
    displacement("z-min", None, None, 0),
]


@dataclass(frozen=True)
class Sphere:
    """The equilibrium of a hollow sphere of inner radius 1, whose inner radius is held."""

    outer: float
    density: Density

    @property
    def cubes(self) -> Interval:
        """The interval of R³."""
        return Interval(INNER**3, self.outer**3, 14)

    def energy(self, coefficients: Any, inside: Any) -> Any:
        """Return E of r = r_i + (R³ - R_i³) f(R³), for coefficients of f."""
        cubes = self.cubes
        away = (cubes.points - INNER**3)[:, None]
        factor = cubes.values @ coefficients
        slope = factor + away * (cubes.slopes @ coefficients)
        R = np.cbrt(cubes.points)[:, None]
        radial, hoop = 3.0 * R**2 * slope, (inside + away * factor) / R
        I1 = radial**2 + 2.0 * hoop**2
        I2 = hoop**2 * (2.0 * radial**2 + hoop**2)
        return 4.0 / 3.0 * np.pi * cubes.weights @ self.density(I1, I2, radial * hoop**2)

    def coefficients(self, inside: float) -> Floats:
        cubes = self.cubes
        away = cubes.points - INNER**3
        incompressible = (np.cbrt(away + inside**3) - inside) / away
        domain = [cubes.low, cubes.high]
        start = Chebyshev.fit(cubes.points, incompressible, cubes.size - 1, domain=domain)
        return stationary(
            lambda coefficients: self.energy(coefficients, inside),
            np.asarray(start.coef, dtype=np.float64),
        )

    def pressure(self, inside: float) -> float:
        coefficients = self.coefficients(inside)
        force = derivative(lambda radius: self.energy(coefficients, radius), inside)
        return force / (4.0 * np.pi * inside**2)

    def outside(self, inside: float) -> float:
        """Return the current outer radius."""
        factor = self.cubes.series(self.coefficients(inside)[:, 0])(self.outer**3)
        return float(inside + (self.outer**3 - INNER**3) * factor)

    def limit_pressure(self) -> float:
        """Return the largest  at an inner radius between 1.5 and 2.2."""
        # The pressure is flat there: three digits of the radius give six of it.
        found = minimize_scalar(
            lambda inside: -self.pressure(inside),
            bounds=(1.5, 2.2),
            method="bounded",
            options={"xatol": 1e-3},
        )
        return -float(found.fun)


def incompressible_pressure(inside: float, outer: float) -> tuple[float, float]:
    """Return the pressure for μ = 1, and the current outer radius."""
    outside = float(np.cbrt(outer**3 + inside**3 - INNER**3))

    def G(stretch: float) -> float:
        return 1.0 / stretch + 0.25 / stretch**4

    return 2.0 * (G(outside / outer) - G(inside / INNER)), outside


def incompressible_limit(outer: float) -> float:
    """Return the largest pressure for μ = 1."""
    found = minimize_scalar(
        lambda inside: -incompressible_pressure(inside, outer)[0],
        bounds=(1.2, 3.0),
        method="bounded",
    )
    return -float(found.fun)


def test_closed_forms_are_those_of_the_references() -> None:
    """V13, V15: nine digits."""
    np.testing.assert_allclose(
        incompressible_pressure(2.0, 2.0), (0.806926603, 2.46621207), rtol=3e-9
    )
    assert incompressible_limit(THIN) == pytest.approx(0.225138444, rel=3e-9)
    assert incompressible_pressure(LIMIT_RADIUS, THIN)[0] == pytest.approx(0.225138444, rel=3e-9)


def test_limit_pressure_of_a_compressible_sphere() -> None:
    """V15: what the limit load in tests/solver/test_loading.py is compared with."""
    sphere = Sphere(2.0, neo_hookean(*lame(1.0, 0.45)))
    assert sphere.limit_pressure() == pytest.approx(0.277535, abs=5e-7)


def test_blown_up_sphere_comes_near_the_incompressible_one() -> None:
    """V13: what is left of pressure and radius falls as 1/κ, to 2e-4 at ν = 0.4999.

    At an inner radius of 2 the pressure falls already; so the radius is held.  The elements leave
    4e-6 of the pressure and 2e-7 of the mean radius.
    """
    expected = np.array(incompressible_pressure(2.0, 2.0))
    distances = []
    moduli = []
    for poissons_ratio in (0.49, 0.499, 0.4999):
        kappa = bulk_modulus(1.0, poissons_ratio)
        found = np.array(blown_up(SphereShell(INNER, 2.0, (2, 1)), 2.0, kappa))
        sphere = Sphere(2.0, mooney_rivlin_isochoric(1.0, 0.0, kappa))
        np.testing.assert_allclose(found, [sphere.pressure(2.0), sphere.outside(2.0)], rtol=1e-5)
        distances.append(np.abs(found / expected - 1.0))
        moduli.append(kappa)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    # Terms in 1/κ² are a few percent of the first where ν = 0.49.
    products = np.array(distances) * np.array(moduli)[:, None]
    np.testing.assert_allclose(products, np.broadcast_to(products[-1], products.shape), rtol=0.1)


def test_pressure_of_a_thin_sphere_is_largest_at_its_limit() -> None:
    """V15: nearly incompressible, ν = 0.4999, which lowers the pressure by 2e-4."""
    kappa = bulk_modulus(1.0, 0.4999)
    body = SphereShell(INNER, THIN, (1, 1))
    before, limit, after = (
        blown_up(body, inside, kappa)[0]
        for inside in (LIMIT_RADIUS - 0.1, LIMIT_RADIUS, LIMIT_RADIUS + 0.1)
    )
    assert limit == pytest.approx(0.225138444, rel=1e-3)
    assert before < limit > after


def blown_up(body: SphereShell, inside: float, kappa: float) -> tuple[float, float]:
    """Return the pressure and the mean outer radius at an inner radius, for μ = 1.

    A displacement that changes much, of a body whose volume may not, makes Newton's method creep:
    a soft body is blown up in the first half of the load, and its bulk modulus grows in the second.
    """
    soft = 5.0
    chosen = material(
        "neo-hookean-isochoric",
        {"volumetric": "j2"},
        shear_modulus=1.0,
        bulk_modulus=f"{soft}*{kappa / soft}**max(2*t-1, 0)",
    )
    held = displacement("inner", *(f"min(2*t, 1)*{inside / INNER - 1.0}*{axis}" for axis in "xyz"))
    state = solve(
        problem(
            body,
            4,
            [*SYMMETRY, held],
            chosen,
            loading=Loading(steps=4),
            # The bulk modulus is the scale of the residual: its rounding is not below TIGHT.
            newton=NewtonSettings(rtol=1e-8),
        )
    )
    inner = state.nodes("inner")
    # The derivative of the energy of an eighth of a sphere by the inner radius, at first 1.
    force = float((state.reactions[inner] * state.X[inner]).sum())
    outside = np.linalg.norm((state.X + state.u)[state.nodes("outer")], axis=1)
    return force / (0.5 * np.pi * inside**2), float(outside.mean())

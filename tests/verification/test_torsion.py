"""V10 to V12: cylinders twisted at fixed length, their sides free.

A point at radius R goes to the radius R g(R²) and turns by the angle ψ z.  With λ_r = (R g)',
λ_θ = g, the axial stretch λ_z and γ = ψ R g,

    I₁ = λ_r² + λ_θ² + λ_z² + γ²,  I₂ = λ_r² (λ_θ² + λ_z² + γ²) + λ_θ² λ_z²,  J = λ_r λ_θ λ_z,

and the energy per initial length E(g, ψ, λ_z) = π ∫ W(I₁, I₂, J) d(R²) is stationary at g.  The
torque is T = ∂E/∂ψ and the axial force N = ∂E/∂λ_z.  An incompressible solid keeps its radii;
Rivlin's stresses of a Mooney-Rivlin solid, integrated over the cross-section, give

    T = π/2 (μ₁ + μ₂) ψ R_o⁴,    N = -π/4 (μ₁ + 2 μ₂) ψ² R_o⁴.

The ends of the bodies of finite elements carry the map that is stationary, so that it is the
solution along the whole length.

Reference: R. Rivlin, Large elastic deformations of isotropic materials VI, Philosophical
Transactions of the Royal Society A 242 (1949) 173-195.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import Chebyshev, Polynomial

from elastane.meshes.annulus import Annulus
from elastane.meshes.body import Body
from elastane.meshes.mesh import Mesh
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.problem import Loading, NewtonSettings, RegionMaterial
from tests.verification.cases import Floats, Solved, displacement, material, problem, solve
from tests.verification.disc import solid_cylinder
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

TWIST = 1.0
OUTER = 1.0


@dataclass(frozen=True)
class Twisted:
    """The equilibrium of a cylinder of outer radius 1, twisted by 1 rad per unit of length."""

    inner: float
    density: Density

    @cached_property
    def squares(self) -> Interval:
        """The interval of R²; 20 polynomials give 10 digits of a hollow cylinder."""
        return Interval(self.inner**2, OUTER**2, 20)

    def energy(self, coefficients: Any, twist: Any, stretch: Any) -> Any:
        squared_radius = self.squares.points[:, None]
        hoop = self.squares.values @ coefficients
        radial = hoop + 2.0 * squared_radius * (self.squares.slopes @ coefficients)
        shear = squared_radius * (hoop * twist) ** 2
        I1 = radial**2 + hoop**2 + stretch**2 + shear
        I2 = radial**2 * (hoop**2 + stretch**2 + shear) + (hoop * stretch) ** 2
        return np.pi * self.squares.weights @ self.density(I1, I2, radial * hoop * stretch)

    @cached_property
    def coefficients(self) -> Floats:
        undeformed = np.eye(1, self.squares.size)[0]
        return stationary(lambda coefficients: self.energy(coefficients, TWIST, 1.0), undeformed)

    @property
    def torque(self) -> float:
        return derivative(lambda twist: self.energy(self.coefficients, twist, 1.0), TWIST)

    @property
    def axial_force(self) -> float:
        return derivative(lambda stretch: self.energy(self.coefficients, TWIST, stretch), 1.0)

    @property
    def hoop_stretch(self) -> Chebyshev:
        """Return g, a function of R²."""
        return self.squares.series(self.coefficients[:, 0])

    def radius(self, R: Any) -> Any:
        return R * self.hoop_stretch(R**2)

    @property
    def map(self) -> tuple[str, str]:
        """Return formulas of the displacements along x and y; g grows with the load from 1."""
        middle = 0.5 * (self.squares.low + self.squares.high)
        series = self.hoop_stretch - 1.0
        # A domain of length two: the powers of R² - middle.
        powers = series.convert(kind=Polynomial, domain=[middle - 1.0, middle + 1.0]).coef
        growth = "0"
        for coefficient in powers[::-1]:
            growth = f"{coefficient:.12g}+(x*x+y*y-{middle:.12g})*({growth})"
        angle = f"{TWIST}*t*z"
        along_x = f"(1+t*({growth}))*(x*cos({angle})-y*sin({angle}))-x"
        along_y = f"(1+t*({growth}))*(x*sin({angle})+y*cos({angle}))-y"
        return along_x, along_y


def twisted(
    body: Body | Mesh, degree: int, chosen: RegionMaterial, expected: Twisted, **settings: Any
) -> Solved:
    ends: list[BoundaryCondition] = [
        displacement(end, *expected.map, 0.0) for end in ("z-min", "z-max")
    ]
    return solve(problem(body, degree, ends, chosen, **settings))


def torque_and_force(state: Solved) -> tuple[float, float]:
    """Return the work-conjugates of the angle and the distance of the ends."""
    top = state.nodes("z-max")
    moments = np.cross((state.X + state.u)[top], state.reactions[top])
    return float(moments[:, 2].sum()), float(state.reactions[top, 2].sum())


def assert_radii(state: Solved, expected: Twisted, atol: float) -> None:
    R = np.linalg.norm(state.X[:, :2], axis=1)
    r = np.linalg.norm((state.X + state.u)[:, :2], axis=1)
    np.testing.assert_allclose(r, expected.radius(R), rtol=0.0, atol=atol)


#: V11 and V12 as another solver of boundary value problems gives them, nine digits:
#: Poisson's ratio, T, N, r(R_o), r(R_i).
SOLID = (0.3, 0.539952645, -0.165838392, 0.955606171, 0.0)
HOLLOW = (0.45, 0.424655868, -0.204688355, 0.943095383, 0.400119659)


@pytest.mark.parametrize(("inner", "given"), [(0.0, SOLID), (0.5, HOLLOW)], ids=["V11", "V12"])
def test_stationary_cylinder_is_that_of_a_boundary_value_problem(
    inner: float, given: tuple[float, ...]
) -> None:
    """V11, V12: the other one leaves out a core of radius 1e-4, and so 3e-9 of N."""
    expected = Twisted(inner, neo_hookean(*lame(1.0, given[0])))
    found = (expected.torque, expected.axial_force, expected.radius(OUTER), expected.radius(inner))
    np.testing.assert_allclose(found, given[1:], rtol=0.0, atol=5e-9)


@pytest.mark.parametrize(
    ("body", "inner", "poissons_ratio"),
    [
        (solid_cylinder((1, 1), 1.0, 5), 0.0, 0.3),
        (Annulus(0.5, OUTER, 1.0, 360.0, (1, 4, 1)), 0.5, 0.45),
    ],
    ids=["V11", "V12"],
)
def test_twisted_compressible_cylinder(
    body: Body | Mesh, inner: float, poissons_ratio: float
) -> None:
    """V11, V12: five or four elements of degree 5 leave 2e-6 of T, 9e-6 of N, 5e-6 of r."""
    expected = Twisted(inner, neo_hookean(*lame(1.0, poissons_ratio)))
    chosen = material("neo-hookean", youngs_modulus=1.0, poissons_ratio=poissons_ratio)
    state = twisted(body, 5, chosen, expected, loading=Loading(steps=2))
    torque, force = torque_and_force(state)
    assert torque == pytest.approx(expected.torque, rel=1e-5)
    assert force == pytest.approx(expected.axial_force, rel=1e-5)
    assert_radii(state, expected, atol=1e-5)


MU1, MU2 = 0.7, 0.3
RIVLIN = np.array([0.5 * np.pi * (MU1 + MU2), -0.25 * np.pi * (MU1 + 2.0 * MU2)])


def test_twisted_solid_comes_near_the_incompressible_one() -> None:
    """V10: what is left of Rivlin's torque and force falls as 1/κ, to 9e-5 at ν = 0.4999.

    The torque of a short cylinder is that of a long one.  The elements leave 5e-8.
    """
    distances = []
    moduli = []
    for poissons_ratio in (0.49, 0.499, 0.4999):
        kappa = bulk_modulus(MU1 + MU2, poissons_ratio)
        expected = Twisted(0.0, mooney_rivlin_isochoric(MU1, MU2, kappa))
        chosen = material(
            "mooney-rivlin-isochoric", {"volumetric": "j2"}, mu1=MU1, mu2=MU2, bulk_modulus=kappa
        )
        # The bulk modulus is the scale of the residual: its rounding is not below TIGHT.
        state = twisted(
            solid_cylinder((2, 1), 0.25, 4), 4, chosen, expected, newton=NewtonSettings(rtol=1e-8)
        )
        found = np.array(torque_and_force(state))
        np.testing.assert_allclose(found, [expected.torque, expected.axial_force], rtol=1e-6)
        assert_radii(state, expected, atol=1e-5)
        distances.append(np.abs(found / RIVLIN - 1.0))
        moduli.append(kappa)
    np.testing.assert_allclose(found, RIVLIN, rtol=1e-3)
    # Terms in 1/κ² are a percent of the first where ν = 0.49.
    products = np.array(distances) * np.array(moduli)[:, None]
    np.testing.assert_allclose(products, np.broadcast_to(products[-1], products.shape), rtol=0.03)

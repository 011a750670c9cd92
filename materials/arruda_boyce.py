"""Arruda and Boyce's rubber: eight chains of limited length in a cube.

    ψ = μ_c Σ_{k=1..5} C_k λ_m^(2 - 2 k) (Ī₁ᵏ - 3ᵏ) + κ U(J)    with Ī₁ = J^(-2/3) I₁
    C = 1/2, 1/20, 11/1050, 19/7000, 519/673750

The series is that of the inverse Langevin function, whose first five terms are usual; it stiffens
towards the locking stretch λ_m of a chain, √(Ī₁/3) = λ_m, but stays finite there.
`volumetric: j2` is U = (J² - 1 - 2 ln J)/4, `volumetric: quadratic` is U = (J - 1)²/2.

The elastic constants that a user gives are those of the small-strain limit, as for every other
model.  The modulus of the chains, μ_c = n k θ (Abaqus calls it μ, and the initial one μ₀), is

    μ_c = μ / (1 + 3/(5 λ_m²) + 99/(175 λ_m⁴) + 513/(875 λ_m⁶) + 42039/(67375 λ_m⁸))

Reference: E. Arruda and M. Boyce, Journal of the Mechanics and Physics of Solids 41 (1993) 389-412.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import volume_change
from elastane.materials.isochoric import VOLUMETRIC, first_isochoric, volumetric_textbook
from elastane.materials.isotropic import BULK_MODULUS, isotropic_with
from elastane.materials.model import Material, Parameter, Values

if TYPE_CHECKING:
    from jax import Array

LOCKING_STRETCH = Parameter(
    "locking_stretch", "1", "stretch λ_m at which a chain is straight", minimum=1.0
)
CHAIN_MODULUS = Parameter("chain_modulus", "Pa", "modulus μ_c = n k θ of the chains", minimum=0.0)

#: C_k as (numerator, denominator).
COEFFICIENTS = ((1, 2), (1, 20), (11, 1050), (19, 7000), (519, 673750))


def strain_energy(
    H: "Array",
    chain_modulus: "Array",
    bulk_modulus: "Array",
    locking_stretch: "Array",
    *,
    volumetric: str,
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    With y = Ī₁ - 3, Ī₁ᵏ - 3ᵏ is a polynomial in y without a constant; all its coefficients are
    positive, so that nothing cancels.
    """
    y = first_isochoric(H)
    q = 1.0 / (locking_stretch * locking_stretch)
    series: Array | float = 0.0
    for power in reversed(range(len(COEFFICIENTS))):
        series = _coefficient(power + 1, q) + y * series
    return chain_modulus * y * series + bulk_modulus * VOLUMETRIC[volumetric](volume_change(H))


def _coefficient(power: int, q: Any) -> Any:
    """Return the coefficient of yᵖ in Σ C_k q^(k-1) ((3 + y)ᵏ - 3ᵏ), by Horner's rule in q."""
    value: Any = 0.0
    for k in reversed(range(power, len(COEFFICIENTS) + 1)):
        numerator, denominator = COEFFICIENTS[k - 1]
        value = numerator * math.comb(k, power) * 3 ** (k - power) / denominator + q * value
    for _ in range(power - 1):
        value = q * value
    return value


def textbook_energy(
    F: Any, *, chain_modulus: Any, bulk_modulus: Any, locking_stretch: Any, volumetric: str
) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, _, J = textbook.isochoric_invariants(F)
    shape = sum(
        chain_modulus * numerator / denominator / locking_stretch ** (2 * k - 2) * (I1**k - 3**k)
        for k, (numerator, denominator) in enumerate(COEFFICIENTS, start=1)
    )
    return shape + bulk_modulus * volumetric_textbook(J, volumetric)


ELASTIC = isotropic_with(LOCKING_STRETCH)


def convert(given: Mapping[str, Values]) -> dict[str, Values]:
    """Return `chain_modulus`, `bulk_modulus` and `locking_stretch`; μ is 2 ∂ψ/∂Ī₁ at rest."""
    values = ELASTIC.convert(given)
    stretch = values["locking_stretch"]
    initial = 2 * _coefficient(1, 1.0 / (stretch * stretch))
    return values | {"chain_modulus": values["lame_mu"] / initial}


ARRUDA_BOYCE = Material(
    name="arruda-boyce",
    title="Arruda and Boyce's rubber: eight chains of limited length",
    formula="μ_c Σ C_k λ_m^(2-2k) (Ī₁ᵏ - 3ᵏ) + κ U(J), k = 1..5, Ī₁ = J^(-2/3) I₁, "
    "C = 1/2, 1/20, 11/1050, 19/7000, 519/673750, U = (J² - 1 - 2 ln J)/4 (j2) or "
    "(J - 1)²/2 (quadratic); μ_c is such that the elastic constants are those of small strain",
    reference="E. Arruda, M. Boyce, J. Mech. Phys. Solids 41 (1993) 389-412",
    parametrization=replace(ELASTIC, convert=convert),
    kernel_parameters=(CHAIN_MODULUS, BULK_MODULUS, LOCKING_STRETCH),
    energy=strain_energy,
    options={"volumetric": ("j2", "quadratic")},
    examples=(
        {"shear_modulus": 1.0, "bulk_modulus": 20.0, "locking_stretch": 2.8},
        {"youngs_modulus": 1.0, "poissons_ratio": 0.4, "locking_stretch": 5.0},
    ),
    textbook=textbook_energy,
)

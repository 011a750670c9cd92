"""Blatz and Ko's foam.

    ψ = f μ/2 [I₁ - 3 + (J^(-2β) - 1)/β] + (1 - f) μ/2 [I₂/J² - 3 + (J^(2β) - 1)/β]
    β = ν/(1 - 2 ν)

μ and ν are those of small strain for every f.  f = 0, the default, is foam; with ν = 1/4 it is the
classic polyurethane foam, ψ = μ/2 (I₂/J² + 2 J - 5), which finite-element programs call the model
of Blatz and Ko, and with any ν the hyperfoam of Abaqus with one term, α = -2.  f = 1 is solid
rubber, a compressible neo-Hookean one.

Reference: P. Blatz and W. Ko, Transactions of the Society of Rheology 6 (1962) 223-251.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from elastane.materials import textbook
from elastane.materials.invariants import (
    determinant,
    expm1_minus,
    inner,
    jnp,
    log1p_minus,
    log_volume_ratio,
    second_invariant,
    shape_change,
    volume_change,
)
from elastane.materials.isotropic import LAME_MU, isotropic_with
from elastane.materials.model import Material, Parameter, Values

if TYPE_CHECKING:
    from jax import Array

SOLID_FRACTION = Parameter(
    "solid_fraction",
    "1",
    "weight f of the rubber, 1 - f is that of the foam",
    minimum=0.0,
    minimum_allowed=True,
    maximum=1.0,
    maximum_allowed=True,
    default=0.0,
)
BETA = Parameter("beta", "1", "exponent β = ν/(1 - 2 ν)", minimum=-1.0 / 3.0)

#: |β| below which (J^(2β) - 1)/β is 2 ln J to the last digit, whatever J.
SMALLEST_EXPONENT = 1e-20


def strain_energy(H: "Array", lame_mu: "Array", beta: "Array", solid_fraction: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    (J^(2β) - 1)/β is 2 ln J + expm1_minus(2β ln J)/β.  I₁ - 3 - 2 ln J is 2 (tr E - ln J), and
    I₂/J² - 3 + 2 ln J, of the inverse of C, is the same of the inverse motion.
    """
    z = 2.0 * beta * log_volume_ratio(H)
    rubber = shape_change(H) + 0.5 * expm1_minus(-z) / beta
    foam = inverse_shape_change(H) + 0.5 * expm1_minus(z) / beta
    return lame_mu * (solid_fraction * rubber + (1.0 - solid_fraction) * foam)


def inverse_shape_change(H: "Array") -> "Array":
    """Return (tr C⁻¹ - 3)/2 + ln J, `shape_change` of the inverse motion.

    Its displacement gradient is G = F⁻¹ - I = (adj H - H - (II(H) + det H) I) / J, in which the
    terms of order 0 have cancelled exactly.
    """
    x = volume_change(H)
    surplus = second_invariant(H) + determinant(H)
    G = (_adjugate(H) - H - surplus * jnp.eye(3)) / (1.0 + x)
    return 0.5 * inner(G, G) - second_invariant(G) - determinant(G) - log1p_minus(-x / (1.0 + x))


def _adjugate(A: "Array") -> "Array":
    """Return adj A = A² - tr A A + II(A) I, as 2 x 2 minors."""
    rows = [
        [
            A[(j + 1) % 3, (i + 1) % 3] * A[(j + 2) % 3, (i + 2) % 3]
            - A[(j + 1) % 3, (i + 2) % 3] * A[(j + 2) % 3, (i + 1) % 3]
            for j in range(3)
        ]
        for i in range(3)
    ]
    return jnp.stack([jnp.stack(row) for row in rows])


def textbook_energy(F: Any, *, lame_mu: Any, beta: Any, solid_fraction: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, I2, J = textbook.invariants(F)
    rubber = I1 - 3 - _growth(J**2, -beta)
    foam = I2 / J**2 - 3 + _growth(J**2, beta)
    return lame_mu / 2 * (solid_fraction * rubber + (1 - solid_fraction) * foam)


def _growth(I3: Any, exponent: Any) -> Any:
    """Return (I₃^e - 1)/e of mpmath numbers; ln I₃, its limit, where e stands for zero."""
    if abs(exponent) <= SMALLEST_EXPONENT:
        return textbook.log(I3)
    return (I3**exponent - 1) / exponent


ELASTIC = isotropic_with(SOLID_FRACTION)


def convert(given: Mapping[str, Values]) -> dict[str, Values]:
    """Return `lame_mu`, `beta` and `solid_fraction`; β = ν/(1 - 2 ν) is λ/(2 μ)."""
    values = ELASTIC.convert(given)
    beta = np.asarray(values["lame_lambda"] / (2.0 * values["lame_mu"]))
    beta = np.where(np.abs(beta) < SMALLEST_EXPONENT, SMALLEST_EXPONENT, beta)
    return values | {"beta": beta if beta.ndim else float(beta)}


BLATZ_KO = Material(
    name="blatz-ko",
    title="Blatz and Ko's foam",
    formula="f μ/2 [I₁ - 3 + (J^(-2β) - 1)/β] + (1 - f) μ/2 [I₂/J² - 3 + (J^(2β) - 1)/β], "
    "β = ν/(1 - 2 ν), f = 0 for foam",
    reference="P. Blatz, W. Ko, Trans. Soc. Rheol. 6 (1962) 223-251",
    parametrization=replace(ELASTIC, convert=convert),
    kernel_parameters=(LAME_MU, BETA, SOLID_FRACTION),
    energy=strain_energy,
    examples=(
        {"shear_modulus": 1.0, "poissons_ratio": 0.25},
        {"youngs_modulus": 1.0, "poissons_ratio": 0.0},
        {"youngs_modulus": 1.0, "poissons_ratio": 0.4, "solid_fraction": 0.5},
    ),
    textbook=textbook_energy,
)

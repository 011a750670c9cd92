"""Compressible Mooney-Rivlin solid.

    ψ = λ/2 (ln J)² - (μ₁ + 2 μ₂) ln J + μ₁/2 (I₁ - 3) + μ₂/2 (I₂ - 3)

I₁ and I₂ are the invariants of C.  Poisson's ratio sets λ = 2 (μ₁ + μ₂) ν / (1 - 2 ν), the
convention of libCEED's examples.  At small strain the shear modulus is μ₁ + μ₂ and the first Lamé
parameter λ + 2 μ₂, so that ν is the ratio of the small-strain limit only where μ₂ = 0.

Reference: G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, section 6.5.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from elastane.materials import textbook
from elastane.materials.invariants import (
    determinant,
    inner,
    jnp,
    log1p_minus,
    log_volume_ratio,
    second_invariant,
    shape_change,
    volume_change,
)
from elastane.materials.isotropic import LAME_LAMBDA, POISSONS_RATIO
from elastane.materials.model import Material, Parameter, Parametrization, Values, require

if TYPE_CHECKING:
    from jax import Array

MU1 = Parameter("mu1", "Pa", "weight μ₁ of I₁", minimum=0.0, minimum_allowed=True)
MU2 = Parameter("mu2", "Pa", "weight μ₂ of I₂", minimum=0.0, minimum_allowed=True)


def strain_energy(H: "Array", lame_lambda: "Array", mu1: "Array", mu2: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    I₂ = |cof F|².  With L = cof F - I, whose trace is 2 tr H + II(H), and with J - 1 = tr H + II(H)
    + det H, (I₂ - 3)/2 - 2 ln J has no terms of first order left: it is |L|²/2 - II(H) - 2 det H -
    2 (ln J - (J - 1)).  The cofactor gives a shorter tangent than C does.
    """
    L = cofactor_change(H)
    second = (
        0.5 * inner(L, L)
        - second_invariant(H)
        - 2.0 * (determinant(H) + log1p_minus(volume_change(H)))
    )
    return 0.5 * lame_lambda * log_volume_ratio(H) ** 2 + mu1 * shape_change(H) + mu2 * second


def cofactor_change(H: "Array") -> "Array":
    """Return cof F - I = tr H I - Hᵀ + cof H, shape (3, 3)."""

    def entry(i: int, j: int) -> "Array":
        a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
        # The trace is not formed: compiled, H₁₁ + H₂₂ + H₁₁ H₂₂ becomes F₁₁ F₂₂.
        linear = H[a, a] + H[b, b] if i == j else -H[j, i]
        return linear + (H[a, c] * H[b, d] - H[a, d] * H[b, c])

    return jnp.stack([jnp.stack([entry(i, j) for j in range(3)]) for i in range(3)])


def convert(given: Mapping[str, Values]) -> dict[str, Values]:
    """Return `lame_lambda`, `mu1` and `mu2`.

    Raises:
        ParameterError: If the solid would not be stable at rest.
    """
    mu1, mu2 = given["mu1"], given["mu2"]
    shear = mu1 + mu2
    require(
        np.asarray(shear) > 0,
        "mu1",
        mu1,
        "mu1 + mu2, the shear modulus, must be greater than 0, got mu1 {value}; give at least "
        "one of the two",
    )
    if "poissons_ratio" in given:
        ratio = given["poissons_ratio"]
        lmbda = 2.0 * shear * ratio / (1.0 - 2.0 * ratio)
        name, value = "poissons_ratio", ratio
    else:
        name, value = "lame_lambda", given["lame_lambda"]
        lmbda = value
    require(
        np.asarray(lmbda + 2.0 * mu2 + 2.0 * shear / 3.0) > 0,
        name,
        value,
        f"{name} {{value}} makes the bulk modulus, lame_lambda + 2 mu1/3 + 8 mu2/3, negative or "
        "zero; take a larger value",
    )
    return {"lame_lambda": lmbda, "mu1": mu1, "mu2": mu2}


def textbook_energy(F: Any, *, lame_lambda: Any, mu1: Any, mu2: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, I2, J = textbook.invariants(F)
    L = textbook.log(J)
    shape = mu1 / 2 * (I1 - 3) + mu2 / 2 * (I2 - 3)
    return lame_lambda / 2 * L**2 - (mu1 + 2 * mu2) * L + shape


MOONEY_RIVLIN = Material(
    name="mooney-rivlin",
    title="compressible Mooney-Rivlin solid",
    formula="λ/2 (ln J)² - (μ₁ + 2 μ₂) ln J + μ₁/2 (I₁ - 3) + μ₂/2 (I₂ - 3)",
    reference="G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, section 6.5",
    parametrization=Parametrization(
        parameters=(MU1, MU2, POISSONS_RATIO, LAME_LAMBDA),
        combinations=(
            frozenset({"mu1", "mu2", "poissons_ratio"}),
            frozenset({"mu1", "mu2", "lame_lambda"}),
        ),
        takes="mu1, mu2 and one of poissons_ratio, lame_lambda",
        convert=convert,
    ),
    kernel_parameters=(LAME_LAMBDA, MU1, MU2),
    energy=strain_energy,
    textbook=textbook_energy,
    examples=(
        {"mu1": 0.5, "mu2": 0.5, "lame_lambda": 4.0},
        {"mu1": 1.0, "mu2": 0.25, "poissons_ratio": 0.4},
    ),
)

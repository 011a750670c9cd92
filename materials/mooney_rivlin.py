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

from elastane.materials import plain, textbook
from elastane.materials.cofactor import area_change
from elastane.materials.invariants import jnp, log_volume_ratio, shape_change
from elastane.materials.isotropic import LAME_LAMBDA, POISSONS_RATIO
from elastane.materials.model import (
    Material,
    Parameter,
    Parametrization,
    PlainForm,
    Values,
    require,
)

if TYPE_CHECKING:
    from jax import Array

MU1 = Parameter("mu1", "Pa", "weight μ₁ of I₁", minimum=0.0, minimum_allowed=True)
MU2 = Parameter("mu2", "Pa", "weight μ₂ of I₂", minimum=0.0, minimum_allowed=True)


def strain_energy(H: "Array", lame_lambda: "Array", mu1: "Array", mu2: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    (I₁ - 3)/2 - ln J and (I₂ - 3)/2 - 2 ln J are of second order in the strain, each by itself.
    """
    volume = 0.5 * lame_lambda * log_volume_ratio(H) ** 2
    return volume + mu1 * shape_change(H) + mu2 * area_change(H)


def plain_energy(F: "Array", lame_lambda: "Array", mu1: "Array", mu2: "Array") -> "Array":
    """Return ψ plainly, see `Material.plain`."""
    rows = plain.components(F)
    K = plain.cofactor(rows)
    L = jnp.log(plain.determinant(rows, K))
    squares = mu1 * plain.square(rows) + mu2 * plain.square(K)
    return 0.5 * lame_lambda * L * L - (mu1 + 2.0 * mu2) * L + 0.5 * squares


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
    plain=PlainForm(strain_energy, plain_energy),
    textbook=textbook_energy,
    examples=(
        {"mu1": 0.5, "mu2": 0.5, "lame_lambda": 4.0},
        {"mu1": 1.0, "mu2": 0.25, "poissons_ratio": 0.4},
    ),
)

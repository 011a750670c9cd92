"""Mooney-Rivlin solid split into a part for shape and a part for volume.

    ψ = μ₁/2 (Ī₁ - 3) + μ₂/2 (Ī₂ - 3) + κ U(J)    with Ī₁ = J^(-2/3) I₁, Ī₂ = J^(-4/3) I₂

`volumetric: quadratic` is U = (J - 1)²/2, `volumetric: j2` is U = (J² - 1 - 2 ln J)/4.  At small
strain the shear modulus is μ₁ + μ₂ and the bulk modulus κ.  In the notation of Abaqus and Ansys,
μ₁ = 2 C10, μ₂ = 2 C01 and κ = 2/D1, with `quadratic`.

References: M. Mooney, Journal of Applied Physics 11 (1940) 582-592; R. Rivlin, Philosophical
Transactions of the Royal Society A 241 (1948) 379-397; G. Holzapfel, Nonlinear Solid Mechanics,
Wiley 2000, section 6.5.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from elastane.materials import textbook
from elastane.materials.invariants import volume_change
from elastane.materials.isochoric import (
    VOLUMETRIC,
    first_isochoric,
    second_isochoric,
    volumetric_textbook,
)
from elastane.materials.isotropic import BULK_MODULUS, with_bulk
from elastane.materials.model import Material, Parameter, Values, require

if TYPE_CHECKING:
    from jax import Array

MU1 = Parameter("mu1", "Pa", "weight μ₁ of Ī₁", minimum=0.0, minimum_allowed=True)
MU2 = Parameter("mu2", "Pa", "weight μ₂ of Ī₂", minimum=0.0, minimum_allowed=True)


def strain_energy(
    H: "Array", mu1: "Array", mu2: "Array", bulk_modulus: "Array", *, volumetric: str
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    shape = 0.5 * mu1 * first_isochoric(H) + 0.5 * mu2 * second_isochoric(H)
    return shape + bulk_modulus * VOLUMETRIC[volumetric](volume_change(H))


def textbook_energy(F: Any, *, mu1: Any, mu2: Any, bulk_modulus: Any, volumetric: str) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, I2, J = textbook.isochoric_invariants(F)
    shape = mu1 / 2 * (I1 - 3) + mu2 / 2 * (I2 - 3)
    return shape + bulk_modulus * volumetric_textbook(J, volumetric)


def shear_modulus(given: Mapping[str, Values]) -> Values:
    """Return μ₁ + μ₂.

    Raises:
        ParameterError: If it is zero.
    """
    mu1 = given["mu1"]
    shear = mu1 + given["mu2"]
    require(
        np.asarray(shear) > 0,
        "mu1",
        mu1,
        "mu1 + mu2, the shear modulus, must be greater than 0, got mu1 {value}; give at least "
        "one of the two",
    )
    return shear


MOONEY_RIVLIN_ISOCHORIC = Material(
    name="mooney-rivlin-isochoric",
    title="Mooney-Rivlin solid, shape and volume apart",
    formula="μ₁/2 (J^(-2/3) I₁ - 3) + μ₂/2 (J^(-4/3) I₂ - 3) + κ U(J), U = (J - 1)²/2 (quadratic) "
    "or (J² - 1 - 2 ln J)/4 (j2)",
    reference="M. Mooney, J. Appl. Phys. 11 (1940) 582-592; G. Holzapfel, Nonlinear Solid "
    "Mechanics, Wiley 2000, section 6.5",
    parametrization=with_bulk(shear_modulus, MU1, MU2),
    kernel_parameters=(MU1, MU2, BULK_MODULUS),
    energy=strain_energy,
    options={"volumetric": ("quadratic", "j2")},
    examples=(
        {"mu1": 0.75, "mu2": 0.25, "bulk_modulus": 20.0},
        {"mu1": 0.0, "mu2": 1.0, "poissons_ratio": 0.4},
    ),
    textbook=textbook_energy,
)

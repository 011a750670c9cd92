"""Gent's rubber, whose chains have a limit that they cannot be stretched beyond.

    ψ = -μ/2 J_m ln(1 - (Ī₁ - 3)/J_m) + κ U(J)    with Ī₁ = J^(-2/3) I₁ < 3 + J_m

`volumetric: j2` is U = (J² - 1 - 2 ln J)/4, `volumetric: quadratic` is U = (J - 1)²/2.  At small
strain the shear modulus is μ and the bulk modulus κ; as J_m grows the solid becomes neo-Hookean.
Beyond the limit energy and stress are not numbers: a load step that gets there is cut.

Reference: A. Gent, Rubber Chemistry and Technology 69 (1996) 59-61.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import jnp, volume_change
from elastane.materials.isochoric import VOLUMETRIC, first_isochoric, volumetric_textbook
from elastane.materials.isotropic import BULK_MODULUS, LAME_MU, isotropic_with
from elastane.materials.model import Material, Parameter

if TYPE_CHECKING:
    from jax import Array

LIMIT = Parameter(
    "limit",
    "1",
    "limit J_m of Ī₁ - 3",
    minimum=0.0,
    remedy="30 to 100 is usual for rubber, less for soft tissue",
)


def strain_energy(
    H: "Array", lame_mu: "Array", bulk_modulus: "Array", limit: "Array", *, volumetric: str
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    With r = √(1 - y) and y = (Ī₁ - 3)/J_m, ln(1 - y) = 2 ln r and r - 1 = -y/(1 + r): no digit is
    lost at small y.  The root is there for large y: 1/(1 - y), the derivative of ln(1 - y), would
    be finite and wrong beyond the limit, whereas that of the root is no number.
    """
    y = first_isochoric(H) / limit
    shape = -lame_mu * limit * jnp.log1p(-y / (1.0 + jnp.sqrt(1.0 - y)))
    return shape + bulk_modulus * VOLUMETRIC[volumetric](volume_change(H))


def textbook_energy(F: Any, *, lame_mu: Any, bulk_modulus: Any, limit: Any, volumetric: str) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, _, J = textbook.isochoric_invariants(F)
    shape = -lame_mu / 2 * limit * textbook.log(1 - (I1 - 3) / limit)
    return shape + bulk_modulus * volumetric_textbook(J, volumetric)


GENT = Material(
    name="gent",
    title="Gent's rubber: chains of limited length",
    formula="-μ/2 J_m ln(1 - (J^(-2/3) I₁ - 3)/J_m) + κ U(J), U = (J² - 1 - 2 ln J)/4 (j2) or "
    "(J - 1)²/2 (quadratic)",
    reference="A. Gent, Rubber Chem. Technol. 69 (1996) 59-61",
    parametrization=isotropic_with(LIMIT),
    kernel_parameters=(LAME_MU, BULK_MODULUS, LIMIT),
    energy=strain_energy,
    options={"volumetric": ("j2", "quadratic")},
    examples=(
        {"shear_modulus": 1.0, "bulk_modulus": 20.0, "limit": 97.2},
        {"youngs_modulus": 1.0, "poissons_ratio": 0.4, "limit": 80.0},
    ),
    textbook=textbook_energy,
)

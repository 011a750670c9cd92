"""Tissue with families of fibres, of Holzapfel, Gasser and Ogden.

    ψ = μ/2 (Ī₁ - 3) + Σ_i k₁ᵢ/(2 k₂ᵢ) (exp(k₂ᵢ <Ēᵢ>²) - 1) + κ (J² - 1 - 2 ln J)/4
    Ēᵢ = dᵢ (Ī₁ - 3) + (1 - 3 dᵢ)(Ī₄ᵢ - 1)

with Ī₁ = J^(-2/3) I₁ and Ī₄ᵢ = J^(-2/3) aᵢ·C aᵢ for a family along the unit vector aᵢ.  The
dispersion dᵢ, κ in the reference and in Abaqus, is 0 for fibres all alike and 1/3 for fibres in all
directions.  The ground matrix is neo-Hookean; `shear_modulus`, `youngs_modulus` and so on are its
own, without the fibres.

Fibres bear load in tension only: <x> is x for x > 0 and 0 for x ≤ 0, where Ē decides, as in Abaqus.
Where Newton's method hunts to and fro between both sides, give `recruitment` a small strain: <x> is
then `ramps.smooth_ramp` of that width, and the tangent is continuous.

References: T. Gasser, R. Ogden, G. Holzapfel, Journal of the Royal Society Interface 3 (2006)
15-35; G. Holzapfel, T. Gasser, R. Ogden, Journal of Elasticity 61 (2000) 1-48.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import green_lagrange, jnp, volume_change
from elastane.materials.isochoric import (
    fibre_isochoric,
    first_isochoric,
    j2,
    volumetric_textbook,
)
from elastane.materials.isotropic import BULK_MODULUS, LAME_MU, isotropic_with
from elastane.materials.model import Material, Parameter
from elastane.materials.ramps import smooth_ramp

if TYPE_CHECKING:
    from jax import Array

FIBRES = Parameter("fibres", "1", "direction of each family", shape=("families", 3), direction=True)
K1 = Parameter(
    "k1",
    "Pa",
    "stiffness k₁ of each family at small strain",
    minimum=0.0,
    minimum_allowed=True,
    shape=("families",),
)
K2 = Parameter("k2", "1", "how fast each family stiffens", minimum=0.0, shape=("families",))
DISPERSION = Parameter(
    "dispersion",
    "1",
    "dispersion of each family, from 0 (all alike) to 1/3 (all directions)",
    minimum=0.0,
    minimum_allowed=True,
    maximum=1.0 / 3.0,
    maximum_allowed=True,
    shape=("families",),
    default=0.0,
)
RECRUITMENT = Parameter(
    "recruitment",
    "1",
    "strain Ē over which fibres take up their load; 0 is a sharp switch",
    minimum=0.0,
    minimum_allowed=True,
    default=0.0,
)


def strain_energy(
    H: "Array",
    lame_mu: "Array",
    bulk_modulus: "Array",
    fibres: "Array",
    k1: "Array",
    k2: "Array",
    dispersion: "Array",
    recruitment: "Array",
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    first = first_isochoric(H)
    E = green_lagrange(H)
    energy = 0.5 * lame_mu * first + bulk_modulus * j2(volume_change(H))
    for i in range(k1.shape[0]):
        fourth = fibre_isochoric(H, E, fibres[i])
        strain = dispersion[i] * first + (1.0 - 3.0 * dispersion[i]) * fourth
        tension = smooth_ramp(strain, recruitment)
        energy = energy + 0.5 * k1[i] / k2[i] * jnp.expm1(k2[i] * tension * tension)
    return energy


def textbook_energy(
    F: Any, *, lame_mu: Any, bulk_modulus: Any, recruitment: Any, **families: Any
) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, _, J = textbook.isochoric_invariants(F)
    energy = lame_mu / 2 * (I1 - 3) + bulk_modulus * volumetric_textbook(J, "j2")
    for i in range(sum(name.startswith("k1_") for name in families)):
        k1, k2, d = (families[f"{name}_{i}"] for name in ("k1", "k2", "dispersion"))
        along = F @ textbook.direction(f"fibres_{i}", families)
        I4 = along @ along / textbook.cbrt(J) ** 2
        tension = _tension(d * (I1 - 3) + (1 - 3 * d) * (I4 - 1), recruitment)
        energy += k1 / (2 * k2) * (textbook.exp(k2 * tension**2) - 1)
    return energy


def _tension(strain: Any, recruitment: Any) -> Any:
    """Return <Ē> of mpmath numbers: the integral of 3 t² - 2 t³ over t = Ē/w, then Ē - w/2."""
    if strain <= 0:
        return 0 * strain
    if strain >= recruitment:
        return strain - recruitment / 2
    t = strain / recruitment
    return recruitment * (t**3 - t**4 / 2)


HOLZAPFEL_GASSER_OGDEN = Material(
    name="holzapfel-gasser-ogden",
    title="tissue with families of fibres, of Holzapfel, Gasser and Ogden",
    formula="μ/2 (Ī₁ - 3) + Σ k₁/(2 k₂) (exp(k₂ <Ē>²) - 1) + κ (J² - 1 - 2 ln J)/4, "
    "Ē = d (Ī₁ - 3) + (1 - 3 d)(Ī₄ - 1), <x> = max(x, 0)",
    reference="T. Gasser, R. Ogden, G. Holzapfel, J. R. Soc. Interface 3 (2006) 15-35",
    parametrization=isotropic_with(FIBRES, K1, K2, DISPERSION, RECRUITMENT),
    kernel_parameters=(LAME_MU, BULK_MODULUS, FIBRES, K1, K2, DISPERSION, RECRUITMENT),
    energy=strain_energy,
    sizes={"families": range(1, 5)},
    examples=(
        # The media of a rabbit's carotid artery (2000), in units of its shear modulus, 3 kPa.
        {
            "shear_modulus": 1.0,
            "bulk_modulus": 50.0,
            "fibres": [[0.8746, 0.4848, 0.0], [0.8746, -0.4848, 0.0]],
            "k1": [0.7877, 0.7877],
            "k2": [0.8393, 0.8393],
        },
        {
            "shear_modulus": 1.0,
            "bulk_modulus": 20.0,
            "fibres": [[0.8746, 0.4848, 0.0], [0.2, 1.0, 0.3]],
            "k1": [0.5, 2.0],
            "k2": [0.1, 0.2],
            "dispersion": [0.1, 0.226],
            "recruitment": 0.02,
        },
        {
            "shear_modulus": 1.0,
            "poissons_ratio": 0.45,
            "fibres": [[1.0, 0.5, 0.2]],
            "k1": [2.0],
            "k2": [0.5],
            "dispersion": [0.1],
        },
    ),
    textbook=textbook_energy,
)

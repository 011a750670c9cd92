"""Yeoh's rubber: a cubic polynomial in the first invariant.

    ψ = c₁ (Ī₁ - 3) + c₂ (Ī₁ - 3)² + c₃ (Ī₁ - 3)³ + κ U(J)    with Ī₁ = J^(-2/3) I₁

`volumetric: quadratic` is U = (J - 1)²/2, `volumetric: j2` is U = (J² - 1 - 2 ln J)/4.  At small
strain the shear modulus is 2 c₁ and the bulk modulus κ.  For filled rubber c₂ is usually negative
(it softens first) and c₃ positive (it stiffens again).  In the notation of Abaqus and Ansys, c₁, c₂
and c₃ are C10, C20 and C30 and κ = 2/D1, with `quadratic`.

Reference: O. Yeoh, Rubber Chemistry and Technology 66 (1993) 754-771.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import volume_change
from elastane.materials.isochoric import VOLUMETRIC, first_isochoric, volumetric_textbook
from elastane.materials.isotropic import BULK_MODULUS, with_bulk
from elastane.materials.model import Material, Parameter, Values

if TYPE_CHECKING:
    from jax import Array

C1 = Parameter("c1", "Pa", "coefficient of Ī₁ - 3, half the shear modulus", minimum=0.0)
C2 = Parameter("c2", "Pa", "coefficient of (Ī₁ - 3)²")
C3 = Parameter("c3", "Pa", "coefficient of (Ī₁ - 3)³")


def strain_energy(
    H: "Array",
    c1: "Array",
    c2: "Array",
    c3: "Array",
    bulk_modulus: "Array",
    *,
    volumetric: str,
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    y = first_isochoric(H)
    volume = VOLUMETRIC[volumetric](volume_change(H))
    return y * (c1 + y * (c2 + y * c3)) + bulk_modulus * volume


def textbook_energy(
    F: Any, *, c1: Any, c2: Any, c3: Any, bulk_modulus: Any, volumetric: str
) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, _, J = textbook.isochoric_invariants(F)
    shape = c1 * (I1 - 3) + c2 * (I1 - 3) ** 2 + c3 * (I1 - 3) ** 3
    return shape + bulk_modulus * volumetric_textbook(J, volumetric)


def shear_modulus(given: Mapping[str, Values]) -> Values:
    """Return 2 c₁."""
    return 2 * given["c1"]


YEOH = Material(
    name="yeoh",
    title="Yeoh's rubber: a cubic polynomial in the first invariant",
    formula="c₁ (Ī₁ - 3) + c₂ (Ī₁ - 3)² + c₃ (Ī₁ - 3)³ + κ U(J), Ī₁ = J^(-2/3) I₁, "
    "U = (J - 1)²/2 (quadratic) or (J² - 1 - 2 ln J)/4 (j2)",
    reference="O. Yeoh, Rubber Chem. Technol. 66 (1993) 754-771",
    parametrization=with_bulk(shear_modulus, C1, C2, C3),
    kernel_parameters=(C1, C2, C3, BULK_MODULUS),
    energy=strain_energy,
    options={"volumetric": ("quadratic", "j2")},
    examples=(
        {"c1": 0.5, "c2": -0.01, "c3": 0.001, "bulk_modulus": 20.0},
        {"c1": 0.5, "c2": 0.1, "c3": 0.02, "poissons_ratio": 0.45},
    ),
    textbook=textbook_energy,
)

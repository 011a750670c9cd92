"""Neo-Hookean solid split into a part for shape and a part for volume.

    ψ = μ/2 (Ī₁ - 3) + κ U(J)        with Ī₁ = J^(-2/3) I₁

`volumetric: quadratic` is U = (J - 1)²/2, `volumetric: j2` is U = (J² - 1 - 2 ln J)/4,
`volumetric: log` is U = (ln J)²/2.

Reference: G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, sections 6.4 and 6.5.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import volume_change
from elastane.materials.isochoric import VOLUMETRIC, first_isochoric, volumetric_textbook
from elastane.materials.isotropic import BULK_MODULUS, EXAMPLES, ISOTROPIC, LAME_MU
from elastane.materials.model import Material

if TYPE_CHECKING:
    from jax import Array


def strain_energy(
    H: "Array", lame_mu: "Array", bulk_modulus: "Array", *, volumetric: str
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    volume = VOLUMETRIC[volumetric](volume_change(H))
    return 0.5 * lame_mu * first_isochoric(H) + bulk_modulus * volume


def textbook_energy(F: Any, *, lame_mu: Any, bulk_modulus: Any, volumetric: str) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, _, J = textbook.isochoric_invariants(F)
    return lame_mu / 2 * (I1 - 3) + bulk_modulus * volumetric_textbook(J, volumetric)


NEO_HOOKEAN_ISOCHORIC = Material(
    name="neo-hookean-isochoric",
    title="neo-Hookean solid, shape and volume apart",
    formula="μ/2 (J^(-2/3) I₁ - 3) + κ U(J), U = (J - 1)²/2 (quadratic), "
    "(J² - 1 - 2 ln J)/4 (j2) or (ln J)²/2 (log)",
    reference="G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, sections 6.4 and 6.5",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_MU, BULK_MODULUS),
    energy=strain_energy,
    options={"volumetric": tuple(VOLUMETRIC)},
    examples=EXAMPLES,
    textbook=textbook_energy,
)

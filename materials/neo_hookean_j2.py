"""Compressible neo-Hookean solid whose volumetric term grows with J².

    ψ = λ/4 (J² - 1 - 2 ln J) + μ (tr E - ln J)

It agrees with `neo_hookean` at small strain only.

Reference: P. Ciarlet, Mathematical Elasticity, volume I, North-Holland 1988, section 4.10.
"""

from typing import TYPE_CHECKING

from elastane.materials.invariants import log1p_minus, shape_change, volume_change
from elastane.materials.isotropic import EXAMPLES, ISOTROPIC, LAME_LAMBDA, LAME_MU
from elastane.materials.model import Material

if TYPE_CHECKING:
    from jax import Array


def strain_energy(H: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    With x = J - 1, J² - 1 - 2 ln J is x² - 2 (ln(1 + x) - x).
    """
    x = volume_change(H)
    volumetric = 0.25 * x * x - 0.5 * log1p_minus(x)
    return lame_lambda * volumetric + lame_mu * shape_change(H)


NEO_HOOKEAN_J2 = Material(
    name="neo-hookean-j2",
    title="compressible neo-Hookean solid, volumetric term in J²",
    formula="λ/4 (J² - 1 - 2 ln J) + μ (tr E - ln J)",
    reference="P. Ciarlet, Mathematical Elasticity, volume I, North-Holland 1988, section 4.10",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_LAMBDA, LAME_MU),
    energy=strain_energy,
    examples=EXAMPLES,
)

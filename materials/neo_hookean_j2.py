"""Compressible neo-Hookean solid whose volumetric term grows with J².

    ψ = λ/4 (J² - 1 - 2 ln J) + μ (tr E - ln J)

It agrees with `neo_hookean` at small strain only.

Reference: P. Ciarlet, Mathematical Elasticity, volume I, North-Holland 1988, section 4.10.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import plain, textbook
from elastane.materials.invariants import jnp, log1p_minus, shape_change, volume_change
from elastane.materials.isotropic import EXAMPLES, ISOTROPIC, LAME_LAMBDA, LAME_MU
from elastane.materials.model import Material, PlainForm

if TYPE_CHECKING:
    from jax import Array


def strain_energy(H: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    With x = J - 1, J² - 1 - 2 ln J is x² - 2 (ln(1 + x) - x).
    """
    x = volume_change(H)
    volumetric = 0.25 * x * x - 0.5 * log1p_minus(x)
    return lame_lambda * volumetric + lame_mu * shape_change(H)


def plain_energy(F: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ plainly, see `Material.plain`."""
    rows = plain.components(F)
    J = plain.determinant(rows, plain.cofactor(rows))
    volumetric = 0.25 * J * J - 0.5 * jnp.log(J)
    return lame_lambda * volumetric + lame_mu * (0.5 * plain.square(rows) - jnp.log(J))


def textbook_energy(F: Any, *, lame_lambda: Any, lame_mu: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, _, J = textbook.invariants(F)
    L = textbook.log(J)
    return lame_lambda / 4 * (J**2 - 1 - 2 * L) + lame_mu * ((I1 - 3) / 2 - L)


NEO_HOOKEAN_J2 = Material(
    name="neo-hookean-j2",
    title="compressible neo-Hookean solid, volumetric term in J²",
    formula="λ/4 (J² - 1 - 2 ln J) + μ (tr E - ln J)",
    reference="P. Ciarlet, Mathematical Elasticity, volume I, North-Holland 1988, section 4.10",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_LAMBDA, LAME_MU),
    energy=strain_energy,
    plain=PlainForm(strain_energy, plain_energy),
    examples=EXAMPLES,
    textbook=textbook_energy,
)

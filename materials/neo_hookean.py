"""Compressible neo-Hookean solid with a logarithmic volumetric term.

    ψ = λ/2 (ln J)² - μ ln J + μ tr E

λ and μ are the Lamé parameters of the small-strain limit.

Reference: J. Bonet and R. Wood, Nonlinear Continuum Mechanics for Finite Element Analysis,
Cambridge 2008, section 6.4.3.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import plain, textbook
from elastane.materials.invariants import jnp, log_volume_ratio, shape_change
from elastane.materials.isotropic import EXAMPLES, ISOTROPIC, LAME_LAMBDA, LAME_MU
from elastane.materials.model import Material, PlainForm

if TYPE_CHECKING:
    from jax import Array


def strain_energy(H: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    return 0.5 * lame_lambda * log_volume_ratio(H) ** 2 + lame_mu * shape_change(H)


def plain_energy(F: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ plainly, see `Material.plain`."""
    rows = plain.components(F)
    L = jnp.log(plain.determinant(rows, plain.cofactor(rows)))
    return 0.5 * lame_lambda * L * L - lame_mu * L + 0.5 * lame_mu * plain.square(rows)


def textbook_energy(F: Any, *, lame_lambda: Any, lame_mu: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, _, J = textbook.invariants(F)
    L = textbook.log(J)
    return lame_lambda / 2 * L**2 - lame_mu * L + lame_mu / 2 * (I1 - 3)


NEO_HOOKEAN = Material(
    name="neo-hookean",
    title="compressible neo-Hookean solid",
    formula="λ/2 (ln J)² - μ ln J + μ tr E",
    reference="J. Bonet, R. Wood, Nonlinear Continuum Mechanics for Finite Element Analysis, "
    "Cambridge 2008, section 6.4.3",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_LAMBDA, LAME_MU),
    energy=strain_energy,
    plain=PlainForm(strain_energy, plain_energy),
    examples=EXAMPLES,
    textbook=textbook_energy,
)

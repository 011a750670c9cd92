"""Hencky's solid: linear elasticity of the logarithmic strain.

    ψ = μ Σ (ln λ_i)² + λ/2 (ln J)²        with ln λ_i = ln(1 + 2 e_i) / 2

λ_i are the principal stretches, e_i the principal Green-Lagrange strains and ln J = Σ ln λ_i.  It
describes metals and plastics at moderate strain, and is elliptic where all stretches lie between
0.22 and 1.39; beyond, some solids soften.

References: H. Hencky, Zeitschrift für technische Physik 9 (1928) 215-220; L. Anand, Journal of
Applied Mechanics 46 (1979) 78-82; O. Bruhns, H. Xiao and A. Meyers, Proceedings of the Royal
Society A 457 (2001) 2207-2226 (ellipticity).
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import jnp
from elastane.materials.isotropic import EXAMPLES, ISOTROPIC, LAME_LAMBDA, LAME_MU
from elastane.materials.model import Material
from elastane.materials.stretches import log_stretches

if TYPE_CHECKING:
    from jax import Array


def strain_energy(e: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ in J/m³ for the principal Green-Lagrange strains, shape (3,)."""
    logs = log_stretches(e)
    return lame_mu * jnp.sum(logs * logs) + 0.5 * lame_lambda * jnp.sum(logs) ** 2


def textbook_energy(F: Any, lame_lambda: Any, lame_mu: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    logs = [textbook.log(stretch) for stretch in textbook.principal_stretches(F)]
    return lame_mu * sum(x**2 for x in logs) + lame_lambda / 2 * sum(logs) ** 2


HENCKY = Material(
    name="hencky",
    title="Hencky's solid, linear in the logarithmic strain",
    formula="μ Σ (ln λ_i)² + λ/2 (ln J)², λ_i the principal stretches",
    reference="L. Anand, Journal of Applied Mechanics 46 (1979) 78-82",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_LAMBDA, LAME_MU),
    energy=strain_energy,
    measure="principal",
    textbook=textbook_energy,
    examples=EXAMPLES,
)

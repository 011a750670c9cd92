"""Linear elasticity, for small strains and small rotations.

    ψ(ε) = λ/2 (tr ε)² + μ ε : ε        with ε = (H + Hᵀ) / 2

Reference: L. Landau and E. Lifshitz, Theory of Elasticity, Pergamon 1986, section 4.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import inner, small_strain, trace
from elastane.materials.isotropic import EXAMPLES, ISOTROPIC, LAME_LAMBDA, LAME_MU
from elastane.materials.model import Material

if TYPE_CHECKING:
    from jax import Array


def strain_energy(H: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    strain = small_strain(H)
    return 0.5 * lame_lambda * trace(strain) ** 2 + lame_mu * inner(strain, strain)


def textbook_energy(F: Any, *, lame_lambda: Any, lame_mu: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    H = F - textbook.identity()
    strain = (H + H.T) / 2
    return lame_lambda / 2 * sum(strain.diagonal()) ** 2 + lame_mu * (strain * strain).sum()


LINEAR = Material(
    name="linear",
    title="linear elasticity: small strains and rotations",
    formula="λ/2 (tr ε)² + μ ε:ε",
    reference="L. Landau, E. Lifshitz, Theory of Elasticity, Pergamon 1986, section 4",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_LAMBDA, LAME_MU),
    energy=strain_energy,
    finite_strain=False,
    examples=EXAMPLES,
    textbook=textbook_energy,
)

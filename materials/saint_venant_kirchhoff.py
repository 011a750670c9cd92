"""Saint Venant-Kirchhoff solid: linear elasticity in the Green-Lagrange strain.

    ψ(E) = λ/2 (tr E)² + μ E : E

For large rotations and small strain.  It must not be used in strong compression: its stress goes
back to zero as the body is squeezed to nothing, in one direction from a stretch of 1/√3 on.

Reference: G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, section 6.5.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import inner, trace
from elastane.materials.isotropic import EXAMPLES, ISOTROPIC, LAME_LAMBDA, LAME_MU
from elastane.materials.model import Material

if TYPE_CHECKING:
    from jax import Array


def strain_energy(E: "Array", lame_lambda: "Array", lame_mu: "Array") -> "Array":
    """Return ψ in J/m³ for a Green-Lagrange strain of shape (3, 3)."""
    return 0.5 * lame_lambda * trace(E) ** 2 + lame_mu * inner(E, E)


def textbook_energy(F: Any, *, lame_lambda: Any, lame_mu: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    E = (F.T @ F - textbook.identity()) / 2
    return lame_lambda / 2 * E.trace() ** 2 + lame_mu * (E * E).sum()


SAINT_VENANT_KIRCHHOFF = Material(
    name="saint-venant-kirchhoff",
    title="Saint Venant-Kirchhoff solid: large rotations, small strains",
    formula="λ/2 (tr E)² + μ E:E",
    reference="G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, section 6.5",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_LAMBDA, LAME_MU),
    energy=strain_energy,
    measure="E",
    examples=EXAMPLES,
    textbook=textbook_energy,
)

"""Functions of the principal strains, for energies of measure "principal".

The principal stretches λ_i and the principal Green-Lagrange strains e_i are one: λ_i² = 1 + 2 e_i.
The functions keep every digit of small strains, as those of `invariants` do.
"""

from typing import TYPE_CHECKING

from elastane.materials.invariants import jnp

if TYPE_CHECKING:
    from jax import Array


def log_stretches(e: "Array") -> "Array":
    """Return ln λ_i = ln(1 + 2 e_i) / 2 for principal Green-Lagrange strains, shape (3,)."""
    return 0.5 * jnp.log1p(2.0 * e)

"""The second invariant through the cofactor: I₂ = |cof F|².

It gives a shorter tangent than I₂ of C does: cof F is quadratic in F, and so is C, but the tangent
of |cof F|² needs the derivative of cof F alone.
"""

from typing import TYPE_CHECKING

from elastane.materials.invariants import (
    determinant,
    inner,
    jnp,
    log1p_minus,
    second_invariant,
    volume_change,
)

if TYPE_CHECKING:
    from jax import Array


def cofactor_change(H: "Array") -> "Array":
    """Return cof F - I = tr H I - Hᵀ + cof H, shape (3, 3)."""

    def entry(i: int, j: int) -> "Array":
        a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
        # The trace is not formed: compiled, H₁₁ + H₂₂ + H₁₁ H₂₂ becomes F₁₁ F₂₂.
        linear = H[a, a] + H[b, b] if i == j else -H[j, i]
        return linear + (H[a, c] * H[b, d] - H[a, d] * H[b, c])

    return jnp.stack([jnp.stack([entry(i, j) for j in range(3)]) for i in range(3)])


def area_change(H: "Array") -> "Array":
    """Return (I₂ - 3)/2 - 2 ln J, which is of second order in the strain, as `shape_change` is.

    With L = cof F - I, whose trace is 2 tr H + II(H), and with J - 1 = tr H + II(H) + det H, no
    terms of first order are left: it is |L|²/2 - II(H) - 2 det H - 2 (ln J - (J - 1)).
    """
    L = cofactor_change(H)
    return (
        0.5 * inner(L, L)
        - second_invariant(H)
        - 2.0 * (determinant(H) + log1p_minus(volume_change(H)))
    )

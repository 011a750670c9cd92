"""Kinematics in F, for energies of which only the tangent is taken.

What `elastane.materials.invariants` writes with care for digits stands here as text books have it.
All of it takes and returns numbers, row by row: components of tensors, not tensors, so that nothing
but the formula is left to differentiate.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jax import Array

Rows = list[list[Any]]


def components(F: "Array") -> Rows:
    """Return the components of a (3, 3) tensor."""
    return [[F[i, j] for j in range(3)] for i in range(3)]


def cofactor(F: Rows) -> Rows:
    """Return cof F = J F⁻ᵀ."""

    def entry(i: int, j: int) -> Any:
        a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
        return F[a][c] * F[b][d] - F[a][d] * F[b][c]

    return [[entry(i, j) for j in range(3)] for i in range(3)]


def determinant(F: Rows, K: Rows) -> Any:
    """Return J = det F from F and its cofactor."""
    return F[0][0] * K[0][0] + F[0][1] * K[0][1] + F[0][2] * K[0][2]


def square(A: Rows) -> Any:
    """Return A : A."""
    return sum(x * x for row in A for x in row)

"""Measures of strain and functions whose derivatives keep every digit.

H = grad u is the displacement gradient, F = I + H, J = det F, E = (FᵀF - I) / 2.  A stable ψ does
not make a stable stress: automatic differentiation of tr E - ln J subtracts F⁻ᵀ from F, which loses
m digits at strain 10⁻ᵐ.  Energies written with the functions below subtract nothing nearly equal,
neither themselves nor after differentiation:

    J - 1           from H, not from F
    E               from H, not from F
    log1p_minus(x)  ln(1 + x) - x
    expm1_minus(x)  eˣ - 1 - x

All work on JAX arrays, under jit and grad.  JAX is imported when an energy is first evaluated, so
that materials can be listed and checked where it is not installed.
"""

import importlib
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jax.numpy as jnp
    from jax import Array
else:

    class _LazyJaxNumpy:
        """`jax.numpy`, imported at first use."""

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module("jax.numpy"), name)

    jnp = _LazyJaxNumpy()
    Array = Any


def trace(A: Array) -> Array:
    """Return tr A of a (3, 3) tensor."""
    return A[0, 0] + A[1, 1] + A[2, 2]


def inner(A: Array, B: Array) -> Array:
    """Return A : B = A_ij B_ij of (3, 3) tensors."""
    return jnp.sum(A * B)


def second_invariant(A: Array) -> Array:
    """Return II(A) = ((tr A)² - tr A²) / 2 of a (3, 3) tensor, as the sum of principal minors."""
    return (
        (A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0])
        + (A[0, 0] * A[2, 2] - A[0, 2] * A[2, 0])
        + (A[1, 1] * A[2, 2] - A[1, 2] * A[2, 1])
    )


def determinant(A: Array) -> Array:
    """Return det A of a (3, 3) tensor."""
    return (
        A[0, 0] * (A[1, 1] * A[2, 2] - A[1, 2] * A[2, 1])
        + A[0, 1] * (A[1, 2] * A[2, 0] - A[1, 0] * A[2, 2])
        + A[0, 2] * (A[1, 0] * A[2, 1] - A[1, 1] * A[2, 0])
    )


def small_strain(H: Array) -> Array:
    """Return ε = (H + Hᵀ) / 2, shape (3, 3)."""
    return 0.5 * (H + H.T)


def green_lagrange(H: Array) -> Array:
    """Return E = (H + Hᵀ + HᵀH) / 2, shape (3, 3)."""
    return 0.5 * (H + H.T + H.T @ H)


def trace_green_lagrange(H: Array) -> Array:
    """Return tr E = tr H + H : H / 2."""
    return trace(H) + 0.5 * inner(H, H)


def volume_change(H: Array) -> Array:
    """Return J - 1 = tr H + II(H) + det H."""
    return trace(H) + second_invariant(H) + determinant(H)


def log_volume_ratio(H: Array) -> Array:
    """Return ln J."""
    return jnp.log1p(volume_change(H))


def shape_change(H: Array) -> Array:
    """Return tr E - ln J, which is of second order in the strain.

    tr E - (J - 1) = H : H / 2 - II(H) - det H holds exactly, and -ln J + (J - 1) is
    -log1p_minus(J - 1): neither the terms nor their derivatives cancel.
    """
    return 0.5 * inner(H, H) - second_invariant(H) - determinant(H) - log1p_minus(volume_change(H))


#: |x| below which log1p_minus is a series, and the number of its terms: the first one left out is
#: 2 y¹⁵/15 with y = x / (2 + x), 1e-18 of the sum; its derivative is 1e-17 of the derivative.
LOG_SERIES_RADIUS, LOG_SERIES_TERMS = 0.1, 6


def log1p_minus(x: Array) -> Array:
    """Return ln(1 + x) - x, exact to rounding with its derivatives for every x > -1.

    Near zero, with y = x / (2 + x), it is 2 (y³/3 + y⁵/5 + ...) - x y.
    """
    y = x / (2.0 + x)
    series = _polynomial(y * y, [2.0 / (2 * k + 1) for k in range(1, LOG_SERIES_TERMS + 1)])
    near_zero = y * y * y * series - x * y
    return jnp.where(jnp.abs(x) < LOG_SERIES_RADIUS, near_zero, jnp.log1p(x) - x)


#: The same for expm1_minus: the first term left out is x¹³/13!, 1e-17 of the sum.
EXP_SERIES_RADIUS, EXP_SERIES_DEGREE = 0.2, 12


def expm1_minus(x: Array) -> Array:
    """Return eˣ - 1 - x, exact to rounding with its derivatives for every x."""
    coefficients = [1.0 / math.factorial(k) for k in range(2, EXP_SERIES_DEGREE + 1)]
    near_zero = x * x * _polynomial(x, coefficients)
    return jnp.where(jnp.abs(x) < EXP_SERIES_RADIUS, near_zero, jnp.exp(x) - 1.0 - x)


def _polynomial(x: Array, coefficients: list[float]) -> Array:
    """Return Σ coefficients[k] xᵏ by Horner's rule."""
    *lower, highest = coefficients
    value = jnp.asarray(highest)
    for coefficient in reversed(lower):
        value = coefficient + x * value
    return value

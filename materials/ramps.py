"""Switches for energies: what acts on one side only.

Fibres bear load in tension only, contact in compression only.  Their energies are functions of
<x> = max(x, 0); `jax.numpy.maximum` must not be used for it, because its derivative at a tie is a
matter of taste: JAX takes 1/2 and Enzyme 0 or 1.  The functions below are made of `where`, on whose
derivatives all agree; both branches are finite everywhere, so that the one not taken leaves no NaN.

                     at x ≤ 0        beyond              derivatives at 0       continuous
    ramp             0               x                   0, 0 (those of x < 0)  value
    ramp_squared     0               x²                  0, 0 (those of x < 0)  and first derivative
    smooth_ramp      0               x - w/2 (x ≥ w)     0, 0                   and second
    soft_ramp        falls as e^x/w  x + w e^(-x/w)      1/2, 1/(4 w)           and all

The side at 0 is the switched-off one: `x > 0` is on, `x = 0` is off.

When to use which:

* `ramp` inside a power of at least 2, as fibres of a tissue do: ψ = k <x>² has a continuous stress
  with a kink, and a tangent that jumps.  Newton's method copes where few points switch in a step.
  A stress that itself jumps, ψ = k <x>, has no equilibrium between its two sides: no solver copes.
* `smooth_ramp` where Newton's method hunts to and fro between two sides, or where a tangent that is
  continuous is worth a strain of w/2 by which the load comes later.  Nothing changes at x ≤ 0, so
  that what is free of stress at rest remains so.  It is convex.
* `soft_ramp` where all derivatives are needed.  It is positive everywhere: at x = 0 it is w ln 2,
  so that a body would not be free of stress at rest.  Shift x, or keep it for x far from 0.

Roots and logarithms of a ramp have no derivative at 0, whatever the side.
"""

from typing import TYPE_CHECKING

from elastane.materials.invariants import jnp

if TYPE_CHECKING:
    from jax import Array


def ramp(x: "Array") -> "Array":
    """Return max(x, 0); its derivative is 1 for x > 0 and 0 for x ≤ 0, the second is 0."""
    return jnp.where(x > 0.0, x, 0.0)


def ramp_squared(x: "Array") -> "Array":
    """Return max(x, 0)²; its second derivative is 2 for x > 0 and 0 for x ≤ 0."""
    return jnp.where(x > 0.0, x * x, 0.0)


def smooth_ramp(x: "Array", width: "Array | float") -> "Array":
    """Return a ramp whose slope rises from 0 at x = 0 to 1 at x = width; with width 0 it is `ramp`.

    The slope is 3 t² - 2 t³ with t = x / width, whose own slope is zero at both ends.  No digit is
    lost as t goes to zero: the value is a product with t³.
    """
    # A width of 0 must not leave 0/0 in the branch that is never taken with it.
    scale = jnp.where(width > 0.0, width, 1.0)
    t = jnp.where(x > 0.0, jnp.where(x < width, x / scale, 1.0), 0.0)
    return width * t * t * t * (1.0 - 0.5 * t) + ramp(x - width)


def soft_ramp(x: "Array", width: "Array | float") -> "Array":
    """Return width ln(1 + e^(x/width)), which is max(x, 0) but for |x| of some widths.

    The exponent is never positive, so that nothing overflows.  Its sign is chosen by `where`: that
    of |x| would have derivative 0 at x = 0, where the slope is 1/2.
    """
    exponent = jnp.where(x > 0.0, -x, x) / width
    return ramp(x) + width * jnp.log1p(jnp.exp(exponent))

"""Change of shape and change of volume apart: what nearly incompressible models are made of.

    Ī₁ = J^(-2/3) I₁        Ī₂ = J^(-4/3) I₂        Ī₄ = J^(-2/3) a·C a

do not change when a body swells.  All are written so that neither they nor their derivatives
subtract what is nearly equal; at rest Ī₁ - 3 and Ī₂ - 3 are of second order in the strain.

The energies of the change of volume are functions of x = J - 1, for a bulk modulus of 1:

    quadratic    U = (J - 1)²/2
    j2           U = (J² - 1 - 2 ln J)/4
    log          U = (ln J)²/2

The first stays finite where a body is squeezed to nothing; the others do not.  The last is not
convex beyond J = e.

Reference: G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, sections 6.4 and 6.5.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.cofactor import area_change
from elastane.materials.invariants import (
    expm1_minus,
    jnp,
    log1p_minus,
    log_volume_ratio,
    shape_change,
    trace_green_lagrange,
)

if TYPE_CHECKING:
    from jax import Array


def first_isochoric(H: "Array") -> "Array":
    """Return Ī₁ - 3.

    With a = -2/3 ln J, J^(-2/3) = 1 + a + expm1_minus(a); inserted and sorted by order in the
    strain, the terms of first order leave 2 (tr E - ln J), which `shape_change` holds exactly.
    """
    a, curved = _power_of_J(H, -2.0 / 3.0)
    return 2.0 * (shape_change(H) + 1.5 * curved + trace_green_lagrange(H) * (a + curved))


def second_isochoric(H: "Array") -> "Array":
    """Return Ī₂ - 3.

    J^(-4/3) = 1 + b + expm1_minus(b) with b = -4/3 ln J: the terms of first order leave
    I₂ - 3 - 4 ln J, twice `area_change`.
    """
    b, curved = _power_of_J(H, -4.0 / 3.0)
    twice = 2.0 * area_change(H)
    return twice + 3.0 * curved + (twice - 3.0 * b) * (b + curved)


def fibre_isochoric(H: "Array", E: "Array", a: "Array") -> "Array":
    """Return Ī₄ - 1 for the unit vector a, of shape (3,).

    It is J^(-2/3) - 1 + J^(-2/3) (I₄ - 1) with I₄ - 1 = 2 a·E a, of first order in the strain.
    """
    first, curved = _power_of_J(H, -2.0 / 3.0)
    shrinking = first + curved
    return shrinking + 2.0 * jnp.sum(a * jnp.sum(E * a, axis=1)) * (1.0 + shrinking)


def _power_of_J(H: "Array", exponent: float) -> "tuple[Array, Array]":
    """Return the terms of first and of higher order of Jᵖ - 1."""
    first = exponent * log_volume_ratio(H)
    return first, expm1_minus(first)


def quadratic(x: "Array") -> "Array":
    """Return U = (J - 1)²/2 for x = J - 1."""
    return 0.5 * x * x


def j2(x: "Array") -> "Array":
    """Return U = (J² - 1 - 2 ln J)/4 for x = J - 1."""
    return 0.25 * x * x - 0.5 * log1p_minus(x)


def log(x: "Array") -> "Array":
    """Return U = (ln J)²/2 for x = J - 1."""
    return 0.5 * jnp.log1p(x) ** 2


VOLUMETRIC: Mapping[str, Callable[["Array"], "Array"]] = {
    "quadratic": quadratic,
    "j2": j2,
    "log": log,
}


def volumetric_textbook(J: Any, volumetric: str) -> Any:
    """Return U as references print it, for an mpmath number J."""
    L = textbook.log(J)
    return {"quadratic": (J - 1) ** 2 / 2, "j2": (J**2 - 1 - 2 * L) / 4, "log": L**2 / 2}[
        volumetric
    ]

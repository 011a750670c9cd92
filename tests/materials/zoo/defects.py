"""Materials with one planted defect each, and the category under which the audit must name it.

All are variations of neo-Hookean: λ/2 (ln J)² + μ (tr E - ln J).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from elastane.materials import MODELS, Material, Parameter
from elastane.materials import invariants as inv
from elastane.materials.audit.findings import Category, Status
from elastane.materials.isotropic import LAME_LAMBDA, LAME_MU
from elastane.materials.model import Parametrization

FAIL, WARN = Status.FAIL, Status.WARN

NEO_HOOKEAN = MODELS["neo-hookean"]

#: Tolerance of iterations that stop too early.
LOOSE = 1e-3


def sound(H: jax.Array, lame_lambda: jax.Array, lame_mu: jax.Array) -> jax.Array:
    return NEO_HOOKEAN.energy(H, lame_lambda, lame_mu)


def volume(H: jax.Array, lame_lambda: jax.Array) -> jax.Array:
    return 0.5 * lame_lambda * inv.log_volume_ratio(H) ** 2


# Wrong formulas ----------------------------------------------------------------------------------


def wrong_sign(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return volume(H, lmbda) + mu * (inv.trace_green_lagrange(H) + inv.log_volume_ratio(H))


def wrong_sign_of_volume(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return -volume(H, lmbda) + mu * inv.shape_change(H)


def missing_term(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return volume(H, lmbda) + mu * inv.trace_green_lagrange(H)


def volume_without_third_order(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    x = inv.trace(H) + inv.second_invariant(H)
    return 0.5 * lmbda * jnp.log1p(x) ** 2 + mu * inv.shape_change(H)


def missing_factor_two(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    off = E[0, 1] ** 2 + E[1, 2] ** 2 + E[0, 2] ** 2
    diagonal = E[0, 0] ** 2 + E[1, 1] ** 2 + E[2, 2] ** 2
    return 0.5 * lmbda * inv.trace(E) ** 2 + mu * (diagonal + off)


def swapped_parameters(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, mu, lmbda)


def factor_of_two(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return 2.0 * volume(H, lmbda) + mu * inv.shape_change(H)


def another_volume(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    x = inv.volume_change(H)
    return lmbda * (0.25 * x * x - 0.5 * inv.log1p_minus(x)) + mu * inv.shape_change(H)


# Energies of the wrong kind ----------------------------------------------------------------------


def gradient_squared(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return volume(H, lmbda) + 0.5 * mu * inv.inner(H, H)


def small_strain(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return MODELS["linear"].energy(H, lmbda, mu)


def one_axis_stiffer(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + mu * inv.green_lagrange(H)[0, 0] ** 2


def stress_at_rest(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + 1e-6 * mu * inv.trace_green_lagrange(H)


def energy_at_rest(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + 1e-3 * mu


def negative_bulk_modulus(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, -0.7 * mu, mu)


def no_growth(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return MODELS["neo-hookean-isochoric"].energy(H, mu, lmbda, volumetric="quadratic")


def softening(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    s = inv.shape_change(H)
    return volume(H, lmbda) + mu * s / (1.0 + 40.0 * s)


def negative_energy(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    s = inv.shape_change(H)
    return volume(H, lmbda) + mu * (s - 60.0 * s * s)


# Numbers -----------------------------------------------------------------------------------------


def book_logarithm(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    J = inv.determinant(jnp.eye(3) + H)
    return 0.5 * lmbda * jnp.log(J) ** 2 - mu * jnp.log(J) + mu * inv.trace_green_lagrange(H)


def power_less_one(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    return volume(H, lmbda) + mu * ((1.0 + inv.inner(E, E)) ** 1.5 - 1.0)


def overflow(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    return sound(H, lmbda, mu) + mu * jnp.expm1(3e4 * inv.inner(E, E))


def single_precision(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H.astype(jnp.float32).astype(jnp.float64), lmbda, mu)


def underflow_in_floats(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    q = inv.inner(inv.green_lagrange(H), inv.green_lagrange(H))
    return sound(H, lmbda, mu) + mu * q * jnp.exp(q - 200.0) * np.exp(200.0)


def square_root_at_rest(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    return sound(H, lmbda, mu) + mu * jnp.sqrt(inv.inner(E, E)) ** 3


def length_of_strain(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    return sound(H, lmbda, mu) + 0.1 * mu * jnp.sqrt(inv.inner(E, E))


def power_of_negative(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + lmbda * inv.volume_change(H) ** 2.5


def guarded_by_where(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """The branch that is not taken has an infinite derivative: 0 times it is no number."""
    x = inv.volume_change(H)
    return sound(H, lmbda, mu) + lmbda * jnp.where(x > 0.0, x * x * jnp.sqrt(x), 0.0)


def hidden_by_where(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """The branch that is not taken is no number, its derivative is not used."""
    x = inv.volume_change(H)
    return sound(H, lmbda, mu) + mu * jnp.where(x < 99.0, 0.0, jnp.log(-1.0 - x * x))


def regularised_root(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """The stretch along x, regularised as if its square could vanish."""
    squared = 1.0 + 2.0 * inv.green_lagrange(H)[0, 0]
    stretch = jnp.sqrt(squared + 1e-4) - jnp.sqrt(1.0 + 1e-4)
    return sound(H, lmbda, mu) + mu * stretch * stretch


# Branches ----------------------------------------------------------------------------------------


def table(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """The energy of volume from a table, between whose entries it is linear."""
    x = jnp.linspace(-0.9, 3.0, 40)
    return lmbda * jnp.interp(inv.volume_change(H), x, 0.5 * x * x) + mu * inv.shape_change(H)


def table_by_where(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """The same table of two entries, written with where: stress 0 at rest, and a jump beyond."""
    x = inv.volume_change(H)
    entries = jnp.where(x > 0.1, 0.1 * (x - 0.1), 0.0) + jnp.where(x < -0.1, -0.1 * (x + 0.1), 0.0)
    return sound(H, lmbda, mu) + lmbda * entries


def absolute_strain(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + 0.01 * mu * jnp.abs(inv.trace_green_lagrange(H))


def clamped_volume(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    x = jnp.clip(inv.volume_change(H), -0.3, 0.3)
    return 0.5 * lmbda * x * x + mu * inv.shape_change(H)


def stiffer_beyond_one(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    x = inv.volume_change(H)
    return 0.5 * lmbda * jnp.where(x > 0.0, 2.0, 1.0) * x * x + mu * inv.shape_change(H)


def tie_in_maximum(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """Of three equal stretches, the derivative is that of one, of all, or of a third each."""
    E = inv.green_lagrange(H)
    largest = jnp.maximum(jnp.maximum(E[0, 0], E[1, 1]), E[2, 2])
    return sound(H, lmbda, mu) + mu * largest * largest


def step_in_energy(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + jnp.where(inv.volume_change(H) > 0.05, 1e-3, 0.0) * mu


# Rules and iterations ----------------------------------------------------------------------------


@jax.custom_jvp
def length(squared: jax.Array) -> jax.Array:
    """A root with a derivative of 0 at 0, by a rule of its own."""
    return jnp.sqrt(squared)


@length.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (x,), (dx,) = primals, tangents
    safe = jnp.where(x > 0.0, x, 1.0)
    return jnp.sqrt(x), jnp.where(x > 0.0, 0.5 * dx / jnp.sqrt(safe), 0.0)


def lost_rule(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    return sound(H, lmbda, mu) + mu * length(inv.inner(E, E)) ** 3


@jax.custom_vjp
def hand_written(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu)


def _hand_written_forward(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> tuple[Any, Any]:
    return sound(H, lmbda, mu), (H, lmbda, mu)


def _hand_written_stress(kept: Any, seed: jax.Array) -> tuple[Any, Any, Any]:
    """P with F where F⁻ᵀ belongs, in the small term."""
    H, lmbda, mu = kept
    P = jax.grad(sound)(H, lmbda, mu) + 0.1 * mu * inv.trace(H) * H
    return seed * P, jnp.zeros_like(lmbda), jnp.zeros_like(mu)


hand_written.defvjp(_hand_written_forward, _hand_written_stress)


def hand_written_stress(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return hand_written(H, lmbda, mu)


def frozen_factor(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    x = inv.volume_change(H)
    return sound(H, lmbda, mu) + lmbda * jax.lax.stop_gradient(1.0 + x) * x * x


def implicit(x: jax.Array, num_iterations: int) -> jax.Array:
    """q with q + q³ = x, by fixed-point iterations."""
    return jax.lax.fori_loop(0, num_iterations, lambda _, q: x / (1.0 + q * q), x)


def lagging_iteration(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """Few iterations: ψ is nearly there, its derivative less so, and both agree with each other."""
    q = implicit(inv.volume_change(H), 6)
    return 0.5 * lmbda * q * q + mu * inv.shape_change(H)


def warm_start(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """Newton's method from the solution ends at once, with the derivative of a constant."""
    x = inv.volume_change(H)
    q = jax.lax.stop_gradient(implicit(x, 60))
    return 0.5 * lmbda * q * q + mu * inv.shape_change(H)


def until_converged(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    x = inv.volume_change(H)
    q = jax.lax.while_loop(
        lambda q: jnp.abs(q + q**3 - x) > 1e-12, lambda q: q - (q + q**3 - x) / (1 + 3 * q * q), x
    )
    return 0.5 * lmbda * q * q + mu * inv.shape_change(H)


@jax.custom_jvp
def solved(x: jax.Array) -> jax.Array:
    return implicit(x, 200)


@solved.defjvp
def _(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """The adjoint equation (1 + 3q²) dq = dx, solved by iterations that stop at LOOSE."""
    (x,), (dx,) = primals, tangents
    q = solved(x)
    slope = 3.0 * q * q
    dq = (1.0 - slope + slope**2) * dx
    return q, dq


def loose_adjoint(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    q = solved(inv.volume_change(H))
    return 0.5 * lmbda * q * q + mu * inv.shape_change(H)


# What cannot be compiled -------------------------------------------------------------------------


def ogden(e: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """Three terms λ_i⁴/16 and more, of principal strains e."""
    squared = 1.0 + 2.0 * e
    logs = 0.5 * jnp.log(squared)
    total = jnp.sum(logs)
    return mu * jnp.sum(squared**2 - 1.0 - 4.0 * logs) / 16.0 + 0.5 * lmbda * total * total


def eigenvalues_of_lapack(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return ogden(jnp.linalg.eigvalsh(inv.green_lagrange(H)), lmbda, mu)


def eigenvalues_of_cardano(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """The trigonometric formula: roots and arccos, which have no derivative at equal stretches."""
    E = inv.green_lagrange(H)
    mean = inv.trace(E) / 3.0
    D = E - mean * jnp.eye(3)
    p = jnp.sqrt(inv.inner(D, D) / 6.0)
    angle = jnp.arccos(inv.determinant(D) / (2.0 * p**3)) / 3.0
    shifts = jnp.array([0.0, 2.0 * np.pi / 3.0, 4.0 * np.pi / 3.0])
    return ogden(mean + 2.0 * p * jnp.cos(angle + shifts), lmbda, mu)


def sorted_stretches(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    diagonal = jnp.stack([inv.green_lagrange(H)[k, k] for k in range(3)])
    return sound(H, lmbda, mu) + mu * jnp.sort(diagonal)[2] ** 2


def arctanh(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    return sound(H, lmbda, mu) + mu * jnp.arctanh(0.001 * inv.inner(E, E))


def python_branch(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) if H[0, 0] > 0 else sound(H, lmbda, 2.0 * mu)


# Fibres ------------------------------------------------------------------------------------------

FIBRE = Parameter("fibre", "1", "direction of the fibre", shape=(3,))


def fibre_not_normalised(
    H: jax.Array, lmbda: jax.Array, mu: jax.Array, fibre: jax.Array
) -> jax.Array:
    stretched = fibre + H @ fibre
    return sound(H, lmbda, mu) + mu * (inv.trace(jnp.outer(stretched, stretched)) - 1.0) ** 2


# The table ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Defect:
    """A material with a planted defect.

    Attributes:
        material: The material.
        test: The test that must find it.
        category: As what.
        status: How badly.
    """

    material: Material
    test: str
    category: Category
    status: Status = FAIL


def textbook_of_regularised(F: Any, *, lame_lambda: Any, lame_mu: Any) -> Any:
    import mpmath  # type: ignore[import-untyped]

    assert NEO_HOOKEAN.textbook is not None
    stretch = mpmath.sqrt(sum(F[k, 0] ** 2 for k in range(3)))
    plain = NEO_HOOKEAN.textbook(F, lame_lambda=lame_lambda, lame_mu=lame_mu)
    return plain + lame_mu * (stretch - 1) ** 2


def textbook_of_implicit(F: Any, *, lame_lambda: Any, lame_mu: Any) -> Any:
    """q + q³ = J - 1 solved to all digits."""
    import mpmath

    assert NEO_HOOKEAN.textbook is not None
    J = mpmath.det(mpmath.matrix(F.tolist()))
    q = mpmath.findroot(lambda q: q + q**3 - (J - 1), J - 1, tol=1e-100, verify=False)
    return lame_lambda / 2 * q**2 + NEO_HOOKEAN.textbook(F, lame_lambda=0, lame_mu=lame_mu)


def material(
    energy: Callable[..., jax.Array], textbook: Callable[..., Any] | None = None
) -> Material:
    name = energy.__name__.replace("_", "-")
    return replace(NEO_HOOKEAN, name=name, energy=energy, textbook=textbook)


def with_fibre(energy: Callable[..., jax.Array]) -> Material:
    return replace(
        material(energy),
        parametrization=Parametrization.direct(LAME_LAMBDA, LAME_MU, FIBRE),
        kernel_parameters=(LAME_LAMBDA, LAME_MU, FIBRE),
        examples=({"lame_lambda": 1.0, "lame_mu": 1.0, "fibre": (1.0, 1.0, 0.0)},),
        symmetry="none",
    )


BOOK = NEO_HOOKEAN.textbook

DEFECTS: Mapping[str, Defect] = {
    "wrong sign": Defect(material(wrong_sign, BOOK), "rest", Category.NOT_AT_REST),
    "wrong sign of volume": Defect(
        material(wrong_sign_of_volume, BOOK), "rest", Category.UNSTABLE
    ),
    "missing term": Defect(material(missing_term, BOOK), "rest", Category.NOT_AT_REST),
    "J without det H": Defect(
        material(volume_without_third_order, BOOK), "objectivity", Category.NOT_OBJECTIVE
    ),
    "missing factor 2 off the diagonal": Defect(
        material(missing_factor_two), "material-symmetry", Category.MATERIAL_SYMMETRY
    ),
    "parameters swapped": Defect(
        material(swapped_parameters, BOOK), "textbook", Category.WRONG_FORMULA
    ),
    "factor of two": Defect(material(factor_of_two, BOOK), "textbook", Category.WRONG_FORMULA),
    "another volumetric form": Defect(
        material(another_volume, BOOK), "textbook", Category.WRONG_FORMULA
    ),
    "regularised root": Defect(
        replace(material(regularised_root, textbook_of_regularised), symmetry="none"),
        "textbook", Category.WRONG_FORMULA,
    ),
    "fixed point whose derivative lags": Defect(
        material(lagging_iteration, textbook_of_implicit), "textbook", Category.WRONG_FORMULA
    ),
    "H : H": Defect(material(gradient_squared, BOOK), "objectivity", Category.NOT_OBJECTIVE),
    "small strain taken as large": Defect(
        material(small_strain), "objectivity", Category.NOT_OBJECTIVE
    ),
    "one axis stiffer, declared isotropic": Defect(
        material(one_axis_stiffer, BOOK), "material-symmetry", Category.MATERIAL_SYMMETRY
    ),
    "stress at rest": Defect(material(stress_at_rest, BOOK), "rest", Category.NOT_AT_REST),
    "energy at rest": Defect(material(energy_at_rest, BOOK), "rest", Category.NOT_AT_REST),
    "fibre not normalised": Defect(
        with_fibre(fibre_not_normalised), "rest", Category.NOT_AT_REST
    ),
    "negative bulk modulus": Defect(
        material(negative_bulk_modulus), "rest", Category.UNSTABLE
    ),
    "softens near rest": Defect(material(softening), "ellipticity", Category.UNSTABLE, WARN),
    "energy negative near rest": Defect(
        material(negative_energy), "energy-sign", Category.NEGATIVE_ENERGY
    ),
    "no growth as J -> 0": Defect(material(no_growth), "growth", Category.NO_GROWTH, WARN),
    "ln det F of the book": Defect(
        material(book_logarithm, BOOK), "digits", Category.UNSTABLE_DIGITS
    ),
    "(1 + x)^1.5 - 1": Defect(material(power_less_one), "digits", Category.UNSTABLE_DIGITS),
    "overflow at moderate strain": Defect(material(overflow), "branches", Category.OVERFLOW),
    "cast to single precision": Defect(
        material(single_precision, BOOK), "compiler", Category.UNSTABLE_DIGITS
    ),
    "underflow in single precision": Defect(
        material(underflow_in_floats), "c-single", Category.SINGLE_PRECISION, WARN
    ),
    "square root at rest": Defect(
        material(square_root_at_rest), "branches", Category.NOT_FINITE, WARN
    ),
    "length of the strain": Defect(
        material(length_of_strain), "kinks", Category.KINK
    ),
    "power of a negative number": Defect(
        material(power_of_negative), "branches", Category.NOT_FINITE
    ),
    "where with an infinite slope": Defect(
        material(guarded_by_where), "branches", Category.NOT_FINITE
    ),
    "where that hides no number": Defect(
        material(hidden_by_where, BOOK), "branches", Category.NOT_FINITE, WARN
    ),
    "table": Defect(material(table), "compiler", Category.KINK),
    "table by where": Defect(material(table_by_where), "kinks", Category.KINK),
    "absolute strain": Defect(material(absolute_strain), "kinks", Category.KINK),
    "clamped volume": Defect(material(clamped_volume), "kinks", Category.KINK),
    "second derivative jumps at J = 1": Defect(
        material(stiffer_beyond_one), "kinks", Category.KINK, WARN
    ),
    "tie in max": Defect(material(tie_in_maximum), "kinks", Category.KINK),
    "step in the energy": Defect(material(step_in_energy), "kinks", Category.KINK),
    "custom_jvp lost": Defect(material(lost_rule), "compiler", Category.LOST_RULE),
    "hand-written stress is wrong": Defect(
        material(hand_written_stress, BOOK), "taylor", Category.WRONG_DERIVATIVE
    ),
    "stop_gradient": Defect(material(frozen_factor), "taylor", Category.WRONG_DERIVATIVE),
    "warm start with derivative zero": Defect(
        material(warm_start, textbook_of_implicit), "taylor", Category.WRONG_DERIVATIVE
    ),
    "iteration until converged": Defect(
        material(until_converged), "compiler", Category.REFUSED
    ),
    "adjoint with a loose tolerance": Defect(
        material(loose_adjoint, textbook_of_implicit), "taylor", Category.WRONG_DERIVATIVE
    ),
    "eigenvalues of LAPACK": Defect(
        material(eigenvalues_of_lapack), "compiler", Category.REFUSED
    ),
    "eigenvalues of Cardano": Defect(
        material(eigenvalues_of_cardano), "branches", Category.NOT_FINITE
    ),
    "sorted stretches": Defect(material(sorted_stretches), "compiler", Category.REFUSED),
    "arctanh": Defect(material(arctanh), "compiler", Category.WRONG_DERIVATIVE),
    "if on the strain": Defect(material(python_branch), "compiler", Category.REFUSED),
}  # fmt: skip

__all__ = ["DEFECTS", "Defect", "arctanh", "material", "partial", "sound"]

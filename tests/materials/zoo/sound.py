"""Sound materials that look like defects: no test may fail them."""

from collections.abc import Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp

from elastane.materials import MODELS, Material
from elastane.materials import invariants as inv
from elastane.materials.ramps import ramp, ramp_squared, smooth_ramp
from tests.materials.zoo.defects import material, sound, volume


def exact_exponential(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    E = inv.green_lagrange(H)
    return volume(H, lmbda) + mu * jnp.expm1(inv.inner(E, E))


def logarithm_of_a_stable_change(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + mu * jnp.log1p(inv.volume_change(H) ** 2)


def guarded_root(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """A root of something that is at least 1."""
    E = inv.green_lagrange(H)
    return sound(H, lmbda, mu) + mu * inv.inner(E, E) / jnp.sqrt(1.0 + inv.inner(E, E))


def double_where(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """A harmless argument for the branch that is not taken."""
    x = inv.volume_change(H)
    positive = x > 0.0
    guarded = jnp.where(positive, x, 1.0)
    return sound(H, lmbda, mu) + lmbda * jnp.where(positive, guarded**3 * jnp.sqrt(guarded), 0.0)


def smooth_switch(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    x = inv.volume_change(H)
    return sound(H, lmbda, mu) + lmbda * smooth_ramp(x - 0.1, 0.05) ** 2


def switch_of_third_order(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    return sound(H, lmbda, mu) + lmbda * ramp(inv.volume_change(H)) ** 3


def switch_of_second_order(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """The tangent jumps, as that of a fibre: a warning."""
    return sound(H, lmbda, mu) + lmbda * ramp_squared(inv.volume_change(H))


def many_iterations(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """Newton's method for q + q³ = J - 1, unrolled until nothing changes."""
    x = inv.volume_change(H)

    def step(_: int, q: jax.Array) -> jax.Array:
        return q - (q + q**3 - x) / (1.0 + 3.0 * q * q)

    q = jax.lax.fori_loop(0, 8, step, x)
    return 0.5 * lmbda * q * q + mu * inv.shape_change(H)


def chain(H: jax.Array, lmbda: jax.Array, mu: jax.Array) -> jax.Array:
    """Chains that are stretched out at I₁ = 13, as Gent's: no number beyond."""
    s = inv.trace_green_lagrange(H)
    return sound(H, lmbda, mu) - 5.0 * mu * inv.log1p_minus(-s / 5.0)


VARIANTS = (
    exact_exponential,
    logarithm_of_a_stable_change,
    guarded_root,
    double_where,
    smooth_switch,
    switch_of_third_order,
    switch_of_second_order,
    many_iterations,
    chain,
)

SOUND: Mapping[str, Material] = {
    **{energy.__name__: material(energy) for energy in VARIANTS},
    "units of GPa": replace(
        MODELS["neo-hookean"], examples=({"youngs_modulus": 2.8e9, "poissons_ratio": 0.3},)
    ),
    "nearly incompressible": replace(
        MODELS["neo-hookean-isochoric"],
        examples=({"youngs_modulus": 1.0, "poissons_ratio": 0.4999},),
    ),
}

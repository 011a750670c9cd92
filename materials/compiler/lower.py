"""First stage: from the energy in Python to StableHLO.

What JAX lowers but the later stages would get wrong or crash on is refused here, where its name in
the user's formula is still known.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from elastane.materials.compiler.refusals import (
    check_energy,
    check_operations,
    source_file,
    trace,
)
from elastane.materials.model import Choices, Material

#: Shape of the measure of strain that the lowered functions take: E enters as its six components
#: 00 11 22 12 02 01, so that its derivatives are those of a symmetric tensor.
MEASURE_SHAPE: Mapping[str, tuple[int, ...]] = {"H": (3, 3), "E": (6,), "principal": (3,)}


def lower(material: Material, choices: Choices) -> str:
    """Return the energy as StableHLO: (measure, parameters..., history...) -> ψ.

    Raises:
        UnsupportedError: If the energy uses what later stages cannot differentiate.
    """
    return lower_function(material, choices, material.energy)


def lower_differentiated(material: Material, choices: Choices) -> str:
    """Return the energy as StableHLO in the form that Enzyme is to differentiate.

    Raises:
        UnsupportedError: If it uses what later stages cannot differentiate.
    """
    return lower_function(material, choices, material.differentiated or material.energy)


def lower_plain(material: Material, choices: Choices) -> str | None:
    """Return the plain form of the energy as StableHLO: (F, parameters...) -> ψ; None without one.

    Raises:
        UnsupportedError: If it uses what later stages cannot differentiate.
    """
    plain = material.plain
    if plain is None or plain.of is not material.energy or material.history:
        return None
    assert material.measure == "H", "F has the shape of H"
    return lower_function(material, choices, plain.energy)


def lower_function(
    material: Material,
    choices: Choices,
    function: Callable[..., Any],
    *further: tuple[int, ...],
) -> str:
    """Return a function of the arguments of the energy as StableHLO.

    Args:
        material: The material.
        choices: Its options and sizes.
        function: The function.
        further: Shapes of what it takes between the measure and the rest.

    Raises:
        UnsupportedError: If it uses what later stages cannot differentiate.
    """
    of_components = _of_components(material, choices, function)
    measure, *rest = _arguments(material, choices)
    between = (jax.ShapeDtypeStruct(shape, jnp.float64) for shape in further)
    arguments = [measure, *between, *rest]
    source = source_file(function)
    shape = trace(of_components, arguments, source)
    if function is material.energy:
        check_energy(function, shape)
    check_operations(_text(of_components, *arguments, places=True), arguments, source)
    return _text(of_components, *arguments)


def lower_jax_derivatives(material: Material, choices: Choices, *, forward: bool = False) -> str:
    """Return JAX's own derivatives as StableHLO: (measure, increment, ...) -> (S, dS).

    S is the derivative of ψ by the measure and dS its derivative along the increment; parameters
    and history follow these two.  The check compares Enzyme with them.

    Args:
        material: The material.
        choices: Its options and sizes.
        forward: Whether S is taken in forward mode instead of reverse mode.
    """
    differentiate = jax.jacfwd if forward else jax.grad
    gradient = differentiate(energy(material, choices))

    def derivatives(x: jax.Array, dx: jax.Array, *parameters: jax.Array) -> Any:
        return jax.jvp(lambda y: gradient(y, *parameters), (x,), (dx,))

    measure, *parameters = _arguments(material, choices)
    return _text(derivatives, measure, measure, *parameters)


def energy(material: Material, choices: Choices) -> Callable[..., jax.Array]:
    """Return ψ as a function of the measure in the shape of MEASURE_SHAPE and what follows it."""
    return _of_components(material, choices, material.energy)


def _of_components(
    material: Material, choices: Choices, function: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function of the measure in the shape of MEASURE_SHAPE instead."""
    chosen = partial(function, **material.energy_options(choices))
    if material.measure != "E":
        return chosen

    def of_components(e: jax.Array, *further: jax.Array) -> Any:
        rows = [[e[0], e[5], e[4]], [e[5], e[1], e[3]], [e[4], e[3], e[2]]]
        return chosen(jnp.stack([jnp.stack(row) for row in rows]), *further)

    return of_components


def _arguments(material: Material, choices: Choices) -> list[jax.ShapeDtypeStruct]:
    further = (*material.kernel_parameters, *material.history)
    shapes = [parameter.extent(choices) for parameter in further]
    return [
        jax.ShapeDtypeStruct(shape, jnp.float64)
        for shape in (MEASURE_SHAPE[material.measure], *shapes)
    ]


def _text(
    function: Callable[..., Any], *arguments: jax.ShapeDtypeStruct, places: bool = False
) -> str:
    # keep_unused: otherwise arguments disappear and Enzyme's activities no longer fit.
    lowered = jax.jit(function, keep_unused=True).lower(*arguments)
    module: Any = lowered.compiler_ir("stablehlo")
    return str(module.operation.get_asm(enable_debug_info=places))

"""First stage: from the energy in Python to StableHLO.

What JAX lowers but the later stages would get wrong or crash on is refused here, where its name in
the user's formula is still known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

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
    return _lowered(material, choices, function, further).text


@dataclass(frozen=True)
class _Lowered:
    """A function as JAX traced it and as StableHLO, and what it was made from."""

    material: Material
    choices: dict[str, str | int]
    function: Callable[..., Any]
    further: tuple[tuple[int, ...], ...]
    traced: Any
    text: str

    def is_of(
        self, material: Material, choices: Choices, function: Callable[..., Any], further: Any
    ) -> bool:
        """Return whether it is what is asked for."""
        same = self.material is material and self.function is function
        return same and self.choices == choices and self.further == further


#: What was lowered last: several stages ask for the same.
_LAST: list[_Lowered] = []


def _lowered(
    material: Material,
    choices: Choices,
    function: Callable[..., Any],
    further: tuple[tuple[int, ...], ...],
) -> _Lowered:
    for last in _LAST:
        if last.is_of(material, choices, function, further):
            return last
    of_components = _of_components(material, choices, function)
    measure, *rest = _arguments(material, choices)
    between = (jax.ShapeDtypeStruct(shape, jnp.float64) for shape in further)
    arguments = [measure, *between, *rest]
    source = source_file(function)
    traced = trace(of_components, arguments, source)
    if function is material.energy:
        check_energy(function, traced.out_info)
    module = traced.lower().compiler_ir("stablehlo")
    check_operations(_assembly(module, places=True), arguments, source)
    last = _Lowered(material, dict(choices), function, further, traced, _assembly(module))
    _LAST[:] = [*_LAST[-3:], last]
    return last


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
    # To run the trace again takes a fraction of the time of Python.
    of_trace = core.jaxpr_as_fun(_lowered(material, choices, material.energy, ()).traced.jaxpr)
    gradient = differentiate(lambda *arguments: of_trace(*arguments)[0])

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


def _text(function: Callable[..., Any], *arguments: jax.ShapeDtypeStruct) -> str:
    lowered = jax.jit(function, keep_unused=True).lower(*arguments)
    return _assembly(lowered.compiler_ir("stablehlo"))


def _assembly(module: Any, *, places: bool = False) -> str:
    return str(module.operation.get_asm(enable_debug_info=places))

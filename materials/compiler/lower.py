"""First stage: from the energy in Python to StableHLO.

What JAX lowers but the later stages would get wrong or crash on is refused here, where its name in
the user's formula is still known.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.model import Choices, Material

_MATRIX = "write 3 x 3 formulas out, see elastane.materials.invariants"
_NO_RULE = "Enzyme ignores rules of one's own and would differentiate what is inside"

#: Primitives of JAX that are refused, and what to do instead.
REFUSED: Mapping[str, str] = {
    "custom_jvp_call": f"{_NO_RULE}; write the function with plain operations",
    "custom_vjp_call": f"{_NO_RULE}; write the function with plain operations",
    "stop_gradient": "Enzyme ignores it; make the frozen quantity a parameter",
    "acosh": "Enzyme differentiates it wrongly; write log(x + sqrt(x*x - 1))",
    "atanh": "Enzyme differentiates it wrongly; write 0.5*(log1p(x) - log1p(-x))",
    "cond": "branches do not vectorise; use jax.numpy.where",
    "while": "its number of trips is not known; use jax.lax.fori_loop with plain integers",
    "sort": "Enzyme crashes on it; write symmetric functions of the principal strains",
    "eigh": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "eig": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "svd": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "lu": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "qr": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "geqrf": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "householder_product": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "cholesky": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "schur": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "triangular_solve": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "custom_linear_solve": f"LAPACK cannot run at a quadrature point; {_MATRIX}",
    "pure_callback": "Python cannot run at a quadrature point; use jax.numpy only",
    "io_callback": "Python cannot run at a quadrature point; use jax.numpy only",
}

#: Shape of the measure of strain that the lowered functions take: E enters as its six components
#: 00 11 22 12 02 01, so that its derivatives are those of a symmetric tensor.
MEASURE_SHAPE: Mapping[str, tuple[int, ...]] = {"H": (3, 3), "E": (6,), "principal": (3,)}


def lower(material: Material, choices: Choices) -> str:
    """Return the energy as StableHLO: (measure, parameters..., history...) -> ψ.

    Raises:
        UnsupportedError: If the energy uses what later stages cannot differentiate.
    """
    return lower_function(material, choices, material.energy)


def lower_function(material: Material, choices: Choices, function: Callable[..., Any]) -> str:
    """Return a function of the arguments of the energy as StableHLO.

    Raises:
        UnsupportedError: If it uses what later stages cannot differentiate.
    """
    of_components = _of_components(material, choices, function)
    arguments = _arguments(material, choices)
    _refuse(jax.make_jaxpr(of_components)(*arguments).jaxpr)
    return _text(of_components, *arguments)


def lower_jax_derivatives(material: Material, choices: Choices) -> str:
    """Return JAX's own derivatives as StableHLO: (measure, increment, ...) -> (S, dS).

    S is the derivative of ψ by the measure and dS its derivative along the increment; parameters
    and history follow these two.  The check compares Enzyme with them.
    """
    gradient = jax.grad(energy(material, choices))

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
    # keep_unused: otherwise arguments disappear and Enzyme's activities no longer fit.
    lowered = jax.jit(function, keep_unused=True).lower(*arguments)
    module: Any = lowered.compiler_ir("stablehlo")
    return str(module.operation.get_asm(enable_debug_info=False))


def _refuse(jaxpr: core.Jaxpr) -> None:
    for name in _primitives(jaxpr):
        if name in REFUSED:
            raise UnsupportedError(f"the energy uses {name}: {REFUSED[name]}")


def _primitives(jaxpr: core.Jaxpr) -> Iterator[str]:
    """Yield the names of all primitives, inner functions included."""
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else (parameter,):
                if isinstance(inner, core.ClosedJaxpr):
                    yield from _primitives(inner.jaxpr)
                elif isinstance(inner, core.Jaxpr):
                    yield from _primitives(inner)

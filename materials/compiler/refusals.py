"""What an energy may not do: refused by name, with the line and the way to write it instead.

JAX traces the energy first.  What it can trace but later stages would get wrong or crash on is
refused by the primitives of the trace; what does not become scalar C, by interpreting the energy
once with the places in the source that StableHLO remembers.
"""

import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.graph import Graph
from elastane.materials.compiler.interpret import interpret
from elastane.materials.compiler.operations import LARGEST_BODY

_MATRIX = "write 3 x 3 formulas out, see elastane.materials.invariants"
_LAPACK = f"LAPACK cannot run at a quadrature point; {_MATRIX}"
_NO_RULE = "Enzyme ignores rules of one's own and would differentiate what is inside"
_PYTHON = "Python cannot run at a quadrature point; use jax.numpy only"
_RANDOM = "an energy has one value for one strain; draw numbers elsewhere and make them parameters"
_TABLE = (
    "a table has kinks or jumps where its entries meet; fit a formula, and pick entries of tensors "
    "by plain integers, as H[0, 1]"
)
_SORT = "Enzyme crashes on it; write symmetric functions of the principal strains"

#: Primitives of JAX that are refused, and what to do instead.
REFUSED: Mapping[str, str] = {
    "custom_jvp_call": f"{_NO_RULE}; write the function with plain operations",
    "custom_vjp_call": f"{_NO_RULE}; write the function with plain operations",
    "stop_gradient": "Enzyme ignores it; make the frozen quantity a parameter",
    "acosh": "Enzyme differentiates it wrongly; write log(x + sqrt(x*x - 1))",
    "atanh": "Enzyme differentiates it wrongly; write 0.5*(log1p(x) - log1p(-x))",
    "cond": "branches do not vectorise; use jax.numpy.where",
    "while": "its number of trips is not known; use jax.lax.fori_loop with plain integers",
    "sort": _SORT,
    "top_k": _SORT,
    "gather": _TABLE,
    "scatter": "write the components of a new tensor in jax.numpy.array",
    "scatter-add": "write the components of a new tensor in jax.numpy.array",
    **dict.fromkeys(("argmax", "argmin"), _TABLE),
    **dict.fromkeys(("eigh", "eig", "svd", "lu", "qr", "geqrf"), _LAPACK),
    **dict.fromkeys(("householder_product", "cholesky", "schur"), _LAPACK),
    **dict.fromkeys(("triangular_solve", "custom_linear_solve", "tridiagonal_solve"), _LAPACK),
    **dict.fromkeys(("pure_callback", "io_callback", "debug_callback", "debug_print"), _PYTHON),
    **dict.fromkeys(("random_seed", "random_bits", "random_wrap", "threefry2x32"), _RANDOM),
    "reduce_precision": "the compiler works in double precision; leave it away",
    **dict.fromkeys(("erf", "erfc", "erf_inv", "lgamma", "digamma"), "C on GPUs has no vector "
    "version of it; write a formula with exp, log or tanh"),
}  # fmt: skip

#: Functions of JAX for which there is better advice than for the primitives that they are made of.
FUNCTIONS: Mapping[str, str] = {
    "_interp": _TABLE,
    "searchsorted": _TABLE,
    "logaddexp": "its rule for the derivative is lost, and without it the derivative at a tie is "
    "wrong; write elastane.materials.ramps.soft_ramp(x, 1.0) for softplus(x)",
    "relu": "its derivative at 0 is a matter of taste; use elastane.materials.ramps.ramp",
    **dict.fromkeys(("inv", "solve", "slogdet", "expm", "norm"), _LAPACK),
    "diagonal": "write jax.numpy.array([H[0, 0], H[1, 1], H[2, 2]])",
    "_diag": "write jax.numpy.array([H[0, 0], H[1, 1], H[2, 2]])",
}

#: Those that are refused whatever they are made of.
TABLES = {"_interp", "searchsorted"}

#: Errors of JAX about traced values -> what the user did, and what to do.
TRACING: Mapping[str, str] = {
    "TracerBoolConversionError": "if, while, and, or, min and max of Python cannot depend on the "
    "strain or a parameter, which are not known yet; use jax.numpy.where, minimum or maximum",
    "TracerArrayConversionError": "numpy cannot take the strain or a parameter, not known "
    "yet; use jax.numpy",
    "TracerIntegerConversionError": "the strain or a parameter cannot be an index or a number of "
    "trips; use plain integers",
    "NonConcreteBooleanIndexError": "the number of entries that a condition picks is not known; "
    "use jax.numpy.where with three arguments",
    "ConcretizationTypeError": "float, int and the functions of math cannot take the strain or a "
    "parameter, which are not known yet; use jax.numpy and no conversion",
}


def trace(
    function: Callable[..., Any], arguments: Sequence[jax.ShapeDtypeStruct], source: str
) -> Any:
    """Return the trace of a function that later stages can take: a `jax.stages.Traced`.

    Args:
        function: The function.
        arguments: Shapes of its arguments.
        source: File whose lines are to be named.

    Raises:
        UnsupportedError: If they cannot, or if Python cannot run it.
    """
    # Without it JAX computes in single precision.
    jax.config.update("jax_enable_x64", True)
    try:
        # keep_unused: otherwise arguments disappear and Enzyme's activities no longer fit.
        traced = jax.jit(function, keep_unused=True).trace(*arguments)
    except MemoryError:
        raise
    except Exception as error:
        told = _explained(error)
        if told is None:
            raise
        raise UnsupportedError(f"{_place(source, _line(source, error))}{told}") from error
    for equation in traced.jaxpr.jaxpr.eqns:
        for name, inside in _primitives(equation):
            if name in REFUSED or not TABLES.isdisjoint(inside):
                advice = next((FUNCTIONS[f] for f in inside if f in FUNCTIONS), REFUSED.get(name))
                where = _place(source, _equation_line(source, equation))
                raise UnsupportedError(f"{where}the energy uses {_spoken(name, inside)}: {advice}")
    return traced


def check_energy(function: Callable[..., Any], shape: Any) -> None:
    """Check that an energy returns one double.

    Raises:
        UnsupportedError: If it returns something else.
    """
    if getattr(shape, "shape", None) == () and shape.dtype == jnp.float64:
        return
    got = (
        f"a {shape.dtype} of shape {tuple(shape.shape)}"
        if hasattr(shape, "shape")
        else f"a {type(shape).__name__}"
    )
    code = inspect.unwrap(_innermost(function)).__code__
    where = _place(code.co_filename, code.co_firstlineno)
    raise UnsupportedError(f"{where}the energy must return one number, a float64; it returns {got}")


def check_operations(text: str, arguments: Sequence[jax.ShapeDtypeStruct], source: str) -> None:
    """Check that a function becomes scalar C.

    Args:
        text: The function as StableHLO with places in the source.
        arguments: Shapes of its arguments.
        source: File whose lines are to be named.

    Raises:
        UnsupportedError: If an operation does not, or if there are far too many.
    """
    graph = Graph()
    nodes = []
    for k, argument in enumerate(arguments):
        names = [graph.input(f"{k}_{i}") for i in range(int(np.prod(argument.shape)))]
        nodes.append(np.array(names, dtype=np.int64).reshape(argument.shape))
    try:
        results = interpret(text, graph, nodes)
    except UnsupportedError as error:
        where = _place(source, _remembered(source, getattr(error, "__notes__", [])))
        raise UnsupportedError(f"{where}{error}") from error
    live = graph.live(int(node) for result in results for node in result.flat)
    if len(live) > LARGEST_BODY:
        raise UnsupportedError(
            f"the energy needs {len(live)} operations, more than {LARGEST_BODY}; use fewer terms"
        )


def source_file(function: Callable[..., Any]) -> str:
    """Return the file in which a function stands."""
    return str(inspect.unwrap(_innermost(function)).__code__.co_filename)


def _innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    return function


def _place(source: str, line: int | None) -> str:
    """Return a place, to stand before a message."""
    return f"{source}:{line}: " if line else ""


def _line(source: str, error: BaseException) -> int | None:
    """Return the innermost line of a file in which an error arose."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == source), None)


def _equation_line(source: str, equation: Any) -> int | None:
    """Return the line of a file that an equation of the trace comes from."""
    frames = getattr(equation.source_info.traceback, "frames", ())
    return next((f.line_num for f in frames if f.file_name == source), None)


def _remembered(source: str, places: Sequence[str]) -> int | None:
    """Return the line of a file from places in MLIR's notation, the outermost place that has it."""
    found = [re.search(f'"{re.escape(source)}":([0-9]+)', place) for place in places]
    return next((int(match[1]) for match in reversed(found) if match), None)


def _explained(error: Exception) -> str | None:
    """Return what an error of JAX about traced values means; None for any other error."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((TRACING[name] for name in names if name in TRACING), None)


def _primitives(equation: Any, within: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Yield the primitives of an equation with the names of the functions that hold it."""
    name = equation.primitive.name
    inner = [x for value in equation.params.values() for x in _jaxprs(value)]
    called = _called(equation)
    within = (*within, called) if called else within
    yield name, list(within)
    for jaxpr in inner:
        for further in jaxpr.eqns:
            yield from _primitives(further, within)


def _spoken(name: str, inside: Sequence[str]) -> str:
    """Return a primitive by the name of the function that the user called: softplus (custom_jvp).

    The primitive is left out where it says nothing more.
    """
    primitive = name.removesuffix("_call")
    called = inside[0].strip("_") if inside else primitive
    return called if primitive in (called, "jit") else f"{called} ({primitive})"


def _called(equation: Any) -> str:
    """Return the name of the function that an equation calls, "" if it calls none."""
    if equation.primitive.name in ("jit", "pjit"):
        return str(equation.params["name"])
    if equation.primitive.name.startswith("custom_"):
        told = equation.params.get("call_jaxpr") or equation.params.get("fun_jaxpr")
        information = getattr(getattr(told, "jaxpr", told), "debug_info", None)
        return str(getattr(information, "func_src_info", "")).partition(" at ")[0]
    return ""


def _jaxprs(value: Any) -> Iterator[core.Jaxpr]:
    for inner in value if isinstance(value, tuple | list) else (value,):
        if isinstance(inner, core.ClosedJaxpr):
            yield inner.jaxpr
        elif isinstance(inner, core.Jaxpr):
            yield inner

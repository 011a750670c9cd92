"""Evaluate a graph: in double precision on many points at once, or in 50 digits at one.

The 50-digit values are what the formulas mean; the doubles are what C will compute.  MPFR computes
the former, ten times as fast as mpmath, whose numbers go in and come out.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import gmpy2  # type: ignore[import-untyped]
import mpmath  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from elastane.materials.compiler.graph import Graph
from elastane.materials.compiler.operations import OPERATIONS

#: Decimal digits of the exact evaluation.
DIGITS = 50

#: The same in bits.
_PRECISION = int(mpmath.libmp.dps_to_prec(DIGITS))

#: Functions of one number that MPFR and the graph call the same.
_MPFR = [
    *("sqrt", "cbrt", "log", "exp", "expm1", "sin", "cos", "tan", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "asinh", "sign"),
]


def _divide(x: Any, y: Any) -> Any:
    """Return x / y; no number where y is zero, as in the branch of a `select` that is not taken."""
    return x / y if y != 0 else gmpy2.nan()


#: Operation -> its function of MPFR numbers; arithmetic and logic work on numbers of every kind.
_FUNCTIONS: Mapping[str, Callable[..., Any]] = (
    {name: operation.exact for name, operation in OPERATIONS.items()}
    | {name: getattr(gmpy2, name) for name in _MPFR}
    | {"divide": _divide, "power": operator.pow}
)

#: What to compute: a function, and the places of its operands among all values before it.
_Steps: TypeAlias = tuple[tuple[Callable[..., Any], tuple[int, ...]], ...]


def evaluate(
    graph: Graph, outputs: Sequence[int], inputs: Mapping[str, np.float64 | NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the outputs in double precision, shape (outputs, points)."""
    values: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for node in graph.live(outputs):
            entry = graph.nodes[node]
            if entry.operation == "input":
                values[node] = inputs[str(entry.value)]
            elif entry.operation == "constant":
                values[node] = entry.value
            else:
                operands = (values[operand] for operand in entry.operands)
                values[node] = OPERATIONS[entry.operation].numpy(*operands)
    return np.array(np.broadcast_arrays(*(values[node] for node in outputs)), dtype=np.float64)


def evaluate_exactly(
    graph: Graph, outputs: Sequence[int], inputs: Mapping[str, Any]
) -> NDArray[np.object_]:
    """Return the outputs to 50 digits as an array of mpmath numbers, shape (outputs,)."""
    names, constants, steps, places = _plan(graph, tuple(outputs))
    with gmpy2.context(precision=_PRECISION):
        values = [_to_mpfr(inputs[name]) for name in names]
        values += [x if isinstance(x, bool) else gmpy2.mpfr(x) for x in constants]
        for function, operands in steps:
            values.append(function(*[values[place] for place in operands]))
        return np.array([_to_mpmath(gmpy2.mpfr(values[k])) for k in places], dtype=object)


@lru_cache(maxsize=64)
def _plan(graph: Graph, outputs: tuple[int, ...]) -> tuple[list[str], list[Any], _Steps, list[int]]:
    """Return names of inputs, constants, steps, and the places of the outputs among all values."""
    live = graph.live(outputs)
    kinds = ("input", "constant")
    sources = [[node for node in live if graph.nodes[node].operation == kind] for kind in kinds]
    computed = [node for node in live if graph.nodes[node].operands]
    place = {node: k for k, node in enumerate([*sources[0], *sources[1], *computed])}
    steps = tuple(
        (
            _FUNCTIONS[graph.nodes[node].operation],
            tuple(place[operand] for operand in graph.nodes[node].operands),
        )
        for node in computed
    )
    names, constants = ([graph.nodes[node].value for node in source] for source in sources)
    return [str(name) for name in names], constants, steps, [place[node] for node in outputs]


def _to_mpfr(value: Any) -> Any:
    """Return an mpmath number, or a double, as an MPFR number."""
    number = mpmath.mpmathify(value)
    if not mpmath.isfinite(number):
        return gmpy2.mpfr(float(number))
    sign, mantissa, exponent, _ = number._mpf_
    size = gmpy2.mpfr(mantissa) * gmpy2.exp2(exponent)  # exact: a power of two
    return -size if sign else size


def _to_mpmath(value: Any) -> Any:
    if not gmpy2.is_finite(value):
        return mpmath.mpf(float(value))
    mantissa, exponent = value.as_mantissa_exp()
    return mpmath.make_mpf(mpmath.libmp.from_man_exp(mantissa, int(exponent)))

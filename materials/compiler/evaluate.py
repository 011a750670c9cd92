"""Evaluate a graph: in double precision on many points at once, or in 50 digits at one.

The 50-digit values are what the formulas mean; the doubles are what C will compute.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from elastane.materials.compiler.graph import Graph
from elastane.materials.compiler.operations import OPERATIONS

#: Decimal digits of the exact evaluation.
DIGITS = 50


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
    values: dict[int, Any] = {}
    with mpmath.workdps(DIGITS):
        for node in graph.live(outputs):
            entry = graph.nodes[node]
            if entry.operation == "input":
                values[node] = inputs[str(entry.value)]
            elif entry.operation == "constant":
                values[node] = mpmath.mpf(entry.value) if _is_number(entry.value) else entry.value
            else:
                operands = (values[operand] for operand in entry.operands)
                value = OPERATIONS[entry.operation].exact(*operands)
                values[node] = mpmath.nan if isinstance(value, mpmath.mpc) else value
        return np.array([values[node] for node in outputs], dtype=object)


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)

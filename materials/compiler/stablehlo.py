"""The operations of StableHLO on tensors of graph nodes.

A tensor is a numpy array of node numbers.  `ELEMENTWISE` holds what makes new nodes, `SHAPES` what
moves nodes and, in `dot_general`, sums their products.  Each name is that of StableHLO or CHLO,
whose specification defines what it does: https://openxla.org/stablehlo/spec.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxlib.mlir import ir
from numpy.typing import NDArray

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.graph import Graph, expm1, log1p

#: Node numbers in the shape of the tensor they stand for.
Tensor: TypeAlias = NDArray[np.int64]


def elementwise(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    """Return the result of `compare` or of an operation of ELEMENTWISE."""
    name = operation.name.split(".", 1)[1]
    if element_kind(operation) == "integer" and name not in INTEGER_SAFE:
        raise UnsupportedError(f"the energy needs {operation.name} of integers; use floats")
    if name == "compare":
        function = _named(COMPARISONS[_direction(operation)])
    else:
        function = ELEMENTWISE[name]
    shape = result_shape(operation)
    operands = [np.broadcast_to(operand, shape) for operand in operands]
    result = np.empty(shape, dtype=np.int64)
    for index in np.ndindex(*shape):
        result[index] = function(graph, *(int(operand[index]) for operand in operands))
    return result


def result_shape(operation: Any) -> tuple[int, ...]:
    """Return the shape of the (first) result."""
    return tuple(ir.RankedTensorType(operation.results[0].type).shape)


def element_kind(operation: Any) -> str:
    """Return whether the result holds "logical", "integer" or "float" elements."""
    text = str(ir.RankedTensorType(operation.results[0].type).element_type)
    return {"f": "float"}.get(text[0], "logical" if text == "i1" else "integer")


def integers(operation: Any, name: str) -> list[int]:
    """Return an attribute that is an array of integers."""
    return [int(x) for x in ir.DenseI64ArrayAttr(operation.attributes[name])]


def integer(operation: Any, name: str) -> int:
    """Return an attribute that is an integer."""
    return int(ir.IntegerAttr(operation.attributes[name]).value)


def _direction(operation: Any) -> str:
    """Return the direction of a comparison: EQ, NE, LT, LE, GT or GE."""
    attribute = str(operation.attributes["comparison_direction"])
    (found,) = re.findall(r"comparison_direction ([A-Z]+)", attribute)
    return str(found)


def _named(name: str) -> Callable[..., int]:
    return lambda graph, *operands: graph.operation(name, *operands)


def _reciprocal_sqrt(graph: Graph, x: int) -> int:
    return graph.divide(graph.constant(1.0), graph.operation("sqrt", x))


def _logistic(graph: Graph, x: int) -> int:
    one = graph.constant(1.0)
    return graph.divide(one, graph.add(one, graph.operation("exp", graph.negate(x))))


def _clamp(graph: Graph, lower: int, x: int, upper: int) -> int:
    return graph.operation("minimum", graph.operation("maximum", x, lower), upper)


ELEMENTWISE: dict[str, Callable[..., int]] = {
    "add": _named("add"),
    "subtract": _named("subtract"),
    "multiply": _named("multiply"),
    "divide": _named("divide"),
    "negate": _named("negate"),
    "power": _named("power"),
    "maximum": _named("maximum"),
    "minimum": _named("minimum"),
    "abs": _named("absolute"),
    "sign": _named("sign"),
    "sqrt": _named("sqrt"),
    "rsqrt": _reciprocal_sqrt,
    "cbrt": _named("cbrt"),
    "log": _named("log"),
    "log_plus_one": log1p,
    "exponential": _named("exp"),
    "exponential_minus_one": expm1,
    "logistic": _logistic,
    "sine": _named("sin"),
    "cosine": _named("cos"),
    "tan": _named("tan"),
    "asin": _named("asin"),
    "acos": _named("acos"),
    "atan": _named("atan"),
    "sinh": _named("sinh"),
    "cosh": _named("cosh"),
    "tanh": _named("tanh"),
    "asinh": _named("asinh"),
    "square": lambda graph, x: graph.multiply(x, x),
    "and": _named("and"),
    "or": _named("or"),
    "not": _named("not"),
    "select": _named("select"),
    "clamp": _clamp,
}

#: Directions of `compare` as operations of the graph.
COMPARISONS = {
    "EQ": "equal",
    "NE": "not_equal",
    "LT": "less",
    "LE": "less_equal",
    "GT": "greater",
    "GE": "greater_equal",
}

#: What loop counters and indices need; all else would round differently for integers.
INTEGER_SAFE = {"add", "subtract", "multiply", "negate", "maximum", "minimum", "select"}


def _constant(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    values = np.broadcast_to(np.array(operation.attributes["value"]), result_shape(operation))
    result = np.empty(values.shape, dtype=np.int64)
    for index in np.ndindex(*values.shape):
        result[index] = graph.constant(values[index].item())
    return result


def _iota(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    shape, dimension = result_shape(operation), integer(operation, "iota_dimension")
    kind = float if element_kind(operation) == "float" else int
    result = np.empty(shape, dtype=np.int64)
    for index in np.ndindex(*shape):
        result[index] = graph.constant(kind(index[dimension]))
    return result


def _convert(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    """Convert constants; of what is computed, truth values to numbers only."""
    kind = {"float": float, "integer": int, "logical": bool}[element_kind(operation)]
    source, target = (
        str(ir.RankedTensorType(value.type).element_type)
        for value in (operation.operands[0], operation.results[0])
    )

    def convert(node: int) -> int:
        value = graph.value(node)
        if value is not None:
            return graph.constant(kind(value))
        if source == target:
            return node
        if (source, target) == ("i1", "f64"):
            return graph.operation("select", node, graph.constant(1.0), graph.constant(0.0))
        raise UnsupportedError(f"the energy converts {source} to {target}; use doubles throughout")

    return np.vectorize(convert, otypes=[np.int64])(operands[0])


def _reshape(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return operands[0].reshape(result_shape(operation))


def _transpose(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return operands[0].transpose(integers(operation, "permutation"))


def _reverse(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return np.flip(operands[0], tuple(integers(operation, "dimensions")))


def _broadcast(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    shape = result_shape(operation)
    spread = [1] * len(shape)
    for size, dimension in zip(
        operands[0].shape, integers(operation, "broadcast_dimensions"), strict=True
    ):
        spread[dimension] = size
    return np.broadcast_to(operands[0].reshape(spread), shape)


def _slice(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    names = ("start_indices", "limit_indices", "strides")
    cuts = zip(*(integers(operation, name) for name in names), strict=True)
    return operands[0][tuple(slice(*cut) for cut in cuts)]


def _concatenate(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return np.concatenate(operands, axis=integer(operation, "dimension"))


def _pad(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    low = integers(operation, "edge_padding_low")
    interior = integers(operation, "interior_padding")
    result = np.full(result_shape(operation), int(operands[1]), dtype=np.int64)
    for index, node in np.ndenumerate(operands[0]):
        place = tuple(a + i * (b + 1) for a, i, b in zip(low, index, interior, strict=True))
        if all(0 <= i < size for i, size in zip(place, result.shape, strict=True)):
            result[place] = node
    return result


def _starts(graph: Graph, indices: list[Tensor], room: Sequence[int]) -> list[int]:
    """Return constant start indices, held inside the tensor as StableHLO defines it."""
    values = [graph.value(int(index)) for index in indices]
    if any(value is None for value in values):
        raise UnsupportedError("the energy indexes with a computed number; use plain integers")
    return [min(max(int(v or 0), 0), most) for v, most in zip(values, room, strict=True)]


def _dynamic_slice(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    tensor, *indices = operands
    shape = result_shape(operation)
    room = [whole - part for whole, part in zip(tensor.shape, shape, strict=True)]
    starts = _starts(graph, indices, room)
    return tensor[tuple(slice(i, i + n) for i, n in zip(starts, shape, strict=True))]


def _dynamic_update_slice(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    tensor, update, *indices = operands
    room = [whole - part for whole, part in zip(tensor.shape, update.shape, strict=True)]
    starts = _starts(graph, indices, room)
    result = tensor.copy()
    result[tuple(slice(i, i + n) for i, n in zip(starts, update.shape, strict=True))] = update
    return result


def _dot_general(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    numbers = str(operation.attributes["dot_dimension_numbers"])

    def dimensions(name: str) -> list[int]:
        found = re.search(name + r" = \[([0-9, ]*)\]", numbers)
        return [int(x) for x in found.group(1).split(",") if x.strip()] if found else []

    arranged, batch = [], 0
    for side, tensor in zip(("lhs", "rhs"), operands, strict=True):
        together = dimensions(f"{side}_batching_dimensions")
        summed = dimensions(f"{side}_contracting_dimensions")
        free = [d for d in range(tensor.ndim) if d not in together + summed]
        arranged.append((tensor.transpose(together + free + summed), len(free), len(summed)))
        batch = len(together)
    (left, num_left, num_summed), (right, _, _) = arranged
    shape = result_shape(operation)
    result = np.empty(shape, dtype=np.int64)
    for index in np.ndindex(*shape):
        common, rows, columns = (
            index[:batch],
            index[batch : batch + num_left],
            index[batch + num_left :],
        )
        terms = [
            graph.multiply(int(left[common + rows + k]), int(right[common + columns + k]))
            for k in np.ndindex(*left.shape[left.ndim - num_summed :])
        ]
        result[index] = graph.add(*terms)
    return result


SHAPES: dict[str, Callable[[Graph, Any, list[Tensor]], Tensor]] = {
    "constant": _constant,
    "iota": _iota,
    "convert": _convert,
    "reshape": _reshape,
    "transpose": _transpose,
    "reverse": _reverse,
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "concatenate": _concatenate,
    "pad": _pad,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update_slice,
    "dot_general": _dot_general,
}

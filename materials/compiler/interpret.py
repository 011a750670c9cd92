"""StableHLO to scalars: run a function with graph nodes in place of numbers.

A tensor is a numpy array of node numbers.  Operations on shapes (reshape, slice, pad, ...) move
node numbers and vanish; operations on numbers become nodes.  Loops whose trip count is constant
unroll.  What is not in the tables below is refused.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from jax.interpreters import mlir
from jaxlib.mlir import ir
from numpy.typing import NDArray

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.graph import Graph, log1p

#: Node numbers in the shape of the tensor they stand for.
Tensor: TypeAlias = NDArray[np.int64]

#: Trips after which a loop counts as endless.
LARGEST_LOOP = 5000


def interpret(text: str, graph: Graph, arguments: Sequence[Tensor]) -> list[Tensor]:
    """Return the results of the module's `main` for the given arguments.

    Raises:
        UnsupportedError: If the module holds an operation that scalars cannot express.
    """
    context = mlir.make_ir_context()
    context.allow_unregistered_dialects = True
    with context:
        module = ir.Module.parse(text, context)
        functions = {
            ir.StringAttr(operation.attributes["sym_name"]).value: operation
            for operation in module.body.operations
            if "sym_name" in operation.attributes
        }
        return _Interpreter(graph, functions).call("main", list(arguments))


def scalar(node: int) -> Tensor:
    """Return a node as a tensor without dimensions."""
    return np.array(node, dtype=np.int64)


class _Interpreter:
    """Runs the functions of one module."""

    def __init__(self, graph: Graph, functions: dict[str, Any]) -> None:
        self.graph = graph
        self.functions = functions

    def call(self, name: str, arguments: list[Tensor]) -> list[Tensor]:
        return self.run(self.functions[name].regions[0].blocks[0], arguments, {})

    def run(self, block: Any, arguments: list[Tensor], outer: dict[Any, Tensor]) -> list[Tensor]:
        """Return what a block returns; `outer` holds the values of the blocks around it."""
        values = outer | dict(zip(block.arguments, arguments, strict=True))
        for entry in block.operations:
            operation = entry.operation
            operands = [values[operand] for operand in operation.operands]
            if operation.name in ("func.return", "stablehlo.return"):
                return operands
            values |= zip(
                operation.results, self.evaluate(operation, operands, values), strict=True
            )
        raise AssertionError("a block ends with a return")

    def evaluate(
        self, operation: Any, operands: list[Tensor], values: dict[Any, Tensor]
    ) -> list[Tensor]:
        """Return the results of one operation."""
        dialect, name = operation.name.split(".", 1)
        if operation.name == "func.call":
            callee = ir.FlatSymbolRefAttr(operation.attributes["callee"]).value
            return self.call(callee, operands)
        if name in REGIONS:
            return REGIONS[name](self, operation, operands, values)
        if dialect in ("stablehlo", "chlo") and name in ELEMENTWISE:
            return [self._elementwise(ELEMENTWISE[name], operation, operands)]
        if dialect in ("stablehlo", "chlo") and name in SHAPES:
            return [SHAPES[name](self.graph, operation, operands)]
        raise UnsupportedError(
            f"the energy needs {operation.name}, which does not compile to scalar C; "
            "write it with +, -, *, /, powers, roots, log, exp and where on components"
        )

    def _elementwise(
        self, function: Callable[..., int], operation: Any, operands: list[Tensor]
    ) -> Tensor:
        if _element(operation) == "integer" and operation.name not in INTEGER_SAFE:
            raise UnsupportedError(f"the energy needs {operation.name} of integers; use floats")
        shape = _shape(operation)
        operands = [np.broadcast_to(operand, shape) for operand in operands]
        result = np.empty(shape, dtype=np.int64)
        for index in np.ndindex(*shape):
            attributes = (operation,) if function is _compare else ()
            result[index] = function(self.graph, *attributes, *(int(x[index]) for x in operands))
        return result


# Numbers -----------------------------------------------------------------------------------------


def _named(name: str) -> Callable[..., int]:
    return lambda graph, *operands: graph.operation(name, *operands)


def _compare(graph: Graph, operation: Any, x: int, y: int) -> int:
    direction = str(operation.attributes["comparison_direction"])
    (key,) = re.findall(r"comparison_direction ([A-Z]+)", direction)
    names = {
        "EQ": "equal",
        "NE": "not_equal",
        "LT": "less",
        "LE": "less_equal",
        "GT": "greater",
        "GE": "greater_equal",
    }
    return graph.operation(names[key], x, y)


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
    "exponential_minus_one": _named("expm1"),
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
    "compare": _compare,
}

INTEGER_SAFE = {
    f"stablehlo.{name}"
    for name in ("add", "subtract", "multiply", "negate", "maximum", "minimum", "select")
}

# Shapes ------------------------------------------------------------------------------------------


def _shape(operation: Any) -> tuple[int, ...]:
    return tuple(ir.RankedTensorType(operation.results[0].type).shape)


def _element(operation: Any) -> str:
    """Return whether the result holds "logical", "integer" or "float" elements."""
    text = str(ir.RankedTensorType(operation.results[0].type).element_type)
    return {"f": "float"}.get(text[0], "logical" if text == "i1" else "integer")


def _integers(operation: Any, name: str) -> list[int]:
    return [int(x) for x in ir.DenseI64ArrayAttr(operation.attributes[name])]


def _integer(operation: Any, name: str) -> int:
    return int(ir.IntegerAttr(operation.attributes[name]).value)


def _constant(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    values = np.broadcast_to(np.array(operation.attributes["value"]), _shape(operation))
    result = np.empty(values.shape, dtype=np.int64)
    for index in np.ndindex(*values.shape):
        result[index] = graph.constant(values[index].item())
    return result


def _iota(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    shape, dimension = _shape(operation), _integer(operation, "iota_dimension")
    kind = float if _element(operation) == "float" else int
    result = np.empty(shape, dtype=np.int64)
    for index in np.ndindex(*shape):
        result[index] = graph.constant(kind(index[dimension]))
    return result


def _convert(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    """Convert constants; of what is computed, truth values to numbers only."""
    kind = {"float": float, "integer": int, "logical": bool}[_element(operation)]
    source = str(ir.RankedTensorType(operation.operands[0].type).element_type)

    def convert(node: int) -> int:
        value = graph.value(node)
        if value is not None:
            return graph.constant(kind(value))
        if source == "i1" and kind is float:
            return graph.operation("select", node, graph.constant(1.0), graph.constant(0.0))
        if source == "f64" and kind is float:
            return node
        raise UnsupportedError(f"the energy converts computed {source} to {kind.__name__}")

    return np.vectorize(convert, otypes=[np.int64])(operands[0])


def _reshape(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return operands[0].reshape(_shape(operation))


def _transpose(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return operands[0].transpose(_integers(operation, "permutation"))


def _reverse(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return np.flip(operands[0], tuple(_integers(operation, "dimensions")))


def _broadcast(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    shape = _shape(operation)
    spread = [1] * len(shape)
    for size, dimension in zip(
        operands[0].shape, _integers(operation, "broadcast_dimensions"), strict=True
    ):
        spread[dimension] = size
    return np.broadcast_to(operands[0].reshape(spread), shape)


def _slice(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    names = ("start_indices", "limit_indices", "strides")
    cuts = zip(*(_integers(operation, name) for name in names), strict=True)
    return operands[0][tuple(slice(*cut) for cut in cuts)]


def _concatenate(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    return np.concatenate(operands, axis=_integer(operation, "dimension"))


def _pad(graph: Graph, operation: Any, operands: list[Tensor]) -> Tensor:
    low = _integers(operation, "edge_padding_low")
    interior = _integers(operation, "interior_padding")
    result = np.full(_shape(operation), int(operands[1]), dtype=np.int64)
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
    shape = _shape(operation)
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
    shape = _shape(operation)
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

# Regions -----------------------------------------------------------------------------------------


def _reduce(
    interpreter: _Interpreter, operation: Any, operands: list[Tensor], values: dict[Any, Tensor]
) -> list[Tensor]:
    half = len(operands) // 2
    dimensions = _integers(operation, "dimensions")
    kept = [d for d in range(operands[0].ndim) if d not in dimensions]
    tensors = [tensor.transpose(kept + dimensions) for tensor in operands[:half]]
    results = [np.empty(_shape(operation), dtype=np.int64) for _ in range(half)]
    block = operation.regions[0].blocks[0]
    for index in np.ndindex(*_shape(operation)):
        totals = operands[half:]
        for inner in np.ndindex(*tensors[0].shape[len(kept) :]):
            entries = [scalar(int(tensor[index + inner])) for tensor in tensors]
            totals = interpreter.run(block, totals + entries, values)
        for result, total in zip(results, totals, strict=True):
            result[index] = total
    return results


def _while(
    interpreter: _Interpreter, operation: Any, operands: list[Tensor], values: dict[Any, Tensor]
) -> list[Tensor]:
    condition, body = (region.blocks[0] for region in operation.regions)
    state = operands
    for _ in range(LARGEST_LOOP):
        (decision,) = interpreter.run(condition, state, values)
        going = interpreter.graph.value(int(decision))
        if going is None:
            raise UnsupportedError(
                "the energy holds a loop whose number of trips depends on the strain; "
                "use a fixed number of trips"
            )
        if not going:
            return state
        state = interpreter.run(body, state, values)
    raise UnsupportedError(f"the energy holds a loop of more than {LARGEST_LOOP} trips")


def _if(
    interpreter: _Interpreter, operation: Any, operands: list[Tensor], values: dict[Any, Tensor]
) -> list[Tensor]:
    graph, condition = interpreter.graph, int(operands[0])
    branches = [interpreter.run(region.blocks[0], [], values) for region in operation.regions]
    choose = np.vectorize(
        lambda x, y: graph.operation("select", condition, int(x), int(y)), otypes=[np.int64]
    )
    return [choose(x, y) for x, y in zip(*branches, strict=True)]


REGIONS: dict[str, Callable[..., list[Tensor]]] = {"reduce": _reduce, "while": _while, "if": _if}

"""StableHLO to scalars: run a function with graph nodes in place of numbers.

A tensor is a numpy array of node numbers.  Operations on shapes (reshape, slice, pad, ...) move
node numbers and vanish; operations on numbers become nodes.  Loops whose trip count is constant
unroll.  What is not in the tables below is refused.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.interpreters import mlir
from jaxlib.mlir import ir

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.graph import Graph
from elastane.materials.compiler.stablehlo import (
    ELEMENTWISE,
    SHAPES,
    Tensor,
    elementwise,
    integers,
    result_shape,
)

#: Trips after which a loop counts as endless.
LARGEST_LOOP = 5000


def interpret(text: str, graph: Graph, arguments: Sequence[Tensor]) -> list[Tensor]:
    """Return the results of the module's `main` for the given arguments.

    Raises:
        UnsupportedError: If the module holds an operation that scalars cannot express; its notes
            are the places of the operation and of those around it, the innermost first.
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
            try:
                results = self.evaluate(operation, operands, values)
            except UnsupportedError as error:
                error.add_note(str(operation.location))
                raise
            values |= zip(operation.results, results, strict=True)
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
        known = dialect in ("stablehlo", "chlo")
        if known and (name == "compare" or name in ELEMENTWISE):
            return [elementwise(self.graph, operation, operands)]
        if known and name in SHAPES:
            return [SHAPES[name](self.graph, operation, operands)]
        raise UnsupportedError(
            f"the energy needs {operation.name}, which does not compile to scalar C; "
            "write it with +, -, *, /, powers, roots, log, exp and where on components"
        )


def _reduce(
    interpreter: _Interpreter, operation: Any, operands: list[Tensor], values: dict[Any, Tensor]
) -> list[Tensor]:
    half = len(operands) // 2
    dimensions = integers(operation, "dimensions")
    kept = [d for d in range(operands[0].ndim) if d not in dimensions]
    tensors = [tensor.transpose(kept + dimensions) for tensor in operands[:half]]
    results = [np.empty(result_shape(operation), dtype=np.int64) for _ in range(half)]
    block = operation.regions[0].blocks[0]
    for index in np.ndindex(*result_shape(operation)):
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
            raise UnsupportedError("the energy holds a loop whose number of trips is not constant")
        if not going:
            return state
        state = interpreter.run(body, state, values)
    raise UnsupportedError(f"the energy holds a loop of more than {LARGEST_LOOP} trips")


REGIONS: dict[str, Callable[..., list[Tensor]]] = {"reduce": _reduce, "while": _while}

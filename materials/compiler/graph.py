"""Scalar expressions with every common term stored once.

A node is an input, a constant or an operation on earlier nodes, and its number is its place in the
list.  Building a node that exists returns the old one (hash-consing); building one whose value is
known or that has a simpler equal returns that.  Rules keep accuracy: none reorders a sum.
"""

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from elastane.materials.compiler.operations import COMMUTATIVE, OPERATIONS

#: Integers occur as indices and counters only: they fold, and never reach C.
Constant: TypeAlias = float | int | bool

#: Largest whole exponent written as products.
LARGEST_POWER = 16


class Node(NamedTuple):
    """An input, a constant or an operation.

    Attributes:
        operation: "input", "constant" or a key of OPERATIONS.
        operands: Numbers of the nodes it works on.
        value: The constant, or the name of the input.
    """

    operation: str
    operands: tuple[int, ...] = ()
    value: Constant | str | None = None


class Graph:
    """A growing list of distinct nodes."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._numbers: dict[object, int] = {}

    def input(self, name: str) -> int:
        """Return the node of the input of that name."""
        return self._add(name, Node("input", value=name))

    def constant(self, value: Constant) -> int:
        """Return the node of a constant; 0.0 and -0.0 differ, as do 1 and 1.0."""
        key = struct.pack("d", value) if isinstance(value, float) else value
        return self._add((type(value), key), Node("constant", value=value))

    def value(self, node: int) -> Constant | None:
        """Return the value of a constant node, None for any other."""
        entry = self.nodes[node]
        if entry.operation != "constant" or isinstance(entry.value, str):
            return None
        return entry.value

    def operation(self, name: str, *operands: int) -> int:
        """Return the node of an operation, simplified."""
        folded = self._fold(name, operands)
        if folded is not None:
            return folded
        simplify = SIMPLIFICATIONS.get(name)
        simpler = simplify(self, *operands) if simplify else None
        if simpler is not None:
            return simpler
        if name in COMMUTATIVE:
            operands = tuple(sorted(operands))
        return self._add((name, operands), Node(name, operands))

    def add(self, *terms: int) -> int:
        """Return the sum, from left to right."""
        total, *rest = terms
        for term in rest:
            total = self.operation("add", total, term)
        return total

    def multiply(self, *factors: int) -> int:
        """Return the product, from left to right."""
        product, *rest = factors
        for factor in rest:
            product = self.operation("multiply", product, factor)
        return product

    def subtract(self, x: int, y: int) -> int:
        """Return x - y."""
        return self.operation("subtract", x, y)

    def divide(self, x: int, y: int) -> int:
        """Return x / y."""
        return self.operation("divide", x, y)

    def negate(self, x: int) -> int:
        """Return -x."""
        return self.operation("negate", x)

    def live(self, outputs: Iterable[int]) -> list[int]:
        """Return the nodes that the outputs need, operands before what uses them."""
        seen: set[int] = set()
        waiting = list(outputs)
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += self.nodes[node].operands
        return sorted(seen)

    def substitute(self, outputs: Iterable[int], replacements: Mapping[int, int]) -> list[int]:
        """Return the outputs with nodes replaced by other nodes of this graph."""
        outputs = list(outputs)
        image = dict(replacements)
        for node in self.live(outputs):
            if node not in image:
                entry = self.nodes[node]
                operands = tuple(image[x] for x in entry.operands)
                changed = operands != entry.operands
                image[node] = self.operation(entry.operation, *operands) if changed else node
        return [image[node] for node in outputs]

    def _add(self, key: object, node: Node) -> int:
        number = self._numbers.setdefault(key, len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(node)
        return number

    def _fold(self, name: str, operands: tuple[int, ...]) -> int | None:
        """Return the constant that the operation is, if all operands are constants."""
        values = [self.value(operand) for operand in operands]
        if any(value is None for value in values):
            return None
        with np.errstate(all="ignore"):
            result = OPERATIONS[name].numpy(*values)
        if isinstance(result, np.ndarray):
            result = result[()]
        return self.constant(result.item() if isinstance(result, np.generic) else result)


Simplification: TypeAlias = Callable[..., int | None]


def _operands(graph: Graph, node: int, operation: str) -> tuple[int, ...]:
    """Return the operands of a node if it is of that operation, nothing otherwise."""
    entry = graph.nodes[node]
    return entry.operands if entry.operation == operation else ()


def _add(graph: Graph, x: int, y: int) -> int | None:
    if graph.value(x) == 0:
        return y
    if graph.value(y) == 0:
        return x
    if x == y:
        return graph.multiply(graph.constant(2.0), x)
    if negated := _operands(graph, y, "negate"):
        return graph.subtract(x, *negated)
    if negated := _operands(graph, x, "negate"):
        return graph.subtract(y, *negated)
    return None


def _subtract(graph: Graph, x: int, y: int) -> int | None:
    if graph.value(y) == 0:
        return x
    if graph.value(x) == 0:
        return graph.negate(y)
    if x == y:
        return graph.constant(0.0)
    if negated := _operands(graph, y, "negate"):
        return graph.add(x, *negated)
    if negated := _operands(graph, x, "negate"):
        return graph.negate(graph.add(*negated, y))
    if (found := _exponential_minus_one(graph, x, y)) is not None:
        return found
    if (found := _exponential_minus_one(graph, y, x)) is not None:
        return graph.negate(found)
    return None


def _exponential_minus_one(graph: Graph, x: int, y: int) -> int | None:
    """Return y (eᶻ - 1) without cancellation if x is y eᶻ; it is what derivatives of eᶻ - z are."""
    if graph.value(y) == 1:
        exponent, scaled = _operands(graph, x, "exp"), False
    else:
        factors = _operands(graph, x, "multiply")
        others = [factor for factor in factors if factor != y]
        exponent = _operands(graph, others[0], "exp") if len(others) == 1 else ()
        scaled = True
    if not exponent:
        return None
    less_one = expm1(graph, *exponent)
    return graph.multiply(y, less_one) if scaled else less_one


def _negate(graph: Graph, x: int) -> int | None:
    if negated := _operands(graph, x, "negate"):
        return negated[0]
    if difference := _operands(graph, x, "subtract"):
        return graph.subtract(difference[1], difference[0])
    return None


def _multiply(graph: Graph, x: int, y: int) -> int | None:
    for factor, other in ((x, y), (y, x)):
        value = graph.value(factor)
        if value is None:
            continue
        if value == 0:
            return graph.constant(0.0)
        if value == 1:
            return other
        if value == -1:
            return graph.negate(other)
        for inner in _operands(graph, other, "multiply"):
            if (scale := graph.value(inner)) is not None:
                (rest,) = (z for z in graph.nodes[other].operands if z != inner)
                return graph.multiply(graph.constant(value * scale), rest)
        if negated := _operands(graph, other, "negate"):
            return graph.multiply(graph.constant(-value), *negated)
    for factor, other in ((x, y), (y, x)):
        if negated := _operands(graph, factor, "negate"):
            return graph.negate(graph.multiply(*negated, other))
    return None


def _divide(graph: Graph, x: int, y: int) -> int | None:
    """Write every quotient as a product with a reciprocal, which others can then share."""
    divisor = graph.value(y)
    if divisor is not None and divisor != 0:
        return graph.multiply(x, graph.constant(1.0 / divisor))
    if graph.value(x) == 1:
        if negated := _operands(graph, y, "negate"):
            return graph.negate(graph.divide(x, *negated))
        return None
    return graph.multiply(x, graph.divide(graph.constant(1.0), y))


def _select(graph: Graph, condition: int, x: int, y: int) -> int | None:
    chosen = graph.value(condition)
    if chosen is not None:
        return x if chosen else y
    return x if x == y else None


def _power(graph: Graph, x: int, y: int) -> int | None:
    exponent = graph.value(y)
    if exponent is None:
        return None
    if exponent == 0.5:
        return graph.operation("sqrt", x)
    if exponent != int(exponent) or abs(exponent) > LARGEST_POWER:
        return None
    result, square = graph.constant(1.0), x
    for bit in reversed(f"{int(abs(exponent)):b}"):
        if bit == "1":
            result = graph.multiply(result, square)
        square = graph.multiply(square, square)
    return result if exponent >= 0 else graph.divide(graph.constant(1.0), result)


SIMPLIFICATIONS: dict[str, Simplification] = {
    "add": _add,
    "subtract": _subtract,
    "negate": _negate,
    "multiply": _multiply,
    "divide": _divide,
    "select": _select,
    "power": _power,
}


#: |x| beyond which eˣ - 1 is computed as it stands.
EXPM1_RADIUS = 0.5


def expm1(graph: Graph, x: int) -> int:
    """Return eˣ - 1 to full accuracy by `exp` and `log`, which vectorise where `expm1` does not.

    With u = eˣ rounded, eˣ - 1 = (u - 1) x / ln(u) near 0: again the error of u cancels.
    Reference: N. Higham, Accuracy and Stability of Numerical Algorithms, SIAM 2002, section 1.14.1.
    """
    value = graph.value(x)
    if value is not None:
        return graph.constant(math.expm1(value))
    one = graph.constant(1.0)
    u = graph.operation("exp", x)
    # A sum, since a difference would be found to be this very function.
    less_one = graph.add(u, graph.constant(-1.0))
    equal = graph.operation("equal", u, one)
    logarithm = graph.operation("log", u)
    divisor = graph.operation("select", equal, one, logarithm)
    scaled = graph.multiply(less_one, graph.divide(x, divisor))
    near = graph.operation("select", equal, x, scaled)
    small = graph.operation("less", graph.operation("absolute", x), graph.constant(EXPM1_RADIUS))
    return graph.operation("select", small, near, less_one)


def log1p(graph: Graph, x: int) -> int:
    """Return ln(1 + x) to full accuracy by `log` alone, which is the one that vectorises.

    With u = 1 + x rounded, ln(1 + x) = ln(u) x / (u - 1): the error of u cancels.
    Reference: W. Kahan, cited by D. Goldberg, ACM Computing Surveys 23 (1991) 5-48, theorem 4.
    """
    value = graph.value(x)
    if value is not None:
        return graph.constant(math.log1p(value))
    one = graph.constant(1.0)
    u = graph.add(x, one)
    rounded = graph.subtract(u, one)
    scaled = graph.operation("log", u)
    quotient = graph.multiply(scaled, graph.divide(x, rounded))
    return graph.operation(
        "select", graph.operation("equal", rounded, graph.constant(0.0)), x, quotient
    )


def dot(graph: Graph, x: Iterable[int], y: Iterable[int]) -> int:
    """Return Σ x_k y_k, from left to right."""
    return graph.add(*(graph.multiply(int(a), int(b)) for a, b in zip(x, y, strict=True)))

"""The operations of the scalar graph: what they cost, what they compute, how C writes them.

One row holds all that the compiler knows of an operation.  Costs are in floating-point operations,
as measured on vectorised loops (eight doubles in a register: a multiplication and addition 0.02 ns,
a quotient 0.75, a root 1.1, a logarithm 1.0, an exponential 0.55); only their ratios matter.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np


class Level(IntEnum):
    """How tightly a C expression binds; an operand that binds less tightly needs parentheses."""

    SELECT = 0
    LOGIC = 1
    COMPARE = 2
    SUM = 3
    PRODUCT = 4
    ATOM = 5


@dataclass(frozen=True)
class Operation:
    """A scalar function of the graph.

    Attributes:
        cost: In additions.
        numpy: Evaluates it on float64 arrays.
        exact: Evaluates it on mpmath numbers and truth values.
        c: C expression; {0}, {1}, ... stand for the operands.
        level: How tightly the expression binds.
        needs: How tightly each operand must bind; for functions, which have parentheses, nothing.
        logical: Whether the result is a truth value.
    """

    cost: int
    numpy: Callable[..., Any]
    exact: Callable[..., Any]
    c: str
    level: Level = Level.ATOM
    needs: tuple[Level, ...] = (Level.SELECT, Level.SELECT)
    logical: bool = False


def _function(name: str, cost: int, numpy: Callable[..., Any]) -> Operation:
    """Return the row of a function of one number that C and mpmath call the same."""
    return Operation(cost, numpy, getattr(mpmath, name), f"{name}({{0}})")


def _comparison(symbol: str, numpy: Callable[..., Any], exact: Callable[..., Any]) -> Operation:
    needs = (Level.SUM, Level.SUM)
    return Operation(1, numpy, exact, f"{{0}} {symbol} {{1}}", Level.COMPARE, needs, logical=True)


def _logic(symbol: str, numpy: Callable[..., Any], exact: Callable[..., Any]) -> Operation:
    needs = (Level.COMPARE, Level.COMPARE)
    return Operation(1, numpy, exact, f"{{0}} {symbol} {{1}}", Level.LOGIC, needs, logical=True)


def _divide(x: Any, y: Any) -> Any:
    """Return x / y; no number where y is zero, as in the branch of a `select` that is not taken."""
    return x / y if y != 0 else mpmath.nan


# Sums and products associate to the left: a + b + c is (a + b) + c, and a + (b + c) keeps its
# parentheses, since it rounds differently.
_SUM = (Level.SUM, Level.PRODUCT)
_PRODUCT = (Level.PRODUCT, Level.ATOM)
_EXTREME = (Level.SUM, Level.SUM)
_CHOICE = (Level.LOGIC, Level.SUM, Level.SUM)

#: A call for one number at a time keeps the whole loop from being vectorised.
NO_VECTOR_FORM = 400

OPERATIONS: dict[str, Operation] = {
    "add": Operation(1, np.add, operator.add, "{0} + {1}", Level.SUM, _SUM),
    "subtract": Operation(1, np.subtract, operator.sub, "{0} - {1}", Level.SUM, _SUM),
    "multiply": Operation(1, np.multiply, operator.mul, "{0} * {1}", Level.PRODUCT, _PRODUCT),
    "divide": Operation(35, np.divide, _divide, "{0} / {1}", Level.PRODUCT, _PRODUCT),
    "negate": Operation(0, np.negative, operator.neg, "-{0}", Level.PRODUCT, (Level.ATOM,)),
    "power": Operation(100, np.power, mpmath.power, "pow({0}, {1})"),
    "maximum": Operation(1, np.maximum, max, "{0} > {1} ? {0} : {1}", Level.SELECT, _EXTREME),
    "minimum": Operation(1, np.minimum, min, "{0} < {1} ? {0} : {1}", Level.SELECT, _EXTREME),
    "absolute": Operation(0, np.abs, abs, "fabs({0})"),
    "sign": Operation(
        2,
        np.sign,
        mpmath.sign,
        "{0} > 0.0 ? 1.0 : ({0} < 0.0 ? -1.0 : 0.0)",
        Level.SELECT,
        (Level.SUM,),
    ),
    "sqrt": _function("sqrt", 55, np.sqrt),
    "cbrt": _function("cbrt", NO_VECTOR_FORM, np.cbrt),
    "log": _function("log", 50, np.log),
    "exp": _function("exp", 30, np.exp),
    "expm1": _function("expm1", NO_VECTOR_FORM, np.expm1),
    "sin": _function("sin", 50, np.sin),
    "cos": _function("cos", 50, np.cos),
    "tan": _function("tan", NO_VECTOR_FORM, np.tan),
    "asin": _function("asin", NO_VECTOR_FORM, np.arcsin),
    "acos": _function("acos", NO_VECTOR_FORM, np.arccos),
    "atan": _function("atan", NO_VECTOR_FORM, np.arctan),
    "sinh": _function("sinh", NO_VECTOR_FORM, np.sinh),
    "cosh": _function("cosh", NO_VECTOR_FORM, np.cosh),
    "tanh": _function("tanh", NO_VECTOR_FORM, np.tanh),
    "asinh": _function("asinh", NO_VECTOR_FORM, np.arcsinh),
    "equal": _comparison("==", np.equal, operator.eq),
    "not_equal": _comparison("!=", np.not_equal, operator.ne),
    "less": _comparison("<", np.less, operator.lt),
    "less_equal": _comparison("<=", np.less_equal, operator.le),
    "greater": _comparison(">", np.greater, operator.gt),
    "greater_equal": _comparison(">=", np.greater_equal, operator.ge),
    "and": _logic("&&", np.logical_and, lambda x, y: x and y),
    "or": _logic("||", np.logical_or, lambda x, y: x or y),
    "not": Operation(
        1, np.logical_not, operator.not_, "!{0}", Level.PRODUCT, (Level.ATOM,), logical=True
    ),
    "select": Operation(
        1,
        np.where,
        lambda condition, x, y: x if condition else y,
        "{0} ? {1} : {2}",
        Level.SELECT,
        _CHOICE,
    ),
}

COMMUTATIVE = frozenset({"add", "multiply", "maximum", "minimum", "and", "or"})

#: Operations whose cost is one floating-point operation on every machine.
FLOPS = frozenset({"add", "subtract", "multiply"})

#: Longest body of a C function, constants included.  Values go to the stack and back long before,
#: at little cost; but compilers take more than proportionally longer, gcc 7 s for 7,000.
LARGEST_BODY = 8000

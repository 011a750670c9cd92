"""Formulas of a job file: numbers that may depend on the place and on the load.

A small grammar of our own reads them; nothing is ever handed to Python's `eval`:

    sum     = product (("+" | "-") product)*
    product = sign (("*" | "/") sign)*
    sign    = ("+" | "-") sign | power
    power   = atom ("**" sign)?
    atom    = number | "pi" | "x" | "y" | "z" | "t" | name "(" sum ("," sum)* ")" | "(" sum ")"

The result is a short program in postfix notation, which numpy runs for many points at once.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from elastane.solver.sources import Places

Floats = NDArray[np.float64]
Value = Floats | np.float64
Function = Callable[..., Value]

MAX_LENGTH = 1000
MAX_DEPTH = 50  # nested parentheses and signs; keeps the parser far from Python's recursion limit

COORDINATES = ("x", "y", "z")
VARIABLES = (*COORDINATES, "t")
CONSTANTS = {"pi": np.pi}

UNARY: dict[str, Function] = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "exp": np.exp, "log": np.log, "log10": np.log10, "sqrt": np.sqrt,
    "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
}  # fmt: skip
BINARY: dict[str, Function] = {"atan2": np.arctan2, "hypot": np.hypot}
VARIADIC: dict[str, Function] = {"min": np.minimum, "max": np.maximum}
NEGATE = "negative"
OPERATORS: dict[str, Function] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power,
}  # fmt: skip

FUNCTIONS = UNARY | BINARY | VARIADIC
ONE_ARGUMENT = UNARY | {NEGATE: np.negative}
TWO_ARGUMENTS = BINARY | VARIADIC | OPERATORS

TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<symbol>\*\*|[-+*/(),])"
)

#: A number to push, a variable to push, or a function of the one or two values on top.
Instruction = float | str


class FormulaError(ValueError):
    """A formula that cannot be read or has no finite value.

    Attributes:
        column: Where in the text, from 1; 0 if it is not about a place in the text.
    """

    def __init__(self, message: str, column: int = 0) -> None:
        self.column = column
        super().__init__(message)


@dataclass(frozen=True)
class Formula:
    """A value as a function of the initial coordinates x, y, z and the load fraction t.

    Two formulas are equal if they have the same program, however they were written.

    Attributes:
        text: The formula as it was written.
        program: Its instructions in postfix notation, constant parts evaluated.
    """

    text: str = field(compare=False)
    program: tuple[Instruction, ...]

    @classmethod
    def constant(cls, value: float) -> "Formula":
        """Return the formula of a number.

        Raises:
            FormulaError: If the number is not finite.
        """
        if not np.isfinite(value):
            raise FormulaError(f"a finite number is needed, got {value}")
        return cls(text=str(value), program=(float(value),))

    @classmethod
    def parse(cls, text: str) -> "Formula":
        """Return the formula written in a text.

        Raises:
            FormulaError: If the text is not a formula; the message says the column.
        """
        return cls(text=text, program=_Parser(text).program())

    @property
    def value(self) -> float | None:
        """Return the number that a constant formula stands for, None for any other."""
        first = self.program[0]
        return first if len(self.program) == 1 and isinstance(first, float) else None

    @property
    def uses_time(self) -> bool:
        """Return whether the formula names the load fraction t."""
        return "t" in self.program

    @property
    def uses_space(self) -> bool:
        """Return whether the formula names x, y or z."""
        return any(name in self.program for name in COORDINATES)

    def evaluate(self, X: Floats, t: float) -> Floats:
        """Return the values at initial points X of shape (n, 3) and load fraction t, shape (n,).

        Raises:
            FormulaError: If a value is not finite; the message says where.
        """
        variables: dict[str, Value] = {"x": X[:, 0], "y": X[:, 1], "z": X[:, 2], "t": np.float64(t)}
        stack: list[Value] = []
        with np.errstate(all="ignore"):
            for instruction in self.program:
                if isinstance(instruction, float):
                    stack.append(np.float64(instruction))
                elif instruction in variables:
                    stack.append(variables[instruction])
                else:
                    _apply(instruction, stack)
        values = np.broadcast_to(stack.pop(), (len(X),)).astype(np.float64)
        finite = np.isfinite(values)
        if not finite.all():
            point = int(np.argmin(finite))
            place = ", ".join(f"{coordinate:.6g}" for coordinate in X[point])
            raise FormulaError(
                f"the formula {self.text!r} is {values[point]} at the point ({place}), t = {t:.6g}"
            )
        return values

    @property
    def is_vector(self) -> bool:
        """Return False: a formula is a number at each place."""
        return False

    def at(self, places: Places) -> Floats:
        """Return the values at places, shape (num_points,)."""
        return self.evaluate(places.X, places.load_fraction)

    def load(self, X: Floats, t: float) -> Floats:
        """Return the load at fraction t: the value, scaled by t unless the formula names t."""
        return self.evaluate(X, t) if self.uses_time else t * self.evaluate(X, t)

    def __str__(self) -> str:
        """Return the formula as it was written."""
        return self.text


def _apply(function: str, stack: list[Value]) -> None:
    """Replace the arguments on top of the stack by the value of a function."""
    if function in ONE_ARGUMENT:
        stack.append(ONE_ARGUMENT[function](stack.pop()))
    else:
        second = stack.pop()
        stack.append(TWO_ARGUMENTS[function](stack.pop(), second))


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, symbol or end
    text: str
    column: int


class _Parser:
    """Recursive descent over the tokens of one text, writing the program as it goes."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise FormulaError(
                f"the formula has {len(text)} characters; at most {MAX_LENGTH} are read"
            )
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._program: list[Instruction] = []

    def program(self) -> tuple[Instruction, ...]:
        """Return the program of the whole text."""
        self._sum()
        if self._peek().kind != "end":
            self._unexpected("an operator")
        return tuple(self._program)

    def _sum(self) -> None:
        self._left_to_right(("+", "-"), self._product)

    def _product(self) -> None:
        self._left_to_right(("*", "/"), self._sign)

    def _left_to_right(self, operators: tuple[str, str], operand: Callable[[], None]) -> None:
        operand()
        while self._peek().text in operators:
            operator = self._take()
            operand()
            self._emit(operator.text, 2, operator.column)

    def _sign(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FormulaError(
                f"column {self._peek().column}: nested more than {MAX_DEPTH} deep",
                self._peek().column,
            )
        if self._peek().text in ("+", "-"):
            sign = self._take()
            self._sign()
            if sign.text == "-":
                self._emit(NEGATE, 1, sign.column)
        else:
            self._power()
        self._depth -= 1

    def _power(self) -> None:
        self._atom()
        if self._peek().text == "**":
            operator = self._take()
            self._sign()
            self._emit(operator.text, 2, operator.column)

    def _atom(self) -> None:
        token = self._peek()
        if token.kind == "number":
            self._number(self._take())
        elif token.kind == "name":
            self._name(self._take())
        elif token.text == "(":
            self._take()
            self._sum()
            self._expect(")")
        else:
            self._unexpected("a number, a variable, a function or '('")

    def _number(self, token: _Token) -> None:
        value = float(token.text)
        if not np.isfinite(value):
            raise FormulaError(f"column {token.column}: the number is too large", token.column)
        self._program.append(value)

    def _name(self, token: _Token) -> None:
        if token.text in CONSTANTS:
            self._program.append(CONSTANTS[token.text])
        elif token.text in VARIABLES:
            self._program.append(token.text)
        elif token.text in FUNCTIONS:
            self._call(token)
        else:
            _unknown_name(token)

    def _call(self, name: _Token) -> None:
        self._expect("(")
        self._sum()
        arguments = 1
        while self._peek().text == ",":
            self._take()
            self._sum()
            arguments += 1
        self._expect(")")
        if name.text in VARIADIC:
            wanted, enough = "2 or more arguments", arguments >= 2
        elif name.text in BINARY:
            wanted, enough = "2 arguments", arguments == 2
        else:
            wanted, enough = "1 argument", arguments == 1
        if not enough:
            raise FormulaError(
                f"column {name.column}: {name.text} takes {wanted}, got {arguments}", name.column
            )
        if arguments == 1:
            self._emit(name.text, 1, name.column)
        for _ in range(arguments - 1):
            self._emit(name.text, 2, name.column)

    def _emit(self, function: str, arguments: int, column: int) -> None:
        """Append a function, or its value if its arguments are numbers."""
        operands = self._program[-arguments:]
        if not all(isinstance(operand, float) for operand in operands):
            self._program.append(function)
            return
        stack: list[Value] = [np.float64(operand) for operand in operands]
        with np.errstate(all="ignore"):
            _apply(function, stack)
        value = float(stack.pop())
        if not np.isfinite(value):
            raise FormulaError(f"column {column}: {function!r} gives {value} here", column)
        self._program[-arguments:] = [value]

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _expect(self, symbol: str) -> None:
        if self._peek().text != symbol:
            self._unexpected(repr(symbol))
        self._take()

    def _unexpected(self, wanted: str) -> NoReturn:
        token = self._peek()
        found = "the formula ends" if token.kind == "end" else f"{token.text!r} stands"
        raise FormulaError(
            f"column {token.column}: {found} where {wanted} is expected", token.column
        )


def _tokens(text: str) -> list[_Token]:
    """Return the tokens of a text, with one of kind "end" behind them."""
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = TOKEN.match(text, position)
        if match is None:
            character = text[position]
            hint = "; a power is written **" if character == "^" else ""
            raise FormulaError(
                f"column {position + 1}: unexpected character {character!r}{hint}", position + 1
            )
        tokens.append(_Token(str(match.lastgroup), match.group(), position + 1))
        position = match.end()
    tokens.append(_Token("end", "", len(text) + 1))
    return tokens


def _unknown_name(token: _Token) -> NoReturn:
    known = [*VARIABLES, *CONSTANTS, *FUNCTIONS]
    near = difflib.get_close_matches(token.text, known, 1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    raise FormulaError(f"column {token.column}: unknown name {token.text!r}; {hint}", token.column)

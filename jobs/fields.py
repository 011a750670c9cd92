"""Types of values in a job file: names, vectors, formulas, choices from a table."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from elastane.jobs.faults import nearest
from elastane.solver.formula import Formula

NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
TIME_PATTERN = r"([0-9]+-)?[0-9]{1,3}:[0-5][0-9]:[0-5][0-9]"


def check_name(name: str) -> str:
    """Return a name that is safe in file names, batch scripts and tables.

    Raises:
        ValueError: If it is not.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(
            f"a name is 1 to 64 letters, digits, '.', '_' or '-', the first a letter, digit or "
            f"'_'; got {name[:80]!r}"
        )
    return name


def check_time(time: str) -> str:
    """Return a wall time.

    Raises:
        ValueError: If it is not written [days-]hours:minutes:seconds.
    """
    if not re.fullmatch(TIME_PATTERN, time):
        raise ValueError(f"a time is written hours:minutes:seconds or days-h:m:s, got {time!r}")
    return time


def read_formula(value: Any) -> Formula:
    """Return the formula that a number or a text of the job file stands for.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(value, Formula):
        return value
    if isinstance(value, str):
        return Formula.parse(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a number or a formula is needed, got {shown(value)}")
    return Formula.constant(value)


def write_formula(formula: Formula) -> float | str:
    """Return what stands for a formula in a job file."""
    return formula.text if formula.value is None else formula.value


def shown(value: Any) -> str:
    """Return a value for a message, in the words of YAML and cut short."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    words = {None: "nothing", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True)
class OneOf:
    """Marks a text that must be a name in a table.

    Attributes:
        noun: What is named, for messages.
        names: The names there are.
    """

    noun: str
    names: Sequence[str]

    def check(self, name: str) -> str:
        """Return a name of the table.

        Raises:
            ValueError: If it is not; the message says the nearest.
        """
        if name not in self.names:
            raise ValueError(f"unknown {self.noun} {shown(name)}; {nearest(name, self.names)}")
        return name

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {"enum": list(self.names)}


def _components(value: Any) -> Any:
    """Return the three components of a displacement: those left out are None."""
    if isinstance(value, dict):
        _check_axes(value)
        return [value.get(axis) for axis in "xyz"]
    if isinstance(value, list) and len(value) < 3:
        return [*value, *[None] * (3 - len(value))]
    return value


def _check_axes(axes: Iterable[str]) -> None:
    for axis in axes:
        if axis not in ("x", "y", "z"):
            raise ValueError(f"unknown component {shown(axis)}; the components are x, y, z")


Name = Annotated[
    str, AfterValidator(check_name), Field(json_schema_extra={"pattern": NAME_PATTERN})
]
WallTime = Annotated[str, AfterValidator(check_time)]
Vector = Annotated[tuple[float, float, float], Field(strict=False)]
FormulaValue = Annotated[
    Formula,
    PlainValidator(read_formula),
    PlainSerializer(write_formula),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string"}],
            "description": "A number, or a formula in x, y, z and t.",
        }
    ),
]
FormulaVector = Annotated[tuple[FormulaValue, FormulaValue, FormulaValue], Field(strict=False)]
Components = Annotated[
    tuple[FormulaValue | None, FormulaValue | None, FormulaValue | None],
    Field(strict=False),
    BeforeValidator(_components),
]

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
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from elastane.jobs.faults import nearest
from elastane.jobs.units import (
    DIMENSIONS,
    QUANTITY_PATTERN,
    UNITS,
    Powers,
    UnitError,
    UnitSystem,
    is_quantity,
    read_quantity,
)
from elastane.solver.formula import Formula, FormulaError

#: What stands for a number with its unit.
QUANTITY_SCHEMA = {"type": "string", "pattern": QUANTITY_PATTERN}
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


def read_formula(value: Any, powers: Powers | None, units: UnitSystem | None) -> Formula:
    """Return the formula that a number, a quantity or a formula of the job file stands for.

    Args:
        value: Plain data.
        powers: Dimension of the values; None if it is not known.
        units: The units of the job; None if it fixes none.

    Raises:
        ValueError: If it is none of these, or of another dimension.
    """
    if isinstance(value, Formula):
        return value
    if isinstance(value, str):
        if is_quantity(value):
            if powers is None:
                raise UnitError(f"a number without unit is needed, got {shown(value)}")
            return Formula.constant(read_quantity(value, powers, units))
        return _parsed(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a number or a formula is needed, got {shown(value)}")
    return Formula.constant(value)


def _parsed(text: str) -> Formula:
    """Return the formula of a text; if it names units, say that none may stand there.

    Raises:
        FormulaError: If it is not a formula.
    """
    try:
        return Formula.parse(text)
    except FormulaError as error:
        named = re.search(r"[0-9.] *([A-Za-zµ°]+)", text[:100])
        if named is None or named[1] not in UNITS:
            raise
        message = f"{error}; a formula takes plain numbers, in the units of the job"
        raise FormulaError(message, error.column) from None


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


@dataclass(frozen=True)
class Measured:
    """Marks a number that has a unit: it may be written as a quantity, too.

    Attributes:
        dimension: Its dimension, a name in `DIMENSIONS`.
    """

    dimension: str

    def read(self, value: Any, info: ValidationInfo) -> Any:
        """Return the number of a quantity, in the units of the job; anything else as it is.

        Raises:
            UnitError: If it is of another dimension, or the job fixes no units.
        """
        if isinstance(value, str) and is_quantity(value):
            return read_quantity(value, DIMENSIONS[self.dimension], info.context)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), QUANTITY_SCHEMA]}


@dataclass(frozen=True)
class FormulaOf:
    """Marks a formula of values that have a unit: it may be a number or a quantity, too.

    Attributes:
        dimension: Dimension of the values, a name in `DIMENSIONS`.
    """

    dimension: str

    def read(self, value: Any, info: ValidationInfo) -> Formula:
        """Return the formula; see `read_formula`."""
        return read_formula(value, DIMENSIONS[self.dimension], info.context)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(write_formula)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "anyOf": [{"type": "number"}, QUANTITY_SCHEMA, {"type": "string"}],
            "description": "A number, a quantity with its unit, or a formula in x, y, z and t.",
        }


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
Coordinate = Annotated[float, Measured("length")]
Point = Annotated[tuple[Coordinate, Coordinate, Coordinate], Field(strict=False)]
Angle = Annotated[Formula, FormulaOf("angle")]
Stress = Annotated[Formula, FormulaOf("stress")]
StressVector = Annotated[tuple[Stress, Stress, Stress], Field(strict=False)]
ForcePerVolume = Annotated[Formula, FormulaOf("force per volume")]
ForcePerVolumeVector = Annotated[
    tuple[ForcePerVolume, ForcePerVolume, ForcePerVolume], Field(strict=False)
]
Shift = Annotated[Formula, FormulaOf("length")]
Components = Annotated[
    tuple[Shift | None, Shift | None, Shift | None],
    Field(strict=False),
    BeforeValidator(_components),
]

"""Values of material parameters in a job file: numbers, formulas, fields, directions, and lists.

    youngs_modulus: 2.8                          a number
    youngs_modulus: 3 MPa                        a number with its unit
    youngs_modulus: "1 + 0.1*x"                  a formula
    youngs_modulus: {field: E}                   a scalar field of the mesh
    mu: [0.6, "1.3 + 0.1*x"]                     an array
    fibres: [[1, 0, 0], ["-y", "x", 0]]          directions, one for each family
    fibres: {field: fibre}                       a direction: a vector field of the mesh
    fibres: {ellipsoid: {inner: [7, 17], ...}}   a direction: fibres of a wall

What is given once for an array stands for all its entries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from elastane.jobs.faults import KeyPath, nearest
from elastane.jobs.fields import (
    Measured,
    Point,
    Vector,
    read_formula,
    shown,
    write_formula,
)
from elastane.jobs.mesh_section import Length
from elastane.jobs.section import Section
from elastane.jobs.units import RATIO, UnitSystem, powers_of
from elastane.jobs.validation import read_section
from elastane.materials import Material, Parameter
from elastane.solver.directions import DIRECTIONS, EllipsoidFibres
from elastane.solver.formula import Formula
from elastane.solver.sources import (
    ANYWHERE,
    FieldValues,
    Source,
    Tree,
    leaves,
    shape_of,
    values_of,
    varies,
)

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}


def _read_axis(value: Any) -> Any:
    if isinstance(value, str):
        if value not in AXES:
            raise ValueError(f"x, y, z or three numbers are needed, got {shown(value)}")
        return AXES[value]
    return value


_Angle = Annotated[float, Measured("angle")]
Angles = Annotated[tuple[_Angle, _Angle], Field(strict=False)]
SemiAxes = Annotated[tuple[Length, Length], Field(strict=False)]
Axis = Annotated[
    Vector,
    BeforeValidator(_read_axis),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(AXES)},
                {
                    "type": "array",
                    "prefixItems": [{"type": "number"}] * 3,
                    "minItems": 3,
                    "maxItems": 3,
                },
            ]
        }
    ),
]


class EllipsoidSection(Section):
    """Fibres that wind through the wall between two ellipsoids of revolution."""

    inner: SemiAxes = Field(description="Semi-axes inside, across and along the axis, m.")
    outer: SemiAxes = Field(description="Semi-axes outside, across and along the axis, m.")
    angles: Angles = Field(
        description="Angle from around the axis to along it, inside and outside, degrees."
    )
    axis: Axis = Field(default=AXES["z"], description="Direction of the axis.")
    origin: Point = Field(default=(0.0, 0.0, 0.0), description="Centre of the ellipsoids, m.")

    def direction(self) -> EllipsoidFibres:
        """Return the directions.

        Raises:
            ValueError: If the semi-axes do not make a wall.
        """
        return EllipsoidFibres(**self.model_dump())


class FieldSection(Section):
    """A field of the mesh file."""

    field: str = Field(description="A field of the mesh file.")


class DirectionSection(Section):
    """A direction that is not three numbers or formulas: exactly one kind."""

    field: str | None = Field(default=None, description="A vector field of the mesh file.")
    ellipsoid: EllipsoidSection | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = self.kinds()
        if len(given) != 1:
            kinds = ", ".join(DIRECTIONS)
            got = " and ".join(given) if given else "none"
            raise ValueError(f"exactly one of {kinds} gives a direction, got {got}")
        return self

    def kinds(self) -> list[str]:
        """Return the keys of the kinds that are given."""
        return [kind for kind in DIRECTIONS if getattr(self, kind) is not None]


class _FaultError(ValueError):
    """What is wrong with a value, by paths within it."""

    def __init__(self, *findings: tuple[KeyPath, str]) -> None:
        self.findings = findings
        super().__init__()


@dataclass(frozen=True)
class Given:
    """What stands for a parameter in a job file.

    Attributes:
        tree: The values.
        missing: Axes, from the first, of which all entries are alike and were written once.
    """

    tree: Tree
    missing: int


def read_given(
    parameter: Parameter,
    value: Any,
    fields: Mapping[str, int] | None,
    units: UnitSystem | None = None,
) -> tuple[Given | None, list[tuple[KeyPath, str]]]:
    """Return what stands for a parameter, or None and what is wrong, by paths within the value.

    Args:
        parameter: The parameter.
        value: Plain data.
        fields: Components of the fields of the mesh by name; None if the mesh is not known.
        units: The units of the job; None if it fixes none.
    """
    reader = _Reader(parameter, fields, units)
    missing = reader.missing_axes(value)
    try:
        return Given(reader.array(value, parameter.shape[missing:]), missing), []
    except _FaultError as error:
        return None, list(error.findings)


def complete(model: Material, given: Mapping[str, Given]) -> tuple[dict[str, Tree], dict[str, int]]:
    """Return the parameters, each with all its axes, and the sizes of the model.

    Raises:
        ParameterError: If lengths disagree or are not allowed.
    """
    known = {parameter.name: parameter for parameter in model.parametrization.parameters}
    shown_by = {
        name: np.zeros(shape_of(value.tree)) for name, value in given.items() if not value.missing
    }
    sizes = model.sizes_of(shown_by)
    parameters = {}
    for name, value in given.items():
        tree = value.tree
        for axis in reversed(known[name].shape[: value.missing]):
            # Where nothing tells how many there are, there is one.
            tree = (tree,) * (axis if isinstance(axis, int) else sizes.setdefault(axis, 1))
        parameters[name] = tree
    model.sizes_of({name: np.zeros(shape_of(tree)) for name, tree in parameters.items()})
    return parameters, sizes


class _Reader:
    """Reads the value of one parameter."""

    def __init__(
        self, parameter: Parameter, fields: Mapping[str, int] | None, units: UnitSystem | None
    ) -> None:
        self._parameter = parameter
        self._fields = fields
        self._units = units

    def missing_axes(self, value: Any) -> int:
        """Return how many axes a value leaves out: it is one entry of those to come."""
        axes = len(self._parameter.shape)
        if not self._parameter.direction:
            return 0 if isinstance(value, list) else axes
        is_one = isinstance(value, dict) or (
            isinstance(value, list) and not any(isinstance(entry, list | dict) for entry in value)
        )
        return axes - 1 if is_one else 0

    def array(self, value: Any, axes: tuple[int | str, ...]) -> Tree:
        """Return the tree of a value with these axes."""
        if self._parameter.direction and len(axes) == 1 and isinstance(value, dict):
            return self._direction(value)
        if not axes:
            return self._number(value)
        if not isinstance(value, list):
            needed = "a direction" if self._parameter.direction else "a list"
            raise _FaultError(((), f"{needed} is needed, got {shown(value)}"))
        if isinstance(axes[0], int) and len(value) != axes[0]:
            raise _FaultError(((), f"{axes[0]} entries are needed, got {len(value)}"))
        if not value:
            raise _FaultError(((), "at least 1 entry is needed"))
        tree = self._entries(value, axes[1:])
        if self._parameter.direction and len(axes) == 1:
            _check_length(tree)
        return tree

    def _entries(self, values: list[Any], axes: tuple[int | str, ...]) -> tuple[Tree, ...]:
        entries: list[Tree] = []
        findings: list[tuple[KeyPath, str]] = []
        for index, value in enumerate(values):
            try:
                entries.append(self.array(value, axes))
            except _FaultError as error:
                findings += [((index, *path), message) for path, message in error.findings]
        if findings:
            raise _FaultError(*findings)
        lengths = {shape_of(entry) for entry in entries}
        if len(lengths) > 1:
            raise _FaultError(((), "all entries must be lists of the same length"))
        return tuple(entries)

    def _number(self, value: Any) -> Source:
        """Return a number, a formula or a scalar field."""
        if isinstance(value, dict):
            section, findings = read_section(FieldSection, value)
            if section is None:
                raise _FaultError(*findings)
            return self._field(section.field, is_vector=False)
        try:
            powers = RATIO if self._parameter.direction else powers_of(self._parameter.unit)
            formula = read_formula(value, powers, self._units)
            if formula.value is not None and not self._parameter.direction:
                replace(self._parameter, shape=()).check(formula.value)
        except ValueError as error:
            raise _FaultError(((), str(error))) from None
        return formula

    def _direction(self, value: dict[str, Any]) -> Source:
        section, findings = read_section(DirectionSection, value, self._units)
        if section is None:
            raise _FaultError(*findings)
        if section.ellipsoid is None:
            assert section.field is not None
            return self._field(section.field, is_vector=True)
        try:
            return section.ellipsoid.direction()
        except ValueError as error:
            raise _FaultError((("ellipsoid",), str(error))) from None

    def _field(self, name: str, is_vector: bool) -> FieldValues:
        if self._fields is not None:
            if name not in self._fields:
                hint = nearest(name, self._fields)
                message = f"the mesh has no field {shown(name)}; {hint}"
                raise _FaultError((("field",), message))
            components, needed = self._fields[name], 3 if is_vector else 1
            if components != needed:
                kinds = {1: "a scalar", 3: "a vector"}
                message = f"{name!r} is {kinds[components]}, {kinds[needed]} is needed"
                raise _FaultError((("field",), message))
        return FieldValues(name, is_vector)


def _check_length(direction: tuple[Tree, ...]) -> None:
    """Refuse three numbers that are no direction; formulas wait for the mesh."""
    numbers = [leaf.value for leaf in leaves(direction) if isinstance(leaf, Formula)]
    if len(numbers) == 3 and not any(number != 0.0 for number in numbers):
        raise _FaultError(((), "the vector [0, 0, 0] has no direction"))


def constant_values(parameters: Mapping[str, Tree]) -> dict[str, Any]:
    """Return the values of those parameters that are the same everywhere and always."""
    return {
        name: values_of(tree, ANYWHERE)[..., 0]
        for name, tree in parameters.items()
        if not varies(tree)
    }


def write_tree(tree: Tree) -> Any:
    """Return what stands for a tree in a job file."""
    if isinstance(tree, tuple):
        return [write_tree(entry) for entry in tree]
    return next(write(tree) for kind, write in _WRITERS.items() if isinstance(tree, kind))


def _write_ellipsoid(fibres: EllipsoidFibres) -> dict[str, Any]:
    values = {name: list(getattr(fibres, name)) for name in EllipsoidSection.model_fields}
    return {"ellipsoid": values}


_WRITERS: Mapping[type, Any] = {
    Formula: write_formula,
    FieldValues: lambda values: {"field": values.field},
    EllipsoidFibres: _write_ellipsoid,
}

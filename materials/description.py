"""What a material is besides its energy, as JSON: what a process that runs a file tells others.

A material made from its description has everything but an energy that can be called; whoever needs
that reads the file again, in the compiler's process.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from elastane.materials import isotropic
from elastane.materials.model import Material, Parameter, Parametrization

#: Attributes of a material that are JSON as they are.
PLAIN = ("name", "title", "formula", "reference", "measure", "finite_strain", "symmetry", "content")

#: Attributes that are functions; those of a description cannot be called.
FUNCTIONS = ("textbook", "update", "stored_energy")


class UnknownConversionError(ValueError):
    """A parametrization converts parameters by a function that cannot be described."""


def evaluated_apart(*arguments: Any, **options: Any) -> Any:
    """Stand in for the functions of a user's file, which run in the compiler's process only."""
    raise RuntimeError("functions of a material file are evaluated in the compiler's process only")


def describe_as_json(material: Material) -> dict[str, Any]:
    """Return what `material_from_json` makes a material of.

    Raises:
        UnknownConversionError: If what a user gives becomes parameters of the energy by a function
            of the file's own: it would have to run in every process.
    """
    return {
        **{name: getattr(material, name) for name in PLAIN},
        **{name: getattr(material, name) is not None for name in FUNCTIONS},
        "options": {name: list(values) for name, values in material.options.items()},
        "sizes": {
            name: [lengths.start, lengths.stop, lengths.step]
            for name, lengths in material.sizes.items()
        },
        "examples": [dict(example) for example in material.examples],
        "isotropic": _is_isotropic(material.parametrization),
        "parameters": [dataclasses.asdict(p) for p in material.parametrization.parameters],
        "kernel_parameters": [dataclasses.asdict(p) for p in material.kernel_parameters],
        "history": [dataclasses.asdict(p) for p in material.history],
    }


def material_from_json(description: Mapping[str, Any]) -> Material:
    """Return the material that a description is of."""
    parameters = _parameters(description["parameters"])
    functions: dict[str, Any] = {
        name: evaluated_apart if description[name] else None for name in FUNCTIONS
    }
    further = parameters[len(isotropic.PARAMETERS) :]
    return Material(
        **{name: description[name] for name in PLAIN},
        **functions,
        energy=evaluated_apart,
        options={name: tuple(values) for name, values in description["options"].items()},
        sizes={name: range(*bounds) for name, bounds in description["sizes"].items()},
        examples=tuple(description["examples"]),
        parametrization=isotropic.isotropic_with(*further)
        if description["isotropic"]
        else Parametrization.direct(*parameters),
        kernel_parameters=_parameters(description["kernel_parameters"]),
        history=_parameters(description["history"]),
    )


def _parameters(descriptions: list[dict[str, Any]]) -> tuple[Parameter, ...]:
    return tuple(Parameter(**{**p, "shape": tuple(p["shape"])}) for p in descriptions)


def _is_isotropic(parametrization: Parametrization) -> bool:
    """Return whether the parameters are two elastic constants and others; False: as in the energy.

    Raises:
        UnknownConversionError: If they are neither.
    """
    parameters = parametrization.parameters
    if parametrization == Parametrization.direct(*parameters):
        return False
    further = parameters[len(isotropic.PARAMETERS) :]
    usual = isotropic.isotropic_with(*further)
    own = dataclasses.replace(parametrization, takes=usual.takes, convert=usual.convert)
    # functools.partial has no equality of its own.
    function = getattr(parametrization.convert, "func", parametrization.convert)
    if own == usual and function in (isotropic.convert, getattr(usual.convert, "func", None)):
        return True
    raise UnknownConversionError(
        "a material file cannot convert parameters by a function of its own, which would run in "
        "every process of a solve; use Parametrization.direct or isotropic.isotropic_with, and "
        "convert in the energy"
    )

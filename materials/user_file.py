"""What a Python file of a user's may say of a material.

One function is enough:

    def strain_energy(H, shear_modulus=1.0, bulk_modulus=10.0):
        return ...

The name of its first argument is the measure of strain; the others are the parameters, and their
defaults are the example with which the material is checked and shown - a job must give each.  All
else may be left out:

    a docstring     its first line is the title
    PARAMETERS      a `Parameter` for some or all of the arguments: unit, meaning, bounds, axes of
                    arrays, and a value where a job gives none
    EXAMPLES        examples in place of the defaults of the arguments
    SIZES           lengths that named axes of arrays may have: {"terms": range(1, 7)}
    FORMULA         the energy as text
    REFERENCE       where it comes from
    textbook        the energy as the book prints it, textbook(F, **parameters), with mpmath

A file that holds `MATERIAL`, a whole `Material`, is taken at its word instead.
"""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

import numpy as np

from elastane.materials import isotropic
from elastane.materials.files import MaterialFileError, name_of
from elastane.materials.model import Material, Parameter, ParameterError, Parametrization

#: First argument of the energy -> measure of strain.
MEASURES: Mapping[str, Literal["H", "E", "principal"]] = MappingProxyType(
    {"H": "H", "E": "E", "principal_strains": "principal"}
)

#: Parameters that are what they are called, in every file.
USUAL = {parameter.name: parameter for parameter in (*isotropic.PARAMETERS, isotropic.LAME_MU)}

#: Lengths of a named axis of which the file says nothing.
USUAL_SIZES = range(1, 13)

ENERGY = "strain_energy"


def material_of(path: Path, module: ModuleType, text: str) -> Material:
    """Return the material that a file defines, its names executed.

    Raises:
        MaterialFileError: If it defines none, or not a whole one; the message says what to write.
    """
    given = vars(module).get("MATERIAL")
    if given is not None and not isinstance(given, Material):
        raise MaterialFileError(f"{path}: MATERIAL must be a Material, got {given!r:.80}")
    material = given or _from_function(path, module, text)
    try:
        for example in material.examples:
            material.resolve(example)
    except ParameterError as error:
        raise MaterialFileError(f"{path}: an example does not fit: {error}") from None
    if not material.examples:
        raise MaterialFileError(f"{path}: EXAMPLES is empty; one is needed to check the energy")
    return material


def _from_function(path: Path, module: ModuleType, text: str) -> Material:
    names = vars(module)
    energy = names.get(ENERGY)
    if not inspect.isfunction(energy):
        raise MaterialFileError(
            f"{path} defines no function {ENERGY}; write "
            f"def {ENERGY}(H, shear_modulus=1.0, bulk_modulus=10.0): return ..."
        )
    where = f"{path}:{energy.__code__.co_firstlineno}"
    measure, *arguments = _arguments(where, energy)
    parameters = tuple(_parameters(where, arguments, names.get("PARAMETERS", ())))
    title, formula = _title(module), names.get("FORMULA") or _formula(text)
    return Material(
        name=name_of(path),
        title=title or name_of(path),
        formula=formula or f"as {path.name} says",
        reference=names.get("REFERENCE") or str(path),
        parametrization=Parametrization.direct(*parameters),
        kernel_parameters=parameters,
        energy=energy,
        examples=tuple(names.get("EXAMPLES") or _example(where, arguments, parameters)),
        measure=MEASURES[measure.name],
        sizes=_sizes(parameters, names.get("SIZES", {})),
        textbook=names.get("textbook"),
        symmetry=names.get("SYMMETRY", "fibres"),
    )


def _arguments(where: str, energy: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the arguments of the energy, the measure of strain first."""
    arguments = list(inspect.signature(energy).parameters.values())
    if not arguments or arguments[0].name not in MEASURES:
        got = f"it is {arguments[0].name!r}" if arguments else "there is none"
        raise MaterialFileError(
            f"{where}: the first argument of {ENERGY} names the measure of strain: H (displacement "
            "gradient), E (Green-Lagrange strain) or principal_strains (principal values of E); "
            f"{got}"
        )
    for argument in arguments:
        if argument.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
            raise MaterialFileError(
                f"{where}: {argument} of {ENERGY} is no plain argument; a file with options "
                "defines a whole MATERIAL"
            )
    if len(arguments) == 1:
        raise MaterialFileError(
            f"{where}: {ENERGY} takes no parameters; give it one at least, such as shear_modulus"
        )
    return arguments


def _parameters(
    where: str, arguments: list[inspect.Parameter], told: tuple[Parameter, ...]
) -> Iterator[Parameter]:
    """Yield a parameter for each argument: as the file tells, the usual one of its name, or any."""
    known = {parameter.name: parameter for parameter in told}
    for name in known:
        if name not in {argument.name for argument in arguments}:
            raise MaterialFileError(
                f"{where}: PARAMETERS names {name!r}, which {ENERGY} does not take"
            )
    for argument in arguments:
        parameter = known.get(argument.name) or USUAL.get(argument.name)
        shape = () if argument.default is argument.empty else np.shape(argument.default)
        meaning = f"{argument.name.replace('_', ' ')}, as {Path(where).name} uses it"
        yield parameter or Parameter(argument.name, "?", meaning, shape=shape)


def _example(
    where: str, arguments: list[inspect.Parameter], parameters: tuple[Parameter, ...]
) -> tuple[Mapping[str, Any], ...]:
    """Return the example that the defaults of the arguments are."""
    example: dict[str, Any] = {}
    for argument, parameter in zip(arguments, parameters, strict=True):
        if argument.default is not argument.empty:
            example[argument.name] = np.asarray(argument.default, dtype=np.float64).tolist()
        elif parameter.default is None:
            raise MaterialFileError(
                f"{where}: the argument {argument.name} of {ENERGY} has no default; it is the "
                "value to check the energy with, write "
                f"{argument.name}=1.0, or define EXAMPLES"
            )
    return (example,)


def _sizes(parameters: tuple[Parameter, ...], told: Mapping[str, range]) -> dict[str, range]:
    """Return the lengths of the named axes of the parameters."""
    axes = [axis for parameter in parameters for axis in parameter.shape if isinstance(axis, str)]
    return {axis: told.get(axis, USUAL_SIZES) for axis in dict.fromkeys(axes)}


def _title(module: ModuleType) -> str:
    """Return the first line of the docstring, without its full stop."""
    return (module.__doc__ or "").strip().partition("\n")[0].rstrip(".")


def _formula(text: str) -> str:
    """Return what the energy returns as text, if that is all that it does."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == ENERGY:
            told = [line for line in node.body if not _is_docstring(line)]
            if len(told) == 1 and isinstance(told[0], ast.Return) and told[0].value:
                return ast.unparse(told[0].value)
    return ""


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

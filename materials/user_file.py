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
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
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

#: Names in a file that hold several things: type, type of each, and both in words.
LISTS: Mapping[str, tuple[Any, type, str]] = {
    "PARAMETERS": (tuple, Parameter, 'a tuple such as (Parameter("mu", "Pa", "shear modulus"),)'),
    "EXAMPLES": (tuple, dict, 'a tuple such as ({"shear_modulus": 1.0},)'),
    "SIZES": (dict, str, 'a dict such as {"terms": range(1, 7)}'),
}

#: Names that mean something else in a job file, or in the C that is made of an energy.
RESERVED = re.compile(
    r"model|file|weights|viscoelastic|ctx|Q|in|out|i|parameters|history|state|energy|diagnostics|qdata|det_F"
    r"|(H|dH|t|grad_\w*|state|history)_?[0-9]*|new_history"
    r"|double|float|int|long|short|char|void|const|static|struct|union|enum|auto|register|extern"
    r"|volatile|signed|unsigned|goto|switch|case|default|do|sizeof|typedef|inline|restrict"
    r"|log|exp|sqrt|pow|sin|cos|tan|fabs|cbrt|expm1|asin|acos|atan|sinh|cosh|tanh|asinh"
    r"|Ceed\w*|CEED\w*|_\w*"
)


def material_of(path: Path, module: ModuleType, text: str) -> Material:
    """Return the material that a file defines, its names executed.

    Raises:
        MaterialFileError: If it defines none, or not a whole one; the message says what to write.
    """
    given = vars(module).get("MATERIAL")
    if given is not None and not isinstance(given, Material):
        raise MaterialFileError(f"{path}: MATERIAL must be a Material, got {given!r:.80}")
    material = given or _from_function(path, module, text)
    for parameter in (*material.parametrization.parameters, *material.kernel_parameters):
        if RESERVED.fullmatch(parameter.name) or not parameter.name.isidentifier():
            raise MaterialFileError(
                f"{path}: a parameter cannot be called {parameter.name!r}, which means something "
                "else in a job file or in C; write it out, such as shear_modulus"
            )
    try:
        for example in material.examples:
            material.resolve(example)
    except ParameterError as error:
        raise MaterialFileError(f"{path}: an example does not fit: {error}") from None
    if not material.examples:
        raise MaterialFileError(f"{path}: EXAMPLES is empty; one is needed to check the energy")
    return replace(
        material,
        name=name_of(Path(f"{given.name}.py")) if given else material.name,
        title=_one_line(material.title),
        formula=_one_line(material.formula),
        reference=_one_line(material.reference),
    )


def _one_line(text: Any) -> str:
    """Return a text as one line that may stand in a comment of C."""
    return " ".join(str(text).split()).replace("*/", "* /").replace("/*", "/ *")


def _from_function(path: Path, module: ModuleType, text: str) -> Material:
    names = vars(module)
    energy = names.get(ENERGY)
    if not inspect.isfunction(energy):
        raise MaterialFileError(
            f"{path} defines no function {ENERGY}; write "
            f"def {ENERGY}(H, shear_modulus=1.0, bulk_modulus=10.0): return ..."
        )
    where = f"{path}:{energy.__code__.co_firstlineno}"
    for name, (kind, entries, words) in LISTS.items():
        told = names.get(name, kind())
        if not isinstance(told, kind) or not all(isinstance(entry, entries) for entry in told):
            raise MaterialFileError(f"{path}: {name} must be {words}, got {told!r:.80}")
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
        meaning = (
            f"{argument.name.replace('_', ' ')}, as {Path(where).name.partition(':')[0]} uses it"
        )
        shape = np.shape(_default(where, argument) or 0.0)
        yield parameter or Parameter(argument.name, "?", meaning, shape=shape)


def _default(where: str, argument: inspect.Parameter) -> Any:
    """Return the default of an argument as a number or a list of numbers, None without one."""
    if argument.default is argument.empty or argument.default is None:
        return None
    try:
        return np.asarray(argument.default, dtype=np.float64).tolist()
    except (TypeError, ValueError):
        raise MaterialFileError(
            f"{where}: the default of {argument.name} must be a number or numbers, got "
            f"{argument.default!r:.80}"
        ) from None


def _example(
    where: str, arguments: list[inspect.Parameter], parameters: tuple[Parameter, ...]
) -> tuple[Mapping[str, Any], ...]:
    """Return the example that the defaults of the arguments are."""
    example: dict[str, Any] = {}
    for argument, parameter in zip(arguments, parameters, strict=True):
        default = _default(where, argument)
        if default is not None:
            example[argument.name] = default
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

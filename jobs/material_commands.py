"""`elastane materials`: the models, their parameters, their curves, their check and their C."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from elastane.jobs.states import ExitCode
from elastane.jobs.units import SI, UnitError, is_quantity, powers_of, read_quantity
from elastane.materials import Material, ParameterError, find_or_load
from elastane.materials.model import Choices


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add `materials` and its actions to the commands of the command line."""
    materials = commands.add_parser("materials", parents=[common], help="the material models")
    materials.set_defaults(command=_list)
    actions = materials.add_subparsers(metavar="list | show NAME | check NAME | code NAME")
    listing = actions.add_parser("list", parents=[common], help="all models")
    listing.set_defaults(command=_list)

    show = actions.add_parser(
        "show", parents=[common], help="formula, parameters, cost and curves of a model"
    )
    show.add_argument("--plot", type=Path, metavar="DIR",
                      help="write stress-stretch curves there, as PNG and CSV")  # fmt: skip
    show.set_defaults(command=_show)

    code = actions.add_parser("code", parents=[common], help="the generated C of a model")
    code.set_defaults(command=_code)

    check = actions.add_parser(
        "check", parents=[common], help="audit a model or a file of your own: is it right?"
    )
    check.add_argument("--json", action="store_true", help="say all of it as JSON")
    check.add_argument("--plot", type=Path, metavar="DIR",
                       help="draw where the material is elliptic there, as PNG")  # fmt: skip
    check.set_defaults(command=_check)
    for action in (show, check, code):
        action.add_argument("name", metavar="NAME", help="a model, or a file that defines one")
        action.add_argument(
            "entries", nargs="*", metavar="KEY=VALUE",
            help="options and parameters, such as volumetric=j2 or mu=0.6,1.3",
        )  # fmt: skip


def _list(options: argparse.Namespace) -> ExitCode:
    from elastane.materials.describe import list_models

    _say(list_models())
    return ExitCode.CONVERGED


def _show(options: argparse.Namespace) -> ExitCode:
    from elastane.materials.describe import describe

    material = _material(options.name)
    given, choices = read_entries(material, options.entries)
    if given:
        material.resolve(given, choices)  # before anything is said
    _say(describe(material, choices))
    if options.plot is not None:
        _plot(material, given, choices, options.plot)
    return ExitCode.CONVERGED


def _plot(material: Material, given: dict[str, Any], choices: Choices, folder: Path) -> None:
    """Write the curves for the parameters given, or else for the first example."""
    from elastane.materials.curves import plot_material
    from elastane.materials.points import PointKernels

    used = given or dict(material.examples_of(choices)[0])
    values = ", ".join(f"{name} {json.dumps(value)}" for name, value in used.items())
    kernels = PointKernels.of(material, used, choices)
    paths, remarks = plot_material(kernels, f"{kernels.kernels.name}: {values}", folder)
    for line in (*remarks, *(f"wrote {path}" for path in paths)):
        _say(line)


def _code(options: argparse.Namespace) -> ExitCode:
    from elastane.materials.kernels import find_kernels

    material = _material(options.name)
    _, choices = read_entries(material, options.entries)
    _say(find_kernels(material, choices).source)
    return ExitCode.CONVERGED


def _check(options: argparse.Namespace) -> ExitCode:
    """Audit a material at the parameters given, or else at those of its examples."""
    from elastane.materials.audit.findings import Status
    from elastane.materials.audit.verdict import audit_apart
    from elastane.materials.compiler.build import find_material

    material = find_material(options.name)
    given, choices = read_entries(material, options.entries)
    if given:
        material.resolve(given, choices)
    report = audit_apart(options.name, choices, given, options.plot)
    _say(json.dumps(report.as_json(), indent=1) if options.json else report.as_text())
    return ExitCode.BAD_INPUT if report.status is Status.FAIL else ExitCode.CONVERGED


def _material(name: str) -> Material:
    """Return the material of that name, or of the file of that path."""
    return find_or_load(name)


def read_entries(
    material: Material, entries: Iterable[str]
) -> tuple[dict[str, Any], dict[str, str | int]]:
    """Return the parameters and the choices of entries KEY=VALUE.

    A value of a parameter is a number, numbers between commas, or JSON; a size may stand alone.
    A number may have its unit, as in 3MPa, and becomes one of the SI units that are shown.

    Raises:
        ParameterError: If an entry is not of that form, or an option or size is not one of the
            material's; what it takes is checked where the values are used.
    """
    given: dict[str, Any] = {}
    choices: dict[str, str | int] = {}
    for entry in entries:
        name, equals, text = entry.partition("=")
        if not equals:
            raise ParameterError(name, f"KEY=VALUE is needed, got {entry!r}")
        if name in material.options:
            choices[name] = text
            continue
        if name in material.sizes:
            sizes = material.sizes[name]
            if not text.isdecimal() or int(text) not in sizes:
                allowed = f"from {sizes[0]} to {sizes[-1]}"
                raise ParameterError(name, f"{name} must be {allowed}, got {text!r}")
            choices[name] = int(text)
            continue
        try:
            parts = text.split(",")
            if any(map(is_quantity, parts)):
                values = [_in_si(material, name, part) for part in parts]
                given[name] = values if len(values) > 1 else values[0]
                continue
            given[name] = json.loads(f"[{text}]" if "," in text and "[" not in text else text)
        except json.JSONDecodeError:
            raise ParameterError(
                name, f"{name} must be a number or a list of numbers, got {text!r}"
            ) from None
    return given, material.resolve_choices({**choices, **material.sizes_of(given)})


def _in_si(material: Material, name: str, text: str) -> float:
    """Return the number that a quantity is in the SI unit of a parameter."""
    units = {p.name: p.unit for p in material.parametrization.parameters}
    powers = powers_of(units.get(name, "1"))
    if powers is None:
        raise ParameterError(name, f"{name} takes a number without unit, got {text!r}")
    try:
        return read_quantity(text, powers, SI)
    except UnitError as error:
        raise ParameterError(name, f"{name}: {error}") from None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")

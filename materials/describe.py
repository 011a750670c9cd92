"""What the command line tells about materials, as text."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from elastane.materials import FILE_MODELS, MODELS
from elastane.materials.audit.verdict import known_verdict
from elastane.materials.kernels import Kernels, find_kernels
from elastane.materials.model import Choices, Material, Parameter


def list_models() -> str:
    """Return a table of the built-in materials: name, title, what they take."""
    return _table((name, material.title) for name, material in MODELS.items())


def describe(material: Material, choices: Choices | None = None) -> str:
    """Return all that a user may want to know of a material, ending in a line for a job file.

    Args:
        material: The material.
        choices: Options and sizes, whose kernels are described; the default ones if left out.
    """
    kernels = find_kernels(material, choices)
    example = ", ".join(
        f"{name}: {_value(value)}" for name, value in material.examples_of(choices or {})[0].items()
    )
    strain = "finite strain" if material.finite_strain else "small strain and rotation"
    parts = [
        f"{material.name}: {material.title}",
        f"    ψ = {material.formula}    ({strain})",
        f"Takes {material.parametrization.takes}:",
        _table(_row(parameter) for parameter in material.parametrization.parameters),
    ]
    if material.options:
        parts += ["Options, the default first:"]
        parts += [f"    {name}: {', '.join(values)}" for name, values in material.options.items()]
    if material.sizes:
        parts += ["Sizes, which follow from the lengths of the lists:"]
        parts += [
            f"    {name}: {sizes[0]} to {sizes[-1]}" for name, sizes in material.sizes.items()
        ]
    parts += [
        f"Kernels {kernels.name}, at a point:",
        _table(_costs(kernels)),
        f"Check: {_verdict(material, kernels)}",
        f"In a job file: {{{_named(material)}, {example}}}",
        f"Reference: {material.reference}",
    ]
    return "\n".join(parts)


def _named(material: Material) -> str:
    """Return what names the material in a job file."""
    for name, kind in FILE_MODELS.items():
        if material.file is not None and material.file.suffix in kind.suffixes:
            return f"model: {name}, {kind.key}: {material.file.name}"
    return f"model: {material.name}"


def _verdict(material: Material, kernels: Kernels) -> str:
    """Return what the last audit found, and how to find more."""
    command = f"`elastane materials check {material.file or material.name}`"
    report = known_verdict(material, kernels.manifest["options"])
    if report is None:
        return f"not yet; {command} does it"
    kinds = dict.fromkeys(finding.category.value for finding in report.bad if finding.category)
    found = f" ({', '.join(kinds)})" if kinds else ""
    return f"{report.status.value}{found}; {command} tells more"


def _costs(kernels: Kernels) -> Iterator[tuple[str, ...]]:
    """Yield rows on what the kernels cost."""
    yield "    parameters", ", ".join(kernels.parameters)
    yield "    stored", f"{kernels.num_stored} doubles from the residual for the tangent"
    for function, words in (("residual", "stress"), ("jacobian", "tangent")):
        calls = kernels.manifest["calls"][function]
        further = ", ".join(f"{count} {name}" for name, count in calls.items())
        yield (
            f"    {words}",
            f"{kernels.flops[function]} additions and multiplications"
            + (f"; {further}" if further else ""),
        )


def _value(value: Any) -> str:
    """Return a value as a job file writes it."""
    return f"{value:g}" if np.ndim(value) == 0 else json.dumps(np.asarray(value).tolist())


def _row(parameter: Parameter) -> tuple[str, str, str, str]:
    unit = "-" if parameter.unit == "1" else parameter.unit
    shape = f"[{', '.join(map(str, parameter.shape))}]" if parameter.shape else ""
    bounds = parameter.bounds
    if parameter.default is not None:
        bounds += f"; {parameter.default:g} if left out"
    return f"    {parameter.name}{shape}", unit, bounds, parameter.meaning


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows as lines with aligned columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )

"""What the command line tells about materials, as text."""

from collections.abc import Iterable

from elastane.materials import MODELS
from elastane.materials.kernels import find_kernels
from elastane.materials.model import Material, Parameter


def list_models() -> str:
    """Return a table of the built-in materials: name, title, what they take."""
    return _table((name, material.title) for name, material in MODELS.items())


def describe(material: Material) -> str:
    """Return all that a user may want to know of a material, ending in a line for a job file."""
    example = ", ".join(f"{name}: {value:g}" for name, value in material.examples[0].items())
    kernels = find_kernels(material)
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
    parts += [
        f"Its kernels take {', '.join(kernels.parameters)}; at a point they store "
        f"{kernels.num_stored} numbers and apply the tangent with {kernels.flops['jacobian']} "
        "operations.",
        f"In a job file: {{model: {material.name}, {example}}}",
        f"Reference: {material.reference}",
    ]
    return "\n".join(parts)


def _row(parameter: Parameter) -> tuple[str, str, str, str]:
    unit = "-" if parameter.unit == "1" else parameter.unit
    return f"    {parameter.name}", unit, parameter.bounds, parameter.meaning


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows as lines with aligned columns."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )

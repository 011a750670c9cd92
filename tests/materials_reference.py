"""The reference of docs/materials.md, from the materials themselves."""

from collections.abc import Iterable

from elastane.materials import MODELS, Material, Parameter
from elastane.materials.isotropic import PARAMETERS


def reference() -> str:
    """Return a section for the elastic constants and one for each model."""
    constants = [
        "### Elastic constants",
        "",
        "Most models take any two of these; they are those of the small-strain limit.",
        "",
        *_table(PARAMETERS),
    ]
    return "\n\n".join(["\n".join(constants), *map(_section, MODELS.values())])


def _section(model: Material) -> str:
    lines = [
        f"### {model.name}",
        "",
        _sentence(model.title),
        "",
        f"ψ = {_cell(model.formula)}",
        "",
        f"Takes {model.parametrization.takes}.",
    ]
    for name, values in model.options.items():
        lines.append(f"`{name}` is one of {', '.join(values)}; the first is the default.")
    for name, lengths in model.sizes.items():
        lines.append(f"There may be {lengths[0]} to {lengths[-1]} {name}.")
    own = [p for p in model.parametrization.parameters if p not in PARAMETERS]
    if own:
        lines += ["", *_table(own)]
    return "\n".join([*lines, "", f"Reference: {_cell(model.reference)}."])


def _table(parameters: Iterable[Parameter]) -> list[str]:
    lines = ["| parameter | unit | allowed | meaning |", "|---|---|---|---|"]
    for parameter in parameters:
        shape = f" [{', '.join(map(str, parameter.shape))}]" if parameter.shape else ""
        unit = "" if parameter.unit == "1" else parameter.unit
        allowed = parameter.bounds
        if parameter.default is not None:
            allowed += f"; {parameter.default:g} if left out"
        lines.append(f"| `{parameter.name}`{shape} | {unit} | {allowed} | {parameter.meaning} |")
    return lines


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _cell(text: str) -> str:
    # Stars and underscores would be read as emphasis.
    return " ".join(text.split()).replace("*", "\\*").replace("_", "\\_")

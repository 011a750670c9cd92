"""The tables of docs/job-file.md, from the schema and the materials themselves."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from elastane.jobs.fields import QUANTITY_SCHEMA
from elastane.jobs.json_schema import job_schema
from elastane.jobs.schema import JobFile
from elastane.materials import MODELS
from elastane.solver.formula import Formula
from elastane.solver.output import FIELDS, MATERIAL_FIELDS

Schema = Mapping[str, Any]

#: What stands for a formula: it may be a number, too.
FORMULA = {"number", "string"}


def reference() -> str:
    """Return a section with a table for each section of the job file."""
    schema = job_schema()
    definitions = schema["$defs"]
    titles = {name: path for path, name in _sections(schema, definitions)}
    parts = [_table("The file", schema, definitions, JobFile)]
    for name, path in titles.items():
        parts.append(_table(f"`{path}`", definitions[name], definitions, None))
    directions = ("DirectionSection", "EllipsoidSection")
    for title, name in zip(("A direction", "`ellipsoid` of a direction"), directions, strict=True):
        parts.append(_table(title, definitions[name], definitions, None))
    viscoelastic = definitions["ViscoelasticSection"]
    parts.append(_table("`materials.NAME.viscoelastic`", viscoelastic, definitions, None))
    parts += [_materials(), _fields()]
    return "\n\n".join(parts)


def _sections(
    schema: Schema, definitions: Schema, path: str = "", seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """Yield path and name of all sections below a schema, in the order of the file."""
    for key, value in schema.get("properties", {}).items():
        for name in _references(value):
            if name in seen or name == "MaterialSection":
                continue
            here = f"{path}.{key}" if path else key
            if value.get("type") == "array":
                here += "[]"
            elif value.get("type") == "object":
                here += ".NAME"
            yield here, name
            yield from _sections(definitions[name], definitions, here, seen | {name})


def _references(value: Any) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for entry in value.values():
            yield from _references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _references(entry)


def _table(title: str, schema: Schema, definitions: Schema, model: type[JobFile] | None) -> str:
    """Return the table of one section."""
    required = schema.get("required", [])
    lines = [
        f"### {title}",
        "",
        schema["description"],
        "",
        "| key | takes | default | meaning |",
        "|---|---|---|---|",
    ]
    for key, value in schema["properties"].items():
        default = "needed" if key in required else _default(key, value, model)
        meaning = value.get("description") or " ".join(
            definitions[name]["description"] for name in _references(value)
        )
        lines.append(f"| `{key}` | {_takes(value)} | {default} | {_cell(meaning)} |")
    return "\n".join(lines)


def _default(key: str, value: Schema, model: type[JobFile] | None) -> str:
    default = value.get("default")
    if model is not None and key in model.model_fields:
        default = model.model_fields[key].default
        if isinstance(default, tuple) and all(isinstance(entry, Formula) for entry in default):
            return f"`[{', '.join(f'{entry.value:g}' for entry in default)}]`"
        default = value.get("default")
    if default is None:
        return ""
    if default and any(_references(value)):
        return "as below"
    return f"`{json.dumps(default)}`".replace('"', "")


def _takes(value: Schema) -> str:
    """Return in words what a value may be."""
    if "anyOf" in value:
        options = [option for option in value["anyOf"] if option.get("type") != "null"]
        if QUANTITY_SCHEMA in options and {"type": "string"} in options:
            return "number, quantity or formula"
        words = [_takes(option) for option in options]
        null = len(options) < len(value["anyOf"])
        # A default of null is told by the missing default.
        return " or ".join(words) + (" or null" if null and "default" not in value else "")
    if value == QUANTITY_SCHEMA:
        return "quantity"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{entry}`" for entry in value["enum"])
    if "$ref" in value:
        return "field" if value["$ref"].endswith("FieldSection") else "section"
    kind = value.get("type")
    if kind == "array":
        if "prefixItems" in value:
            return f"{value['minItems']} × {_takes(value['prefixItems'][0])}"
        if not value["items"]:
            return "list"
        return f"list of {_takes(value['items'])}"
    if kind == "object":
        entries = value.get("additionalProperties") or next(
            iter(value.get("patternProperties", {}).values())
        )
        return f"name: {_takes(entries)}"
    if isinstance(kind, list):
        return "number or formula" if set(kind) == FORMULA else ", ".join(kind)
    bounds = [
        f"{sign} {value[bound]:,}".replace(".0", "")
        for bound, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if bound in value
    ]
    name = {"string": "text", "boolean": "true or false"}.get(str(kind), str(kind))
    return " ".join([name, ", ".join(bounds)]).strip()


def _materials() -> str:
    lines = [
        "### Models",
        "",
        "| model | strain energy ψ | takes | options, the default first |",
        "|---|---|---|---|",
    ]
    for name, model in MODELS.items():
        options = "; ".join(
            f"`{option}: {' | '.join(values)}`" for option, values in model.options.items()
        )
        lines.append(
            f"| `{name}` | {_cell(model.formula)} | {model.parametrization.takes} "
            f"| {_cell(options)} |"
        )
    return "\n".join(lines)


def _fields() -> str:
    lines = ["### Fields", "", "| field | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(field.meaning)} |" for name, field in FIELDS.items()]
    lines += [f"| `{name}` | {_cell(meaning)} |" for name, (meaning, _) in MATERIAL_FIELDS.items()]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())

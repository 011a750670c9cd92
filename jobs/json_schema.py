"""The JSON Schema of the job file, for editors."""

from collections.abc import Mapping
from typing import Any

from elastane.jobs.schema import JobFile
from elastane.jobs.sources import DirectionSection, FieldSection
from elastane.jobs.validation import SWEEP
from elastane.materials import FILE_MODELS, MODELS, FileModel, Material, Parameter, maxwell


def job_schema() -> dict[str, Any]:
    """Return the schema of the job file, with the parameters of every material."""
    schema = JobFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Elastane job file"
    # pydantic would show how a formula is kept, not how it is written.
    schema["properties"]["body_force"]["default"] = [0, 0, 0]
    schema["properties"][SWEEP] = {
        "description": "Lists of values for keys such as materials.all.youngs_modulus; every "
        "combination is a job of `elastane sweep`.",
        "type": "object",
        "additionalProperties": {"type": "array", "items": {}, "minItems": 1},
    }
    for section in (FieldSection, DirectionSection):
        own = section.model_json_schema(ref_template="#/$defs/{model}")
        schema["$defs"] |= own.pop("$defs", {})
        schema["$defs"][section.__name__] = own
    schema["$defs"]["ViscoelasticSection"] = _viscoelastic_schema()
    schema["$defs"]["MaterialSection"] = {
        "description": "A material model and its parameters.",
        "type": "object",
        "required": ["model"],
        "oneOf": [
            *(_material_schema(model) for model in MODELS.values()),
            *(_file_schema(name, kind) for name, kind in FILE_MODELS.items()),
        ],
    }
    return schema


def _material_schema(model: Material) -> dict[str, Any]:
    """Return the schema of a material section for one model."""
    properties: dict[str, Any] = {"model": {"const": model.name}}
    for parameter in model.parametrization.parameters:
        properties[parameter.name] = _parameter_schema(parameter)
    properties |= _options(model.options)
    properties[maxwell.VISCOELASTIC] = {"$ref": "#/$defs/ViscoelasticSection"}
    return {
        "title": model.name,
        "description": f"{model.title}. Takes {model.parametrization.takes}.",
        "properties": properties,
        "required": ["model"],
        "additionalProperties": False,
    }


def _viscoelastic_schema() -> dict[str, Any]:
    """Return the schema of what makes a model viscoelastic."""
    properties = {parameter.name: _parameter_schema(parameter) for parameter in maxwell.PARAMETERS}
    relaxing = {
        **_options(maxwell.OPTIONS)["relaxing"],
        "description": "The energy that relaxes: that of the change of shape, or all of it.",
    }
    return {
        "description": "A generalised Maxwell solid whose instantaneous response is the model.",
        "type": "object",
        "properties": properties | {"relaxing": relaxing},
        "required": list(properties),
        "additionalProperties": False,
    }


def _options(options: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    return {name: {"enum": list(values), "default": values[0]} for name, values in options.items()}


def _file_schema(name: str, kind: FileModel) -> dict[str, Any]:
    """Return the schema of a material section for a model whose parameters a file tells."""
    path = f"Path of a {' or '.join(kind.suffixes)} file, relative to the job file."
    return {
        "title": name,
        "description": "Takes what its file says.",
        "properties": {
            "model": {"const": name},
            kind.key: {"type": "string", "description": path},
            maxwell.VISCOELASTIC: {"$ref": "#/$defs/ViscoelasticSection"},
        },
        "required": ["model", kind.key],
        "additionalProperties": {"anyOf": [_NUMBER, {"type": "array"}]},
    }


#: A number, a formula in x, y, z and t, or a scalar field of the mesh.
_NUMBER = {"anyOf": [{"type": ["number", "string"]}, {"$ref": "#/$defs/FieldSection"}]}


def _parameter_schema(parameter: Parameter) -> dict[str, Any]:
    """Return the schema of what stands for a parameter: an entry may stand for a whole array."""
    unit = "" if parameter.unit == "1" else f", {parameter.unit}"
    described = f"{parameter.meaning}{unit}; {parameter.bounds}. "
    if parameter.direction:
        vector = {"type": "array", "items": _NUMBER, "minItems": 3, "maxItems": 3}
        entry: dict[str, Any] = {"anyOf": [vector, {"$ref": "#/$defs/DirectionSection"}]}
        axes, what = parameter.shape[:-1], "Three numbers or formulas, a field or a kind."
    else:
        entry, axes = _NUMBER, parameter.shape
        written = "A number," if parameter.unit == "1" else "A number, a quantity with its unit,"
        what = f"{written} a formula in x, y, z and t, or a field."
    choices, array = [entry], entry
    for _ in axes:
        array = {"type": "array", "items": array, "minItems": 1}
        choices.append(array)
    schema = {"anyOf": choices} if axes else dict(entry)
    return {**schema, "description": described + what}

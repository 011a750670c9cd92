"""The JSON Schema of the job file, for editors."""

from typing import Any

from elastane.jobs.schema import JobFile
from elastane.materials import MODELS, Material


def job_schema() -> dict[str, Any]:
    """Return the schema of the job file, with the parameters of every material."""
    schema = JobFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Elastane job file"
    # pydantic would show how a formula is kept, not how it is written.
    schema["properties"]["body_force"]["default"] = [0, 0, 0]
    schema["$defs"]["MaterialSection"] = {
        "description": "A material model and its parameters.",
        "type": "object",
        "required": ["model"],
        "oneOf": [_material_schema(model) for model in MODELS.values()],
    }
    return schema


def _material_schema(model: Material) -> dict[str, Any]:
    """Return the schema of a material section for one model."""
    properties: dict[str, Any] = {"model": {"const": model.name}}
    for parameter in model.parametrization.parameters:
        properties[parameter.name] = {
            "type": ["number", "string"],
            "description": f"{parameter.meaning}, {parameter.unit}; {parameter.bounds}. "
            "A number, or a formula in x, y, z and t.",
        }
    for name, values in model.options.items():
        properties[name] = {"enum": list(values), "default": values[0]}
    return {
        "title": model.name,
        "description": f"{model.title}. Takes {model.parametrization.takes}.",
        "properties": properties,
        "required": ["model"],
        "additionalProperties": False,
    }

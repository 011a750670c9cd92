import json
import re
from typing import Any

from elastane.jobs.json_schema import job_schema
from elastane.jobs.schema import JobFile
from elastane.materials import FILE_MODELS, MODELS


def keys_without_description(schema: dict[str, Any]) -> list[str]:
    return [
        f"{name}.{key}"
        for name, section in schema["$defs"].items()
        for key, value in section.get("properties", {}).items()
        if "description" not in value and "$ref" not in json.dumps(value)
    ]


def test_every_top_level_key_is_in_the_schema() -> None:
    schema = job_schema()
    assert set(schema["properties"]) == {*JobFile.model_fields, "sweep"}
    assert schema["additionalProperties"] is False
    json.dumps(schema)


def test_every_material_is_a_choice_with_its_parameters() -> None:
    choices = job_schema()["$defs"]["MaterialSection"]["oneOf"]
    names = [*MODELS, *FILE_MODELS]
    assert [choice["properties"]["model"]["const"] for choice in choices] == names
    assert all("viscoelastic" in choice["properties"] for choice in choices)
    (neo_hookean,) = [choice for choice in choices if choice["title"] == "neo-hookean"]
    assert "Pa" in neo_hookean["properties"]["youngs_modulus"]["description"]
    assert neo_hookean["additionalProperties"] is False


def test_a_quantity_is_allowed_where_a_number_has_a_unit() -> None:
    box = job_schema()["$defs"]["BoxSection"]["properties"]["size"]["prefixItems"][0]
    (pattern,) = [option["pattern"] for option in box["anyOf"] if "pattern" in option]
    assert re.search(pattern, "10 mm")
    assert not re.search(pattern, "10")
    assert not re.search(pattern, "1e-3")


def test_every_key_says_what_it_is() -> None:
    assert keys_without_description(job_schema()) == []

"""Writes plain data as YAML that `elastane.jobs.yaml_reader` reads back unchanged."""

import io
from typing import Any

from ruamel.yaml import YAML


def write_yaml(data: dict[str, Any]) -> str:
    """Return the YAML text of plain data, innermost lists and mappings on one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.representer.sort_base_mapping_type_on_output = False  # keep the order of the schema
    yaml.allow_unicode = True
    yaml.width = 4000
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()

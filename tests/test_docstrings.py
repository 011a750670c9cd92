"""The examples in docstrings hold.

They run under the import names: collected by path, each module would be imported twice.
"""

import doctest
import importlib
import pkgutil

import pytest

MODULES = [
    module.name
    for layer in ("solver", "materials", "meshes", "jobs")
    for module in pkgutil.walk_packages(
        importlib.import_module(f"elastane.{layer}").__path__, f"elastane.{layer}."
    )
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0

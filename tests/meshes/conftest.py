"""Bodies, the shape of whose every part is known, and a writer of mesh files."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from elastane.meshes.annulus import Annulus
from elastane.meshes.box import Box
from elastane.meshes.mesh import Mesh


@pytest.fixture(scope="session")
def msh_writer() -> ModuleType:
    """Return the module beside this one; the tests are no package that could be imported."""
    path = Path(__file__).with_name("msh_writer.py")
    specification = importlib.util.spec_from_file_location("msh_writer", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["msh_writer"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def write_msh(msh_writer: ModuleType) -> Callable[..., None]:
    write: Callable[..., None] = msh_writer.write_msh
    return write


@pytest.fixture(scope="session")
def sector() -> Mesh:
    """Return a sector of a hollow cylinder with 12 curved cells of degree 2."""
    return Annulus(angle=60.0, cells=(2, 3, 2)).build(2, 0)


@pytest.fixture(scope="session")
def cube() -> Mesh:
    return Box(cells=(2, 2, 2)).build(1, 0)

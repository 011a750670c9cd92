"""A wheel holds what the source tree holds; an editable install would hide an omission."""

import subprocess
import tomllib
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("solver", "materials", "meshes", "jobs", "benchmarks")
#: The batch script and the site profiles: a package of files without modules.
DATA = "slurm"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def package_of(folder: PurePath) -> str:
    return ".".join(("elastane", *folder.parts))


def test_every_package_is_listed() -> None:
    found = {
        package_of(init.parent.relative_to(ROOT))
        for layer in LAYERS
        for init in (ROOT / layer).rglob("__init__.py")
    }
    assert set(SETTINGS["packages"]) == found | {f"elastane.{DATA}"}


def test_every_layer_has_its_folder() -> None:
    assert SETTINGS["package-dir"] == {f"elastane.{layer}": layer for layer in (*LAYERS, DATA)}


@pytest.mark.parametrize("layer", [*LAYERS, DATA])
def test_every_file_beside_the_modules_is_package_data(layer: str) -> None:
    patterns = SETTINGS["package-data"]
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", layer],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, tracked.split("\0")):
        path = PurePath(name)
        if path.suffix == ".py":
            continue
        package = next(
            parent
            for parent in path.parents
            if (ROOT / parent / "__init__.py").exists() or parent == PurePath(DATA)
        )
        wanted = [*patterns["*"], *patterns.get(package_of(package), [])]
        inside = path.relative_to(package)
        assert any(inside.match(pattern) for pattern in wanted), f"{path} is in no package"

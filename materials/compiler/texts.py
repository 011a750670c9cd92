"""What decides, besides a material, what the compiler makes of it: for keys of the cache."""

import importlib.metadata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

COMPILER = Path(__file__).parent

#: Packages whose versions decide what is compiled.
PACKAGES = ("enzyme-ad", "jax", "jaxlib", "numpy", "scipy")


class MissingPackageError(RuntimeError):
    """A package is missing that compiling needs."""


@cache
def compiler_text() -> str:
    """Return the text of the compiler."""
    return _text(COMPILER)


@cache
def materials_text() -> str:
    """Return the text of all modules that an energy in a file may call."""
    return _text(COMPILER.parent)


def _text(folder: Path) -> str:
    return "\0".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))


def package_versions() -> Iterator[str]:
    """Yield the versions of the packages that differentiate.

    Raises:
        MissingPackageError: If one is missing.
    """
    for package in PACKAGES:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            raise MissingPackageError(
                f"{package} is missing; compiling materials needs `pip install "
                "'elastane[materials]'`"
            ) from None

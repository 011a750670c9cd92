"""The C of all QFunctions that a solve compiles: those of its materials and those of our own."""

from collections.abc import Iterable
from pathlib import Path

from elastane.materials.compiler.native import build_library
from elastane.materials.kernels import find_kernels
from elastane.solver.problem import RegionMaterial

FOLDER = Path(__file__).parent / "qfunctions"

#: Our own QFunctions, which do not depend on the material.
OWN = ("geometry", "pressure")


def own_source(name: str) -> str:
    """Return the C of one of OWN."""
    prelude, body = (FOLDER / file for file in ("prelude.h", f"{name}.c"))
    return prelude.read_text(encoding="utf-8") + body.read_text(encoding="utf-8")


def kernel_sources(materials: Iterable[RegionMaterial]) -> dict[str, str]:
    """Return the C of each kernel set by its name.

    Raises:
        RuntimeError: If the kernels of a material are missing or out of date.
    """
    sources = {name: own_source(name) for name in OWN}
    for material in materials:
        kernels = find_kernels(material.model, material.options)
        sources[kernels.name] = kernels.source
    return sources


def build_kernels(materials: Iterable[RegionMaterial]) -> None:
    """Compile the QFunctions of a solve into the cache, where they are not there yet.

    Raises:
        RuntimeError: If kernels are out of date or there is no C compiler.
    """
    for name, source in kernel_sources(materials).items():
        build_library(source, name)

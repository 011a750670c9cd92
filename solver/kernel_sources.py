"""The C of all QFunctions that a solve compiles: those of its materials and those of our own."""

from collections.abc import Iterable
from pathlib import Path

from elastane.materials.compiler.native import build_library
from elastane.materials.kernels import code_hash, find_kernels
from elastane.solver.problem import RegionMaterial

FOLDER = Path(__file__).parent / "qfunctions"

#: Our own QFunctions, which do not depend on the material.
OWN = ("geometry", "pressure")


def own_source(name: str) -> str:
    """Return the C of one of OWN."""
    prelude, body = (FOLDER / file for file in ("prelude.h", f"{name}.c"))
    return prelude.read_text(encoding="utf-8") + body.read_text(encoding="utf-8")


def kernel_sources(materials: Iterable[RegionMaterial]) -> dict[str, str]:
    """Return the C of each kernel set by its name; of two with one name, the second's has a hash.

    Raises:
        RuntimeError: If the kernels of a material are missing or out of date.
    """
    sources = {name: own_source(name) for name in OWN}
    for material in materials:
        kernels = find_kernels(material.model, material.options)
        name, source = kernels.name, kernels.source
        # Users name their files, and may have two of one name in two folders.
        taken = sources.get(name, source) != source
        sources[f"{name}-{code_hash(source)[:8]}" if taken else name] = source
    return sources


def build_kernels(materials: Iterable[RegionMaterial]) -> None:
    """Compile the QFunctions of a solve into the cache, where they are not there yet.

    Raises:
        RuntimeError: If kernels are out of date or there is no C compiler.
    """
    for name in OWN:
        build_library(own_source(name), name)
    for material in materials:
        kernels = find_kernels(material.model, material.options)
        kernels.build(varying=material.varies)

"""The C that a solve compiles: QFunctions of its materials, those of our own, and fused kernels."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from elastane.materials.compiler.native import build_library
from elastane.materials.kernels import code_hash, find_kernels
from elastane.solver.fused.kernel import build
from elastane.solver.fused.source import Kernel, level_kernels
from elastane.solver.problem import Problem, RegionMaterial

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
    kernels = (find_kernels(material.model, material.options) for material in materials)
    return _by_name(
        [*((name, own_source(name)) for name in OWN), *((k.name, k.source) for k in kernels)]
    )


def fused_sources(kernels: Iterable[Kernel]) -> dict[str, str]:
    """Return the C of fused kernels by their names, as `kernel_sources` does."""
    return _by_name((kernel.name, kernel.source) for kernel in kernels)


def _by_name(sources: Iterable[tuple[str, str]]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, source in sources:
        # Users name their files, and may have two of one name in two folders.
        taken = result.get(name, source) != source
        result[f"{name}-{code_hash(source)[:8]}" if taken else name] = source
    return result


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


def fused_kernels(problem: Problem, degrees: Sequence[int], geometry_degree: int) -> list[Kernel]:
    """Return the fused kernels of a solve.

    Args:
        problem: The problem.
        degrees: Degrees of the multigrid levels, the coarsest first.
        geometry_degree: Degree of the element maps.
    """
    found: list[Kernel] = []
    for material in {id(m): m for m in problem.materials.values()}.values():
        residual, jacobian = (
            Kernel.of(
                kind,
                find_kernels(material.model, material.options),
                varying=material.varies,
                degree=problem.degree,
                num_points_1d=problem.num_points_1d,
                geometry_degree=geometry_degree,
            )
            for kind in ("residual", "jacobian")
        )
        found += [residual, jacobian]
        for degree in degrees:
            found += level_kernels(jacobian, degree).values()
    return found


def build_fused_kernels(kernels: Iterable[Kernel]) -> None:
    """Compile fused kernels into the cache, as many at once as there are processors.

    Raises:
        RuntimeError: If there is no C compiler.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(build, kernels))

"""Compile a material in a process of its own, into the cache.

Enzyme can crash the interpreter and costs 290 MB and a second of import; who waits for a material
pays for neither.  The folder in the cache is named after all that its content depends on: the
energy, the compiler's own text and the packages that differentiate.
"""

import importlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elastane.materials import MODELS, file_model, find_model, maxwell
from elastane.materials.compiler.apart import ApartError, run_apart
from elastane.materials.compiler.cache import cache_folder, digest
from elastane.materials.compiler.texts import compiler_text, package_versions
from elastane.materials.kernels import source_hash
from elastane.materials.model import Choices, Material, nearest

#: What compiles, in a process of its own.
COMPILE = "elastane.materials.compiler"


class CompileError(RuntimeError):
    """A material was not compiled; the message says why."""


class RefusedError(CompileError, ValueError):
    """A material was not compiled because of what it is: to be mended where it is defined."""


@dataclass(frozen=True)
class KernelSet:
    """A material with its options and sizes chosen.

    Attributes:
        reference: What `find_material` finds it by.
        material: The material.
        choices: A value for each of its options and sizes.
    """

    reference: str
    material: Material
    choices: dict[str, str | int]

    @property
    def name(self) -> str:
        """Return the name of the files without suffix."""
        return self.material.kernel_name(self.choices)


def kernel_set(material: Material, choices: Choices) -> KernelSet:
    """Return the kernel set of a built-in material, one read from a file, or one made of these."""
    return KernelSet(_reference(material), material, material.resolve_choices(choices))


def _reference(material: Material) -> str:
    if material.base:
        return _reference(material.base) + maxwell.SUFFIX
    return str(material.file) if material.file else material.name


def find_material(reference: str, *, in_process: bool = False) -> Material:
    """Return the material that a reference stands for.

    Args:
        reference: Name of a built-in material, a file that defines one, or `module:NAME` for a
            `Material` of one's own; with `+maxwell` at the end, the viscoelastic material made of
            it.
        in_process: Whether the energy of a file is to be called here: in the compiler's process.

    Raises:
        ValueError: If there is none.
    """
    if reference.endswith(maxwell.SUFFIX):
        base = find_material(reference.removesuffix(maxwell.SUFFIX), in_process=in_process)
        return maxwell.generalised_maxwell(base)
    kind = file_model(Path(reference))
    if kind is not None:
        return (kind.read_in_process if in_process else kind.load)(Path(reference))
    if ":" in reference:
        module, name = reference.split(":", 1)
        material = getattr(importlib.import_module(module), name, None)
        if not isinstance(material, Material):
            raise ValueError(f"{module} holds no Material named {name}")
        return material
    return find_model(reference)


def find_kernel_sets(reference: str) -> list[KernelSet]:
    """Return the kernel sets that a reference stands for: those that come compiled.

    Args:
        reference: As in `find_material`, or the name of a kernel set.

    Raises:
        ValueError: If there is none.
    """
    known = {
        kernels.name: kernels
        for name, material in MODELS.items()
        for kernels in _kernel_sets(name, material)
    }
    if reference in known and reference not in MODELS:
        return [known[reference]]
    try:
        return list(_kernel_sets(reference, find_material(reference)))
    except ValueError:
        if not {":", "+"}.isdisjoint(reference) or file_model(Path(reference)) is not None:
            raise
        names = sorted(known.keys() | MODELS.keys())
        raise ValueError(f"unknown material {reference!r}{nearest(reference, names)}") from None


def compile_apart(kernels: KernelSet) -> Path:
    """Return the folder in the cache that holds `<name>.c` and `<name>.json`, made if need be.

    Raises:
        CompileError: If the material cannot be compiled, breaks a law, or crashes the compiler.
    """
    key = digest(source_hash(kernels.material), kernels.name, compiler_text(), *package_versions())
    folder = cache_folder() / "kernels" / f"{kernels.name}-{key}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{kernels.name}-", dir=folder.parent) as aside:
        made = Path(aside) / "made"
        _run(kernels, made)
        try:
            made.rename(folder)
        except OSError:
            # Another process was first; what it made is the same.
            if not folder.exists():
                raise
    return folder


def _run(kernels: KernelSet, made: Path) -> None:
    report = made.with_name("error.txt")
    arguments = ["--here", "--report", str(report), "--output", str(made)]
    arguments += ["--choices", json.dumps(kernels.choices), kernels.reference]
    blamed = RefusedError if kernels.material.file else CompileError
    try:
        answer = run_apart(COMPILE, arguments)
    except ApartError as error:
        raise blamed(f"{kernels.name}: the compiler {error}") from None
    if report.exists():
        raise RefusedError(f"{kernels.name}: {report.read_text(encoding='utf-8')}")
    if answer.code != 0:
        raise CompileError(f"{kernels.name}: {answer.errors.strip()}")
    manifest = json.loads((made / f"{kernels.name}.json").read_text(encoding="utf-8"))
    if manifest["source_hash"] != source_hash(kernels.material):
        raise blamed(f"{kernels.name}: its source changed while it was compiled; start again")


def copy_kernels(folder: Path, destination: Path) -> None:
    """Copy the C file and the manifest of a folder in the cache."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.copyfile(path, destination / path.name)


def _kernel_sets(reference: str, material: Material) -> Iterator[KernelSet]:
    for choices in material.kernel_sets():
        yield KernelSet(reference, material, choices)

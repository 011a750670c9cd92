"""Compile a material in a process of its own, into the cache.

Enzyme can crash the interpreter and costs 290 MB and a second of import; who waits for a material
pays for neither.  The folder in the cache is named after all that its content depends on: the
energy, the compiler's own text and the packages that differentiate.
"""

import importlib
import importlib.metadata
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elastane.materials import MODELS, find_model, load_model
from elastane.materials.compiler.cache import cache_folder, digest
from elastane.materials.kernels import source_hash
from elastane.materials.model import Choices, Material, nearest

PACKAGES = ("enzyme-ad", "jax", "jaxlib", "numpy", "scipy")


class CompileError(RuntimeError):
    """A material was not compiled; the message says why."""


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
    """Return the kernel set of a built-in material, or of one read from a file."""
    reference = f"{material.name}@{material.file}" if material.file else material.name
    return KernelSet(reference, material, material.resolve_choices(choices))


def find_material(reference: str) -> Material:
    """Return the material that a reference stands for.

    Args:
        reference: Name of a built-in material, `model@file` for one that is read from a file, or
            `module:NAME` for a `Material` of one's own.

    Raises:
        ValueError: If there is none.
    """
    if "@" in reference:
        model, _, file = reference.partition("@")
        return load_model(model, Path(file))
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
        if "@" in reference or ":" in reference:
            raise
        names = sorted(known.keys() | MODELS.keys())
        raise ValueError(f"unknown material {reference!r}{nearest(reference, names)}") from None


def compile_apart(kernels: KernelSet) -> Path:
    """Return the folder in the cache that holds `<name>.c` and `<name>.json`, made if need be.

    Raises:
        CompileError: If the material cannot be compiled, breaks a law, or crashes the compiler.
    """
    key = digest(source_hash(kernels.material), kernels.name, _compiler_text(), *_versions())
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


def _run(kernels: KernelSet, folder: Path) -> None:
    command = [sys.executable, "-m", "elastane.materials.compiler", "--here", "--output"]
    command += [str(folder), "--choices", json.dumps(kernels.choices), kernels.reference]
    answer = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if answer.returncode < 0:
        crash = signal.Signals(-answer.returncode).name
        raise CompileError(f"{kernels.name}: the compiler crashed ({crash})\n{answer.stderr}")
    if answer.returncode > 0:
        raise CompileError(f"{kernels.name}: {answer.stderr.strip()}")


def copy_kernels(folder: Path, destination: Path) -> None:
    """Copy the C file and the manifest of a folder in the cache."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.copyfile(path, destination / path.name)


def _kernel_sets(reference: str, material: Material) -> Iterator[KernelSet]:
    for choices in material.kernel_sets():
        yield KernelSet(reference, material, choices)


def _compiler_text() -> str:
    return "\0".join(
        path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))
    )


def _versions() -> Iterator[str]:
    for package in PACKAGES:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            raise CompileError(
                f"{package} is missing; compiling materials needs `pip install "
                "'elastane[materials]'`"
            ) from None

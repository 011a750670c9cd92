"""Compile a material in a process of its own, into the cache.

Enzyme can crash the interpreter and costs 290 MB and a second of import; who waits for a material
pays for neither.  The folder in the cache is named after all that its content depends on: the
energy, the compiler's own text and the packages that differentiate.
"""

import importlib
import importlib.metadata
import itertools
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elastane.materials import MODELS
from elastane.materials.compiler.cache import cache_folder, digest
from elastane.materials.kernels import source_hash
from elastane.materials.model import Material, nearest

PACKAGES = ("enzyme-ad", "jax", "jaxlib", "numpy", "scipy")


class CompileError(RuntimeError):
    """A material was not compiled; the message says why."""


@dataclass(frozen=True)
class KernelSet:
    """A material with its options chosen.

    Attributes:
        reference: What `find_kernel_sets` finds it by: a built-in material, or `module:NAME`.
        material: The material.
        options: A value for each of its options.
    """

    reference: str
    material: Material
    options: dict[str, str]

    @property
    def name(self) -> str:
        """Return the name of the files without suffix."""
        return self.material.kernel_name(self.options)


def find_kernel_sets(reference: str) -> list[KernelSet]:
    """Return the kernel sets that a reference stands for.

    Args:
        reference: Name of a built-in material, of one of its kernel sets, or `module:NAME` for a
            `Material` of one's own.

    Raises:
        ValueError: If there is none.
    """
    if ":" in reference:
        module, name = reference.split(":", 1)
        material = getattr(importlib.import_module(module), name, None)
        if not isinstance(material, Material):
            raise ValueError(f"{module} holds no Material named {name}")
        return list(_choices(reference, material))
    known = [choice for name, material in MODELS.items() for choice in _choices(name, material)]
    found = [choice for choice in known if reference in (choice.name, choice.material.name)]
    if not found:
        names = {choice.name for choice in known} | MODELS.keys()
        raise ValueError(f"unknown material {reference!r}{nearest(reference, sorted(names))}")
    return found


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
    command += [str(folder), kernels.reference if ":" in kernels.reference else kernels.name]
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


def _choices(reference: str, material: Material) -> Iterator[KernelSet]:
    for values in itertools.product(*material.options.values()):
        yield KernelSet(reference, material, dict(zip(material.options, values, strict=True)))


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

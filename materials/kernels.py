"""The compiled kernels of materials, as a run finds them.

Those of the built-in materials, in the usual sizes, are checked in as C text with a manifest each,
so that a run needs neither JAX nor Enzyme; others are compiled when they are first needed, into the
cache.  The manifest holds hashes of the energy and of the C, so that neither is ever out of date
unnoticed.
"""

import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from elastane.materials.compiler.native import build_library
from elastane.materials.compiler.texts import materials_text
from elastane.materials.model import Choices, Material

GENERATED = Path(__file__).parent / "generated"

#: Where a function begins, with its comment.
FUNCTION = re.compile(r"(?=^/\* [^\n]* \*/\nCEED_QFUNCTION)", re.MULTILINE)

COMMAND = "python -m elastane.materials.compiler"

#: Modules whose functions no energy calls.
WITHOUT_ENERGIES = {
    "elastane.materials.isotropic",
    "elastane.materials.model",
    "elastane.materials.parameters",
    "elastane.materials.textbook",
}


@dataclass(frozen=True)
class QFunctionFields:
    """Arrays of a QFunction as (name, components), in order.

    The variant `<name>_field` takes one more input at the end: ("parameters", num_parameters).
    """

    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Kernels:
    """The C of one material.

    Attributes:
        name: Name of the kernel set, e.g. "neo-hookean-isochoric-quadratic".
        path: Path of the C file.
        source: Its text.
        parameters: Names of the kernel parameters, in the order of the context and of the
            `parameters` input.
        num_stored: Numbers that residual passes to Jacobian at each point; with 0 there is no
            `state` field.
        functions: "residual", "jacobian", "energy", "diagnostics" and, with a history, "update" ->
            their fields.
        flops: Additions, subtractions and multiplications of each function at one point.
        manifest: All that is known of how it was made.
        initial_history: What a material with a history remembers at the start, component by
            component of the fields `history` and `new_history`; empty without a history.
    """

    name: str
    path: Path
    source: str
    parameters: tuple[str, ...]
    num_stored: int
    functions: Mapping[str, QFunctionFields]
    flops: Mapping[str, int]
    manifest: Mapping[str, Any]
    initial_history: tuple[float, ...] = ()

    def source_of(self, *, varying: bool) -> str:
        """Return the C of half of the functions, which takes half the time to build.

        Args:
            varying: Whether of those that take the parameters from a field.
        """
        heading, *functions = FUNCTION.split(self.source)
        half = [text for text in functions if ("_field)(" in text.split("{")[0]) == varying]
        return "".join([heading, *half])

    def function_source(self, name: str, *, varying: bool) -> str:
        """Return the C of one function.

        Args:
            name: One of `functions`.
            varying: As in `source_of`.
        """
        signature = f"CEED_QFUNCTION({name}{'_field' if varying else ''})"
        return next(text for text in FUNCTION.split(self.source) if signature in text)

    def build(self, *, varying: bool = False) -> Path:
        """Return a shared library with half of the functions, built for this machine.

        Args:
            varying: As in `source_of`.

        Raises:
            NativeBuildError: If there is no C compiler.
        """
        return build_library(self.source_of(varying=varying), self.name)


def find_kernels(model: Material, choices: Choices | None = None) -> Kernels:
    """Return the kernels of a material: those checked in, or compiled into the cache.

    Raises:
        ParameterError: If an option is unknown.
        RuntimeError: If checked-in kernels are missing or older than the energy, or if others do
            not compile; the message says what to do.
    """
    choices = model.resolve_choices(choices or {})
    name = model.kernel_name(choices)
    if model.file is None and model.base is None and choices in model.kernel_sets():
        return read_kernels(model, name, GENERATED)
    # Here, because it reads source_hash from this module.
    from elastane.materials.compiler.build import compile_apart, kernel_set

    return read_kernels(model, name, compile_apart(kernel_set(model, choices)))


def read_kernels(model: Material, name: str, folder: Path) -> Kernels:
    """Return the kernels of that name from a folder.

    Raises:
        RuntimeError: If they are missing or out of date.
    """
    path = folder / f"{name}.c"
    try:
        source = path.read_text(encoding="utf-8")
        manifest = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RuntimeError(f"{error.filename} is missing; run `{COMMAND} {name}`") from None
    if manifest["source_hash"] != source_hash(model):
        raise RuntimeError(
            f"the energy of {model.name} has changed since {path.name} was generated; "
            f"run `{COMMAND} {name}`"
        )
    if manifest["code_hash"] != code_hash(source):
        raise RuntimeError(f"{path.name} was edited by hand; run `{COMMAND} {name}`")
    return Kernels(
        name=name,
        path=path,
        source=source,
        parameters=tuple(manifest["parameters"]),
        num_stored=manifest["num_stored"],
        functions={
            function: QFunctionFields(
                inputs=tuple((field, size) for field, size in fields["inputs"]),
                outputs=tuple((field, size) for field, size in fields["outputs"]),
            )
            for function, fields in manifest["functions"].items()
        },
        flops=manifest["flops"],
        manifest=manifest,
        initial_history=tuple(manifest.get("history", {}).values()),
    )


def source_hash(model: Material) -> str:
    """Return a hash of what defines the energy: its module with those it calls, or its file."""
    if model.file is not None:
        # Which modules it calls shows only where the file runs; so it stands for all of them.
        return sha256(f"{materials_text()}\0{model.content}".encode()).hexdigest()
    names = _modules_of_energy(model.energy.__module__)
    base = source_hash(model.base) if model.base else ""
    sources = (inspect.getsource(sys.modules[name]) for name in names)
    text = "\0".join([*sources, base])
    return sha256(text.encode()).hexdigest()


def _modules_of_energy(name: str) -> list[str]:
    """Return the name of a module and of those in this package whose functions it calls."""
    found, waiting = {name}, [name]
    while waiting:
        for value in vars(sys.modules[waiting.pop()]).values():
            module = getattr(value, "__module__", None) or ""
            if (
                inspect.isfunction(value)
                and module.startswith("elastane.materials.")
                and module not in found | WITHOUT_ENERGIES
            ):
                found.add(module)
                waiting.append(module)
    return sorted(found)


def code_hash(source: str) -> str:
    """Return a hash of generated C."""
    return sha256(source.encode()).hexdigest()

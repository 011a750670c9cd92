"""All stages in order: from a material to C and a manifest that says how it was made."""

import importlib.metadata
import json
from pathlib import Path
from typing import Literal

import jax

from elastane.materials.compiler.cache import written_aside
from elastane.materials.compiler.check import (
    check_derivatives,
    check_history,
    check_split,
)
from elastane.materials.compiler.emit import emit_file
from elastane.materials.compiler.enzyme import differentiate
from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.formulas import Formulas, build_formulas
from elastane.materials.compiler.history import add_history, add_prestress
from elastane.materials.compiler.lower import (
    lower,
    lower_differentiated,
    lower_jax_derivatives,
    lower_plain,
)
from elastane.materials.compiler.qfunctions import QFunction, build_qfunctions
from elastane.materials.compiler.split import (
    count_flops,
    count_functions,
    divide,
    jacobian_nodes,
)
from elastane.materials.kernels import code_hash, source_hash
from elastane.materials.model import Choices, Material

#: Who differentiated -> the law that two ways to do so agree.
COMPARISONS = {"enzyme": "Enzyme equals JAX", "jax": "JAX backward equals JAX forward"}


def compile_material(material: Material, choices: Choices, folder: Path) -> tuple[Path, Path]:
    """Write the C file and the manifest of a material into a folder and return their paths.

    Raises:
        UnsupportedError: If the energy cannot be compiled.
        CheckError: If the result breaks a law.
    """
    jax.config.update("jax_enable_x64", True)
    choices = material.resolve_choices(choices)
    name = material.kernel_name(choices)
    formulas, independent, derivatives_by = differentiated_formulas(material, choices)
    errors = check_derivatives(
        material, choices, formulas, independent, COMPARISONS[derivatives_by]
    )
    formulas = add_history(material, choices, formulas)
    errors |= check_history(material, choices, formulas)
    formulas, choice = divide(formulas)
    errors |= check_split(material, choices, formulas, choice)
    qfunctions = build_qfunctions(formulas, choice)
    graph = formulas.graph
    code = emit_file(graph, material, choices, qfunctions)
    tangent = jacobian_nodes(graph, choice)
    manifest = {
        "name": name,
        "model": material.name,
        "options": choices,
        "parameters": list(material.scalars(choices)),
        "num_stored": len(choice.stored),
        **({"history": material.initial_history(choices)} if material.history else {}),
        "functions": {q.name: _describe(q) for q in qfunctions},
        "flops": {q.name: count_flops(graph, graph.live(q.results)) for q in qfunctions},
        "calls": {q.name: count_functions(graph, graph.live(q.results)) for q in qfunctions},
        "material_flops": {
            "residual": count_flops(graph, graph.live(formulas.P)),
            "jacobian": count_flops(graph, tangent),
        },
        "source_hash": source_hash(material),
        "code_hash": code_hash(code),
        "derivatives_by": derivatives_by,
        "derivatives": {
            package: importlib.metadata.version(package) for package in ("enzyme-ad", "jax")
        },
        "checks": {law: f"{error:.0e}" for law, error in errors.items()},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.c", folder / f"{name}.json"
    for path, content in zip(paths, (code, text), strict=True):
        with written_aside(path) as aside:
            aside.write_text(content, encoding="utf-8")
    return paths


def differentiated_formulas(
    material: Material, choices: Choices
) -> tuple[Formulas, Formulas, Literal["enzyme", "jax"]]:
    """Return the formulas to write C from, others to compare them with, and who made the first.

    Where Enzyme cannot differentiate an energy, JAX may; it is then compared with itself, going
    forward twice instead of back and forth, which shares few of its rules.

    Raises:
        UnsupportedError: If neither can.
    """
    lower(material, choices)  # what it refuses is refused for JAX, too
    try:
        return enzyme_formulas(material, choices), jax_formulas(material, choices), "enzyme"
    except UnsupportedError as error:
        try:
            reverse = jax_formulas(material, choices, exact=False)
            return reverse, jax_formulas(material, choices, forward=True), "jax"
        except (UnsupportedError, ValueError) as further:
            raise UnsupportedError(f"{error}; nor can JAX: {further}") from error


def enzyme_formulas(material: Material, choices: Choices) -> Formulas:
    """Return the formulas that Enzyme makes of a material, from which C is written.

    Raises:
        UnsupportedError: If the energy cannot be compiled.
    """
    energy, plain = lower(material, choices), lower_plain(material, choices)
    num_parameters = len(material.kernel_parameters) + len(material.history)
    derivatives = differentiate(lower_differentiated(material, choices), num_parameters)
    formulas = build_formulas(
        material,
        choices,
        energy,
        derivatives,
        plain_text=plain and differentiate(plain, num_parameters),
        seeded=True,
    )
    return add_prestress(material, choices, formulas)


def jax_formulas(
    material: Material, choices: Choices, *, forward: bool = False, exact: bool = True
) -> Formulas:
    """Return the formulas that JAX makes of a material.

    Args:
        material: The material.
        choices: Its options and sizes.
        forward: Whether the first derivative, too, is taken in forward mode.
        exact: Whether they are to be compared with in 50 digits.
    """
    energy = lower(material, choices)
    derivatives = lower_jax_derivatives(material, choices, forward=forward)
    formulas = build_formulas(material, choices, energy, derivatives, seeded=False, exact=exact)
    return add_prestress(material, choices, formulas)


def _describe(qfunction: QFunction) -> dict[str, list[list[str | int]]]:
    """Return the inputs and outputs of a function as [name, components]."""
    return {
        "inputs": [[field.name, field.size] for field in qfunction.inputs],
        "outputs": [[field.name, field.size] for field in qfunction.outputs],
    }

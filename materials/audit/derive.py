"""A material differentiated in every way there is: by Enzyme, by JAX, and as compiled C.

What one way refuses, another may still do: the rest of the audit then runs on that, so that a user
learns all at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import jax

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import energy_of_gradient
from elastane.materials.compiler import lower as lowering
from elastane.materials.compiler import pipeline
from elastane.materials.compiler.emit import PROLOGUE, emit_function
from elastane.materials.compiler.enzyme import CLEAN, INLINE, TIDY
from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.formulas import (
    Formulas,
    build_formulas,
    parameter_inputs,
    tensor_inputs,
)
from elastane.materials.compiler.interpret import interpret
from elastane.materials.compiler.native import NativeBuildError
from elastane.materials.compiler.qfunctions import build_qfunctions
from elastane.materials.compiler.split import divide
from elastane.materials.kernels import Kernels, QFunctionFields, find_kernels
from elastane.materials.model import Choices, Material

#: What a refusal says -> the kind of defect it is; the first that occurs in the message.
REFUSALS: tuple[tuple[str, Category], ...] = (
    ("rules of one's own", Category.LOST_RULE),
    ("rule for the derivative", Category.LOST_RULE),
    ("stop_gradient", Category.LOST_RULE),
    ("differentiates it wrongly", Category.WRONG_DERIVATIVE),
    ("a table has kinks", Category.KINK),
    ("f32", Category.UNSTABLE_DIGITS),
    ("float32", Category.UNSTABLE_DIGITS),
    ("", Category.REFUSED),
)

#: The functions of the C that are audited.
FUNCTIONS = ("residual", "jacobian", "energy")

T = TypeVar("T")


@dataclass(frozen=True)
class Derivation:
    """A material, differentiated.

    Attributes:
        material: The material.
        choices: A value for each of its options and sizes.
        formulas: What is audited, and what C is written from: by Enzyme, or else by JAX; None if
            neither can.
        independent: The same by JAX in another way, as accurate as 50 digits; None without.
        forward: dψ along dH by forward mode, as a node of `formulas`; None if it cannot be had.
        kernels: Its C; None if there is none.
        findings: What was refused, and why.
    """

    material: Material
    choices: Choices
    formulas: Formulas | None
    independent: Formulas | None
    forward: int | None
    kernels: Kernels | None
    findings: tuple[Finding, ...]


def derive(
    material: Material, choices: Choices, *, with_enzyme: bool = True, with_c: bool = True
) -> Derivation:
    """Return a material differentiated in every way that works.

    Args:
        material: The material.
        choices: A value for each of its options and sizes.
        with_enzyme: Whether Enzyme is to differentiate, which may crash.
        with_c: Whether C is to be written.
    """
    jax.config.update("jax_enable_x64", True)
    findings: list[Finding] = []
    made = None
    if with_enzyme:
        made = _try(findings, lambda: pipeline.differentiated_formulas(material, choices))
    formulas, independent, by = made or (None, None, "")
    if formulas is None:
        # Refused: the rest of the audit looks at what JAX makes of it.
        formulas = _try([] if findings else findings, lambda: _by_jax(material, choices))
        independent = None
    forward, kernels = None, None
    if formulas is not None:
        forward = _try([], lambda: _forward(material, choices, formulas, by))
    if made is not None and with_c:
        kernels = _try(findings, lambda: _kernels(material, choices, made[0]))
    if formulas is not None and not findings:
        nodes = formulas.graph.live([formulas.strain_energy, *formulas.P, *formulas.dP])
        tool = {"enzyme": "Enzyme", "jax": "JAX, since Enzyme cannot,"}.get(by, "JAX")
        sentence = f"{tool} differentiates it; it compiles to scalar C"
        figure = f"{len(nodes)} nodes"
        findings.append(Finding("compiler", Status.PASS, sentence, figure=figure))
    return Derivation(material, choices, formulas, independent, forward, kernels, tuple(findings))


def _try(findings: list[Finding], make: Callable[[], T]) -> T | None:
    """Return what is made; None with a finding if it cannot be."""
    try:
        return make()
    except (UnsupportedError, NativeBuildError) as error:
        message = str(error)
        category = next(c for text, c in REFUSALS if text in message)
    except Exception as error:  # whatever an energy of a user's raises
        lines = str(error).splitlines() or [""]
        message = f"{type(error).__name__}: {lines[0]}"
        category = Category.REFUSED
    findings.append(Finding("compiler", Status.FAIL, message, category))
    return None


def _by_jax(material: Material, choices: Choices) -> Formulas:
    """Return JAX's formulas of an energy that the compiler refuses."""
    arguments = lowering._arguments(material, choices)
    energy = lowering._text(lowering.energy(material, choices), *arguments)
    derivatives = lowering.lower_jax_derivatives(material, choices)
    return build_formulas(material, choices, energy, derivatives, seeded=False)


def _forward(material: Material, choices: Choices, formulas: Formulas, by: str) -> int | None:
    """Return the node of dψ by forward mode, of Enzyme if it made the formulas, else of JAX."""
    if material.measure == "principal" or material.history:
        return None
    of_H = replace(material, measure="H", options={}, energy=energy_of_gradient(material, choices))
    graph = formulas.graph
    parameters = [parameter_inputs(graph, p, choices) for p in material.kernel_parameters]
    arguments = lowering._arguments(of_H, choices)
    if by == "enzyme":
        text = _enzyme_forward(lowering.lower(of_H, choices), len(material.kernel_parameters))
    else:
        energy = lowering.energy(of_H, choices)

        def forward(x: jax.Array, dx: jax.Array, *p: jax.Array) -> tuple[jax.Array, jax.Array]:
            return jax.jvp(lambda y: energy(y, *p), (x,), (dx,))

        text = lowering._text(forward, arguments[0], *arguments)
    inputs = [tensor_inputs(graph, "H"), tensor_inputs(graph, "dH"), *parameters]
    return int(interpret(text, graph, inputs)[1])


def _enzyme_forward(text: str, num_parameters: int) -> str:
    from enzyme_ad.jax import enzyme_call, primitives  # type: ignore[import-untyped]

    kinds = ",".join(["enzyme_dup", *["enzyme_const"] * num_parameters])
    tidy = primitives.optimization_passes() if "stablehlo.while" in text else TIDY
    wrap = f"enzyme-wrap{{infn=main outfn= retTys=enzyme_dup argTys={kinds} mode=ForwardMode}}"
    _, result = enzyme_call.run_pass_pipeline([], text, ",".join([INLINE, tidy, wrap, CLEAN, TIDY]))
    return str(result)


def _kernels(material: Material, choices: Choices, formulas: Formulas) -> Kernels:
    """Return the kernels: those checked in, or the same made here."""
    if material.file is None and choices in list(material.kernel_sets()):
        try:
            return find_kernels(material, choices)
        except RuntimeError:  # not checked in: a material that is not built in, or a new one
            pass
    formulas, choice = divide(formulas)
    chosen = [q for q in build_qfunctions(formulas, choice) if q.name in FUNCTIONS]
    names = material.scalars(choices)
    bodies = [emit_function(formulas.graph, q, names, from_field=False) for q in chosen]
    return Kernels(
        name=material.kernel_name(choices),
        path=Path(),
        source="\n".join([PROLOGUE, *bodies]),
        parameters=tuple(names),
        num_stored=len(choice.stored),
        functions={
            q.name: QFunctionFields(
                inputs=tuple((field.name, field.size) for field in q.inputs),
                outputs=tuple((field.name, field.size) for field in q.outputs),
            )
            for q in chosen
        },
        flops={},
        manifest={},
    )

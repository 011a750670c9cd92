"""A material differentiated in every way there is: by Enzyme, by JAX, and as compiled C.

What one way refuses, another may still do: the rest of the audit then runs on that, so that a user
learns all at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import energy_of_gradient
from elastane.materials.compiler import lower as lowering
from elastane.materials.compiler.emit import PROLOGUE, emit_function
from elastane.materials.compiler.enzyme import CLEAN, INLINE, TIDY, differentiate
from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.formulas import Formulas, build_formulas, parameter_inputs
from elastane.materials.compiler.interpret import interpret
from elastane.materials.compiler.native import NativeBuildError
from elastane.materials.compiler.qfunctions import build_qfunctions
from elastane.materials.compiler.split import split
from elastane.materials.kernels import Kernels, QFunctionFields, find_kernels
from elastane.materials.model import Choices, Material

#: What a refusal says -> the kind of defect it is; the first that occurs in the message.
REFUSALS: tuple[tuple[str, Category], ...] = (
    ("custom_", Category.LOST_RULE),
    ("stop_gradient", Category.LOST_RULE),
    ("differentiates it wrongly", Category.WRONG_DERIVATIVE),
    ("f32", Category.UNSTABLE_DIGITS),
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
        enzyme: Its formulas by Enzyme; None if Enzyme or the compiler refuses.
        jax: The same by JAX.
        forward: dψ along dH by forward mode, as a node of the first of the two; None if it cannot
            be had.
        kernels: Its C; None if there is none.
        findings: What was refused, and why.
    """

    material: Material
    choices: Choices
    enzyme: Formulas | None
    jax: Formulas | None
    forward: int | None
    kernels: Kernels | None
    findings: tuple[Finding, ...]

    @property
    def formulas(self) -> Formulas | None:
        """Return the formulas that are audited: Enzyme's if there are any."""
        return self.enzyme or self.jax


def derive(material: Material, choices: Choices, *, with_enzyme: bool = True) -> Derivation:
    """Return a material differentiated in every way that works."""
    jax.config.update("jax_enable_x64", True)
    findings: list[Finding] = []
    enzyme = None
    if with_enzyme:
        enzyme = _try("compiler", findings, lambda: _by_enzyme(material, choices))
    refused = bool(findings)
    by_jax = _try("JAX", [] if refused else findings, lambda: _by_jax(material, choices))
    formulas = enzyme or by_jax
    forward, kernels = None, None
    if formulas is not None:
        forward = _try("forward mode", [], lambda: _forward(material, choices, formulas, enzyme))
    if enzyme is not None:
        kernels = _try("C", findings, lambda: _kernels(material, choices, enzyme))
    if not findings:
        findings.append(
            Finding(
                "compiler",
                Status.PASS,
                "lowers, differentiates and compiles to scalar C",
                figure=_length(formulas),
            )
        )
    return Derivation(material, choices, enzyme, by_jax, forward, kernels, tuple(findings))


def _try(what: str, findings: list[Finding], make: Callable[[], T]) -> T | None:
    """Return what is made; None with a finding if it cannot be."""
    try:
        return make()
    except (UnsupportedError, NativeBuildError) as error:
        message = str(error)
        category = next(c for text, c in REFUSALS if text in message)
    except Exception as error:  # whatever an energy of a user's raises
        message = f"{what}: {type(error).__name__}: {str(error).splitlines()[0]}"
        category = Category.REFUSED
    findings.append(Finding("compiler", Status.FAIL, message, category))
    return None


def _length(formulas: Formulas | None) -> str:
    if formulas is None:
        return ""
    return f"{len(formulas.graph.live([formulas.strain_energy, *formulas.P, *formulas.dP]))} nodes"


def _by_enzyme(material: Material, choices: Choices) -> Formulas:
    energy = lowering.lower(material, choices)
    derivatives = differentiate(energy, len(material.kernel_parameters))
    return build_formulas(material, choices, energy, derivatives, seeded=True)


def _by_jax(material: Material, choices: Choices) -> Formulas:
    """Return JAX's formulas, also of an energy that the compiler refuses."""
    energy = lowering._text(
        lowering.energy(material, choices), *lowering._arguments(material, choices)
    )
    derivatives = lowering.lower_jax_derivatives(material, choices)
    return build_formulas(material, choices, energy, derivatives, seeded=False)


def _forward(
    material: Material, choices: Choices, formulas: Formulas, enzyme: Formulas | None
) -> int | None:
    """Return the node of dψ by forward mode, of Enzyme if it made the formulas, else of JAX."""
    if material.measure == "principal":
        return None
    of_H = replace(material, measure="H", options={}, energy=energy_of_gradient(material, choices))
    graph = formulas.graph
    H, dH = (
        np.array([[graph.input(f"{name}_{i}{j}") for j in range(3)] for i in range(3)])
        for name in ("H", "dH")
    )
    parameters = [parameter_inputs(graph, p, choices) for p in material.kernel_parameters]
    arguments = lowering._arguments(of_H, choices)
    if enzyme is None:
        energy = lowering.energy(of_H, choices)
        text = lowering._text(
            lambda x, dx, *p: jax.jvp(lambda y: energy(y, *p), (x,), (dx,)),
            arguments[0], *arguments,
        )  # fmt: skip
    else:
        text = _enzyme_forward(lowering.lower(of_H, choices), len(material.kernel_parameters))
    return int(interpret(text, graph, [H, dH, *parameters])[1])


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
    choice = split(formulas)
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

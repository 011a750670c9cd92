"""All tests of the audit, and what runs them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from elastane.materials.audit.derivatives import (
    complex_step,
    dot_product,
    major_symmetry,
    taylor,
    tools,
)
from elastane.materials.audit.derive import Derivation, derive
from elastane.materials.audit.ellipticity import ellipticity
from elastane.materials.audit.energy import growth, positive, rest
from elastane.materials.audit.findings import SEVERITY, Category, Finding, Status
from elastane.materials.audit.invariance import material_symmetry, objectivity
from elastane.materials.audit.kinks import branches, kinks, places_of_kinks
from elastane.materials.audit.one_element import one_element
from elastane.materials.audit.precision import digits, native, single, textbook
from elastane.materials.audit.subject import Subject, not_applicable, subjects
from elastane.materials.model import Choices, Material


@dataclass(frozen=True)
class AuditTest:
    """A test of the audit.

    Attributes:
        run: Yields what it finds.
        law: What must hold, in words.
        every_example: Whether it runs at the parameters of every example, not only of the first.
    """

    run: Callable[[Subject], Iterator[Finding]]
    law: str
    every_example: bool = True


TESTS: Mapping[str, AuditTest] = {
    "rest": AuditTest(rest, "no energy and no stress at rest, where every strain takes work"),
    "branches": AuditTest(branches, "every number is finite, in branches not taken, too"),
    "taylor": AuditTest(taylor, "remainders of P and dP fall with h²", every_example=False),
    "complex-step": AuditTest(complex_step, "derivatives equal complex steps", every_example=False),
    "enzyme-jax": AuditTest(tools, "Enzyme and JAX agree", every_example=False),
    "dot-product": AuditTest(dot_product, "the tangent is its own adjoint, reverse is forward",
                             every_example=False),
    "symmetry": AuditTest(major_symmetry, "the tangent is symmetric"),
    "textbook": AuditTest(textbook, "ψ and P are those of the reference", every_example=False),
    "digits": AuditTest(digits, "doubles keep the digits", every_example=False),
    "c-double": AuditTest(native, "the C computes what the formulas say"),
    "c-single": AuditTest(single, "single precision keeps single precision"),
    "objectivity": AuditTest(objectivity, "rotations of space change nothing"),
    "material-symmetry": AuditTest(material_symmetry, "rotations of the material change nothing"),
    "energy-sign": AuditTest(positive, "ψ ≥ 0"),
    "growth": AuditTest(growth, "ψ grows without bound as J -> 0", every_example=False),
    "kinks": AuditTest(kinks, "P and dP are one where branches meet"),
    "ellipticity": AuditTest(ellipticity, "the acoustic tensor is positive definite"),
    "newton": AuditTest(one_element, "Newton's method converges quadratically"),
}  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """What was found of a material.

    Attributes:
        name: Name of the kernel set.
        findings: What each test says, worst first within each.
        seconds: How long it took.
    """

    name: str
    findings: tuple[Finding, ...]
    seconds: float


def audit(
    material: Material, choices: Choices, tests: Sequence[str] = tuple(TESTS)
) -> tuple[Audit, Derivation]:
    """Return what the tests find of a material, and its derivatives.

    Raises:
        ParameterError: If an option is unknown.
    """
    start = time.monotonic()
    choices = material.resolve_choices(choices)
    derivation = derive(material, choices)
    findings = list(derivation.findings)
    for number, subject in enumerate(subjects(derivation)):
        try:
            subject.kinks += places_of_kinks(subject)
            assert len(subject.finite) == len(subject.states)  # evaluates everything once
        except Exception:  # the energy cannot even be run: that was found already
            break
        for name in tests:
            if number == 0 or TESTS[name].every_example:
                findings += run_test(name, subject)
    seconds = time.monotonic() - start
    return Audit(material.kernel_name(choices), tuple(condense(findings)), seconds), derivation


def run_test(name: str, subject: Subject) -> list[Finding]:
    """Return what one test finds; a test that breaks is a failure of the material, and says why."""
    try:
        with np.errstate(all="ignore"):
            return list(TESTS[name].run(subject))
    except Exception as error:
        return [
            subject.finding(
                name,
                Status.FAIL,
                Category.NOT_FINITE,
                f"cannot be carried out: {type(error).__name__}: {error}",
            )
        ]


def condense(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield for each test its worst finding, or its bad ones of different categories."""
    by_test: dict[str, list[Finding]] = {}
    for finding in findings:
        by_test.setdefault(finding.test, []).append(finding)
    for found in by_test.values():
        found.sort(key=lambda finding: SEVERITY.index(finding.status))
        bad: dict[Category | None, Finding] = {}
        for finding in found:
            if finding.status in (Status.FAIL, Status.WARN):
                bad.setdefault(finding.category, finding)
        yield from bad.values() if bad else found[:1]


__all__ = ["TESTS", "Audit", "AuditTest", "audit", "condense", "not_applicable", "run_test"]

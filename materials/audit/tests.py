"""All tests of the audit, and what runs them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elastane.materials.audit.derivatives import (
    complex_step,
    dot_product,
    major_symmetry,
    taylor,
    tools,
)
from elastane.materials.audit.derive import derive
from elastane.materials.audit.ellipticity import ellipticity
from elastane.materials.audit.energy import growth, positive, rest
from elastane.materials.audit.findings import SEVERITY, Category, Finding, Status
from elastane.materials.audit.invariance import material_symmetry, objectivity
from elastane.materials.audit.kinks import branches, kinks, places_of_kinks
from elastane.materials.audit.one_element import one_element
from elastane.materials.audit.precision import digits, native, single, textbook
from elastane.materials.audit.report import Report
from elastane.materials.audit.subject import Subject, subjects
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


#: Tests that look at C; without them none is written.
NEEDING_C = frozenset({"c-double", "c-single", "symmetry", "newton"})


def audit(
    material: Material,
    choices: Choices,
    tests: Sequence[str] = tuple(TESTS),
    *,
    given: Mapping[str, Any] | None = None,
    with_enzyme: bool = True,
) -> tuple[Report, Subject | None]:
    """Return what the tests find of a material, and the material at its first parameters.

    Of a viscoelastic material the instantaneous response is audited, which all else follows from.

    Args:
        material: The material.
        choices: Its options and sizes.
        tests: Names of the tests to run.
        given: Parameters as a user gives them, instead of those of the examples.
        with_enzyme: Whether Enzyme is to differentiate, which may crash.

    Raises:
        ParameterError: If options or parameters cannot be used.
    """
    if material.base is not None:
        base = material.base
        names = {parameter.name for parameter in base.parametrization.parameters}
        of_base = {
            name: value for name, value in choices.items() if name in {*base.options, *base.sizes}
        }
        kept = {name: value for name, value in (given or {}).items() if name in names}
        return audit(base, of_base, tests, given=kept, with_enzyme=with_enzyme)
    start = time.monotonic()
    choices = material.resolve_choices(choices)
    with_c = not NEEDING_C.isdisjoint(tests)
    derivation = derive(material, choices, with_enzyme=with_enzyme, with_c=with_c)
    findings = list(derivation.findings)
    examined = subjects(derivation, [given] if given else material.examples_of(choices))
    working: list[Subject] = []
    for subject in examined:
        error = failure_to_run(subject)
        if error is None:
            working.append(subject)
        elif all(finding.status is not Status.FAIL for finding in findings):
            # Else why it cannot be run was found when it was differentiated.
            findings.append(
                subject.finding("compiler", Status.FAIL, Category.REFUSED, f"cannot run: {error}")
            )
    for number, subject in enumerate(working):
        for name in tests:
            if number == 0 or TESTS[name].every_example:
                findings += run_test(name, subject)
    seconds = time.monotonic() - start
    name = material.kernel_name(choices)
    return Report(name, tuple(condense(findings)), seconds), working[0] if working else None


def failure_to_run(subject: Subject) -> str | None:
    """Evaluate what all tests need, once; return what goes wrong, None if nothing does."""
    try:
        with np.errstate(all="ignore"):
            subject.kinks += places_of_kinks(subject)
            assert len(subject.finite) == len(subject.states)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


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

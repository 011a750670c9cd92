"""Tests of digits: doubles against 50 digits, the textbook, and the C in both precisions.

Errors are relative to the size of the stress and of its change by a relative change of H of the
same size: H itself is rounded, and no formula can be better.  At small strain that is the stress.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import Floats, GraphPoints, Tensor, tangent
from elastane.materials.audit.states import generic
from elastane.materials.audit.subject import (
    SMALLEST_STRAIN,
    Subject,
    changes_beside,
    largest,
    not_applicable,
    passed,
)

#: Relative error of the stress that is promised.
PROMISED = 1e-12

#: Differences to the textbook above which the formula is another one, not a rounded one.
ANOTHER_FORMULA = 1e-9

#: Digits of the textbook, and the step of its derivative: h² of its error, 1e-60/h of its rounding.
TEXTBOOK_DIGITS = 60
TEXTBOOK_STEP = mpmath.mpf(10) ** -20

#: What is asked of single precision: 1e4 times its rounding, as 1e-12 is of doubles.
SINGLE = 6e-4

#: Strains below this are left out in single precision, where squares underflow.
SINGLE_STRAIN = 1e-7


def digits(subject: Subject) -> Iterator[Finding]:
    """ψ, P and dP in doubles equal those in 50 digits."""
    test, exact = "digits", subject.exact
    if exact is None:
        yield not_applicable(test, "there is no formula to evaluate in 50 digits")
        return
    worst, where, what = largest_rounding(subject)
    lost = max(0.0, float(np.log10(max(worst, 1e-16) / 1e-16)))
    figure = f"{lost:.1f} of 16 digits lost"
    if not worst <= PROMISED:
        yield subject.finding(
            test, Status.FAIL, Category.UNSTABLE_DIGITS,
            f"{what} loses {lost:.1f} digits at {subject.states[where].name}; write the energy "
            "with the functions of elastane.materials.invariants", figure, subject.H[where],
        )  # fmt: skip
    else:
        yield passed(test, "doubles keep their digits at every strain", figure)


def largest_rounding(subject: Subject) -> tuple[float, int, str]:
    """Return the largest relative error of doubles, at which state, and of what."""
    exact = subject.exact
    assert exact is not None
    worst, where, what = 0.0, 0, "P"
    for k in subject.in_digits:
        if not subject.finite[k]:
            continue
        H, D = subject.H[k], generic(700 + k)
        energy, P, dP = exact.all(H, D)
        errors = {
            "ψ": _ratio(subject.energy[k] - energy, subject.energy_scale[k]),
            "P": _ratio(subject.stress[k] - P, subject.stress_scale[k]),
        }
        if not subject.on_kink[k]:
            rounded = subject.doubles.stress_increment(H[None], D[None])[0]
            errors["dP"] = _ratio(rounded - dP, largest(subject.tangent[k : k + 1])[0])
        for name, error in errors.items():
            if not error <= worst:
                worst, where, what = error, k, name
    return worst, where, what


def textbook(subject: Subject) -> Iterator[Finding]:
    """ψ, and P differentiated in 60 digits, equal the formula as the reference prints it."""
    test = "textbook"
    if subject.material.textbook is None:
        yield not_applicable(test, "the material names no independent formula")
        return
    worst, where, what = 0.0, 0, "ψ"
    for k in subject.core:
        if not subject.finite[k]:
            continue
        energy, P = textbook_energy_and_stress(subject, subject.H[k])
        if subject.exact is not None:
            of_subject = subject.exact.energy(subject.H[k]), subject.exact.stress(subject.H[k])
        else:
            of_subject = subject.energy[k], subject.stress[k]
        errors = {
            "ψ": _ratio(of_subject[0] - energy, subject.energy_scale[k]),
            # Differences across a kink are of the order of their step, which is more than rounding.
            "P": 0.0 if subject.on_kink[k] else _ratio(of_subject[1] - P, subject.stress_scale[k]),
        }
        for name, error in errors.items():
            if not error <= worst:
                worst, where, what = error, k, name
    if not worst <= PROMISED:
        another = not worst <= ANOTHER_FORMULA
        yield subject.finding(
            test, Status.FAIL, Category.WRONG_FORMULA if another else Category.UNSTABLE_DIGITS,
            f"{what} differs from the textbook by {worst:.1e} at {subject.states[where].name}",
            f"{worst:.1e}", subject.H[where],
        )  # fmt: skip
    else:
        yield passed(test, "equals the formula that the reference prints", f"{worst:.0e}")


def textbook_energy_and_stress(subject: Subject, H: Floats) -> tuple[Any, Tensor]:
    """Return ψ of the textbook and its derivative by F, in 60 digits."""
    material = subject.material
    assert material.textbook is not None
    formula = partial(material.textbook, **material.energy_options(subject.derivation.choices))
    with mpmath.workdps(TEXTBOOK_DIGITS):
        parameters = {name: mpmath.mpf(value) for name, value in subject.parameters.items()}
        F = np.array([[mpmath.mpf(x) for x in row] for row in H]) + np.eye(3, dtype=int)
        P = np.empty((3, 3), dtype=object)
        for i, j in np.ndindex(3, 3):
            above, below = F.copy(), F.copy()
            above[i, j] += TEXTBOOK_STEP
            below[i, j] -= TEXTBOOK_STEP
            change = formula(above, **parameters) - formula(below, **parameters)
            P[i, j] = change / (2 * TEXTBOOK_STEP)
        return formula(F, **parameters), P


def native(subject: Subject) -> Iterator[Finding]:
    """ψ, P and dP of the C equal the formulas in doubles."""
    test, compiled = "c-double", subject.compiled()
    if compiled is None:
        yield not_applicable(test, "there is no C")
        return
    H = subject.H
    D = np.array([generic(800 + k) for k in range(len(H))])
    size = _positive(largest(subject.tangent))
    dP = subject.doubles.stress_increment(H, D)
    errors = {
        "ψ": np.abs(compiled.energy(H) - subject.energy) / _positive(subject.energy_scale),
        "P": largest(compiled.stress(H) - subject.stress) / _positive(subject.stress_scale),
        "dP": np.where(subject.on_kink, 0.0, largest(compiled.stress_increment(H, D) - dP) / size),
    }
    bound = PROMISED
    if subject.exact and any((x[subject.finite] > bound).any() for x in errors.values()):
        # Two compilers round an unstable formula differently; `digits` names the cause.
        bound = max(bound, 1e2 * largest_rounding(subject)[0])
    yield _judge(subject, test, errors, subject.finite, bound, "the compiled C",
                 Status.FAIL, Category.WRONG_CODE)  # fmt: skip


def single(subject: Subject) -> Iterator[Finding]:
    """The C and the formulas in single precision keep single precision."""
    test = "c-single"
    if subject.formulas is None:
        yield not_applicable(test, "there is no C")
        return
    strain = largest(subject.H)
    chosen = subject.finite & ((strain >= SINGLE_STRAIN) | (strain == 0))
    H = subject.H.astype(np.float32).astype(np.float64)
    rounded = {name: float(np.float32(value)) for name, value in subject.parameters.items()}
    doubles = GraphPoints(subject.formulas, rounded)
    P, A = doubles.stress(H), tangent(doubles, H)
    scale = _positive(largest(P) + largest(A) * np.maximum(largest(H), SMALLEST_STRAIN))
    chosen &= (scale < 1e30) & (largest(A) < 1e30)
    floats = GraphPoints(subject.formulas, rounded, np.float32)
    compiled = subject.compiled(single=True)
    # Where rounding to single precision moves a state across a kink, dP is not to be compared.
    beside = changes_beside(doubles, H, 1e2 * np.finfo(np.float32).eps * largest(H))
    with np.errstate(all="ignore"):
        errors = {"P of numpy's floats": largest(floats.stress(H) - P) / scale}
        if compiled is not None:
            errors |= {
                "P": largest(compiled.stress(H) - P) / scale,
                "dP": np.where(
                    beside > SINGLE, 0.0, largest(tangent(compiled, H) - A) / _positive(largest(A))
                ),
            }
    yield _judge(subject, test, errors, chosen, SINGLE, "single precision",
                 Status.WARN, Category.SINGLE_PRECISION)  # fmt: skip


def _judge(
    subject: Subject, test: str, errors: dict[str, Floats], chosen: Floats | Any, bound: float,
    what: str, status: Status, category: Category,
) -> Finding:  # fmt: skip
    """Return the finding for relative errors at the chosen states."""
    worst, where, name = 0.0, 0, "P"
    for quantity, values in errors.items():
        for k in np.flatnonzero(chosen):
            if not values[k] <= worst:
                worst, where, name = float(values[k]), int(k), quantity
    if not worst <= bound:
        return subject.finding(
            test, status, category,
            f"{name} of {what} is off by {worst:.1e} at {subject.states[where].name}",
            f"{worst:.1e}", subject.H[where],
        )  # fmt: skip
    return passed(test, f"{what} computes what the formulas say", f"{worst:.0e}")


def _ratio(error: Any, size: Any) -> float:
    """Return max |error| / size; 0 where there is no error, infinity where there is no number."""
    worst = max(abs(mpmath.mpmathify(x)) for x in np.ravel(error))
    if worst == 0:
        return 0.0
    if not mpmath.isfinite(worst) or size == 0:
        return float("inf")
    return float(worst / mpmath.mpf(float(size)))


def _positive(values: Floats) -> Floats:
    """Return values with zeros replaced by the smallest number, to divide by."""
    return np.maximum(values, np.finfo(np.float64).tiny)

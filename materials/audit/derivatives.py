"""Tests of derivatives against the energy, against each other and against another tool.

All but those in doubles are evaluated in 50 digits, where rounding cannot excuse anything.
"""

from collections.abc import Iterator
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import ExactPoint, Floats, Tensor
from elastane.materials.audit.states import generic
from elastane.materials.audit.subject import Subject, largest, not_applicable, passed
from elastane.materials.compiler.accumulate import depends_on
from elastane.materials.compiler.evaluate import DIGITS

#: A slope of 2 is reached up to terms of higher order; one of 1 is a wrong derivative.
SLOPE = 1.9

#: Steps of the Taylor test in 50 digits: terms in h³ vanish beside those in h², and rounding,
#: 1e-50, beside both.
EXACT_STEPS = (1e-8, 1e-12, 1e-16)

#: Steps in doubles, relative to the distance to singular F.
STEPS = 10.0 ** -np.arange(1.0, 7.0, 0.5)

#: Bound of relative differences between derivatives that are equal: constants are doubles.
EQUAL = 1e-12

#: The same where both were computed in doubles.
EQUAL_IN_DOUBLES = 1e-10

#: Step of the complex step; its error is its square.
COMPLEX_STEP = mpmath.mpf(10) ** -30


def taylor(subject: Subject) -> Iterator[Finding]:
    """ψ(H + hD) - ψ - h P : D and P(H + hD) - P - h dP[D] fall with h²."""
    slopes = _exact_slopes(subject) if subject.exact else _slopes(subject)
    worst: dict[str, tuple[float, Floats]] = {}
    for law, slope, H in slopes:
        if slope < worst.get(law, (np.inf, H))[0]:
            worst[law] = slope, H
    bad = {law: found for law, found in worst.items() if found[0] < SLOPE}
    figure = ", ".join(f"{slope:.2f}" for slope, _ in worst.values())
    for law, (slope, H) in bad.items():
        yield subject.finding(
            "taylor", Status.FAIL, Category.WRONG_DERIVATIVE,
            f"{law}: the remainder falls with h^{slope:.2f}, not with h²", f"slope {slope:.2f}", H,
        )  # fmt: skip
    if not worst:
        yield not_applicable("taylor", "no state where the energy is a number")
    elif not bad:
        yield passed("taylor", "P is the derivative of ψ, and dP that of P", f"slopes {figure}")


def _exact_slopes(subject: Subject) -> Iterator[tuple[str, float, Floats]]:
    exact = subject.exact
    assert exact is not None
    for k in subject.core:
        if not subject.finite[k]:
            continue
        H, D = subject.H[k], generic(200 + k)
        with mpmath.workdps(DIGITS):
            energy, P, dP = exact.all(H, D)
            if not _is_finite(energy, *P.flat, *dP.flat):
                continue
            steps = [mpmath.mpf(h) for h in EXACT_STEPS]
            slope = np.sum(P * D)
            remainders = [abs(exact.energy(H + h * D) - energy - h * slope) for h in steps]
            yield "P is not the derivative of ψ", _slope(remainders, abs(energy) + abs(slope)), H
            if subject.on_kink[k]:
                continue
            changes = [_max(exact.stress(H + h * D) - P - h * dP) for h in steps]
            yield "dP is not the derivative of P", _slope(changes, _max(P) + _max(dP)), H


def _slope(remainders: list[Any], size: Any) -> float:
    """Return the least slope between the steps; 2 where nothing remains but constants' rounding."""
    found = 2.0
    for k in range(len(EXACT_STEPS) - 1):
        # What an h² term of a full-size second derivative leaves, 1e-6 of it: less is rounding of
        # constants that should cancel.
        large, small = remainders[k : k + 2]
        if not _is_finite(large, small):
            return 2.0  # `branches` says where there is no number
        if small <= 1e-14 * EXACT_STEPS[k + 1] * size:
            continue
        ratio = EXACT_STEPS[k] / EXACT_STEPS[k + 1]
        found = min(found, float(mpmath.log(large / small) / mpmath.log(ratio)) if large else 0.0)
    return found


def _slopes(subject: Subject) -> Iterator[tuple[str, float, Floats]]:
    """Yield the slopes in doubles: the best over a range of h, as rounding ends it early."""
    eps = np.finfo(np.float64).eps
    points = subject.doubles
    for k, state in enumerate(subject.states):
        if not (subject.finite[k] and state.moderate) or subject.on_kink[k]:
            continue
        H, D = subject.H[k], generic(200 + k)
        room = float(np.linalg.svd(np.eye(3) + H, compute_uv=False)[-1])
        h = STEPS * min(0.3, room)
        along = H + h[:, None, None] * D
        energy, P = subject.energy[k], subject.stress[k]
        dP = points.stress_increment(H[None], D[None])[0]
        laws: dict[str, tuple[Floats, float]] = {
            "P is not the derivative of ψ": (
                np.abs(points.energy(along) - energy - h * np.sum(P * D)),
                float(subject.energy_scale[k] + largest(subject.tangent[k : k + 1])[0] * h[0] ** 2),
            ),
            "dP is not the derivative of P": (
                largest(points.stress(along) - P - h[:, None, None] * dP),
                float(subject.stress_scale[k] + largest(subject.tangent[k : k + 1])[0] * h[0]),
            ),
        }
        for law, (remainders, size) in laws.items():
            above = remainders > 1e3 * eps * size
            pairs = above[:-1] & above[1:]
            if pairs.any():
                slopes = np.log10(remainders[:-1] / remainders[1:])[pairs] / 0.5
                yield law, float(min(slopes.max(), 2.0)), H


def dot_product(subject: Subject) -> Iterator[Finding]:
    """The tangent is its own adjoint, w : dP[v] = v : dP[w]; P : v is dψ[v] by forward mode."""
    test, worst, where = "dot-product", 0.0, subject.H[0]
    forward = subject.derivation.forward
    exact = subject.exact
    for k in map(int, np.flatnonzero(subject.finite)):
        H, v, w = subject.H[k], generic(300 + k), generic(400 + k)
        dP = subject.doubles.stress_increment(np.array([H, H]), np.array([v, w]))
        size = 9.0 * max(float(largest(subject.tangent[k : k + 1])[0]), 1e-300)
        error = abs(float(np.sum(w * dP[0]) - np.sum(v * dP[1]))) / size
        if error > worst:
            worst, where = error, H
    if worst > EQUAL_IN_DOUBLES:
        yield subject.finding(
            test, Status.FAIL, Category.WRONG_DERIVATIVE,
            f"w : dP[v] differs from v : dP[w] by {worst:.1e}: dP is not the derivative of a "
            "gradient", f"{worst:.1e}", where,
        )  # fmt: skip
        return
    difference, where = 0.0, subject.H[0]
    if forward is not None and exact is not None:
        for k in subject.core:
            if not subject.finite[k]:
                continue
            H, v = subject.H[k], generic(300 + k)
            with mpmath.workdps(DIGITS):
                P = exact.stress(H)
                if not _is_finite(*P.flat):
                    continue
                change = np.sum(P * v) - exact.node(forward, H, v)
                error = _relative(change, float(subject.stress_scale[k]))
            if error > difference:
                difference, where = error, H
    if difference > EQUAL:
        yield subject.finding(
            test, Status.FAIL, Category.WRONG_DERIVATIVE,
            f"reverse and forward mode disagree on the derivative of ψ by {difference:.1e}",
            f"{difference:.1e}", where,
        )  # fmt: skip
        return
    both = "" if forward is None else "; forward mode agrees with reverse mode"
    yield passed(test, f"the tangent is its own adjoint{both}", f"{max(worst, difference):.0e}")


def complex_step(subject: Subject) -> Iterator[Finding]:
    """Im ψ(H + ihD) / h is P : D, and Im P(H + ihD) / h is dP[D], without any subtraction."""
    test, exact = "complex-step", subject.exact
    if exact is None:
        yield not_applicable(test, "there is no formula to continue into the complex plane")
        return
    if subject.material.measure == "principal":
        yield not_applicable(test, "rotations to principal axes choose the smaller angle")
        return
    obstacle = _not_holomorphic(exact)
    if obstacle is not None:
        yield not_applicable(test, f"{obstacle} of the strain has no complex derivative")
        return
    worst, where = 0.0, subject.H[0]
    for k in subject.core:
        if not subject.finite[k]:
            continue
        H, D = subject.H[k], generic(500 + k)
        with mpmath.workdps(DIGITS):
            energy, P, dP = exact.all(H, D)
            if not _is_finite(energy, *P.flat, *dP.flat):
                continue
            if subject.on_kink[k]:
                continue
            try:
                step = H + mpmath.mpc(0, COMPLEX_STEP) * D
                value = np.array(
                    [mpmath.mpmathify(x).imag / COMPLEX_STEP for x in _complex(exact, step)]
                )
            except (TypeError, ValueError, ZeroDivisionError):
                yield not_applicable(test, "a function in the formula takes real numbers only")
                return
            error = max(
                _relative(value[0] - np.sum(P * D), float(subject.stress_scale[k])),
                _relative(value[1:].reshape(3, 3) - dP, _max(dP)),
            )
        if error > worst:
            worst, where = error, H
    if worst > EQUAL:
        yield subject.finding(
            test, Status.FAIL, Category.WRONG_DERIVATIVE,
            f"derivatives differ from complex steps by {worst:.1e}", f"{worst:.1e}", where,
        )  # fmt: skip
    else:
        yield passed(test, "derivatives equal complex steps", f"{worst:.0e}")


#: Operations of numbers that are not holomorphic.  Comparisons only choose between branches, by the
#: real part, and `kinks` looks at what happens between them.
NOT_HOLOMORPHIC = frozenset({"absolute", "sign", "maximum", "minimum"})


def _not_holomorphic(exact: ExactPoint) -> str | None:
    """Return an operation by which ψ or P is not a holomorphic function of H; None without."""
    graph = exact.formulas.graph
    outputs = [exact.formulas.strain_energy, *exact.formulas.P]
    # What only decides comparisons may be anything.
    values: set[int] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node not in values:
            values.add(node)
            entry = graph.nodes[node]
            waiting += entry.operands[1:] if entry.operation == "select" else entry.operands
    strained = depends_on(graph, sorted(values), "H")
    found = {graph.nodes[node].operation for node in strained} & NOT_HOLOMORPHIC
    return ", ".join(sorted(found)) or None


def _complex(exact: ExactPoint, H: Tensor) -> list[Any]:
    """Return ψ and P at a complex H."""
    from elastane.materials.compiler.operations import OPERATIONS

    graph = exact.formulas.graph
    outputs = [exact.formulas.strain_energy, *exact.formulas.P]
    inputs = exact.inputs(H, H)
    values: dict[int, Any] = {}
    for node in graph.live(outputs):
        entry = graph.nodes[node]
        if entry.operation == "input":
            values[node] = inputs[str(entry.value)]
        elif entry.operation == "constant":
            number = entry.value
            values[node] = number if isinstance(number, bool) else mpmath.mpmathify(number)
        else:
            operation = OPERATIONS[entry.operation]
            operands = [values[operand] for operand in entry.operands]
            if operation.logical or entry.operation in NOT_HOLOMORPHIC:
                operands = [x if isinstance(x, bool) else mpmath.re(x) for x in operands]
            values[node] = operation.exact(*operands)
    return [values[node] for node in outputs]


def tools(subject: Subject) -> Iterator[Finding]:
    """Enzyme and JAX agree on ψ, P and dP."""
    test, derivation = "enzyme-jax", subject.derivation
    if derivation.formulas is None or derivation.independent is None:
        yield not_applicable(test, "there are not two ways to differentiate this energy")
        return
    ours = ExactPoint(derivation.formulas, subject.parameters)
    theirs = ExactPoint(derivation.independent, subject.parameters)
    worst, where = 0.0, subject.H[0]
    names = [
        k
        for k in range(len(subject.states))
        if k in subject.core or subject.states[k] in subject.kinks
    ]
    for k in names:
        if not subject.finite[k]:
            continue
        H, D = subject.H[k], generic(600 + k)
        with mpmath.workdps(DIGITS):
            pairs = list(zip(ours.all(H, D), theirs.all(H, D), strict=True))
            if not _is_finite(*(x for pair in pairs for part in pair for x in np.ravel(part))):
                continue
            if subject.on_kink[k]:
                pairs = pairs[:2]
            sizes = subject.energy_scale[k], subject.stress_scale[k], largest(subject.tangent)[k]
            error = max(
                _relative(x - y, float(size)) for (x, y), size in zip(pairs, sizes, strict=False)
            )
        if error > worst:
            worst, where = error, H
    if worst > EQUAL:
        yield subject.finding(
            test, Status.FAIL, Category.WRONG_DERIVATIVE,
            f"Enzyme and JAX disagree by {worst:.1e}; report the formula, and write it with other "
            "functions", f"{worst:.1e}", where,
        )  # fmt: skip
    else:
        yield passed(test, "Enzyme and JAX agree in 50 digits", f"{worst:.0e}")


def major_symmetry(subject: Subject) -> Iterator[Finding]:
    """A_iJkL = A_kLiJ, of the C if there is any."""
    from elastane.materials.audit.points import tangent

    compiled = subject.compiled()
    A = subject.tangent if compiled is None else tangent(compiled, subject.H)
    where = np.flatnonzero(np.isfinite(A).all(axis=(1, 2, 3, 4)))
    difference = largest(A[where] - A[where].transpose(0, 3, 4, 1, 2))
    errors = difference / np.maximum(largest(A[where]), 1e-300)
    k = int(np.argmax(errors))
    if errors[k] > EQUAL_IN_DOUBLES:
        yield subject.finding(
            "symmetry", Status.FAIL, Category.NOT_SYMMETRIC,
            f"the tangent is not symmetric: {errors[k]:.1e}; is it the derivative of an energy?",
            f"{errors[k]:.1e}", subject.H[where[k]],
        )  # fmt: skip
    else:
        of = "tangent" if compiled is None else "tangent of the C"
        yield passed("symmetry", f"the {of} is symmetric in all 81 entries", f"{errors[k]:.0e}")


def _is_finite(*values: Any) -> bool:
    return all(mpmath.isfinite(x) for x in values)


def _max(values: Any) -> Any:
    return max(abs(x) for x in np.ravel(values))


def _relative(error: Any, size: Any) -> float:
    """Return max |error| / size, infinite where it is no number; 0 where there is no error."""
    largest_error = _max(error)
    if not _is_finite(largest_error, size):
        return float("inf")
    if largest_error == 0:
        return 0.0
    return float(largest_error / size) if size else float("inf")

"""Tests of the energy itself: at rest, its sign, its growth."""

from collections.abc import Iterator

import mpmath  # type: ignore[import-untyped]
import numpy as np

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import Floats
from elastane.materials.audit.subject import Subject, passed
from elastane.materials.compiler.evaluate import DIGITS

#: ψ(0) and P(0) relative to the stiffness: constants such as 1/3 are doubles.
REST = 1e-13

#: ψ below this part of its size is not zero by rounding.
SIGN = 1e-12

#: Volume ratios towards zero; ψ that grows without bound keeps growing between the last two, if
#: only as ln J.
VANISHING = (1e-3, 1e-6, 1e-12, 1e-24)

#: ln J doubles between the last two.
GROWTH = 1.5


def rest(subject: Subject) -> Iterator[Finding]:
    """ψ(0) = 0, P(0) = 0, and small strains take work."""
    test = "rest"
    zero = np.zeros((3, 3))
    if subject.exact is not None:
        energy, P = float(subject.exact.energy(zero)), subject.exact.stress(zero).astype(float)
    else:
        energy, P = float(subject.energy[0]), subject.stress[0]
    sizes = {"energy": abs(energy) / subject.stiffness,
             "stress": float(np.abs(P).max()) / subject.stiffness}  # fmt: skip
    stiffness = _smallest_stiffness(subject)
    for name, size in sizes.items():
        if np.isnan(size):
            yield subject.finding(
                test, Status.FAIL, Category.NOT_FINITE, f"the {name} at rest is not a number",
                "nan", zero,
            )  # fmt: skip
        elif size > REST:
            yield subject.finding(
                test, Status.FAIL, Category.NOT_AT_REST,
                f"there is {name} at rest: {size:.1e} of the stiffness", f"{size:.1e}", zero,
            )  # fmt: skip
    if np.isfinite(stiffness) and stiffness <= 1e-12:
        yield subject.finding(
            test, Status.FAIL, Category.UNSTABLE,
            f"a small strain takes no work: smallest stiffness {stiffness:.1e} of the largest "
            "entry; are the moduli positive?", f"{stiffness:.1e}", zero,
        )  # fmt: skip
    elif max(sizes.values()) <= REST:
        yield passed(test, "no energy, no stress, and every small strain takes work",
                     f"stiffness {stiffness:.2g}")  # fmt: skip


def _smallest_stiffness(subject: Subject) -> float:
    """Return the smallest eigenvalue of A at rest on strains, relative to its largest entry."""
    A = subject.tangent[0].reshape(9, 9)
    if not np.isfinite(A).all():
        return float("nan")
    strains = []
    for i in range(3):
        for j in range(i, 3):
            strain = np.zeros((3, 3))
            strain[i, j] = strain[j, i] = 1.0
            strains.append(strain.ravel() / np.linalg.norm(strain))
    basis = np.array(strains)
    return float(np.linalg.eigvalsh(basis @ (0.5 * (A + A.T)) @ basis.T)[0]) / subject.stiffness


def positive(subject: Subject) -> Iterator[Finding]:
    """ψ ≥ 0."""
    test = "energy-sign"
    energy = np.where(subject.finite, subject.energy, 0.0)
    ratio = energy / np.maximum(subject.energy_scale, 1e-300)
    ratio = np.where(np.isfinite(ratio), ratio, 0.0)
    moderate = np.array([state.moderate for state in subject.states])
    for status, chosen in ((Status.FAIL, moderate), (Status.WARN, ~moderate)):
        where = np.flatnonzero(chosen & (ratio < -SIGN))
        if len(where):
            k = where[np.argmin(ratio[where])]
            yield subject.finding(
                test, status, Category.NEGATIVE_ENERGY,
                f"ψ = {energy[k]:.3g} at {subject.states[k].name}: the solid gains by deforming",
                f"{energy[k]:.3g}", subject.H[k],
            )  # fmt: skip
            return
    yield passed(test, "ψ ≥ 0 at every state", f"{energy.min():.1g}")


def growth(subject: Subject) -> Iterator[Finding]:
    """ψ grows without bound as J -> 0, all stretches at once or one alone."""
    test = "growth"
    ways = {"all stretches": np.eye(3), "one stretch": np.diag([1.0, 0.0, 0.0])}
    for way, direction in ways.items():
        values = _energies(subject, direction, 1 / 3 if way == "all stretches" else 1.0)
        before, last = values[-2:]
        # No number: the limit of the model lies before, as that of chains which are stretched out.
        if np.isfinite(last) and not last > GROWTH * before:
            yield subject.finding(
                test, Status.WARN, Category.NO_GROWTH,
                f"ψ stays at {last:.3g} as J -> 0 ({way}): a strong compression may turn "
                "elements inside out", f"ψ({VANISHING[-1]:g}) = {last:.3g}",
                (VANISHING[0] - 1) * direction,
            )  # fmt: skip
            return
    yield passed(test, "ψ grows without bound as J -> 0", f"ψ({VANISHING[-1]:g}) = {last:.1e}")


def _energies(subject: Subject, direction: Floats, power: float) -> list[float]:
    """Return ψ where stretches along a diagonal direction are J to a power, for vanishing J."""
    if subject.exact is None:
        # 1 - s is rounded to 1e-16: the smallest J is left out.
        H = np.array([(J**power - 1) * direction for J in VANISHING[:-1]])
        return [float(x) for x in subject.doubles.energy(H)]
    with mpmath.workdps(DIGITS):
        changes = [mpmath.mpf(J) ** power - 1 for J in VANISHING]
        return [float(subject.exact.energy(change * direction)) for change in changes]

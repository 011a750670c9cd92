"""Tests of rotations: of space, and of the material before it is deformed."""

from collections.abc import Iterator

import numpy as np

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import Floats
from elastane.materials.audit.states import generic, random_rotations, rotation
from elastane.materials.audit.subject import Subject, largest, not_applicable, passed

#: Relative to the size of stress and stiffness times stretch: rounding of the turned F is 1e-15 of
#: it, and exponentials multiply that.
ROUNDING = 1e-11

NUM_ROTATIONS = 3

#: Two unit vectors are parallel up to this.
PARALLEL = 1e-9


def objectivity(subject: Subject) -> Iterator[Finding]:
    """ψ(QF) = ψ(F) and P(QF) = Q P(F); for small strain ψ(H + W) = ψ(H) for skew W."""
    test = "objectivity"
    if not subject.material.finite_strain:
        yield from _small_rotations(subject, test)
        return
    worst, where = 0.0, subject.H[0]
    for Q in random_rotations(NUM_ROTATIONS, seed=17):
        turned = Q @ subject.H + Q - np.eye(3)
        P = Q @ subject.stress
        error, k = _largest_change(subject, turned, P)
        if not error <= worst:
            worst, where = error, turned[k]
    if not worst <= ROUNDING:
        yield subject.finding(
            test, Status.FAIL, Category.NOT_OBJECTIVE,
            f"a rotation of space changes ψ or P by {worst:.1e}; write ψ as a function of "
            "E = (FᵀF - I)/2 or of C", f"{worst:.1e}", where,
        )  # fmt: skip
    else:
        yield passed(test, "rotations of space change nothing", f"{worst:.0e}")


def _small_rotations(subject: Subject, test: str) -> Iterator[Finding]:
    A = generic(21)
    error, k = _largest_change(subject, subject.H + (A - A.T), subject.stress)
    if not error <= ROUNDING:
        yield subject.finding(
            test, Status.FAIL, Category.NOT_OBJECTIVE,
            f"a small rotation changes ψ or P by {error:.1e}; write ψ as a function of (H + Hᵀ)/2",
            f"{error:.1e}", subject.H[k],
        )  # fmt: skip
    else:
        yield passed(test, "small rotations change nothing; large ones do, as declared",
                     f"{error:.0e}")  # fmt: skip


def material_symmetry(subject: Subject) -> Iterator[Finding]:
    """ψ(F Qᵀ) = ψ(F) for the rotations Q that the material claims."""
    test = "material-symmetry"
    if subject.material.symmetry == "none":
        yield not_applicable(test, "the material claims none")
        return
    rotations = symmetry_group(subject.directions)
    if not rotations:
        yield not_applicable(test, "the fibres leave no rotation to try")
        return
    worst, where = 0.0, subject.H[0]
    for Q in rotations:
        # F Qᵀ - I = H Qᵀ + Qᵀ - I; of small strain, Q H Qᵀ, which is the same up to a rotation.
        finite = subject.material.finite_strain
        turned = subject.H @ Q.T + Q.T - np.eye(3) if finite else Q @ subject.H @ Q.T
        P = subject.stress @ Q.T if finite else Q @ subject.stress @ Q.T
        error, k = _largest_change(subject, turned, P)
        if not error <= worst:
            worst, where = error, turned[k]
    kind = "isotropic" if len(subject.directions) == 0 else "symmetric about its fibres"
    if not worst <= ROUNDING:
        yield subject.finding(
            test, Status.FAIL, Category.MATERIAL_SYMMETRY,
            f"it is declared {kind}, and a rotation of the material changes ψ or P by {worst:.1e}",
            f"{worst:.1e}", where,
        )  # fmt: skip
    else:
        yield passed(test, f"{kind}, as declared", f"{worst:.0e}")


def symmetry_group(directions: Floats) -> list[Floats]:
    """Return rotations that keep the axes of all directions, others than the identity."""
    if len(directions) == 0:
        return list(random_rotations(NUM_ROTATIONS, seed=18))
    axes = [*directions, *(np.cross(a, b) for a in directions for b in directions)]
    axes = [axis for axis in axes if np.linalg.norm(axis) > PARALLEL]
    axes += [np.cross(axes[0], generic(22)[0]) for _ in range(1)]
    candidates = [rotation(axis, angle) for axis in axes for angle in (0.9, np.pi)]
    return [
        Q
        for Q in candidates
        if all(np.linalg.norm(np.cross(Q @ a, a)) < PARALLEL for a in directions)
    ]


def _largest_change(subject: Subject, turned: Floats, P: Floats) -> tuple[float, int]:
    """Return the largest relative change of ψ and P at turned states, and at which."""
    stretches = 1.0 + largest(subject.H)
    stiffness = largest(subject.tangent)
    scale = np.maximum(largest(subject.stress) + stiffness * stretches, 1e-300)
    # ψ changes by P times the rounding of the turned F, and by its own.
    of_energy = np.abs(subject.energy) + scale * stretches
    energy = np.abs(subject.doubles.energy(turned) - subject.energy) / of_energy
    stress = largest(subject.doubles.stress(turned) - P) / scale
    stress = np.where(subject.on_kink, 0.0, stress)
    errors = np.where(subject.finite, np.fmax(energy, stress), 0.0)
    # Where rounding turns a number into none, `branches` says so.
    errors = np.nan_to_num(errors, nan=0.0, posinf=0.0)
    k = int(np.argmax(errors))
    return float(errors[k]), k

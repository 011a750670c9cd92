"""Test of stability: the smallest eigenvalue of the acoustic tensor.

    Q_ik(n) = A_iJkL n_J n_L

Where it is positive for all unit vectors n, the material is strongly elliptic: waves have real
speeds, and no bands of localised shear appear.  The map is over stretches λ₁, λ₂ in plane stress,
P₃₃ = 0, along the axes or, where there are fibres, along the first and across it.

Reference: R. Ogden, Non-linear Elastic Deformations, Dover 1997, section 6.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import Floats, tangent
from elastane.materials.audit.states import perpendicular
from elastane.materials.audit.subject import Subject, largest, passed

#: Stretches of the map, evenly spaced in their logarithm, and how many.
LEAST, MOST, NUM_STRETCHES = 0.3, 3.0, 21

#: Stretches within this factor of rest are where users expect a material to be good.
NEAR_REST = 1.5

#: Unit vectors over half a sphere: the smallest eigenvalue is found to some 1e-2 of it.
NUM_DIRECTIONS = 240

#: Eigenvalues below this part of the largest entry of A are negative, not rounded.
NEGATIVE = -1e-9


@dataclass(frozen=True)
class EllipticityMap:
    """The smallest acoustic eigenvalue over a stretch plane.

    Attributes:
        stretches: λ₁ and λ₂ of the map.
        H: Displacement gradients, shape (λ₁, λ₂, 3, 3); NaN where no λ₃ is free of stress.
        eigenvalues: The smallest eigenvalue at each, Pa.
        region: Largest r such that it is positive where both stretches lie in (1/r, r).
    """

    stretches: Floats
    H: Floats
    eigenvalues: Floats
    region: float


def ellipticity(subject: Subject) -> Iterator[Finding]:
    """The acoustic tensor is positive definite at rest and around it."""
    test = "ellipticity"
    at_rest = float(acoustic_eigenvalues(subject.tangent[:1])[0])
    if not np.isfinite(at_rest):
        yield subject.finding(
            test, Status.FAIL, Category.NOT_FINITE, "the tangent at rest is not a number", "nan",
            subject.H[0],
        )  # fmt: skip
        return
    if at_rest <= 0:
        yield subject.finding(
            test, Status.FAIL, Category.UNSTABLE,
            f"the smallest acoustic eigenvalue at rest is {at_rest:.3g}, not positive",
            f"{at_rest:.3g}", subject.H[0],
        )  # fmt: skip
        return
    found = ellipticity_map(subject)
    figure = f"stretches {1 / found.region:.2f} to {found.region:.2f}"
    bad = found.eigenvalues < 0
    if found.region < NEAR_REST and bad.any():
        k = np.unravel_index(
            np.argmin(np.where(bad, _distance(found.stretches), np.inf)), bad.shape
        )
        yield subject.finding(
            test, Status.WARN, Category.UNSTABLE,
            f"loses ellipticity at stretches {found.stretches[k[0]]:.3g}, "
            f"{found.stretches[k[1]]:.3g} in plane stress: meshes will not converge beyond",
            figure, found.H[k],
        )  # fmt: skip
        return
    yield passed(test, "elliptic in plane stress around rest", figure)


def ellipticity_map(subject: Subject) -> EllipticityMap:
    """Return the map of a material."""
    first = subject.directions[0] if len(subject.directions) else np.array([1.0, 0.0, 0.0])
    second = perpendicular(first)
    axes = np.array([first, second, np.cross(first, second)])
    values = np.geomspace(LEAST, MOST, NUM_STRETCHES)
    one, two = (x.ravel() for x in np.meshgrid(values, values, indexing="ij"))
    H = _plane_stress(subject, axes, one, two)
    A = tangent(subject.doubles, np.where(np.isfinite(H), H, 0.0))
    eigenvalues = np.where(np.isfinite(H[:, 0, 0]), acoustic_eigenvalues(A), np.nan)
    shape = (NUM_STRETCHES, NUM_STRETCHES)
    # Rounding of a large tangent is not a loss of ellipticity.
    floor = np.where(eigenvalues > NEGATIVE * largest(A), np.maximum(eigenvalues, 0.0), eigenvalues)
    eigenvalues = floor.reshape(shape)
    distance = _distance(values)
    bad = eigenvalues < 0
    region = float(np.exp(distance[bad].min())) if bad.any() else MOST
    return EllipticityMap(values, H.reshape(*shape, 3, 3), eigenvalues, region)


def _distance(stretches: Floats) -> Floats:
    logs = np.abs(np.log(stretches))
    return np.maximum.outer(logs, logs)


def _plane_stress(subject: Subject, axes: Floats, one: Floats, two: Floats) -> Floats:
    """Return H of two stretches along two axes and the third for which P₃₃ = 0; NaN without."""
    a, b, c = (np.outer(axis, axis) for axis in axes)
    plane = (one - 1)[:, None, None] * a + (two - 1)[:, None, None] * b

    def stress(third: Floats) -> Floats:
        P = subject.doubles.stress(plane + (third - 1)[:, None, None] * c)
        return np.einsum("i,pij,j->p", axes[2], P, axes[2])

    # The root nearest to that of no change of volume, between brackets that widen.
    guess = 1 / (one * two)
    low, high = guess / 1.2, guess * 1.2
    for _ in range(12):
        low = np.where(stress(low) > 0, low / 1.3, low)
        high = np.where(stress(high) < 0, high * 1.3, high)
    bracketed = (stress(low) <= 0) & (stress(high) >= 0)
    for _ in range(40):
        middle = 0.5 * (low + high)
        negative = stress(middle) < 0
        low, high = np.where(negative, middle, low), np.where(negative, high, middle)
    third = np.where(bracketed, 0.5 * (low + high), np.nan)
    H: Floats = plane + (third - 1)[:, None, None] * c
    return H


def acoustic_eigenvalues(A: Floats) -> Floats:
    """Return the smallest eigenvalue over all directions of each tangent, shape (points,)."""
    n = _half_sphere()
    smallest = np.full(len(A), np.inf)
    good = np.isfinite(A).all(axis=(1, 2, 3, 4))
    Q = np.einsum("piJkL,nJ,nL->pnik", A[good], n, n, optimize=True)
    Q = 0.5 * (Q + Q.transpose(0, 1, 3, 2))
    smallest[good] = np.linalg.eigvalsh(Q)[..., 0].min(axis=1)
    smallest[~good] = np.nan
    return smallest


def _half_sphere() -> Floats:
    """Return unit vectors: the axes, the diagonals between them, and a Fibonacci spiral."""
    k = np.arange(NUM_DIRECTIONS) + 0.5
    z, angle = k / NUM_DIRECTIONS, np.pi * (1 + np.sqrt(5)) * k
    radius = np.sqrt(1 - z * z)
    spiral = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)
    diagonals = np.array([[1, 1, 0], [1, -1, 0], [1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]])
    return np.concatenate([np.eye(3), diagonals / np.sqrt(2.0), spiral])


def draw_map(subject: Subject, path: Path) -> None:
    """Draw the map of a material as PNG.

    Raises:
        ModuleNotFoundError: If matplotlib is missing.
    """
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

    found = ellipticity_map(subject)
    figure = Figure(figsize=(5.4, 4.4), layout="constrained")
    axes = figure.subplots()
    values: NDArray[np.float64] = np.arcsinh(
        found.eigenvalues / np.nanmedian(np.abs(found.eigenvalues))
    )
    most = max(float(np.nanmax(np.abs(values))), 1e-12)
    drawn = axes.pcolormesh(
        found.stretches, found.stretches, values.T, cmap="RdBu",
        norm=TwoSlopeNorm(0.0, -most, most), shading="nearest",
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="stretch λ₁", ylabel="stretch λ₂")
    axes.set_title(f"{subject.material.name}, plane stress")
    ticks = [0.3, 0.5, 1.0, 2.0, 3.0]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{x:g}" for x in ticks])
        axis.set_ticks([], minor=True)
    axes.plot(1, 1, "k+")
    figure.colorbar(drawn, label="smallest acoustic eigenvalue (asinh scale); red: not elliptic")
    figure.savefig(path, dpi=150)

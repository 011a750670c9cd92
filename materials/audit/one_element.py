"""Test of Newton's method on one element: the order in which it converges.

One distorted hexahedron of eight nodes and 2 x 2 x 2 points is stretched and sheared; its side
surfaces are partly free.  With the exact tangent Newton's method ends quadratically.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import Floats, Points
from elastane.materials.audit.subject import Subject, passed

#: Stretch and shear of the element, tried in this order: a stiff material may need less.
LOADS = ((0.1, 0.1), (0.02, 0.03), (0.002, 0.003))

#: A step from r goes to CONSTANT r^ORDER at most once r is NEAR zero, as in r <- C r².
ORDER, CONSTANT, NEAR = 1.8, 100.0, 1e-3

MAX_ITERATIONS = 20

#: Residual at which rounding ends convergence, relative to the first.
ROUNDED = 1e-12

CORNERS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], dtype=float)


def one_element(subject: Subject) -> Iterator[Finding]:
    """Newton's method converges quadratically."""
    test = "newton"
    points: Points = subject.compiled() or subject.doubles
    for stretch, shear in LOADS:
        residuals = solve(points, stretch, shear)
        if residuals is None:
            continue
        figure = " ".join(f"{r:.0e}" for r in residuals)
        slow = slowest_step(residuals)
        if slow is None:
            yield passed(test, f"converges in {len(residuals) - 1} iterations", figure)
            return
        H = np.diag([stretch, 0.0, 0.0])
        H[1, 0] = shear
        yield subject.finding(
            test, Status.FAIL, Category.NO_CONVERGENCE,
            f"a step of Newton's method goes from {slow[0]:.0e} to {slow[1]:.0e} only: the tangent "
            "is not the derivative of the stress, or it jumps", figure, H,
        )  # fmt: skip
        return
    yield subject.finding(
        test, Status.FAIL, Category.NO_CONVERGENCE,
        "Newton's method does not converge on one element, however small the load", "",
        np.diag([LOADS[-1][0], 0.0, 0.0]),
    )  # fmt: skip


def slowest_step(residuals: list[float]) -> tuple[float, float] | None:
    """Return the residuals before and after a step that is slower than quadratic; None without.

    Relative to the first; far from the limit nothing is asked, and rounding ends convergence.
    """
    relative = [residual / max(residuals[0], 1e-300) for residual in residuals]
    for before, after in pairwise(relative):
        if before <= NEAR and after > max(CONSTANT * before**ORDER, ROUNDED):
            return before, after
    return None


def solve(points: Points, stretch: float, shear: float) -> list[float] | None:
    """Return the norms of the residual on the way to equilibrium; None if there is none found."""
    X = 0.5 * (1 + CORNERS) + 0.07 * np.sin(3.0 * np.arange(24).reshape(8, 3))
    gradients, weights = _shape_gradients(X)
    u, free = _boundary(stretch, shear)
    norms: list[float] = []
    for _ in range(MAX_ITERATIONS):
        H = np.einsum("ai,paJ->piJ", u, gradients)
        if np.linalg.det(np.eye(3) + H).min() <= 0:
            return None
        P = points.stress(H)
        residual = np.einsum("p,piJ,paJ->ai", weights, P, gradients)[free]
        if not np.isfinite(residual).all():
            return None
        norms.append(float(np.linalg.norm(residual)))
        if norms[-1] <= max(ROUNDED * 1e-3 * norms[0], 1e-300):
            return norms
        if len(norms) > 4 and norms[-1] <= ROUNDED * norms[0] and norms[-1] > 0.1 * norms[-2]:
            return norms
        K = _stiffness(points, H, gradients, weights)[np.ix_(free.ravel(), free.ravel())]
        try:
            step = np.linalg.solve(K, -residual)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all():
            return None
        u[free] += step
    return norms if norms[-1] <= 1e-6 * norms[0] else None


def _boundary(
    stretch: float, shear: float
) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Return displacements with the prescribed ones set, and which components are free."""
    right, bottom = CORNERS[:, 0] > 0, CORNERS[:, 2] < 0
    u = np.zeros((8, 3))
    u[right, 0] = stretch
    u[right, 1] = shear
    free = np.zeros((8, 3), dtype=bool)
    # The top is free to sink, and its right edge to move sideways.
    free[~bottom, 2] = True
    free[right & ~bottom, 1] = True
    return u, free


def _shape_gradients(X: Floats) -> tuple[Floats, Floats]:
    """Return ∂N_a/∂X_J at the points, shape (points, 8, 3), and their weights times det dX/dξ."""
    xi = CORNERS / np.sqrt(3.0)
    one = 1 + xi[:, None, :] * CORNERS[None]
    dN = np.stack(
        [CORNERS[None, :, d] * np.prod(np.delete(one, d, axis=2), axis=2) / 8 for d in range(3)],
        axis=2,
    )  # (points, 8, 3), by ξ
    dX = np.einsum("ai,pad->pid", X, dN)
    return dN @ np.linalg.inv(dX), np.linalg.det(dX)


def _stiffness(points: Points, H: Floats, gradients: Floats, weights: Floats) -> Floats:
    """Return the matrix of the element, shape (24, 24)."""
    from elastane.materials.audit.points import tangent

    A = tangent(points, H)
    K = np.einsum("p,piJkL,paJ,pbL->aibk", weights, A, gradients, gradients, optimize=True)
    return K.reshape(24, 24)

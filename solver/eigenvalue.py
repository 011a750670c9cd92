"""The largest eigenvalue of the preconditioned operator, from few applies.

With Jacobi's preconditioner, locally optimal conjugate gradients for A x = λ D x: each iteration
finds the largest λ in the span of x, the preconditioned residual and the last step.  One apply per
iteration, as Lanczos' method, but what it keeps is a single vector, from which a later estimate
goes on.

With another preconditioner, of which only the product with a vector is known, Lanczos' method as
conjugate gradients do it; the vector of the largest Ritz value is where a later estimate begins.

References: A. Knyazev, Toward the optimal preconditioned eigensolver, SIAM J. Sci. Comput. 23
(2001) 517-541; Y. Saad, Iterative methods for sparse linear systems, SIAM 2003, section 6.7.3.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.solver.passes import bound, passes

Floats = NDArray[np.float64]
Vector = NDArray[Any]


def largest_eigenvalue(
    apply: Callable[[Vector, Vector], None],
    S: Vector,
    counted: Vector,
    total: Callable[[Floats], Floats],
    x: Vector,
    iterations: int,
) -> float:
    """Return a lower bound of the largest eigenvalue that gets close to it; collective.

    Args:
        apply: Adds A times its first argument to the second.
        S: 1/D, zero at prescribed components.
        counted: 1 for the unknowns of this rank, else 0; S must not be zero where it is 1.
        total: Sums an array over ranks.
        x: Vector to start from, zero where S is; overwritten by the eigenvector.
        iterations: Each applies A once; one more apply is needed at the start.
    """
    # Rows: the iterate, the residual, the last step.
    V, AV = np.zeros((2, 3, len(x)), x.dtype)
    sums = np.zeros((2, 3, 3))
    functions = passes(x.dtype)
    add_up = bound(functions.span_products, len(x), counted, S, V, AV, sums)
    advance = bound(functions.span_advance, len(x), S, V, AV)
    V[0] = x
    apply(V[0], AV[0])
    for iteration in range(iterations + 1):
        add_up()
        value, coefficients = _largest_in_span(*total(sums))
        advance(*coefficients, value)
        if iteration < iterations:
            apply(V[1], AV[1])
    x[:] = V[0]
    return value


def largest_by_lanczos(
    apply: Callable[[Vector, Vector], None],
    precondition: Callable[[Vector, Vector], None],
    counted: Vector,
    total: Callable[[float], float],
    x: Vector,
    iterations: int,
) -> float:
    """Return a lower bound of the largest eigenvalue of M A that gets close to it; collective.

    Args:
        apply: Adds A times its first argument to the second.
        precondition: Sets its second argument to M times the first.
        counted: 1 for the unknowns of this rank, else 0.
        total: Sums a number over ranks.
        x: Vector to start from, zero at prescribed components; overwritten by the Ritz vector.
        iterations: Each applies A and M once; one more apply of each is needed at the start.
    """

    def dot(a: Vector, b: Vector) -> float:
        return total(float(np.dot(counted * a, b)))

    r, z = np.zeros((2, len(x)), x.dtype)
    apply(x, r)
    precondition(r, z)
    p, rho = z.copy(), dot(r, z)
    basis: list[Vector] = []
    steps: list[float] = []
    ratios: list[float] = []
    while len(steps) < iterations and rho > 0.0:
        image = np.zeros_like(p)
        apply(p, image)
        curvature = dot(p, image)
        if not curvature > 0.0:
            break
        basis.append(z / np.sqrt(rho))
        steps.append(rho / curvature)
        r -= steps[-1] * image
        precondition(r, z)
        before, rho = rho, dot(r, z)
        ratios.append(rho / before)
        p *= ratios[-1]
        p += z
    if not steps:
        # Without unknowns it is 1; without a positive tangent there is none.
        return 1.0 if rho == 0.0 else np.nan
    a, b = np.array(steps), np.array(ratios)
    T = np.diag(1.0 / a) + np.diag(np.r_[0.0, b[:-1] / a[:-1]])
    T += np.diag(np.sqrt(b[:-1]) / a[:-1], 1) + np.diag(np.sqrt(b[:-1]) / a[:-1], -1)
    values, vectors = np.linalg.eigh(T)
    # Residuals of conjugate gradients are Lanczos' vectors but for the sign.
    x[:] = sum(
        (-1.0) ** k * c * v for k, (c, v) in enumerate(zip(vectors[:, -1], basis, strict=True))
    )
    return float(values[-1])


def _largest_in_span(stiffness: Floats, mass: Floats) -> tuple[float, Floats]:
    """Return the largest eigenvalue of a small pencil and its vector, of unit mass norm.

    Where there is nothing, on a level without unknowns, it is 1 and the vector zero; where an apply
    overflowed, it is NaN.
    """
    if not (np.isfinite(stiffness).all() and np.isfinite(mass).all()):
        return np.nan, np.zeros(len(mass))
    norms = np.sqrt(np.maximum(np.diag(mass), np.finfo(float).tiny))
    scales = 1.0 / np.outer(norms, norms)
    weights, vectors = np.linalg.eigh(mass * scales)
    # Directions that are in the span twice would be nothing but rounding, of single precision.
    kept = weights > 1e-5 * max(weights[-1], 0.0)
    if not kept.any():
        return 1.0, np.zeros(len(norms))
    to_span = vectors[:, kept] / np.sqrt(weights[kept])
    symmetric = 0.5 * (stiffness + stiffness.T) * scales
    values, inner = np.linalg.eigh(to_span.T @ symmetric @ to_span)
    return float(values[-1]), to_span @ inner[:, -1] / norms

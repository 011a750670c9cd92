"""The largest eigenvalue of the Jacobi-preconditioned operator, from few applies.

Locally optimal conjugate gradients for A x = λ D x: each iteration finds the largest λ in the span
of x, the preconditioned residual and the last step.  One apply per iteration, as Lanczos' method,
but what it keeps is a single vector, from which a later estimate goes on.

Reference: A. Knyazev, Toward the optimal preconditioned eigensolver, SIAM J. Sci. Comput. 23 (2001)
517-541.
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


def _largest_in_span(stiffness: Floats, mass: Floats) -> tuple[float, Floats]:
    """Return the largest eigenvalue of a small pencil and its vector, of unit mass norm.

    Where there is nothing, on a level without unknowns, it is 1 and the vector zero.
    """
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

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

Floats = NDArray[np.float64]
Vector = NDArray[Any]


def largest_eigenvalue(
    apply: Callable[[Vector], Vector],
    inverse_diagonal: Vector,
    products: Callable[[Vector, Vector], Floats],
    x: Vector,
    iterations: int,
) -> float:
    """Return a lower bound of the largest eigenvalue that gets close to it; collective.

    Args:
        apply: Returns A x.
        inverse_diagonal: 1/D; unknowns where it is zero do not count.
        products: Returns the inner products of each row of an array with each row of another.
        x: Vector to start from, zero where the inverse diagonal is; overwritten by the eigenvector.
        iterations: Each applies A once; one more apply is needed at the start.
    """
    diagonal = np.divide(1.0, inverse_diagonal, where=inverse_diagonal > 0.0, out=0.0 * x)
    basis = x[None].copy()
    images = apply(x)[None]
    for iteration in range(iterations + 1):
        value, coefficients = _largest_in_span(
            products(basis, images), products(basis, diagonal * basis)
        )
        # The precision of the vectors stays theirs.
        weights = coefficients.astype(x.dtype)
        steps, step_images = weights[1:] @ basis[1:], weights[1:] @ images[1:]
        x[:] = weights[0] * basis[0] + steps
        if iteration == iterations:
            break
        image = weights[0] * images[0] + step_images
        residual = inverse_diagonal * image - x.dtype.type(value) * x
        more = [(steps, step_images)] if iteration else []
        pairs = [(x, image), (residual, apply(residual)), *more]
        basis, images = (np.stack(vectors) for vectors in zip(*pairs, strict=True))
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

"""The largest eigenvalue of the preconditioned operator, from few applies.

Lanczos' method as conjugate gradients do it; the vector of the largest Ritz value is where a later
estimate begins.

Reference: Y. Saad, Iterative methods for sparse linear systems, SIAM 2003, section 6.7.3.
"""

from collections.abc import Callable

import numpy as np

from elastane.solver.memory import Memory, Vector


def largest_eigenvalue(
    memory: Memory,
    apply: Callable[[Vector, Vector], None],
    precondition: Callable[[Vector, Vector], None],
    counted: Vector,
    total: Callable[[float], float],
    x: Vector,
    iterations: int,
) -> float:
    """Return a lower bound of the largest eigenvalue of M A that gets close to it; collective.

    Args:
        memory: Where the vectors lie.
        apply: Adds A times its first argument to the second.
        precondition: Sets its second argument to M times the first.
        counted: 1 for the unknowns of this rank, else 0.
        total: Sums a number over ranks.
        x: Vector to start from, zero at prescribed components; overwritten by the Ritz vector.
        iterations: Each applies A and M once; one more apply of each is needed at the start.

    Returns:
        1 without unknowns, NaN where A is not positive.
    """
    size, dtype = counted.size, counted.dtype
    functions, bound = memory.functions("cycle", dtype), memory.bound
    product = memory.zeros(1, np.float64)

    def dot(a: Vector, b: Vector) -> float:
        memory.clear(product)
        bound(functions.dot, size, counted, a, b, product)()
        return total(float(memory.read(product)[0]))

    r, p = (memory.zeros(size, dtype) for _ in range(2))
    z, image = (memory.zeros(size, dtype) for _ in range(2))
    apply(x, r)
    precondition(r, z)
    memory.copy(z, p)
    rho = dot(r, z)
    basis: list[tuple[Vector, float]] = []
    steps: list[float] = []
    ratios: list[float] = []
    while len(steps) < iterations and rho > 0.0:
        memory.clear(image)
        apply(p, image)
        curvature = dot(p, image)
        if not curvature > 0.0:
            break
        steps.append(rho / curvature)
        basis.append((z, 1.0 / np.sqrt(rho)))
        bound(functions.add_scaled, size, image, r)(-steps[-1])
        z = memory.zeros(size, dtype)
        precondition(r, z)
        before, rho = rho, dot(r, z)
        ratios.append(rho / before)
        bound(functions.scale_and_add, size, z, p)(ratios[-1])
    if not steps:
        return 1.0 if rho == 0.0 else np.nan
    a, b = np.array(steps), np.array(ratios)
    T = np.diag(1.0 / a) + np.diag(np.r_[0.0, b[:-1] / a[:-1]])
    T += np.diag(np.sqrt(b[:-1]) / a[:-1], 1) + np.diag(np.sqrt(b[:-1]) / a[:-1], -1)
    values, vectors = np.linalg.eigh(T)
    # Residuals of conjugate gradients are Lanczos' vectors but for the sign.
    memory.clear(x)
    for k, (coefficient, (vector, scale)) in enumerate(zip(vectors[:, -1], basis, strict=True)):
        bound(functions.add_scaled, size, vector, x)((-1.0) ** k * coefficient * scale)
    return float(values[-1])

"""The polynomials of Chebyshev smoothers, as coefficients of their steps.

Polynomials of the first kind are the smallest ones between a lower bound and the upper bound λ of
the eigenvalues.  Those of the fourth kind need no lower bound: they are the best for the worst case
of a two-level cycle whose coarse grid represents all low modes.

That of a p-multigrid does not: p = 1 on the same elements misses modes far down the spectrum, and
the first kind with a low bound needs fewer iterations (Schwarz-P shell, p = 2, degree 3, Jacobi: 12
against 14).

References: Y. Saad, Iterative methods for sparse linear systems, SIAM 2003, algorithm 12.1;
J. Lottes, Optimal polynomial smoothers for multigrid V-cycles, Numer. Linear Algebra Appl. 30
(2023) e2518; M. Phillips, P. Fischer, Optimal Chebyshev smoothers and one-sided V-cycles,
arXiv:2210.03179.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: Lower bound of the first kind over the upper one, by measured iterations.
LOWER = 0.06

#: Optimal weights w by degree (Phillips and Fischer, table 1).
WEIGHTS = {
    1: (1.12500000000000,),
    2: (1.02387287570313, 1.26408905371085),
    3: (1.00842544782028, 1.08867839208730, 1.33753125909618),
    4: (1.00391310427285, 1.04035811188593, 1.14863498546254, 1.38268869241000),
    5: (1.00212930146164, 1.02173711549260, 1.07872433192603, 1.19810065292663, 1.41322542791682),
    6: (
        1.00128517255940,
        1.01304293035233,
        1.04678215124113,
        1.11616489419675,
        1.23829020218444,
        1.43524297106744,
    ),
}


#: Degrees of the smoother where none is given: the first one, and that for slow solves.  On easy
#: problems degree 2 saves no iteration and costs a third more.  On hard ones it saves a fifth (thin
#: walls, which then take as long) to a half (nearly incompressible solids); degree 3 costs what it
#: saves.
DEGREES = (1, 2)


@dataclass(frozen=True)
class Step:
    """Coefficients of one step for λ = 1: weight w of the step, and c and a of its direction."""

    weight: float
    keep: float
    scale: float


def first_kind(degree: int, lower: float = LOWER) -> list[Step]:
    """Return the polynomial of the first kind on [lower, 1]."""
    center, radius = 0.5 * (1.0 + lower), 0.5 * (1.0 - lower)
    rho = radius / center
    steps = [Step(1.0, 0.0, 1.0 / center)]
    for _ in range(degree - 1):
        before, rho = rho, 1.0 / (2.0 * center / radius - rho)
        steps.append(Step(1.0, rho * before, 2.0 * rho / radius))
    return steps


def fourth_kind(degree: int) -> list[Step]:
    """Return the polynomial of the fourth kind; its weights are optimal up to degree 6."""
    weights = WEIGHTS.get(degree, (1.0,) * degree)
    return [
        Step(weight, (2 * k - 1) / (2 * k + 3) if k else 0.0, (8 * k + 4) / (2 * k + 3))
        for k, weight in enumerate(weights)
    ]


#: The polynomials of a degree, by the name in the job file.
SMOOTHERS: Mapping[str, Callable[[int], list[Step]]] = {
    "chebyshev-first": first_kind,
    "chebyshev-fourth": fourth_kind,
}

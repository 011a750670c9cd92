"""Chebyshev smoothing on the preconditioned operator.

With a preconditioner S, λ an upper bound of the eigenvalues of S A, and r = b - A x,
the steps

    d₀ = a₀/λ S r₀,  x_{k+1} = x_k + w_k d_k,  r_{k+1} = r_k - A d_k,
    d_{k+1} = c_{k+1} d_k + a_{k+1}/λ S r_{k+1}

make the error a polynomial of degree m in S A after m steps.  Polynomials of the first kind are the
smallest ones between a lower bound and λ.  Those of the fourth kind need no lower bound: they are
the best for the worst case of a two-level cycle whose coarse grid represents all low modes.

That of a p-multigrid does not: p = 1 on the same elements misses modes far down the spectrum, and
the first kind with a low bound needs fewer iterations (Schwarz-P shell, p = 2, degree 3, Jacobi: 12
against 14).

References: Y. Saad, Iterative methods for sparse linear systems, SIAM 2003, algorithm 12.1;
J. Lottes, Optimal polynomial smoothers for multigrid V-cycles, Numer. Linear Algebra Appl. 30
(2023) e2518; M. Phillips, P. Fischer, Optimal Chebyshev smoothers and one-sided V-cycles,
arXiv:2210.03179.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elastane.solver.fast_diagonal import FastDiagonal
from elastane.solver.passes import bound, passes

#: Adds the operator applied to its first argument to the second, whole at shared nodes.
Apply = Callable[[NDArray[Any], NDArray[Any]], None]

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


class Chebyshev:
    """The smoother of one level: its vectors, and the passes over them.

    Args:
        size: Entries of an L-vector.
        dtype: Precision.
        steps: Coefficients of the polynomial.
        elements: The preconditioner S; None for Jacobi.

    Attributes:
        b, x: Right-hand side and iterate, flat L-vectors.
        r, d: Residual and step.
        y: What the operator adds to; zero between the methods.
        S: Inverse diagonal, zero at prescribed components, which keeps them zero in x and d: the
            preconditioner if it is Jacobi's.
        W: Weights of the residual that goes to the coarser level.
        bound: Upper bound λ of the eigenvalues.
    """

    def __init__(
        self,
        size: int,
        dtype: DTypeLike,
        steps: list[Step],
        elements: FastDiagonal | None = None,
    ) -> None:
        self.bound = np.nan
        self._elements = elements
        self._steps = steps
        vectors: list[NDArray[Any]] = [np.zeros(size, dtype) for _ in range(7)]
        self.b, self.x, self.r, self.d, self.y, self.S, self.W = b, x, r, d, y, S, W = vectors
        c = passes(dtype)
        self._from_zero = bound(c.from_zero, size, b, S, x, r, d)
        self._from_product = bound(c.from_product, size, b, S, y, r, d)
        self._step = bound(c.step, size, S, x, r, d, y)
        self._finish = bound(c.finish, size, x, d)
        self.add = bound(c.add, size, x, y)
        self._weighted_residual = bound(c.weighted_residual, size, b, W, y, r)
        if elements:
            self._lengthen = bound(c.lengthen, size, elements.W, y, d)

    def smooth_from_zero(self, apply: Apply) -> None:
        """Set x to the smoothed zero; applies the operator one time less than the degree."""
        self._take(self._from_zero, scale=self._steps[0].scale)
        self._further_steps(apply)

    def smooth(self, apply: Apply) -> None:
        """Smooth x; applies the operator as often as the degree says."""
        apply(self.x, self.y)
        self._take(self._from_product, scale=self._steps[0].scale)
        self._further_steps(apply)

    def _further_steps(self, apply: Apply) -> None:
        for step, following in itertools.pairwise(self._steps):
            apply(self.d, self.y)
            self._take(self._step, step.weight, following.keep, scale=following.scale)
        self._finish(self._steps[-1].weight)

    def _take(self, step: Callable[..., None], *numbers: float, scale: float) -> None:
        """Take a step along scale/λ S r; Jacobi's S is part of its pass over memory."""
        if self._elements is None:
            step(*numbers, scale / self.bound)
        else:
            step(*numbers, 0.0)
            self._elements.apply(self.r, self.y)
            self._lengthen(scale / self.bound)

    def weigh_residual(self, apply: Apply) -> None:
        """Set r to W (b - A x)."""
        apply(self.x, self.y)
        self._weighted_residual()

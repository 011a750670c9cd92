"""Chebyshev smoothing on the preconditioned operator.

With a preconditioner S, λ an upper bound of the eigenvalues of S A, and r = b - A x,
the steps

    d₀ = a₀/λ S r₀,  x_{k+1} = x_k + w_k d_k,  r_{k+1} = r_k - A d_k,
    d_{k+1} = c_{k+1} d_k + a_{k+1}/λ S r_{k+1}

make the error a polynomial of degree m in S A after m steps: one of `polynomials.py`.
"""

import itertools
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from elastane.solver.memory import HOST, Memory, Vector
from elastane.solver.polynomials import Step

#: Adds the operator applied to its first argument to the second, whole at shared nodes.
Apply = Callable[[Vector, Vector], None]


class Preconditioner(Protocol):
    """A preconditioner M of a smoother that is more than a diagonal.

    Attributes:
        W: Weights, such that M = W (W⁻¹ M); flat.
    """

    W: Vector

    def apply(self, r: Vector, y: Vector) -> None:
        """Add W⁻¹ M r to y, which must be zero at shared nodes; collective."""

    def precondition(self, r: Vector, z: Vector) -> None:
        """Set z to M r; collective."""


class Chebyshev:
    """The smoother of one level: its vectors, and the passes over them.

    Args:
        size: Entries of an L-vector.
        dtype: Precision.
        steps: Coefficients of the polynomial, see the attributes.
        elements: The preconditioner S; None for Jacobi.
        memory: Where the vectors lie.

    Attributes:
        steps: Coefficients of the polynomial; others may take their place between two calls.
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
        elements: Preconditioner | None = None,
        memory: Memory = HOST,
    ) -> None:
        self.bound = np.nan
        self._elements = elements
        self.steps = steps
        vectors: list[Vector] = [memory.zeros(size, dtype) for _ in range(7)]
        self.b, self.x, self.r, self.d, self.y, self.S, self.W = b, x, r, d, y, S, W = vectors
        c, bound = memory.functions("cycle", dtype), memory.bound
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
        self._take(self._from_zero, scale=self.steps[0].scale)
        self._further_steps(apply)

    def smooth(self, apply: Apply) -> None:
        """Smooth x; applies the operator as often as the degree says."""
        apply(self.x, self.y)
        self._take(self._from_product, scale=self.steps[0].scale)
        self._further_steps(apply)

    def _further_steps(self, apply: Apply) -> None:
        for step, following in itertools.pairwise(self.steps):
            apply(self.d, self.y)
            self._take(self._step, step.weight, following.keep, scale=following.scale)
        self._finish(self.steps[-1].weight)

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

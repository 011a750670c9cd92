"""Prolongation and multigrid restriction between two degrees on the same elements.

A coarse function is continuous: every element around a node finds the same value there, and
prolongation may take any of them, without a word between ranks.  The transpose adds up what all
elements around a node have; weights 1/m, for m elements, make up for it.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.solver.exchange import Exchange
from elastane.solver.fused.schedule import VECTOR_BYTES
from elastane.solver.log import logged
from elastane.solver.passes import bound, library
from elastane.solver.space import Space

Vector = NDArray[Any]


class Transfer(Protocol):
    """The way from a level to what lies below it and back.

    Attributes:
        weights: What the residual of the level is multiplied by before it goes down, flat.
    """

    weights: Vector

    def restrict(self, r: Vector, b: Vector) -> None:
        """Set b below to the restriction of the weighted residual r; collective."""

    def prolong(self, x: Vector, y: Vector) -> None:
        """Set y to the prolongation of x below."""


class Interpolation:
    """The transfer between two degrees.

    Args:
        coarse, fine: Spaces of the two levels.
        coarse_exchange, fine_exchange: Sums over their ranks, in the precision of the vectors.

    Attributes: see `Transfer`.
    """

    def __init__(
        self, coarse: Space, fine: Space, coarse_exchange: Exchange, fine_exchange: Exchange
    ) -> None:
        dtype = fine_exchange.dtype
        self.weights = _inverse_multiplicity(fine, fine_exchange)
        self._exchange = coarse_exchange
        self._num_elements = len(fine.nodes)
        self._coarse, self._fine = (
            np.ascontiguousarray(space.nodes, dtype=np.int32) for space in (coarse, fine)
        )
        nodes = (gauss_lobatto(space.degree + 1)[0] for space in (coarse, fine))
        matrix = interpolation(*nodes)
        # A corner takes the value of the corner exactly: nothing leaks from facets with supports.
        matrix[np.abs(matrix) < 1e-14] = 0.0
        rows = ", ".join("{" + ", ".join(repr(float(x)) for x in row) + "}" for row in matrix)
        prelude = (
            f"#define LANES {VECTOR_BYTES // dtype.itemsize}\n"
            f"#define NC {coarse.degree + 1}\n#define NF {fine.degree + 1}\n"
            f"static const real B[NF][NC] = {{{rows}}};\n"
        )
        self._functions = library("transfer", dtype, prelude)

    @logged("transfer")
    def restrict(self, r: Vector, b: Vector) -> None:
        """Set b to the restriction of the weighted residual r; collective."""
        b[:] = 0.0
        self._call(self._functions.restrict_add, r, b)
        self._exchange.sum(b)

    @logged("transfer")
    def prolong(self, x: Vector, y: Vector) -> None:
        """Set y to the prolongation of x."""
        self._call(self._functions.prolong, x, y)

    def _call(self, function: Any, source: Vector, target: Vector) -> None:
        bound(function, self._num_elements, self._coarse, self._fine, source, target)()


class SameSpace:
    """The transfer where below is a solver on the same space, without prescribed components."""

    def __init__(self, space: Space, dtype: np.dtype[Any]) -> None:
        self.weights = (~space.prescribed).astype(dtype).reshape(-1)

    def restrict(self, r: Vector, b: Vector) -> None:
        """Copy r to b."""
        b[:] = r

    def prolong(self, x: Vector, y: Vector) -> None:
        """Copy x to y."""
        y[:] = x


def _inverse_multiplicity(space: Space, exchange: Exchange) -> Vector:
    """Return 1/m for m elements around a node, 0 at prescribed components; collective."""
    counts = np.bincount(space.nodes.reshape(-1), minlength=space.num_nodes)
    multiplicity = np.repeat(counts[:, None], 3, axis=1).astype(exchange.dtype)
    exchange.sum(multiplicity)
    weights = np.where(space.prescribed, 0.0, 1.0 / multiplicity)
    return weights.astype(exchange.dtype).reshape(-1)

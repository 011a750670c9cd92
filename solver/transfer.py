"""Prolongation and multigrid restriction between two degrees on the same elements.

A coarse function is continuous: every element around a node finds the same value there, and
prolongation may take any of them, without a word between ranks.  The transpose adds up what all
elements around a node have; weights 1/m, for m elements, make up for it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.lagrange import nodal_interpolation
from elastane.solver.exchange import Exchange
from elastane.solver.fused.schedule import VECTOR_BYTES
from elastane.solver.log import logged
from elastane.solver.memory import Memory, Vector
from elastane.solver.passes import bound, library
from elastane.solver.space import Space


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
        memory = fine_exchange.memory
        self.weights = memory.take(_inverse_multiplicity(fine, fine_exchange))
        self._exchange, self._memory = coarse_exchange, memory
        nodes = [memory.take(space.nodes.astype(np.int32)) for space in (coarse, fine)]
        self._restrict_add, self._prolong = self._bind(coarse, fine, dtype, nodes)

    def _bind(
        self, coarse: Space, fine: Space, dtype: np.dtype[Any], nodes: list[Vector]
    ) -> tuple[Callable[[Vector, Vector], None], Callable[[Vector, Vector], None]]:
        """Return the functions of source and target vectors: `restrict_add` and `prolong`.

        Args:
            coarse: The coarse space.
            fine: The fine space.
            dtype: Precision of the vectors.
            nodes: Node numbers of the elements of both spaces.
        """
        matrix = nodal_interpolation(coarse.degree, fine.degree)
        rows = ", ".join("{" + ", ".join(repr(float(x)) for x in row) + "}" for row in matrix)
        prelude = (
            f"#define LANES {VECTOR_BYTES // dtype.itemsize}\n"
            f"#define NC {coarse.degree + 1}\n#define NF {fine.degree + 1}\n"
            f"static const real B[NF][NC] = {{{rows}}};\n"
        )
        functions, num_elements = library("transfer", dtype, prelude), len(fine.nodes)

        def restrict_add(r: Vector, b: Vector) -> None:
            bound(functions.restrict_add, num_elements, *nodes, r, b)()

        def prolong(x: Vector, y: Vector) -> None:
            bound(functions.prolong, num_elements, *nodes, x, y)()

        return restrict_add, prolong

    @logged("transfer")
    def restrict(self, r: Vector, b: Vector) -> None:
        """Set b to the restriction of the weighted residual r; collective."""
        self._memory.clear(b)
        self._restrict_add(r, b)
        self._exchange.sum(b)

    @logged("transfer")
    def prolong(self, x: Vector, y: Vector) -> None:
        """Set y to the prolongation of x."""
        self._prolong(x, y)


class SameSpace:
    """The transfer where below is a solver on the same space, without prescribed components."""

    def __init__(self, space: Space, dtype: np.dtype[Any], memory: Memory) -> None:
        self.weights = memory.take((~space.prescribed).astype(dtype).reshape(-1))
        self._memory = memory

    def restrict(self, r: Vector, b: Vector) -> None:
        """Copy r to b."""
        self._memory.copy(r, b)

    def prolong(self, x: Vector, y: Vector) -> None:
        """Copy x to y."""
        self._memory.copy(x, y)


def _inverse_multiplicity(space: Space, exchange: Exchange) -> NDArray[Any]:
    """Return 1/m for m elements around a node, 0 at prescribed components; collective."""
    counts = np.bincount(space.nodes.reshape(-1), minlength=space.num_nodes)
    multiplicity = exchange.sum_values(np.repeat(counts[:, None], 3, axis=1))
    weights = np.where(space.prescribed, 0.0, 1.0 / multiplicity)
    return weights.astype(exchange.dtype).reshape(-1)

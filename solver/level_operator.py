"""What the multigrid cycle asks of a level, and the level that libCEED applies.

The vectors are L-vectors: all components of all nodes of the rank, three per node.  An operator
adds the part of this rank's elements; the cycle sums shared nodes.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elastane.solver.ceed import Ceed, CeedOperator, shared_vector
from elastane.solver.memory import Vector
from elastane.solver.space import Space
from elastane.solver.surfaces import PressureLoad

Floats = NDArray[np.float64]


class LevelOperator(Protocol):
    """The Jacobian of one level on this rank.

    Attributes:
        dtype: Precision of the vectors.
    """

    dtype: np.dtype[Any]

    def update(self, u: Floats) -> None:
        """Take over the state of the displacement L-vector of the finest level, (num_nodes, 3)."""

    def apply_add(self, x: Vector, y: Vector) -> None:
        """Add the Jacobian times x to y; flat arrays of 3 num_nodes numbers."""

    def add_diagonal(self, diagonal: Vector) -> None:
        """Add this rank's part of the diagonal, also at prescribed components."""


class LevelTangent(Protocol):
    """What follower loads on a surface add to the Jacobian of a level."""

    def update(self) -> None:
        """Take over the geometry and the pressure of the last residual."""

    def apply_add(self, x: Vector, y: Vector) -> None:
        """Add the tangent times x to y; flat L-vectors."""

    def add_diagonal(self, diagonal: Vector) -> None:
        """Add its diagonal."""


class CoarseSolver(Protocol):
    """An approximate solver of the p = 1 problem, linear and symmetric.

    Attributes:
        needs_smoothing: Whether it is but the correction from a coarser level, and the cycle
            smooths the p = 1 problem.
    """

    @property
    def needs_smoothing(self) -> bool:
        """Return `needs_smoothing`."""

    def update(self) -> None:
        """Take note of a new state; collective."""

    def rebuild(self) -> None:
        """Set up everything at the present state; collective."""

    def apply(self, r: Vector, x: Vector) -> None:
        """Set x to the approximate solution for r; collective.

        Both are flat L-vectors of one precision, in which shared nodes have their whole value on
        each rank; x is zero at prescribed components.
        """


class CeedLevel:
    """A level that libCEED applies, at the state that the residual stores and in double.

    Args:
        ceed: The libCEED context.
        space: The space of the level.
        lasting: Returns the terms of the Jacobian as operators that last; asked at the first apply.
        transient: Yields them as operators over ranges of elements.
    """

    def __init__(
        self,
        ceed: Ceed,
        space: Space,
        lasting: Callable[[Space], list[CeedOperator]],
        transient: Callable[[Space], Iterator[CeedOperator]],
    ) -> None:
        self.dtype = np.dtype(np.float64)
        self._space = space
        self._lasting, self._transient = lasting, transient
        self._terms: list[CeedOperator] | None = None
        self._x, self._y = np.zeros((2, 3 * space.num_nodes))
        self._ceed_x, self._ceed_y = (shared_vector(ceed, v) for v in (self._x, self._y))

    def update(self, u: Floats) -> None:
        """Do nothing: the operators read the stored state."""

    def apply_add(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Add the Jacobian times x to y."""
        if self._terms is None:
            self._terms = self._lasting(self._space)
        self._x[:] = x
        self._y[:] = y
        for term in self._terms:
            term.apply_add(self._ceed_x, self._ceed_y)
        y[:] = self._y

    def add_diagonal(self, diagonal: NDArray[Any]) -> None:
        """Add this rank's part of the diagonal."""
        self._y[:] = 0.0
        for term in self._transient(self._space):
            term.linear_assemble_add_diagonal(self._ceed_y)
        diagonal += self._y


class SurfaceTangent:
    """The tangent of a follower load on a level, at the cost of its surface.

    The load sees a space of the nodes on the surface alone, in double.

    Args:
        ceed: The libCEED context.
        load: The load.
        space: The space of the level.
    """

    def __init__(self, ceed: Ceed, load: PressureLoad, space: Space) -> None:
        self._load, self._space = load, space
        self.nodes = np.unique(load.surface.nodes(space))
        self._lasting = self._terms()
        self._x, self._y = np.zeros((2, len(self.nodes), 3))
        self._ceed_x, self._ceed_y = (shared_vector(ceed, v) for v in (self._x, self._y))

    def _terms(self) -> list[CeedOperator]:
        compact = np.zeros(self._space.num_nodes, dtype=np.int64)
        compact[self.nodes] = np.arange(len(self.nodes))
        nodes, X = compact[self._space.nodes], self._space.X[self.nodes]
        return self._load.jacobian(replace(self._space, nodes=nodes, X=X))

    def update(self) -> None:
        """Do nothing: the operators read the geometry and the pressure of the last residual."""

    def apply_add(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Add the tangent times x to y."""
        self._x[:] = x.reshape(-1, 3)[self.nodes]
        self._y[:] = 0.0
        for term in self._lasting:
            term.apply_add(self._ceed_x, self._ceed_y)
        y.reshape(-1, 3)[self.nodes] += self._y

    def add_diagonal(self, diagonal: NDArray[Any]) -> None:
        """Add its diagonal."""
        self._y[:] = 0.0
        # An operator that assembles once more may take the state of the first time.
        for term in self._terms():
            term.linear_assemble_add_diagonal(self._ceed_y)
        diagonal.reshape(-1, 3)[self.nodes] += self._y

"""The correction by aggregates on devices: only halos between ranks touch the hosts."""

from collections.abc import Mapping

import numpy as np

from elastane.solver.coarse_solvers import AggregateSolver
from elastane.solver.device.block_matrix import SIX, Ghosts
from elastane.solver.device.hierarchy import MOST_INVERTED, Hierarchy
from elastane.solver.log import logged
from elastane.solver.memory import Vector
from elastane.solver.preconditioners import gamg


class DeviceAggregateSolver(AggregateSolver):
    """A correction by the rigid motions of aggregates, see `AggregateSolver`."""

    most_factorised = MOST_INVERTED
    smoothed_aggregation: Mapping[str, str] = {
        **gamg.SMOOTHED_AGGREGATION,
        "pc_gamg_coarse_eq_limit": str(MOST_INVERTED),
    }

    def rebuild(self) -> None:
        """Set up for the present state; collective."""
        first = self.aggregates is None
        super().rebuild()
        self._hierarchy = Hierarchy(self.pc, self._memory)
        if first:
            self._find_ghosts()

    def _find_ghosts(self) -> None:
        """Find which motions come from other ranks, and where they belong."""
        aggregates, memory = self.aggregates, self._memory
        assert aggregates is not None, "rebuild() comes first"
        matrix, needed = aggregates.matrix, aggregates.needed
        starts = np.asarray(matrix.getOwnershipRanges(), np.int64) // SIX
        comm = matrix.comm.tompi4py()
        own = (needed >= starts[comm.rank]) & (needed < starts[comm.rank + 1])
        self._ghosts = Ghosts(needed[~own], starts, comm, memory)
        self._places = [
            memory.take((SIX * places[:, None] + np.arange(SIX)).astype(np.int32).reshape(-1))
            for places in (np.flatnonzero(own), np.flatnonzero(~own))
        ]
        self._motions = memory.zeros(aggregates.own_forces.shape, np.float64)
        self._put = memory.functions("blocks", np.float64).put

    @logged("coarse solve")
    def apply(self, r: Vector, x: Vector) -> None:
        """Set x to the correction for the residual r, see `CoarseSolver`; collective."""
        aggregates = self.aggregates
        assert aggregates is not None, "rebuild() comes first"
        aggregates.gather(r)
        self._hierarchy.solve(aggregates.own_forces, self._motions)
        parts = self._motions, self._ghosts.update(self._motions)
        for places, motions in zip(self._places, parts, strict=True):
            self._memory.bound(self._put, places.size, places, motions, aggregates.needed_motions)()
        aggregates.spread(x)

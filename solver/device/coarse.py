"""The correction by aggregates on a device, without a word to the host.

It works on one rank.  On several the problem on the aggregates is solved by PETSc on the hosts: its
forces come down and its motions go up, 48 bytes each for some twenty p = 1 nodes, and the host's
solve is waited for.
"""

from collections.abc import Mapping

from elastane.solver.coarse_solvers import AggregateSolver
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
        super().rebuild()
        self._hierarchy = Hierarchy(self.pc, self._memory)

    @logged("coarse solve")
    def apply(self, r: Vector, x: Vector) -> None:
        """Set x to the correction for the residual r, see `CoarseSolver`."""
        aggregates = self.aggregates
        assert aggregates is not None, "rebuild() comes first"
        aggregates.gather(r)
        self._hierarchy.solve(aggregates.own_forces, aggregates.needed_motions)
        aggregates.spread(x)

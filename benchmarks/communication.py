"""What communication costs on many ranks: counted on a partition, timed by a model.

Cells are split on paper by recursive coordinate bisection.  Whoever shares nodes with another rank
sends it the values of all of them, three to a node, in one message; the time of an exchange is that
of the rank with the most to do,

    T = messages * latency + bytes / bandwidth,

and a sum over P ranks takes log2 P latencies twice.  Nothing overlaps with work: an upper bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.solver.levels import multigrid_degrees

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Network:
    """An interconnect as one rank sees it.

    Attributes:
        latency: Of a message, in s.
        bandwidth: Of one rank's share of its compute node's link, in bytes per s.
    """

    latency: float
    bandwidth: float

    def exchange(self, messages: float, num_bytes: float) -> float:
        """Return the seconds of an exchange with neighbours."""
        return messages * self.latency + num_bytes / self.bandwidth

    def reduction(self, ranks: int) -> float:
        """Return the seconds of a sum over all ranks."""
        return 2.0 * self.latency * math.ceil(math.log2(ranks)) if ranks > 1 else 0.0


@dataclass(frozen=True)
class Sharing:
    """What the ranks of a partition share.

    Attributes:
        neighbours: Ranks with which each rank shares nodes, shape (num_parts,).
        nodes: Nodes that each sends to all its neighbours together, shape (num_parts,).
    """

    neighbours: Ints
    nodes: Ints


def bisect(centres: Floats, num_parts: int) -> Ints:
    """Return the part of each cell by recursive bisection across the longest extent.

    Args:
        centres: Of the cells, shape (num_cells, 3).
        num_parts: A power of two.
    """
    assert num_parts & (num_parts - 1) == 0
    parts = np.zeros(len(centres), dtype=np.int64)

    def split(cells: Ints, first: int, count: int) -> None:
        if count == 1:
            parts[cells] = first
            return
        axis = int(np.ptp(centres[cells], axis=0).argmax())
        order = cells[np.argsort(centres[cells, axis], kind="stable")]
        half = len(order) // 2
        split(order[:half], first, count // 2)
        split(order[half:], first + count // 2, count // 2)

    split(np.arange(len(centres)), 0, num_parts)
    return parts


def sharing(nodes: Ints, parts: Ints, num_parts: int) -> Sharing:
    """Return what the parts share.

    Args:
        nodes: Nodes of each cell, shape (num_cells, nodes).
        parts: Part of each cell, shape (num_cells,).
        num_parts: Number of parts.
    """
    pairs = np.unique(nodes * num_parts + parts[:, None])
    node, part = np.divmod(pairs, num_parts)
    counts = np.zeros((num_parts, num_parts), dtype=np.int64)
    starts = np.flatnonzero(np.diff(node, prepend=-1))
    sizes = np.diff(np.append(starts, len(node)))
    for i in range(int(sizes.max())):
        for j in range(i):
            both = starts[sizes > i]
            np.add.at(counts, (part[both + i], part[both + j]), 1)
    counts += counts.T
    return Sharing((counts > 0).sum(axis=1), counts.sum(axis=1))


def grid_nodes(cells: int, degree: int) -> Ints:
    """Return the nodes of the cells of a cube, shape (cells³, (degree + 1)³)."""
    size = degree * cells + 1
    along = degree * np.arange(cells)[:, None] + np.arange(degree + 1)
    x = along[None, None, :, None, None, :]
    y = along[None, :, None, None, :, None] * size
    z = along[:, None, None, :, None, None] * size**2
    nodes: Ints = (x + y + z).reshape(cells**3, (degree + 1) ** 3)
    return nodes


def grid_centres(cells: int) -> Floats:
    """Return the centres of the cells of a cube in the order of `grid_nodes`."""
    z, y, x = np.indices((cells, cells, cells)).reshape(3, -1) + 0.5
    return np.stack([x, y, z], axis=1)


@dataclass(frozen=True)
class Exchange:
    """A kind of exchange in a CG iteration.

    Attributes:
        degree: Degree of the level, 0 for those of algebraic multigrid.
        count: How often it happens.
        messages: Of the busiest rank, each time.
        num_bytes: Of the busiest rank, each time.
    """

    degree: int
    count: int
    messages: int
    num_bytes: float


def exchanges(
    degree: int, smoother_degree: int, at_degree: dict[int, Sharing], ranks: int
) -> list[Exchange]:
    """Return the exchanges of a CG iteration.

    The double-precision apply scatters and gathers.  A cycle in single precision sums once for each
    of the 2 k applies of a smoother of degree k (from zero, residual, again), for each of the 2 k
    applications of its preconditioner, and for the restricted residual; an algebraic cycle takes
    six on each of its levels, which have an eighth of the unknowns and a quarter of the shared ones
    of the one before.
    """

    def busiest(level: int, itemsize: int) -> tuple[int, float]:
        shared = at_degree[level]
        return int(shared.neighbours.max()), 3.0 * itemsize * int(shared.nodes.max())

    result = [Exchange(degree, 2, *busiest(degree, 8))]
    for level in multigrid_degrees(degree, "logarithmic"):
        count = 4 * smoother_degree + 1 if level > 1 else 1
        result.append(Exchange(level, count, *busiest(level, 4)))
    messages, num_bytes = busiest(1, 8)
    num_levels = max(1, round(math.log(ranks * 100, 8)))
    for number in range(num_levels):
        result.append(Exchange(0, 6, messages, num_bytes / 4**number))
    return result


#: Sums over all ranks in a CG iteration: two products, the norm, and the scale of the cycle.
NUM_REDUCTIONS = 4


def seconds(network: Network, needed: Sequence[Exchange], ranks: int) -> float:
    """Return the seconds of communication of a CG iteration."""
    total = sum(each.count * network.exchange(each.messages, each.num_bytes) for each in needed)
    return total + NUM_REDUCTIONS * network.reduction(ranks)

"""Sums over shared nodes against PETSc's scatters, and the V-cycle on several ranks."""

from collections.abc import Callable

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.exchange import Exchange, find_sharing
from elastane.solver.space import Space
from tests.verification.cases import clamp, problem, start, traction
from tests.verification.ranks import call_on_ranks

COMM = MPI.COMM_WORLD


def spaces() -> list[Space]:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.02)]
    return start(problem(Box(cells=(3, 3, 3)), 3, loads), comm=COMM).spaces


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [2, 3])
def test_sums_are_those_of_petsc(run_ranks: Callable[..., str], ranks: int) -> None:
    """Of two numbers exactly, of more to rounding in another order."""
    assert call_on_ranks(run_ranks, ranks, largest_difference) < 1e-15


def largest_difference() -> float:
    largest = 0.0
    for space in spaces():
        x = np.random.default_rng(COMM.rank).standard_normal((space.num_nodes, 3))
        x[space.prescribed] = 0.0
        local, total = space.dm.createLocalVec(), space.dm.createGlobalVec()
        local.setArray(x)
        space.dm.localToGlobal(local, total, True)
        space.dm.globalToLocal(total, local)
        Exchange(space, np.float64, find_sharing(space)).sum(x)
        largest = max(largest, float(np.abs(x.reshape(-1) - local.array).max()))
    return COMM.allreduce(largest, op=MPI.MAX)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_all_ranks_hold_the_same_bits(run_ranks: Callable[..., str], ranks: int) -> None:
    """In single precision, where sums in another order differ soon."""
    assert call_on_ranks(run_ranks, ranks, distinct_values) == 0


def distinct_values() -> int:
    """Return how many shared numbers differ between ranks."""
    distinct = 0
    for space in spaces():
        x = np.random.default_rng(COMM.rank).standard_normal((space.num_nodes, 3))
        x = x.astype(np.float32)
        Exchange(space, np.float32, find_sharing(space)).sum(x)
        of_node: dict[int, bytes] = {}
        for numbers, values in COMM.allgather((space.numbers, x)):
            for number, value in zip(numbers.tolist(), values, strict=True):
                distinct += of_node.setdefault(number, value.tobytes()) != value.tobytes()
    return distinct


@pytest.mark.mpi
def test_a_sum_takes_one_message_per_neighbour(run_ranks: Callable[..., str]) -> None:
    """And carries three numbers for each node that two ranks share."""
    assert call_on_ranks(run_ranks, 2, messages) == [[1, 1], [0, 0]]


def messages() -> list[list[int]]:
    """Return messages of each rank, and what bytes are off from those of the shared nodes."""
    space = spaces()[-1]
    exchange = Exchange(space, np.float32, find_sharing(space))
    numbers = COMM.allgather(space.numbers.tolist())
    shared = set(numbers[0]) & set(numbers[1])
    counts = COMM.allgather((exchange.messages, exchange.bytes - 12 * len(shared)))
    return [list(column) for column in zip(*counts, strict=True)]


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [2, 3])
def test_owners_hand_out_their_values(run_ranks: Callable[..., str], ranks: int) -> None:
    assert call_on_ranks(run_ranks, ranks, strangers) == 0


def strangers() -> int:
    """Return how many ghosts do not have the number of their owner."""
    wrong = 0
    for space in spaces():
        exchange = Exchange(space, np.float64, find_sharing(space))
        x = np.where(space.owned, space.numbers, -1.0)[:, None] * np.ones(3)
        exchange.share(x)
        wrong += int((x != space.numbers[:, None]).sum())
    return COMM.allreduce(wrong)

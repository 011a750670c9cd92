"""Sums over shared nodes against PETSc's scatters, and the V-cycle on several ranks."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.device.block_matrix import SIX, Ghosts
from elastane.solver.exchange import Exchange, ask_owners, find_sharing
from elastane.solver.memory import HOST
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


@pytest.mark.mpi
def test_a_halo_that_comes_early_is_no_question(run_ranks: Callable[..., str]) -> None:
    """Whoever waits for a question from anybody must not take another message for it."""
    assert call_on_ranks(run_ranks, 3, asked_and_received) == [[1, [7]], [2.0] * SIX]


class Slow:
    """Ranks that are late to send."""

    def __getattr__(self, name: str) -> Any:
        return getattr(COMM, name)

    def isend(self, *arguments: Any, **options: Any) -> MPI.Request:
        time.sleep(0.5)
        return COMM.isend(*arguments, **options)


def asked_and_received() -> list[Any]:
    """Return what rank 0 is asked by rank 1, who is late, and its halo from rank 2, who is not."""
    starts, mine = np.arange(4), np.full(SIX, float(COMM.rank))
    wanted = np.array([2] if COMM.rank == 0 else [], dtype=np.int64)
    ghosts = Ghosts(wanted, starts, COMM, HOST)
    questions = {0: np.array([7])} if COMM.rank == 1 else {}
    asked = ask_owners(Slow(), questions)  # type: ignore[arg-type]  # all that it needs
    halo = ghosts.update(mine)
    if COMM.rank:
        return []
    ((rank, question),) = asked.items()
    return [[rank, question.tolist()], halo.reshape(-1).tolist()]

"""Node numbers that all cells and ranks agree on, whatever the axes of the cells."""

from collections.abc import Callable

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.box import Box
from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.topology import distribute
from elastane.solver.space import Space, build_space, tensor_interpolate
from tests.verification.cases import Floats, renumbered
from tests.verification.ranks import call_on_ranks

DEGREES = range(1, 6)


def gaps(num_cells: list[int]) -> dict[str, list[float]]:
    """Return by degree how far apart cells and ranks see a node, and what else must agree.

    Largest distance between a node's places as two cells of a rank see it; the same for ranks;
    number of nodes; sum over ranks of owned nodes; fewest cells of a rank.
    """
    comm = MPI.COMM_WORLD
    x, y, z = num_cells
    mesh = renumbered(Box(cells=(x, y, z)).build(2, 0), seed=7) if comm.rank == 0 else None
    topology = distribute(mesh, comm)
    found = {}
    for degree in DEGREES:
        _, num_points = topology.plex.getChart()
        space = build_space(topology, degree, np.zeros((num_points, 3), dtype=bool))
        to_nodes = interpolation(gauss_lobatto(3)[0], gauss_lobatto(degree + 1)[0])
        of_cells = tensor_interpolate(to_nodes, topology.coordinates)
        between_cells = np.abs(space.X[space.nodes] - of_cells).max(initial=0.0)
        parts = comm.allgather((space.numbers, space.X))
        found[str(degree)] = [
            comm.allreduce(float(between_cells), op=MPI.MAX),
            distance_between_ranks(parts),
            1 + max(int(numbers.max(initial=-1)) for numbers, _ in parts),
            comm.allreduce(int(space.owned.sum())),
            comm.allreduce(len(topology.corners), op=MPI.MIN),
        ]
        check_owned(space)
    return found


def distance_between_ranks(parts: list[tuple[np.ndarray, Floats]]) -> float:
    numbers = np.concatenate([numbers for numbers, _ in parts])
    X = np.concatenate([X for _, X in parts])
    place = np.empty((numbers.max() + 1, 3))
    place[numbers] = X
    return float(np.abs(place[numbers] - X).max())


def check_owned(space: Space) -> None:
    first, last = space.owned_numbers
    np.testing.assert_array_equal(space.numbers[space.owned_nodes], np.arange(first, last))


def check(found: dict[str, list[float]], num_cells: list[int]) -> None:
    assert list(found) == [str(degree) for degree in DEGREES]
    for degree, (between_cells, between_ranks, num_nodes, num_owned, _) in found.items():
        assert between_cells < 1e-14
        assert between_ranks < 1e-14
        assert num_nodes == num_owned == np.prod([n * int(degree) + 1 for n in num_cells])


def test_neighbours_see_a_node_at_the_same_place() -> None:
    check(gaps([3, 2, 2]), [3, 2, 2])


@pytest.mark.mpi
def test_ranks_see_a_node_at_the_same_place(run_ranks: Callable[..., str]) -> None:
    check(call_on_ranks(run_ranks, 3, gaps, [3, 2, 2]), [3, 2, 2])


@pytest.mark.mpi
def test_rank_without_a_cell_owns_no_node(run_ranks: Callable[..., str]) -> None:
    found = call_on_ranks(run_ranks, 3, gaps, [2, 1, 1])
    check(found, [2, 1, 1])
    assert {fewest for *_, fewest in found.values()} == {0}

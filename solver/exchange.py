"""Sums over the nodes that ranks share, in an L-vector of any precision.

The elements of a rank add up a part of each shared node; afterwards every rank has the whole.  Each
pair of ranks exchanges one message, and each rank sums the parts in the order of the ranks: all get
the same bits.

Nobody needs to know who shares what beforehand: the owner of a node hears from the ranks that hold
it as a ghost, and tells each of them about the others.
"""

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import DTypeLike, NDArray

from elastane.solver.log import logged
from elastane.solver.memory import HOST, Mail, Memory, Vector
from elastane.solver.space import Space

Ints = NDArray[np.int64]

#: Tags of messages.  A question may come from any rank, and must not be mistaken for what a rank
#: that is ahead sends already.
QUESTION, ANSWER, HALO = range(3)


@dataclass(frozen=True)
class Sharing:
    """Which nodes of this rank are on other ranks too.

    Attributes:
        nodes: The shared nodes, in the order of their numbers in the whole mesh.
        multiplicity: The number of ranks that hold each of them.
        ranks: Those ranks in rising order, one shared node after the other.
        neighbours: All of them but this rank.
    """

    nodes: Ints
    multiplicity: Ints
    ranks: Ints
    neighbours: tuple[int, ...]

    @property
    def starts(self) -> Ints:
        """Return where in `ranks` each shared node begins, and the end."""
        return np.concatenate([[0], np.cumsum(self.multiplicity)]).astype(np.int64)


def find_sharing(space: Space) -> Sharing:
    """Return which nodes of a space are on other ranks too; collective."""
    comm: MPI.Comm = space.dm.comm.tompi4py()
    firsts = np.array(comm.allgather(space.owned_numbers[0]), dtype=np.int64)
    ghosts = np.flatnonzero(~space.owned)
    # Where ranks own nothing, several begin at one number: the last of them owns it.
    owners = np.searchsorted(firsts, space.numbers[ghosts], side="right") - 1
    asked = ask_owners(comm, {r: space.numbers[ghosts[owners == r]] for r in np.unique(owners)})

    # Pairs (number, rank) of the ghosts on other ranks and of this rank's own nodes under them.
    numbers = np.concatenate([np.zeros(0, np.int64), *asked.values()])
    ranks = np.repeat(np.array(list(asked), np.int64), [len(x) for x in asked.values()])
    own = np.unique(numbers)
    pairs = np.stack([np.r_[numbers, own], np.r_[ranks, np.full(len(own), comm.rank)]])
    pairs = pairs[:, np.lexsort(pairs[::-1])]

    requests = [comm.isend(pairs[:, np.isin(pairs[0], asked[r])], r, tag=ANSWER) for r in asked]
    told = [comm.recv(source=int(r), tag=ANSWER) for r in np.unique(owners)]
    MPI.Request.waitall(requests)

    pairs = np.concatenate([pairs, *told], axis=1)
    pairs = pairs[:, np.lexsort(pairs[::-1])]
    shared, multiplicity = np.unique(pairs[0], return_counts=True)
    order = np.argsort(space.numbers)
    neighbours = np.setdiff1d(pairs[1], [comm.rank])
    return Sharing(
        nodes=order[np.searchsorted(space.numbers[order], shared)],
        multiplicity=multiplicity,
        ranks=pairs[1],
        neighbours=tuple(int(rank) for rank in neighbours),
    )


def ask_owners(comm: MPI.Comm, questions: dict[int, Ints]) -> dict[int, Ints]:
    """Send arrays to ranks that do not expect them; return what came here, by rank."""
    destinations = np.zeros(comm.size, dtype=np.int64)
    destinations[list(questions)] = 1
    coming = np.zeros(1, dtype=np.int64)
    comm.Reduce_scatter_block(destinations, coming)
    requests = [
        comm.isend((comm.rank, question), int(r), tag=QUESTION) for r, question in questions.items()
    ]
    answers = dict(comm.recv(source=MPI.ANY_SOURCE, tag=QUESTION) for _ in range(int(coming[0])))
    MPI.Request.waitall(requests)
    return dict(sorted(answers.items()))


class Messages:
    """Messages between ranks that are sent again and again.

    Args:
        comm: The ranks.
        mail: The buffers.
        outgoing: How many rows of what is sent go to which rank, one rank after the other.
        incoming: The same of what is received.
    """

    def __init__(
        self, comm: MPI.Comm, mail: Mail, *, outgoing: dict[int, int], incoming: dict[int, int]
    ) -> None:
        self._mail = mail
        self._requests: list[MPI.Prequest] = []
        for make, buffer, counts in (
            (comm.Recv_init, mail.received, incoming),
            (comm.Send_init, mail.sent, outgoing),
        ):
            end = 0
            for rank, count in counts.items():
                start, end = end, end + count
                self._requests.append(make(buffer[start:end], rank, HALO))
        # MPI keeps persistent requests until it is told; not at exit, when MPI may be gone.
        weakref.finalize(self, _free, self._requests).atexit = False

    def exchange(self) -> None:
        """Send and receive; collective among those that have messages for each other."""
        self._mail.post()
        MPI.Prequest.Startall(self._requests)
        MPI.Request.Waitall(self._requests)
        self._mail.collect()


class Exchange:
    """Sums an L-vector over ranks.

    Args:
        space: The space of the L-vector.
        dtype: Its precision.
        sharing: Which nodes are shared.
        memory: Where the L-vector lies.

    Attributes:
        dtype: The precision.
        memory: See above.
        num_sums: Times a vector was summed.
        messages: Messages that this rank sends in one sum.
        bytes: Their size.
    """

    def __init__(
        self, space: Space, dtype: DTypeLike, sharing: Sharing, memory: Memory = HOST
    ) -> None:
        self.dtype, self.memory = np.dtype(dtype), memory
        self.num_sums = 0
        self._num_shared = len(sharing.nodes)
        comm: MPI.Comm = space.dm.comm.tompi4py()
        node_of = np.repeat(np.arange(self._num_shared), sharing.multiplicity)
        parts = [node_of[sharing.ranks == rank] for rank in sharing.neighbours]
        ends = np.cumsum([0, *map(len, parts)])
        slots = np.full(len(sharing.ranks), -1, dtype=np.int32)
        for rank, start, end in zip(sharing.neighbours, ends[:-1], ends[1:], strict=True):
            slots[sharing.ranks == rank] = np.arange(start, end)
        nodes = sharing.nodes.astype(np.int32)
        packed = np.concatenate([np.zeros(0, np.int64), *parts])
        ghosts = sharing.nodes[~space.owned[sharing.nodes]]
        self._nodes, self._starts, self._slots, self._sent_nodes, self._ghosts = (
            memory.take(indices.astype(np.int32))
            for indices in (nodes, sharing.starts, slots, nodes[packed], ghosts)
        )
        self._num_ghosts, self._num_sent = len(ghosts), int(ends[-1])
        self._sent, self._received = (
            memory.zeros((self._num_sent, 3), self.dtype) for _ in range(2)
        )
        self._functions = memory.functions("cycle", dtype)
        counts = {rank: len(part) for rank, part in zip(sharing.neighbours, parts, strict=True)}
        mail = memory.mail(self._sent, self._received)
        self._messages = Messages(comm, mail, outgoing=counts, incoming=counts)
        self.messages = len(sharing.neighbours)
        self.bytes = 3 * self._num_sent * self.dtype.itemsize

    @logged("exchange")
    def sum(self, x: Vector) -> None:
        """Replace shared nodes by the sum over their ranks; x is flat or (num_nodes, 3)."""
        self.num_sums += 1
        if not self._num_shared:
            return
        functions, bound = self._functions, self.memory.bound
        bound(functions.pack, self._num_sent, self._sent_nodes, x, self._sent)()
        self._messages.exchange()
        shared = self._nodes, self._starts, self._slots, self._received, x
        bound(functions.sum_shared, self._num_shared, *shared)()

    def share(self, x: Vector) -> None:
        """Give ghosts the value of their owner."""
        self.memory.bound(self._functions.clear_nodes, self._num_ghosts, self._ghosts, x)()
        self.sum(x)

    def sum_values(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return nodal values of this host summed over ranks; flat or (num_nodes, 3)."""
        x = self.memory.take(values.astype(self.dtype))
        self.sum(x)
        return self.memory.read(x)


def _free(requests: list[MPI.Prequest]) -> None:
    for request in requests:
        request.Free()

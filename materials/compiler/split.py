"""Fifth stage, second half: what the residual stores and what the Jacobian computes again.

Every node that depends on H or the history but not on dH may be stored by the residual or
recomputed by the Jacobian.  Storing costs memory traffic, `storage_cost` operations per number; the
cheapest choice is a minimum cut of a network in which each node v has two vertices,

    needed(v) --- storage_cost ---> recomputed(v) --- cost(v) ---> sink,

an unbreakable edge from the source to needed(v) for what the tangent uses, and unbreakable edges
from recomputed(v) to needed(u) for its operands u.  Inputs H_iJ and history_k can only be stored.

PyTorch decides in the same way what a forward pass keeps for the backward pass
(`min_cut_rematerialization_partition`).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from scipy.sparse.csgraph import (  # type: ignore[import-untyped]
    breadth_first_order,
    maximum_flow,
)

from elastane.materials.compiler.accumulate import LIMITS, accumulate, depends_on
from elastane.materials.compiler.eliminate import eliminate
from elastane.materials.compiler.factor import SHARE_AT, factor
from elastane.materials.compiler.formulas import Formulas
from elastane.materials.compiler.graph import Graph
from elastane.materials.compiler.operations import FLOPS, LARGEST_BODY, OPERATIONS

#: Operations, a product and its sum counted as one, that one stored number is worth.  It is read as
#: four bytes, mostly in single precision, where the preconditioner works: in that time a CPU core
#: computes 27, an A100 19, an H200 28, half of an MI250X 29 and an MI300X 62; see
#: tests/materials/test_storage.py, which shows that one split serves them all.
STORAGE_COST = 30

#: Costs for which splits are made; the cheapest at STORAGE_COST is taken.  What is stored decides
#: what can be factored, and how well that will go shows only then.  The second one is that of
#: double precision on a CPU or an H200.
COSTS_TO_TRY = (STORAGE_COST, 14)

#: A state is stored once and used in so many applications of the Jacobian, or more.
JACOBIANS_PER_RESIDUAL = 20

#: Stored numbers above which elimination and another way to choose between branches are tried.
MUCH_STORED = 30

#: Variants of the tangent that are worth the time to factor them; of one with more nodes than
#: LONG_TANGENT, only the cheapest is.
NUM_PROMISING = 2
LONG_TANGENT = 1250

#: Nodes that depend on the state alone beyond which they are not factored: principal axes are
#: chains of rotations, which multiplied out are sums of thousands of terms.
LARGEST_STATE = 800

#: Capacities are whole numbers; this one is never cut.
_UNBREAKABLE = 10**8


@dataclass(frozen=True)
class Split:
    """How the work is divided between residual and Jacobian.

    Attributes:
        stored: Nodes that the residual computes and stores, in order.
        dP: Nodes of the stress increment, row by row, in terms of the stored ones, dH and the
            parameters.
    """

    stored: tuple[int, ...]
    dP: tuple[int, ...]


def split(formulas: Formulas, storage_cost: int = STORAGE_COST) -> Split:
    """Return the cheapest split over all limits of accumulation and ways to factor."""
    return _factored(formulas, _promising(formulas, storage_cost), storage_cost)


def divide(formulas: Formulas) -> tuple[Formulas, Split]:
    """Return formulas and their split, the cheapest of those for COSTS_TO_TRY."""
    ways = [divide_at(formulas, storage_cost) for storage_cost in COSTS_TO_TRY]
    return min(ways, key=lambda way: _price_in(way[0], STORAGE_COST)(way[1]))


def divide_at(formulas: Formulas, storage_cost: int) -> tuple[Formulas, Split]:
    """Return formulas and their split; if much is stored, the cheaper of two ways to choose.

    Numbers that choose add some work to the residual: it is worth it where many numbers depend on
    one choice, as those of fibres do on whether they bear load.
    """
    plain = _promising(formulas, storage_cost)
    if len(plain[0].stored) > MUCH_STORED:
        other = _decide_once(formulas)
        others = _promising(other, storage_cost)
        prices = [
            price_of(graph, choice, storage_cost)
            for graph, choice in ((formulas.graph, plain[0]), (other.graph, others[0]))
        ]
        if prices[1] < prices[0]:
            formulas, plain = other, others
    return formulas, _factored(formulas, plain, storage_cost)


def _promising(formulas: Formulas, storage_cost: int) -> list[Split]:
    """Return the cheapest splits before any factoring, as many as are worth the time to factor."""
    graph = formulas.graph
    variants = [formulas.dP] + [accumulate(graph, formulas.dP, limit) for limit in LIMITS]
    price = _price_in(formulas, storage_cost)
    splits = sorted((cut(graph, dP, storage_cost) for dP in variants), key=price)
    if len(splits[0].stored) > MUCH_STORED:
        eliminated = cut(graph, eliminate(graph, formulas.dP), storage_cost)
        splits = sorted([eliminated, *splits], key=price)
    nodes = graph.live(formulas.dP)
    is_long = len(nodes) > LONG_TANGENT and not _given(graph, formulas.dP)
    return splits[: 1 if is_long else NUM_PROMISING]


def _factored(formulas: Formulas, plain: list[Split], storage_cost: int) -> Split:
    """Return the cheapest way to factor splits, before the cut and after it.

    One that fits into C functions goes before one that does not, whatever either costs.
    """
    graph, price = formulas.graph, _price_in(formulas, storage_cost)
    factored = [
        cut(graph, factor(graph, x.dP, _given(graph, x.dP), share_at=k), storage_cost)
        for x in plain
        for k in SHARE_AT
    ]
    before = plain + sorted(factored, key=price)[:NUM_PROMISING]
    again = [Split(x.stored, factor(graph, x.dP, x.stored)) for x in before]
    return min(before + again, key=price)


def _price_in(formulas: Formulas, storage_cost: int) -> Callable[[Split], float]:
    """Return the price of a split, what the residual does for it included."""
    graph = formulas.graph
    stress = set(graph.live(formulas.P))

    def price(candidate: Split) -> float:
        size = _largest_body(formulas, candidate)
        further = (node for node in graph.live(candidate.stored) if node not in stress)
        storing = _work(graph, further) // JACOBIANS_PER_RESIDUAL
        too_long = _UNBREAKABLE if size > LARGEST_BODY else 0
        return price_of(graph, candidate, storage_cost) + storing + too_long

    return price


def jacobian_nodes(graph: Graph, choice: Split) -> list[int]:
    """Return what the Jacobian computes, in order: all that dP needs beyond the stored nodes."""
    needed = set(choice.dP)
    computed = []
    for node in reversed(graph.live(choice.dP)):
        if node in needed and node not in choice.stored:
            computed.append(node)
            needed |= set(graph.nodes[node].operands)
    return computed[::-1]


def _given(graph: Graph, dP: tuple[int, ...]) -> list[int]:
    """Return what factoring takes as given before the cut: what depends on the state, if long."""
    nodes = graph.live(dP)
    tangent = depends_on(graph, nodes, "dH")
    state = [node for node in nodes if node not in tangent]
    return state if len(state) > LARGEST_STATE else []


def count_flops(graph: Graph, nodes: Iterable[int]) -> int:
    """Return the number of additions, subtractions and multiplications among the nodes."""
    operations = Counter(graph.nodes[node].operation for node in nodes)
    return sum(operations[name] for name in FLOPS)


def count_functions(graph: Graph, nodes: Iterable[int]) -> dict[str, int]:
    """Return how often the other operations that take time occur among the nodes."""
    operations = Counter(graph.nodes[node].operation for node in nodes)
    return {
        name: count
        for name, count in sorted(operations.items())
        if name in OPERATIONS and OPERATIONS[name].cost > 1
    }


def _largest_body(formulas: Formulas, choice: Split) -> int:
    """Return the operations of the larger one of residual and Jacobian."""
    residual = formulas.graph.live((*formulas.P, *choice.stored))
    return max(len(residual), len(jacobian_nodes(formulas.graph, choice)))


def price_of(graph: Graph, choice: Split, storage_cost: float) -> float:
    """Return what a Jacobian costs in operations, a product and its sum counted as one."""
    computed = jacobian_nodes(graph, choice)
    nodes = [graph.nodes[node] for node in computed]
    uses = Counter(choice.dP)
    for node in nodes:
        uses.update(node.operands)
    work = _work(graph, computed)
    fused = sum(
        any(uses[x] == 1 and graph.nodes[x].operation == "multiply" for x in node.operands)
        for node in nodes
        if node.operation in ("add", "subtract")
    )
    return storage_cost * len(choice.stored) + work - fused


def _work(graph: Graph, nodes: Iterable[int]) -> int:
    """Return what nodes cost to compute."""
    entries = (graph.nodes[node] for node in nodes)
    return sum(OPERATIONS[entry.operation].cost for entry in entries if entry.operands)


def cut(graph: Graph, dP: tuple[int, ...], storage_cost: int = STORAGE_COST) -> Split:
    """Return the split of a stress increment by a minimum cut.

    The Jacobian decides nothing by itself: two functions may round a number differently, and one
    would take the branch that the other does not.
    """
    dP = _decided(graph, dP)
    nodes = graph.live(dP)
    tangent = depends_on(graph, nodes, "dH")
    state = depends_on(graph, nodes, "H") | depends_on(graph, nodes, "history")
    choices = [node for node in nodes if node in state and node not in tangent]
    place = {node: 2 * k for k, node in enumerate(choices)}
    source, sink = 2 * len(choices), 2 * len(choices) + 1
    edges: dict[tuple[int, int], int] = {}

    for node, needed in place.items():
        entry, recomputed = graph.nodes[node], needed + 1
        # Only numbers can be stored, not truth values.
        storable = entry.operation == "input" or not OPERATIONS[entry.operation].logical
        storage = storage_cost if storable else _UNBREAKABLE
        if entry.operation == "input":
            edges[needed, sink] = storage
            continue
        edges[needed, recomputed] = storage
        edges[recomputed, needed] = _UNBREAKABLE
        decides = not storable and not _is_stored_truth(graph, node)
        edges[recomputed, sink] = _UNBREAKABLE if decides else OPERATIONS[entry.operation].cost
        for operand in entry.operands:
            if operand in place:
                edges[recomputed, place[operand]] = _UNBREAKABLE
    for node in nodes:
        if node in tangent:
            for operand in graph.nodes[node].operands:
                if operand in place:
                    edges[source, place[operand]] = _UNBREAKABLE
    reached = _source_side(edges, source, sink)
    stored = tuple(
        node
        for node, needed in place.items()
        if needed in reached
        and (graph.nodes[node].operation == "input" or needed + 1 not in reached)
    )
    return Split(stored, dP)


def _decide_once(formulas: Formulas) -> Formulas:
    """Return formulas whose choices are made by numbers, 1 or 0, which can be stored.

    Stress and tangent choose by the same ones.  Chains of rotations hold dozens of choices, none of
    which the tangent needs: they stay as they are.
    """
    graph = formulas.graph
    nodes = graph.live(formulas.dP)
    tangent = depends_on(graph, nodes, "dH")
    if len(nodes) - len(tangent) > LARGEST_STATE:
        return formulas
    results = graph.substitute((*formulas.P, *formulas.dP), _numbers(graph, nodes))
    return replace(formulas, P=tuple(results[:9]), dP=tuple(results[9:]))


def _decided(graph: Graph, dP: tuple[int, ...]) -> tuple[int, ...]:
    """Return dP with choices between increments made by numbers.

    What chooses between numbers of the state needs none: there the chosen number can be stored.
    """
    nodes = graph.live(dP)
    tangent = depends_on(graph, nodes, "dH")
    return tuple(graph.substitute(dP, _numbers(graph, (x for x in nodes if x in tangent))))


def _numbers(graph: Graph, nodes: Iterable[int]) -> dict[int, int]:
    """Return the truth values by which nodes choose, each with its comparison of 1 or 0 with 0."""
    choices = {graph.nodes[x].operands[0] for x in nodes if graph.nodes[x].operation == "select"}
    order = graph.live(choices)
    state = depends_on(graph, order, "H") | depends_on(graph, order, "history")
    zero, one = graph.constant(0.0), graph.constant(1.0)
    return {
        choice: graph.operation("not_equal", graph.operation("select", choice, one, zero), zero)
        for choice in choices
        if choice in state and not _is_stored_truth(graph, choice)
    }


def _is_stored_truth(graph: Graph, node: int) -> bool:
    """Return whether a truth value is the comparison of a chosen 1 or 0 with 0."""
    entry = graph.nodes[node]
    if entry.operation != "not_equal":
        return False
    values = [
        tuple(map(graph.value, graph.nodes[x].operands[1:]))
        for x in entry.operands
        if graph.nodes[x].operation == "select"
    ]
    return values == [(1.0, 0.0)]


def _source_side(edges: dict[tuple[int, int], int], source: int, sink: int) -> set[int]:
    """Return the vertices on the source's side of a minimum cut."""
    if not edges:
        return set()
    rows, columns = zip(*edges, strict=True)
    capacities = np.array(list(edges.values()), dtype=np.int32)
    network = csr_matrix((capacities, (rows, columns)), shape=(sink + 1, sink + 1))
    residual = network - maximum_flow(network, source, sink).flow
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, directed=True, return_predecessors=False)
    return {int(vertex) for vertex in reached}

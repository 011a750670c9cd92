"""Fifth stage, for long tangents: eliminate nodes as long as that leaves fewer edges.

dP is linear in dH.  As a graph, an edge from u to v with a coefficient a, which depends on the
strain alone, says that a u is a term of v.  Without v, each of its terms b u becomes a term a b u
of each node that has a term a v, or adds to the one that is there.  A node goes if more edges
vanish than appear; the cheapest goes first.

What remains are the narrow places.  However long an energy is, if it takes F through a few
invariants, their increments remain, and the coefficients between them are its second derivatives.
The residual computes more than where `accumulate` shortens chains one by one, and stores less.

References: A. Griewank and A. Walther, Evaluating Derivatives, SIAM 2008, section 10.3 (the order
of Markowitz); U. Naumann, Mathematical Programming 99 (2004) 399-421.
"""

import heapq
from collections.abc import Sequence

from elastane.materials.compiler.accumulate import (
    Combination,
    combine,
    depends_on,
    write_out,
)
from elastane.materials.compiler.graph import Graph


def eliminate(graph: Graph, dP: Sequence[int]) -> tuple[int, ...]:
    """Return nodes equal to dP whose tangent part has no node that can go.

    Args:
        graph: The graph, to which nodes are added.
        dP: Outputs that are linear in the inputs dH_iJ.
    """
    edges = _Edges(graph, dP)
    waiting: list[tuple[int, int]] = []

    def consider(node: int) -> None:
        if (price := edges.price(node)) is not None:
            heapq.heappush(waiting, (price, node))

    for node in edges.terms:
        consider(node)
    while waiting:
        price, node = heapq.heappop(waiting)
        if price == edges.price(node):
            for neighbour in sorted(edges.eliminate(node)):
                consider(neighbour)
    return edges.write()


class _Edges:
    """The tangent part of a graph.

    Attributes:
        terms: Node -> its terms, operands before what uses them; the inputs have none.
        users: Node -> the nodes of which it is a term.
    """

    def __init__(self, graph: Graph, dP: Sequence[int]) -> None:
        self.graph = graph
        self.outputs = tuple(dP)
        nodes = graph.live(dP)
        tangent = depends_on(graph, nodes, "dH")
        itself = {node: {node: graph.constant(1.0)} for node in tangent}
        self.terms: dict[int, Combination] = {
            node: combine(graph, node, tangent, itself) if graph.nodes[node].operands else {}
            for node in nodes
            if node in tangent
        }
        self.users: dict[int, set[int]] = {node: set() for node in self.terms}
        for node, terms in self.terms.items():
            for term in terms:
                self.users[term].add(node)

    def price(self, node: int) -> int | None:
        """Return multiplications less vanishing edges; None if none vanish, or if it must stay."""
        terms = self.terms.get(node)
        if not terms or node in self.outputs:
            return None
        users = self.users[node]
        appearing = sum(term not in self.terms[user] for user in users for term in terms)
        vanishing = len(terms) + len(users) - appearing
        if vanishing <= 0:
            return None
        factors = [self.terms[user][node] for user in users]
        return sum(self._multiplies(a, b) for a in factors for b in terms.values()) - vanishing

    def eliminate(self, node: int) -> set[int]:
        """Make a node go, and return those whose price may have changed."""
        graph, terms, users = self.graph, self.terms.pop(node), self.users.pop(node)
        for user in sorted(users):
            factor = self.terms[user].pop(node)
            for term, coefficient in terms.items():
                product = graph.multiply(factor, coefficient)
                present = self.terms[user].get(term)
                self.terms[user][term] = product if present is None else graph.add(present, product)
                self.users[term].add(user)
        for term in terms:
            self.users[term].remove(node)
        further = {x for user in users for x in self.terms[user]}
        return users | further | {x for term in terms for x in self.users[term]}

    def write(self) -> tuple[int, ...]:
        """Return the nodes of dP."""
        written: dict[int, int] = {}
        for node, terms in self.terms.items():
            by_node = {written[term]: coefficient for term, coefficient in terms.items()}
            is_input = not self.graph.nodes[node].operands
            written[node] = node if is_input else write_out(self.graph, by_node)
        return tuple(written.get(node, node) for node in self.outputs)

    def _multiplies(self, a: int, b: int) -> bool:
        """Return whether the product of two coefficients is an operation."""
        x, y = self.graph.value(a), self.graph.value(b)
        return not (x in (1, -1) or y in (1, -1) or (x is not None and y is not None))

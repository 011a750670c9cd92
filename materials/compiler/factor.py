"""Fifth stage, last part: write the tangent with fewer multiplications.

Differentiation leaves sums such as a s x + b s x + a y + b y, term by term as the chain rule made
them; a person would write (a + b) (s x + y).  Sums are flattened into terms, terms into factors;
then products of two factors that occur in many terms become one factor, and what several terms of
a sum have in common is taken out of them, the most frequent first.  H_ii is written as F_ii - 1 on
the way: where stable energies say 1 + H₁₁ + H₂₂ + H₁₁ H₂₂ - H₁₂ H₂₁, the tangent says
F₁₁ F₂₂ - F₁₂ F₂₁.

Sums are reordered, which changes rounding.  That is harmless for a tangent, whose coefficients are
of order one at rest, and the check compares the result with 50 digits.  The stress is left as it
is.

Reference: M. Breuer, Generation of optimal code for expressions via factorization, Comm. ACM 12
(1969) 333-340.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from elastane.materials.compiler.graph import Graph

SUMS = frozenset({"add", "subtract", "negate"})

#: After so many passes over the sums hardly anything changes.
NUM_PASSES = 3

#: Passes in which to look for parts that sums have in common; the best differs from case to case.
NEVER = NUM_PASSES
SHARE_AT = (NEVER, 1)


class Term(NamedTuple):
    """A product with a number before it.

    Attributes:
        factors: Nodes, sorted; a square holds its node twice.
        number: The number.
    """

    factors: tuple[int, ...]
    number: float

    def without(self, *taken: int) -> "Term":
        """Return the term divided by some of its factors."""
        rest = list(self.factors)
        for factor in taken:
            rest.remove(factor)
        return Term(tuple(rest), self.number)

    def times(self, factor: int) -> "Term":
        """Return the term with one more factor."""
        return Term(tuple(sorted((*self.factors, factor))), self.number)

    def pairs(self) -> set[tuple[int, int]]:
        """Return the pairs of factors; a product of two needs none."""
        return set(combinations(self.factors, 2)) if len(self.factors) > 2 else set()


Sum: TypeAlias = list[Term]


def factor(
    graph: Graph, outputs: Sequence[int], leaves: Iterable[int] = (), *, share_at: int = NEVER
) -> tuple[int, ...]:
    """Return nodes equal to the outputs, in factored form.

    Args:
        graph: The graph, to which nodes are added.
        outputs: What is wanted.
        leaves: Nodes that are given and not looked into.
        share_at: The pass in which parts that sums have in common become sums of their own.
    """
    leaves, outputs = frozenset(leaves), tuple(outputs)
    # What one pass makes equal is one sum for the next.
    for number in range(NUM_PASSES):
        before = outputs
        outputs = _Factoring(graph, outputs, leaves, share=number == share_at).outputs()
        if outputs == before and (number >= share_at or share_at == NEVER):
            break
    return outputs


class _Factoring:
    """The sums of some outputs, flattened, and the way back to nodes."""

    def __init__(
        self, graph: Graph, outputs: Sequence[int], leaves: frozenset[int], *, share: bool
    ) -> None:
        self.graph = graph
        self.leaves = leaves
        self.roots = tuple(outputs)
        self.order = _computed(graph, outputs, leaves)
        self.uses = Counter(outputs)
        for node in self.order:
            self.uses.update(graph.nodes[node].operands)
        one = graph.constant(1.0)
        #: H_ii -> F_ii.
        self.shifted = {
            node: graph.add(one, node)
            for node in (graph.input(f"H_{i}{i}") for i in range(3))
            if node not in leaves
        }
        #: Operands -> difference: x - y is written as -(y - x) where that is there too.
        self.opposites = {
            graph.nodes[node].operands: node
            for node in self.order
            if graph.nodes[node].operation == "subtract"
        }
        self.written: dict[int, int] = {}
        self.sums = {
            node: _collected(self._terms(node))
            for node in self.order
            if graph.nodes[node].operation in SUMS or node in outputs
        }
        if share:
            self._share_parts()
        self._share_products()

    def outputs(self) -> tuple[int, ...]:
        """Return the outputs in factored form."""
        for node in self.order:
            if node in self.sums:
                self.written[node] = self._write(self.sums[node])
        return tuple(self._node(node) for node in self.roots)

    def _terms(self, node: int, number: float = 1.0, top: bool = True) -> Sum:
        """Return a node as a sum; sums that others use as well stay whole."""
        graph, entry = self.graph, self.graph.nodes[node]
        if node not in self.leaves and (top or self.uses[node] == 1):
            if entry.operation == "add":
                return [t for x in entry.operands for t in self._terms(x, number, top=False)]
            if entry.operation == "subtract":
                first, second = entry.operands
                return self._terms(first, number, False) + self._terms(second, -number, False)
            if entry.operation == "negate":
                return self._terms(entry.operands[0], -number, top=False)
        factors = list(self._factors(node))
        terms = [Term((), number)]
        for factor in factors:
            value = graph.value(factor)
            if value is not None:
                terms = [Term(term.factors, term.number * value) for term in terms]
            elif factor in self.shifted:
                shifted = self.shifted[factor]
                terms = [x for t in terms for x in (t.times(shifted), Term(t.factors, -t.number))]
            else:
                terms = [term.times(factor) for term in terms]
        return terms

    def _factors(self, node: int) -> Iterator[int]:
        """Yield the factors of a node."""
        entry = self.graph.nodes[node]
        if node not in self.leaves and entry.operation == "subtract":
            first, second = entry.operands
            opposite = self.opposites.get((second, first), node)
            if opposite < node:
                yield self.graph.constant(-1.0)
                yield opposite
                return
        if node in self.leaves or entry.operation not in ("multiply", "negate"):
            yield node
            return
        if entry.operation == "negate":
            yield self.graph.constant(-1.0)
        for operand in entry.operands:
            yield from self._factors(operand)

    def _share_parts(self) -> None:
        """Make pairs of terms that stand in several sums sums of their own."""
        graph = self.graph
        places: _Places[tuple[Term, Term], int] = _Places()
        for root, terms in self.sums.items():
            places.add(_pairs_of_terms(terms), root)
        while (found := places.most_frequent()) is not None:
            pair, roots = found
            # A name for the sum, by which other sums hold it; it is written when its turn comes.
            part = graph.input(f"part_{len(graph.nodes)}")
            self.sums[part] = list(pair)
            self.order.insert(self.order.index(roots[0]), part)
            for root in roots:
                before = self.sums[root]
                sign = 1.0 if pair[0] in before else -1.0
                taken = [Term(term.factors, sign * term.number) for term in pair]
                after = [term for term in before if term not in taken] + [Term((part,), sign)]
                self.sums[root] = after
                places.discard(_pairs_of_terms(before), root)
                places.add(_pairs_of_terms(after), root)

    def _share_products(self) -> None:
        """Make pairs of factors that stand in several terms factors of their own."""
        places: _Places[tuple[int, int], tuple[int, int]] = _Places()
        for root, terms in self.sums.items():
            for k, term in enumerate(terms):
                places.add(term.pairs(), (root, k))
        while (found := places.most_frequent()) is not None:
            pair, terms_with = found
            product = self.graph.multiply(*pair)
            for root, k in terms_with:
                before = self.sums[root][k]
                after = before.without(*pair).times(product)
                self.sums[root][k] = after
                places.discard(before.pairs(), (root, k))
                places.add(after.pairs(), (root, k))

    def _write(self, terms: Sum) -> int:
        """Return the node of a sum, common factors taken out, the most frequent first."""
        graph, rest, nodes = self.graph, list(terms), []
        while len(rest) > 1:
            counts = Counter(x for term in rest for x in set(term.factors))
            if not counts or max(counts.values()) < 2:
                break
            common = min(counts, key=lambda node: (-counts[node], node))
            inside = [term.without(common) for term in rest if common in term.factors]
            rest = [term for term in rest if common not in term.factors]
            # A sum is written as its negative if it begins with a minus: x - y and y - x are one.
            sign = 1.0 if min(inside, key=lambda term: term.factors).number > 0 else -1.0
            inner = self._write([Term(term.factors, sign * term.number) for term in inside])
            nodes.append((sign, graph.multiply(self._node(common), inner)))
        nodes += [(1.0 if term.number > 0 else -1.0, self._product(term)) for term in rest]
        # In the order of the nodes, so that equal sums are found to be equal.
        positive = sorted(node for sign, node in nodes if sign > 0)
        negative = sorted(node for sign, node in nodes if sign < 0)
        if not nodes:
            return graph.constant(0.0)
        if not positive:
            return graph.negate(graph.add(*negative))
        total = graph.add(*positive)
        return graph.subtract(total, graph.add(*negative)) if negative else total

    def _product(self, term: Term) -> int:
        """Return the node of a product without its sign."""
        factors = [self._node(x) for x in term.factors]
        if abs(term.number) != 1.0 or not factors:
            factors = [self.graph.constant(abs(term.number)), *factors]
        return self.graph.multiply(*factors)

    def _node(self, node: int) -> int:
        """Return what a node of before is now."""
        if node in self.leaves:
            return node
        if node not in self.written:
            entry = self.graph.nodes[node]
            if not entry.operands:
                return node
            self.written[node] = self.graph.operation(
                entry.operation, *(self._node(x) for x in entry.operands)
            )
        return self.written[node]


Key = TypeVar("Key", bound=Any)
Place = TypeVar("Place", bound=Any)


class _Places(Generic[Key, Place]):
    """Where something occurs, and what occurs most often."""

    def __init__(self) -> None:
        self._places: defaultdict[Key, set[Place]] = defaultdict(set)
        self._heap: list[tuple[int, Key]] = []
        self._changed: set[Key] = set()

    def add(self, keys: Iterable[Key], place: Place) -> None:
        """Note that some things occur at a place."""
        for key in keys:
            self._places[key].add(place)
            self._changed.add(key)

    def discard(self, keys: Iterable[Key], place: Place) -> None:
        """Note that some things no longer occur at a place."""
        for key in keys:
            self._places[key].discard(place)

    def most_frequent(self) -> tuple[Key, list[Place]] | None:
        """Return what occurs most often and where, None if nothing occurs twice."""
        for key in self._changed:
            if len(self._places[key]) > 1:
                heapq.heappush(self._heap, (-len(self._places[key]), key))
        self._changed.clear()
        while self._heap:
            count, key = heapq.heappop(self._heap)
            places = self._places[key]
            if len(places) == -count:
                return key, sorted(places)
            if len(places) > 1:
                heapq.heappush(self._heap, (-len(places), key))
        return None


def _collected(terms: Sum) -> Sum:
    """Return a sum with terms of equal factors added up."""
    numbers: dict[tuple[int, ...], float] = {}
    for term in terms:
        numbers[term.factors] = numbers.get(term.factors, 0.0) + term.number
    return [Term(factors, number) for factors, number in numbers.items() if number != 0.0]


def _pairs_of_terms(terms: Sum) -> Iterator[tuple[Term, Term]]:
    """Yield the pairs of terms of a sum, the first made positive; a sum of two is one already."""
    if len(terms) < 3:
        return
    ordered = sorted(terms, key=lambda term: term.factors)
    for first, second in combinations(ordered, 2):
        sign = 1.0 if first.number > 0 else -1.0
        yield (
            Term(first.factors, sign * first.number),
            Term(second.factors, sign * second.number),
        )


def _computed(graph: Graph, outputs: Sequence[int], leaves: frozenset[int]) -> list[int]:
    """Return what is computed from the leaves, in order."""
    needed = set(outputs)
    computed = []
    for node in reversed(graph.live(outputs)):
        if node in needed and node not in leaves and graph.nodes[node].operands:
            computed.append(node)
            needed |= set(graph.nodes[node].operands)
    return computed[::-1]

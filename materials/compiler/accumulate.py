"""Fifth stage, first half: shorten the chains between the increment and its effects.

dP is linear in dH, so each node between them is a combination Σ c_k b_k of earlier ones with
coefficients that depend on the strain alone.  Carrying such combinations along instead of single
nodes moves multiplications from the Jacobian into coefficients, which the residual can compute and
store once.  A combination is written out where it grows longer than a limit; the best limit differs
from material to material, and all of LIMITS are tried.

Reference: A. Griewank and A. Walther, Evaluating Derivatives, SIAM 2008, section 10.2
(preaccumulation of local Jacobians).
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from elastane.materials.compiler.graph import Graph

#: Longest combinations that are carried along.
LIMITS = (1, 2, 3, 4)

#: Basis node -> coefficient node.
Combination: TypeAlias = dict[int, int]


def depends_on(graph: Graph, nodes: Iterable[int], prefix: str) -> set[int]:
    """Return those of the nodes, sorted as in `Graph.live`, that depend on inputs `prefix_*`."""
    dependent: set[int] = set()
    for node in nodes:
        entry = graph.nodes[node]
        named = entry.operation == "input" and str(entry.value).startswith(f"{prefix}_")
        if named or not dependent.isdisjoint(entry.operands):
            dependent.add(node)
    return dependent


def accumulate(graph: Graph, dP: Sequence[int], limit: int) -> tuple[int, ...]:
    """Return nodes equal to dP whose tangent part works on combinations of at most `limit` nodes.

    Args:
        graph: The graph, to which nodes are added.
        dP: Outputs that are linear in the inputs dH_iJ.
        limit: Longest combination that is not written out; 1 for combinations of dH itself.
    """
    nodes = graph.live(dP)
    tangent = depends_on(graph, nodes, "dH")
    combinations: dict[int, Combination] = {}
    written: dict[int, int] = {}

    def write(node: int) -> int:
        if node not in tangent:
            return node
        if node not in written:
            written[node] = write_out(graph, combinations[node])
        return written[node]

    for node in nodes:
        if node not in tangent:
            continue
        entry = graph.nodes[node]
        if entry.operation == "input":
            combinations[node] = {node: graph.constant(1.0)}
            continue
        combination = combine(graph, node, tangent, combinations)
        of_inputs = all(graph.nodes[basis].operation == "input" for basis in combination)
        if len(combination) > (1 if of_inputs else limit):
            basis = graph.operation(entry.operation, *(write(x) for x in entry.operands))
            combination = {basis: graph.constant(1.0)}
        combinations[node] = combination
    return tuple(write(node) for node in dP)


def combine(
    graph: Graph, node: int, tangent: set[int], combinations: dict[int, Combination]
) -> Combination:
    """Return a tangent node as a combination, from the combinations of its operands.

    Args:
        graph: The graph, to which coefficients are added.
        node: An operation that is linear in the operands that are in `tangent`.
        tangent: Nodes that depend on dH.
        combinations: The combination of each operand in `tangent`.
    """
    entry = graph.nodes[node]
    x, *rest = entry.operands

    def scale(source: int, operation: str, *factors: int) -> Combination:
        return {
            basis: graph.operation(operation, coefficient, *factors)
            for basis, coefficient in combinations[source].items()
        }

    if entry.operation in ("add", "subtract"):
        result = dict(combinations[x])
        for basis, coefficient in combinations[rest[0]].items():
            if basis in result:
                result[basis] = graph.operation(entry.operation, result[basis], coefficient)
            else:
                added = entry.operation == "add"
                result[basis] = coefficient if added else graph.negate(coefficient)
    elif entry.operation == "negate":
        result = scale(x, "negate")
    elif entry.operation == "multiply":
        factor, source = (rest[0], x) if x in tangent else (x, rest[0])
        result = scale(source, "multiply", factor)
    elif entry.operation == "select":
        zero = graph.constant(0.0)
        first, second = (combinations.get(operand, {}) for operand in rest)
        result = {
            basis: graph.operation("select", x, first.get(basis, zero), second.get(basis, zero))
            for basis in sorted(first.keys() | second.keys())
        }
    else:
        raise AssertionError(f"dP is linear in dH, but {entry.operation} is not")
    return {basis: c for basis, c in result.items() if graph.value(c) != 0}


def write_out(graph: Graph, combination: Combination) -> int:
    """Return the node of a combination, nodes of equal coefficient added first."""
    groups: dict[int, list[int]] = {}
    for basis, coefficient in combination.items():
        groups.setdefault(coefficient, []).append(basis)
    if not groups:
        return graph.constant(0.0)
    return graph.add(
        *(graph.multiply(coefficient, graph.add(*bases)) for coefficient, bases in groups.items())
    )

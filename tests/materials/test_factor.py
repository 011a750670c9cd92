"""Factoring changes how a tangent is written, never what it is."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("enzyme_ad", reason="needs pip install 'elastane[materials]'")

from elastane.materials.compiler.evaluate import evaluate
from elastane.materials.compiler.factor import SHARE_AT, factor
from elastane.materials.compiler.graph import Graph
from elastane.materials.compiler.split import count_flops

NAMES = ("H_00", "H_01", "H_11", "H_22", "dH_00", "dH_01", "mu")


def random_sums(seed: int) -> tuple[Graph, list[int]]:
    """Return a graph with sums of products of inputs, of each other, and what is wanted of it."""
    generator = np.random.default_rng(seed)
    graph = Graph()
    nodes = [graph.input(name) for name in NAMES] + [graph.constant(2.0), graph.constant(-1.0)]
    operations = ("add", "add", "subtract", "multiply", "multiply", "negate", "sqrt")
    for operation in generator.choice(operations, size=60):
        count = 1 if operation in ("negate", "sqrt") else 2
        operands = generator.choice(nodes, size=count).tolist()
        if operation == "sqrt":
            operands = [graph.multiply(operands[0], operands[0])]
        nodes.append(graph.operation(str(operation), *operands))
    return graph, [int(node) for node in nodes[-9:]]


def values() -> dict[str, NDArray[np.float64]]:
    generator = np.random.default_rng(0)
    return {name: generator.uniform(0.5, 1.5, 20) for name in NAMES}


@pytest.mark.parametrize(("seed", "share_at"), list(product(range(40), SHARE_AT)))
def test_the_value_stays(seed: int, share_at: int) -> None:
    graph, outputs = random_sums(seed)
    before = evaluate(graph, outputs, values())
    after = evaluate(graph, factor(graph, outputs, share_at=share_at), values())
    # Terms of a sum may be 1e4 times what is left of it; squares of squares grow further.
    scale = np.abs(before).max(axis=1, keepdims=True) + 1.0
    assert np.nanmax(np.abs(after - before) / scale) < 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_leaves_are_not_looked_into(seed: int) -> None:
    graph, outputs = random_sums(seed)
    leaves = [node for node in outputs if graph.nodes[node].operands][:3]
    factored = factor(graph, outputs, leaves)
    for before, after in zip(outputs, factored, strict=True):
        if before in leaves:
            assert after == before


def test_common_factors_are_taken_out() -> None:
    """A s x + b s x + a y + b y takes eight operations, (a + b) (s x + y) takes four."""
    graph = Graph()
    a, b, s, x, y = (graph.input(name) for name in "absxy")
    terms = [(a, s, x), (b, s, x), (a, y), (b, y)]
    total = graph.add(*(graph.multiply(*factors) for factors in terms))
    (factored,) = factor(graph, [total])
    assert count_flops(graph, graph.live([factored])) == 4


def test_a_cofactor_is_written_with_the_deformation_gradient() -> None:
    """Written out, 1 + H11 + H22 + H11 H22 is F11 F22: three operations instead of four."""
    graph = Graph()
    H11, H22, one = graph.input("H_11"), graph.input("H_22"), graph.constant(1.0)
    (factored,) = factor(graph, [graph.add(one, H11, H22, graph.multiply(H11, H22))])
    expected = graph.multiply(graph.add(one, H11), graph.add(one, H22))
    assert factored == expected


def test_opposite_differences_are_one() -> None:
    """(x - y) a + (y - x) b is (x - y) (a - b)."""
    graph = Graph()
    a, b, x, y = (graph.input(name) for name in "abxy")
    differences = graph.subtract(x, y), graph.subtract(y, x)
    total = graph.add(graph.multiply(differences[0], a), graph.multiply(differences[1], b))
    (factored,) = factor(graph, [total])
    assert count_flops(graph, graph.live([factored])) == 3

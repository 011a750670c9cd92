"""Elimination changes how a tangent is written, never what it is, and finds its narrow places."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("enzyme_ad", reason="needs pip install 'elastane[materials]'")

from elastane.materials.compiler.accumulate import depends_on
from elastane.materials.compiler.eliminate import eliminate
from elastane.materials.compiler.evaluate import evaluate
from elastane.materials.compiler.graph import Graph, dot
from elastane.materials.compiler.split import count_flops

INPUTS = tuple(f"{tensor}_{i}{j}" for tensor in ("H", "dH") for i in range(3) for j in range(3))


def values() -> dict[str, NDArray[np.float64]]:
    generator = np.random.default_rng(0)
    return {name: generator.uniform(-1.5, 1.5, 20) for name in INPUTS}


def random_tangent(seed: int) -> tuple[Graph, list[int]]:
    """Return a graph with combinations of dH, and nine that are wanted."""
    generator = np.random.default_rng(seed)
    graph = Graph()
    state, tangent = (
        [graph.input(name) for name in INPUTS if name.startswith(f"{tensor}_")]
        for tensor in ("H", "dH")
    )
    numbers = [*state, graph.constant(2.0), graph.constant(-1.0), graph.constant(1.0)]
    for operation in generator.choice(["add", "subtract", "multiply", "negate", "select"], size=60):
        x, y = generator.choice(tangent, size=2).tolist()
        a, b = generator.choice(numbers, size=2).tolist()
        operands = {
            "multiply": (a, x),
            "negate": (x,),
            "select": (graph.operation("less", a, b), x, y),
        }
        tangent.append(graph.operation(operation, *operands.get(operation, (x, y))))
    return graph, [int(node) for node in tangent[-9:]]


@pytest.mark.parametrize("seed", range(40))
def test_the_value_stays(seed: int) -> None:
    graph, outputs = random_tangent(seed)
    before = evaluate(graph, outputs, values())
    after = evaluate(graph, eliminate(graph, outputs), values())
    # Up to 60 sums and products, each of which rounds.
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-13 * np.abs(before).max())


def test_outputs_that_need_no_increment_or_are_one_stay() -> None:
    graph = Graph()
    outputs = (graph.constant(0.0), graph.input("dH_00"), graph.input("H_00"))
    assert eliminate(graph, outputs) == outputs


def test_a_long_way_through_a_narrow_place_is_short() -> None:
    """Layers between one invariant and dP are one coefficient, however many there are."""
    graph = Graph()
    H, dH = ([graph.input(name) for name in names] for names in (INPUTS[:9], INPUTS[9:]))
    invariant = dot(graph, H, dH)
    layer = [graph.multiply(x, invariant) for x in H]
    for _ in range(3):
        layer = [
            dot(graph, [graph.multiply(x, y) for y in H], np.roll(layer, k))
            for k, x in enumerate(H)
        ]
    eliminated = eliminate(graph, layer)
    nodes = graph.live(eliminated)
    # Nine products and eight sums for the invariant, and one product for each component of dP.
    assert count_flops(graph, depends_on(graph, nodes, "dH")) == 9 + 8 + 9

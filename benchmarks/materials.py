"""What materials cost: nanoseconds of a tangent at a quadrature point, and seconds to compile.

A QFunction runs over blocks of points as libCEED calls it, on one thread: in cache (one block again
and again) and streaming (blocks that fill 600 MB).  Of each pair that is compared, both run by
turns in one process and the ratio is the median over turns; times are processor times.

* generated against written by hand: `benchmarks/qfunctions`, the best of each;
* what the split stores against computing all again from grad u;
* all models against neo-Hookean;
* the stages of the compiler.

    python -m elastane.benchmarks.materials
"""

import argparse
import ctypes
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from elastane.benchmarks.machine import spread, write_results
from elastane.materials import MODELS
from elastane.materials.compiler.accumulate import accumulate
from elastane.materials.compiler.build import KernelSet, find_kernel_sets
from elastane.materials.compiler.check import check_derivatives, check_split
from elastane.materials.compiler.emit import emit_file
from elastane.materials.compiler.factor import factor
from elastane.materials.compiler.lower import lower
from elastane.materials.compiler.native import build_library
from elastane.materials.compiler.pipeline import (
    COMPARISONS,
    differentiated_formulas,
    enzyme_formulas,
)
from elastane.materials.compiler.qfunctions import build_qfunctions
from elastane.materials.compiler.split import Split, count_flops, divide
from elastane.materials.kernels import find_kernels
from elastane.materials.points import pointers, to_field

Floats = NDArray[np.float64]
SOURCES = Path(__file__).parent / "qfunctions"

#: Points of a block: eight elements of 27 points, as in libCEED's blocked backends at p = 2.
BLOCK = 216

#: Doubles in a cache line.
LINE = 8

#: Bytes that stream: more than all cores' cache.
STREAMING_BYTES = 600_000_000

#: Tangents written by hand: kernel set -> variant -> numbers stored.
HAND_WRITTEN: Mapping[str, Mapping[str, int]] = {
    "neo-hookean": {"inverse": 10, "cofactor": 11},
    "mooney-rivlin": {"S": 16, "cofactor": 11},
}


@dataclass
class Tangent:
    """A tangent with data to run on, one block after the other.

    Attributes:
        address: Its function in C.
        context: Kernel parameters.
        inputs: Increments, geometry and stored state, shape (blocks, components, BLOCK).
        output: Weighted stress increments, shape (blocks, 9, BLOCK).
    """

    address: int
    context: Floats
    inputs: list[Floats]
    output: Floats

    def run(self, num_blocks: int, num_repeats: int) -> float:
        """Return the processor time of a run in nanoseconds per point."""
        sizes = [array.shape[1] for array in self.inputs]
        start = time.process_time()
        sweep()(
            ctypes.c_void_p(self.address),
            ctypes.c_void_p(self.context.ctypes.data),
            num_blocks,
            BLOCK,
            num_repeats,
            len(sizes),
            pointers(self.inputs),
            (ctypes.c_int * len(sizes))(*sizes),
            1,
            pointers([self.output]),
            (ctypes.c_int * 1)(9),
        )
        return 1e9 * (time.process_time() - start) / (num_blocks * BLOCK * num_repeats)

    @property
    def bytes_per_point(self) -> int:
        """Return the bytes that pass at a point."""
        return 8 * (9 + sum(array.shape[1] for array in self.inputs))


@cache
def sweep() -> Any:
    """Return the C function that runs over blocks."""
    source = (SOURCES / "sweep.c").read_text(encoding="utf-8")
    return ctypes.CDLL(str(build_library(source, "sweep"))).sweep


class Points:
    """Geometry, strains and increments at so many blocks of points; always the same ones."""

    def __init__(self, num_blocks: int) -> None:
        generator = np.random.default_rng(7)
        self.num_blocks = num_blocks
        H, dH = 0.1 * generator.standard_normal((2, BLOCK, 3, 3))
        geometry = np.eye(3) + 0.1 * generator.standard_normal((BLOCK, 3, 3))
        qdata = np.concatenate([np.ones((1, BLOCK)), geometry.reshape(BLOCK, 9).T])
        self.H, self.dH, self.qdata = (
            repeated(block, num_blocks) for block in (to_field(H), to_field(dH), qdata)
        )

    def tangent(
        self, library: ctypes.CDLL, names: tuple[str, str], num_stored: int, context: Floats
    ) -> Tangent:
        """Return a tangent whose state a residual has just stored.

        Args:
            library: Holds both.
            names: Residual and Jacobian.
            num_stored: Numbers that one passes to the other.
            context: Kernel parameters.
        """
        state = repeated(np.zeros((num_stored, BLOCK)), self.num_blocks)
        stress, det_F = np.empty((9, BLOCK)), np.empty((1, BLOCK))
        residual = getattr(library, names[0])
        outputs = [stress, state[0], det_F] if num_stored else [stress, det_F]
        residual(
            ctypes.c_void_p(context.ctypes.data),
            ctypes.c_int(BLOCK),
            pointers([self.H[0], self.qdata[0]]),
            pointers(outputs),
        )
        state[1:] = state[0]
        inputs = [self.dH, self.qdata, *([state] if num_stored else [])]
        address = ctypes.cast(getattr(library, names[1]), ctypes.c_void_p).value
        assert address is not None
        output = repeated(np.zeros((9, BLOCK)), self.num_blocks)
        return Tangent(address, context, inputs, output)


def repeated(block: Floats, num_blocks: int) -> Floats:
    """Return a block so many times, aligned to cache lines as libCEED's memory is."""
    memory = np.empty(num_blocks * block.size + LINE)
    start = -memory.ctypes.data % (8 * LINE) // 8
    result = memory[start : start + num_blocks * block.size].reshape(num_blocks, *block.shape)
    result[:] = block
    return result


def generated(points: Points, chosen: KernelSet) -> Tangent:
    """Return the generated tangent of a kernel set, at its first example."""
    kernels = find_kernels(chosen.material, chosen.choices)
    library = ctypes.CDLL(str(kernels.build()))
    return points.tangent(
        library, ("residual", "jacobian"), kernels.num_stored, example_context(chosen)
    )


def example_context(chosen: KernelSet) -> Floats:
    """Return the kernel parameters of the first example."""
    example = chosen.material.examples_of(chosen.choices)[0]
    return np.array(list(chosen.material.resolve(example, chosen.choices).values()), dtype=float)


def by_hand(points: Points, chosen: KernelSet) -> dict[str, Tangent]:
    """Return the tangents of a kernel set that are written by hand."""
    header = (SOURCES / "hand-written.h").read_text(encoding="utf-8")
    text = (SOURCES / f"{chosen.name}.c").read_text(encoding="utf-8")
    source = text.replace('#include "hand-written.h"', header)
    library = ctypes.CDLL(str(build_library(source, f"{chosen.name}-by-hand")))
    return {
        variant: points.tangent(
            library, (f"residual_{variant}", f"jacobian_{variant}"), stored, example_context(chosen)
        )
        for variant, stored in HAND_WRITTEN[chosen.name].items()
    }


def measure(tangents: Mapping[str, Tangent], turns: int) -> dict[str, Any]:
    """Return nanoseconds per point of each tangent, in cache and streaming, and their ratios.

    Ratios are those to the first tangent, turn by turn.
    """
    rows: dict[str, Any] = {}
    for where, num_blocks, num_repeats in (
        ("in cache", 1, 2000),
        ("streaming", min(len(t.output) for t in tangents.values()), 1),
    ):
        times = [[t.run(num_blocks, num_repeats) for t in tangents.values()] for _ in range(turns)]
        columns = np.array(times[1:]).T
        rows[where] = {
            name: {
                "ns": spread(column.tolist()),
                "ratio": spread((column / columns[0]).tolist()),
            }
            for name, column in zip(tangents, columns, strict=True)
        }
    return rows


def check_equal(tangents: Mapping[str, Tangent]) -> None:
    """Make sure that all tangents compute the same, to rounding."""
    first, *others = tangents.values()
    for tangent in tangents.values():
        tangent.run(1, 1)
    for other in others:
        error = np.abs(other.output[0] - first.output[0]).max() / np.abs(first.output[0]).max()
        assert error < 1e-12, f"tangents differ by {error:.1e}"


def num_blocks_of(num_stored: int) -> int:
    """Return how many blocks fill the memory that streams."""
    return STREAMING_BYTES // (8 * BLOCK * (9 + 10 + num_stored + 9))


def compare_by_hand(turns: int) -> list[dict[str, Any]]:
    """Return generated tangents against those written by hand."""
    rows = []
    for name in HAND_WRITTEN:
        (chosen,) = find_kernel_sets(name)
        points = Points(num_blocks_of(16))
        tangents = {"generated": generated(points, chosen), **by_hand(points, chosen)}
        check_equal(tangents)
        rows.append({"kernels": name, "times": measure(tangents, turns)})
    return rows


def compare_models(turns: int) -> list[dict[str, Any]]:
    """Return all models against computing their tangents from grad u, and their costs."""
    rows = []
    for name in MODELS:
        for chosen in find_kernel_sets(name):
            kernels = find_kernels(chosen.material, chosen.choices)
            points = Points(num_blocks_of(max(kernels.num_stored, 9)))
            tangents = {"generated": generated(points, chosen)}
            if chosen.material.measure != "principal":
                # With all rotations in it, C compilers take minutes for such a tangent.
                tangents["computed again"] = computed_again(points, chosen)
            check_equal(tangents)
            rows.append(
                {
                    "kernels": chosen.name,
                    "num_stored": kernels.num_stored,
                    "flops": kernels.flops["jacobian"],
                    "times": measure(tangents, turns),
                }
            )
    return rows


def computed_again(points: Points, chosen: KernelSet) -> Tangent:
    """Return the tangent that computes all from grad u, written as shortly as we can."""
    material, choices = chosen.material, chosen.choices
    formulas = enzyme_formulas(material, choices)
    graph = formulas.graph
    variants = [formulas.dP, accumulate(graph, formulas.dP, 1)]
    variants += [factor(graph, dP) for dP in variants]
    dP = min(variants, key=lambda nodes: count_flops(graph, graph.live(nodes)))
    inputs = [graph.input(f"H_{i}{j}") for i in range(3) for j in range(3)]
    choice = Split(tuple(node for node in inputs if node in graph.live(dP)), dP)
    qfunctions = build_qfunctions(formulas, choice)
    half = half_of(chosen, emit_file(graph, material, choices, qfunctions))
    library = ctypes.CDLL(str(build_library(half, f"{chosen.name}-computed-again")))
    names = ("residual", "jacobian")
    return points.tangent(library, names, len(choice.stored), example_context(chosen))


def half_of(chosen: KernelSet, code: str) -> str:
    """Return of generated C what a run builds."""
    kernels = find_kernels(chosen.material, chosen.choices)
    return replace(kernels, source=code).source_of(varying=False)


def compile_seconds(chosen: KernelSet) -> dict[str, float]:
    """Return the processor seconds of each stage of the compiler."""
    material, choices = chosen.material, chosen.choices
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable[[], Any]) -> Any:
        start = _processor_seconds()
        result = function()
        seconds[name] = seconds.get(name, 0.0) + _processor_seconds() - start
        return result

    timed("lower", lambda: lower(material, choices))
    formulas, independent, by = timed(
        "differentiate", lambda: differentiated_formulas(material, choices)
    )
    law = COMPARISONS[by]
    timed("check", lambda: check_derivatives(material, choices, formulas, independent, law))
    formulas, choice = timed("split", lambda: divide(formulas))
    timed("check", lambda: check_split(material, choices, formulas, choice))
    code = timed(
        "emit",
        lambda: emit_file(formulas.graph, material, choices, build_qfunctions(formulas, choice)),
    )
    # What a run builds, as a text that the cache does not hold.
    text = f"{half_of(chosen, code)}\n/* {time.time_ns()} */\n"
    timed("C compiler", lambda: build_library(text, "timed"))
    return seconds


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def table(content: dict[str, Any]) -> str:
    """Return all tables as Markdown."""
    stages = content["compile_seconds"]
    slowest = max(stages, key=lambda name: sum(stages[name].values()))
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in stages[slowest].items())
    return (
        f"{by_hand_table(content['by_hand'])}\n\n{models_table(content)}\n\n"
        f"The longest to compile is {slowest}, in seconds: {parts}."
    )


def by_hand_table(rows: list[dict[str, Any]]) -> str:
    """Return generated tangents against those by hand as a Markdown table."""
    lines = [
        "| model | tangent | in cache [ns] | ratio | streaming [ns] | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cached, streaming = row["times"]["in cache"], row["times"]["streaming"]
        for name in cached:
            words = name if name == "generated" else f"by hand, {name}"
            cells = [_times(found[name]) for found in (cached, streaming)]
            lines.append(f"| {row['kernels']} | {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _times(found: dict[str, Any]) -> str:
    ratio = found["ratio"]
    return (
        f"{found['ns']['median']:.1f} | "
        f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"
    )


def models_table(content: dict[str, Any]) -> str:
    """Return what each model costs as a Markdown table."""
    lines = [
        "| kernels | stored | flops | in cache [ns] | streaming [ns] | to neo-Hookean "
        "| computed again [ns] | ratio | compiled in [s] |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = content["models"]
    (base,) = (row for row in rows if row["kernels"] == "neo-hookean")
    ns = base["times"]["streaming"]["generated"]["ns"]["median"]
    for row in rows:
        streaming = row["times"]["streaming"]
        ours, again = streaming["generated"], "- | -"
        if "computed again" in streaming:
            other = streaming["computed again"]
            again = f"{other['ns']['median']:.1f} | {other['ratio']['median']:.2f}"
        total = sum(content["compile_seconds"][row["kernels"]].values())
        lines.append(
            f"| {row['kernels']} | {row['num_stored']} | {row['flops']} "
            f"| {row['times']['in cache']['generated']['ns']['median']:.1f} "
            f"| {ours['ns']['median']:.1f} | {ours['ns']['median'] / ns:.2f} "
            f"| {again} | {total:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    content = {
        "turns": options.turns,
        "by_hand": compare_by_hand(options.turns),
        "models": compare_models(max(options.turns // 3, 3)),
        "compile_seconds": {
            chosen.name: compile_seconds(chosen)
            for name in MODELS
            for chosen in find_kernel_sets(name)
        },
    }
    print(table(content))  # noqa: T201
    write_results("materials", content)


if __name__ == "__main__":
    main()

"""Operators: unknowns per second, against libCEED, an assembled matrix, and the machine's limits.

One pinned core; a rival and the fused kernel run by turns in one process, and the ratio is the
median over the turns.  Times are processor times.  Out of cache means that half a gigabyte of other
numbers is read before each apply.

    elastane bench operator
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.benchmarks import device_operators, pictures
from elastane.benchmarks.assembled import box_matrix, bytes_of_box
from elastane.benchmarks.lattice import Solid, Subject, fused
from elastane.benchmarks.limits import Limits, measure_limits
from elastane.benchmarks.machine import (
    add_common_arguments,
    pin,
    spread,
    write_results,
)
from elastane.benchmarks.problems import Listener, common_folder, cube
from elastane.benchmarks.subjects import Cube, by_libceed, check_equal
from elastane.materials import find_model, find_or_load
from elastane.materials.kernels import find_kernels
from elastane.solver.ceed import BackendError, check_resource
from elastane.solver.loading import Run

#: libCEED's resources on CPUs, where its build has them.
RESOURCES = (
    "/cpu/self/avx/blocked",
    "/cpu/self/avx/serial",
    "/cpu/self/opt/blocked",
    "/cpu/self/opt/serial",
    "/cpu/self/ref/blocked",
)

#: The assembled matrix may take so many bytes.
LARGEST_MATRIX = 4e9

#: A measured time is that of so many applies that it lasts longer than the clock is coarse.
SHORTEST_SECONDS = 2e-3

#: Tangents written by hand: model -> variant -> numbers stored.
BY_HAND = {
    "neo-hookean": {"cofactor": 11, "inverse": 10},
    "mooney-rivlin": {"cofactor": 11, "S": 16},
}

#: Name of the product with an assembled matrix.
ASSEMBLED = "assembled BAIJ"

#: By how much results of different kernels may differ: sums in another order, and of Jacobians the
#: state, which fused kernels store in single precision.
DIFFERENCES = {"residual": 1e-9, "jacobian": 1e-6}

#: Read before an apply out of cache: more than caches hold.
WASTE_BYTES = 1 << 29

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A function on a cube.

    Attributes:
        function: "residual" or "jacobian".
        where: "out of cache" or "in cache".
        cube: The cube.
        waste: Bytes that are read before each apply.
    """

    function: str
    where: str
    cube: Cube
    waste: int = 0


def main() -> int:
    """Measure with every libCEED asked for, each in a process of its own; write the results."""
    parser = argparse.ArgumentParser(
        prog="elastane bench operator", description=(__doc__ or "").partition("\n\n")[0]
    )
    device_operators.add_operator_arguments(parser)
    parser.add_argument("--resources", nargs="+", default=RESOURCES)
    parser.add_argument(
        "--libceed",
        type=Path,
        metavar="DIR",
        help="measure another libCEED as well: the folder of its libceed.so",
    )
    parser.add_argument("--libceed-flags", default="unknown", help="with which that was compiled")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    add_common_arguments(parser)
    options = parser.parse_args()
    if options.quick:
        options.degrees, options.pairs, options.resources = [2], 3, RESOURCES[:1]
    if options.backend != "cpu":
        return device_operators.run(options)
    sizes = (4000, 1000) if options.quick else (800_000, 15_000)
    options.unknowns, options.in_cache = options.unknowns or sizes[0], options.in_cache or sizes[1]
    if options.measure:
        options.measure.write_text(json.dumps(measure(options)), encoding="utf-8")
        return 0
    content = measure(options)
    for row in content["rivals"]:
        row["libceed"] = "wheel"
    if options.libceed:
        content["rivals"] += with_another_libceed(options.libceed, options.libceed_flags)
    write_results("operator", content, options.output)
    pictures.operator(content, options.output)
    print(table(content))  # noqa: T201
    return 0


def with_another_libceed(library: Path, flags: str) -> list[Row]:
    """Return what a process that loads another libCEED measures of its resources.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.json"
        command = [sys.executable, "-m", "elastane.benchmarks.operators", *sys.argv[1:]]
        # The dynamic linker looks there before it looks into the wheel.
        environment = {**os.environ, "LD_LIBRARY_PATH": str(library)}
        subprocess.run([*command, "--measure", str(path)], env=environment, check=True)
        rows = json.loads(path.read_text(encoding="utf-8"))["rivals"]
    return [{**row, "libceed": flags} for row in rows]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return all measurements with the libCEED of this process."""
    pin(options.core)
    limits = measure_limits(1 << 24 if options.quick else 1 << 30)
    ours_too = options.measure is None
    resources = [name for name in options.resources if _is_there(name)]
    neo_hookean = Solid.example(find_model("neo-hookean"))
    content: dict[str, Any] = {
        "pairs": options.pairs,
        "limits": {"bandwidth": limits.bandwidth, "peak": limits.peak},
        "fused": [],
        "rivals": [],
    }
    for case in cases(options):
        ours = fused(case.cube, neo_hookean, case.function)
        if ours_too:
            for single in (False, True):
                content["fused"].append(alone(case, neo_hookean, options.pairs, limits, single))
        for name, rival, tolerance in rivals(case, neo_hookean, resources, ours_too=ours_too):
            row = compare(case, ours, name, rival, options.pairs, tolerance)
            content["rivals"].append(row)
            print(described(case), name, row["ratio"], flush=True)  # noqa: T201
    if ours_too:
        content["materials"] = list(compare_materials(options))
        content["overhead"] = overhead(options)
    return content


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield what is measured."""
    for degree in options.degrees:
        for place in places(options, degree):
            for function in ("jacobian", "residual"):
                yield replace(place, function=function)


def places(options: argparse.Namespace, degree: int) -> Iterator[Case]:
    """Yield the Jacobian out of cache and in cache."""
    waste = WASTE_BYTES >> (10 if options.quick else 0)
    far = Cube.with_unknowns(degree, options.unknowns)
    yield Case("jacobian", "out of cache", far, waste)
    yield Case("jacobian", "in cache", Cube.with_unknowns(degree, options.in_cache))


def rivals(
    case: Case, solid: Solid, resources: Sequence[str], *, ours_too: bool
) -> Iterator[tuple[str, Callable[[], Subject], float | None]]:
    """Yield what does the same as a fused kernel: name, set-up, how far results may differ.

    Args:
        case: The function and where.
        solid: The material.
        resources: Of libCEED; the residual is measured on the first alone.
        ours_too: Whether those beside libCEED are wanted.
    """
    for resource in resources if case.function == "jacobian" else resources[:1]:
        rival = partial(by_libceed, case.cube, solid, case.function, resource)
        yield resource, rival, DIFFERENCES[case.function]
    if ours_too:
        yield "single", partial(fused, case.cube, solid, case.function, single=True), 1e-3
    if ours_too and case.function == "jacobian":
        yield ASSEMBLED, partial(assembled, case.cube), None


def assembled(cube: Cube) -> Subject:
    """Return PETSc's product with an assembled matrix, of fewer cells where memory asks for it."""
    cells = cube.cells
    while bytes_of_box(cube.degree, cells) > LARGEST_MATRIX:
        cells -= 1
    matrix = box_matrix(cube.degree, cells)
    x, y = matrix.createVecs()
    x.set(1.0)
    size = bytes_of_box(cube.degree, cells) + 2 * x.array_r.nbytes
    return Subject(lambda: matrix.mult(x, y), x.array, y.array, size)


def compare(
    case: Case,
    ours: Subject,
    name: str,
    rival: Callable[[], Subject],
    pairs: int,
    tolerance: float | None,
) -> Row:
    """Return how long a rival takes, and per unknown how many times as long as ours.

    Args:
        case: The function and where.
        ours: The fused kernel.
        name: Name of the rival.
        rival: Sets it up.
        pairs: Applies of each.
        tolerance: By how much results may differ; None where they are not the same.
    """
    theirs = rival()
    if tolerance is not None:
        check_equal(ours, theirs, tolerance)
    times = np.array(by_turns(ours.apply, theirs.apply, pairs, case.waste)).T
    per_unknown = times / [[len(ours.x)], [len(theirs.x)]]
    return {
        **described(case),
        "rival": name,
        "rival_unknowns": len(theirs.x),
        "ours": spread((1e-6 / per_unknown[0]).tolist()),
        "theirs": spread((1e-6 / per_unknown[1]).tolist()),
        "ratio": spread((per_unknown[1] / per_unknown[0]).tolist()),
        "bytes_per_unknown": theirs.num_bytes / len(theirs.x),
    }


def alone(case: Case, solid: Solid, pairs: int, limits: Limits, single: bool) -> Row:
    """Return a fused kernel against the limits of the machine."""
    ours = fused(case.cube, solid, case.function, single=single)
    unknowns = len(ours.x)
    seconds = np.array([once for once, _ in by_turns(ours.apply, ours.apply, pairs, case.waste)])
    least = limits.seconds(ours.num_bytes, ours.flops, single=single)
    return {
        **described(case),
        "precision": "single" if single else "double",
        "rate": spread((1e-6 * unknowns / seconds).tolist()),
        "bytes_per_unknown": ours.num_bytes / unknowns,
        "flops_per_unknown": ours.flops / unknowns,
        "bound": 1e-6 * unknowns / least,
        "bound_by": "bytes" if ours.num_bytes / limits.bandwidth == least else "flops",
        "share": spread((least / seconds).tolist()),
    }


def described(case: Case) -> Row:
    """Return what a row is about."""
    return {
        "function": case.function,
        "where": case.where,
        "degree": case.cube.degree,
        "unknowns": case.cube.unknowns,
    }


def compare_materials(options: argparse.Namespace) -> Iterator[Row]:
    """Yield tangents of other materials against neo-Hookean, and by hand against generated."""
    neo_hookean = Solid.example(find_model("neo-hookean"))
    for case in places(options, 2):
        base = fused(case.cube, neo_hookean, case.function)
        for name, solid in heavy_solids(options.quick):
            rival = partial(fused, case.cube, solid, case.function)
            row = compare(case, base, name, rival, options.pairs, None)
            yield {**row, "against": "neo-hookean"}
        for model, variants in BY_HAND.items():
            solid = Solid.example(find_model(model))
            generated = fused(case.cube, solid, case.function)
            for variant, stored in variants.items():
                rival = partial(fused, case.cube, solid.by_hand(variant, stored), case.function)
                name = f"{model} by hand, {variant}"
                tolerance = DIFFERENCES[case.function]
                row = compare(case, generated, name, rival, options.pairs, tolerance)
                yield {**row, "against": model}


def heavy_solids(quick: bool) -> Iterator[tuple[str, Solid]]:
    """Yield materials with much to compute."""
    yield "mooney-rivlin", Solid.example(find_model("mooney-rivlin"))
    if not quick:
        yield "ogden-compressible-3", Solid.example(find_model("ogden"), {"terms": 3})
        yield "neural-network", neural_network()


def neural_network() -> Solid:
    """Return a network of two hidden layers of eight neurons."""
    random = np.random.default_rng(14)
    sizes = ((8, 3), (8, 8), (1, 8))
    arrays = {f"layers.{k}.weight": np.abs(random.standard_normal(s)) for k, s in enumerate(sizes)}
    biases = {f"layers.{k}.bias": random.standard_normal(8) for k in range(2)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        np.savez(path, **arrays, **biases)  # type: ignore[arg-type]
        model = find_or_load(str(path))
        values = model.resolve({"bulk_modulus": 10.0}, {}).values()
        return Solid(find_kernels(model), np.array(list(values), dtype=float))


def overhead(options: argparse.Namespace) -> Row:
    """Return what Python and PETSc add to an apply, in microseconds: all but the kernel."""
    with common_folder(MPI.COMM_SELF) as folder:
        run = Run(cube(2, 1), folder, Listener(verbose=False), MPI.COMM_SELF)
    jacobian = run.multigrid.jacobian
    x, y = jacobian.createVecs()
    x.set(1.0)
    kernel = fused(Cube(2, 1), Solid.example(find_model("neo-hookean")), "jacobian")
    pairs = by_turns(lambda: jacobian.mult(x, y), kernel.apply, options.pairs)
    return {"microseconds": spread([1e6 * (whole - alone) for whole, alone in pairs])}


def by_turns(
    one: Callable[[], object], other: Callable[[], object], pairs: int, waste: int = 0
) -> list[tuple[float, float]]:
    """Return processor times of an apply of each, after a first turn that does not count."""
    counts = []
    for apply in (one, other):
        apply()
        seconds = timed(apply, 1)
        counts.append(max(1, round(SHORTEST_SECONDS / max(seconds, 1e-7))))
    if waste:
        counts = [1, 1]
    times = []
    for _ in range(pairs):
        turn = []
        for apply, count in zip((one, other), counts, strict=True):
            if waste:
                numbers(waste).sum()
            turn.append(timed(apply, count))
        times.append((turn[0], turn[1]))
    return times


@cache
def numbers(num_bytes: int) -> NDArray[np.float64]:
    """Return so many bytes of numbers."""
    return np.ones(num_bytes // 8)


def timed(apply: Callable[[], object], count: int) -> float:
    """Return the processor time of one of so many applies."""
    started = time.process_time()
    for _ in range(count):
        apply()
    return (time.process_time() - started) / count


def _is_there(resource: str) -> bool:
    try:
        check_resource(resource)
    except BackendError:
        return False
    return True


def table(content: dict[str, Any]) -> str:
    """Return the results as Markdown tables."""
    limits = content["limits"]
    degrees = sorted({row["degree"] for row in content["fused"]})
    lines = [
        f"Bandwidth {limits['bandwidth'] / 1e9:.1f} GB/s, peak {limits['peak'] / 1e9:.0f} GF/s.",
        "",
        "| fused | p | unknowns | MDoF/s | bytes | flops | bound MDoF/s | share |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in content["fused"]:
        lines.append(
            f"| {row['function']}, {row['precision']}, {row['where']} | {row['degree']} "
            f"| {row['unknowns']:,} | {_quartiles(row['rate'])} "
            f"| {row['bytes_per_unknown']:.0f} | {row['flops_per_unknown']:.0f} "
            f"| {row['bound']:.0f} ({row['bound_by']}) | {row['share']['median']:.0%} |"
        )
    lines += [
        "",
        f"| times as long as fused | {' | '.join(f'p = {degree}' for degree in degrees)} |",
        f"|---|{'---|' * len(degrees)}",
    ]
    for name, by_degree in by_rival(content).items():
        cells = [by_degree.get(degree, "") for degree in degrees]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "| tangent, p = 2 | where | against | times as long (quartiles) |",
        "|---|---|---|---|",
    ]
    for row in content["materials"]:
        lines.append(f"| {row['rival']} | {row['where']} | {row['against']} | {_ratio(row)} |")
    microseconds = content["overhead"]["microseconds"]["median"]
    return "\n".join([*lines, "", f"PETSc and Python add {microseconds:.0f} µs to an apply."])


def by_rival(content: dict[str, Any]) -> dict[str, dict[int, str]]:
    """Return the cells of the table of rivals by name and degree.

    What an assembled matrix would take if it came at the full bandwidth is there as well.
    """
    cells: dict[str, dict[int, str]] = {}
    for row in content["rivals"]:
        library = f", libCEED {row['libceed']}" if row["rival"][0] == "/" else ""
        name = f"{row['function']}, {row['where']}: {row['rival']}{library}"
        fewer = f", {row['rival_unknowns']:,} unknowns"
        size = fewer if row["rival_unknowns"] < 0.9 * row["unknowns"] else ""
        cells.setdefault(name, {})[row["degree"]] = f"{_ratio(row)}{size}"
        if row["rival"] == ASSEMBLED and row["where"] == "out of cache":
            best = 1e-6 * content["limits"]["bandwidth"] / row["bytes_per_unknown"]
            ratio = f"{row['ours']['median'] / best:.2f}"
            cells.setdefault(f"{name} at full bandwidth", {})[row["degree"]] = ratio
    return cells


def _quartiles(values: dict[str, float]) -> str:
    return f"{values['median']:.1f} ({values['low']:.1f}-{values['high']:.1f})"


def _ratio(row: Row) -> str:
    ratio = row["ratio"]
    return f"{ratio['median']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})"


if __name__ == "__main__":
    sys.exit(main())

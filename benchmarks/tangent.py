"""The tangent apply through PETSc, against the time that libCEED takes for its operator alone.

Both run by turns in one process; the ratio is the median over pairs.  What PETSc adds is the way
from T-vector to L-vector and back, and one Python call.  Times are processor times of one thread,
so that others on the machine disturb them little.

    python -m elastane.benchmarks.tangent
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from elastane.benchmarks.machine import spread, write_results
from elastane.benchmarks.problems import Listener, common_folder, cube
from elastane.solver.ceed_mat import LOperator, LVector
from elastane.solver.loading import Run

Pair = tuple[float, float]


def main() -> None:
    """Measure all degrees, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unknowns", type=int, default=300_000, help="of each problem, about")
    parser.add_argument("--degrees", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--pairs", type=int, default=31, help="of applies, by turns")
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--name", default="tangent", help="of the file of results")
    options = parser.parse_args()
    rows = [measure(p, options.unknowns, options.pairs, options.backend) for p in options.degrees]
    print(table(rows))  # noqa: T201
    write_results(options.name, {"pairs": options.pairs, "rows": rows})


def measure(degree: int, unknowns: int, pairs: int, backend: str) -> dict[str, Any]:
    """Return the measurement of one degree."""
    num_cells_1d = max(1, round(((unknowns / 3) ** (1 / 3) - 1) / degree))
    with common_folder(MPI.COMM_SELF) as folder:
        problem = cube(degree, num_cells_1d, backend=backend)
        run = Run(problem, folder, Listener(verbose=False), MPI.COMM_SELF)
    space = run.spaces[-1]
    jacobian = run.multigrid.jacobian
    x, y = jacobian.createVecs()
    x.setRandom()
    du, dR = LVector(run.ceed, space), LVector(run.ceed, space)
    du.petsc.setRandom()
    alone = LOperator(run.ceed, run.body.jacobian(space))
    times = by_turns(lambda: jacobian.mult(x, y), lambda: alone.apply(du, dR), pairs)
    bytes_, flops = counts(run, degree)
    seconds = spread([petsc for petsc, _ in times])
    return {
        "degree": degree,
        "unknowns": space.num_dofs,
        "backend": run.ceed.get_resource(),
        "petsc_seconds": seconds,
        "libceed_seconds": spread([libceed for _, libceed in times]),
        "ratio": spread([petsc / libceed for petsc, libceed in times]),
        "gdofs_per_second": space.num_dofs / seconds["median"] / 1e9,
        "bytes_per_unknown": bytes_ / space.num_dofs,
        "flops_per_unknown": flops / space.num_dofs,
    }


def by_turns(one: Callable[[], Any], other: Callable[[], Any], pairs: int) -> list[Pair]:
    """Return processor times of both, after a first turn that does not count."""
    times = []
    for _ in range(pairs + 1):
        start = time.process_time()
        one()
        middle = time.process_time()
        other()
        times.append((middle - start, time.process_time() - middle))
    return times[1:]


def counts(run: Run, degree: int) -> tuple[float, float]:
    """Return bytes and floating-point operations of one apply on L-vectors.

    Bytes are those that must come from memory if each number comes once: qdata, state, the node
    numbers of both restrictions, one vector read and one read and written.  Operations are those of
    sum factorisation through collocated gradients, and those of the generated QFunction.
    """
    nodes, points = degree + 1, len(run.body.points)
    contraction = nodes**3 * points + nodes**2 * points**2 + nodes * points**3 + 3 * points**4
    num_bytes, flops = 0.0, 0.0
    for part in run.body.parts:
        stored = 10 + part.state.shape[1]
        elements = len(part.elements)
        num_bytes += elements * (8 * stored * points**3 + 2 * 4 * nodes**3)
        per_point = part.kernels.flops["jacobian"]
        flops += elements * (2 * 3 * 2 * contraction + per_point * points**3)
    return num_bytes + 3 * 8 * 3 * run.spaces[-1].num_nodes, flops


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| p | unknowns | PETSc Mat [ms] | libCEED alone [ms] | ratio (quartiles) | MDoF/s "
        "| bytes | flops | GB/s | Gflop/s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio, rate = row["ratio"], row["gdofs_per_second"]
        lines.append(
            f"| {row['degree']} | {row['unknowns']:,} "
            f"| {1e3 * row['petsc_seconds']['median']:.1f} "
            f"| {1e3 * row['libceed_seconds']['median']:.1f} "
            f"| {ratio['median']:.3f} ({ratio['low']:.3f}-{ratio['high']:.3f}) "
            f"| {1e3 * rate:.1f} | {row['bytes_per_unknown']:.0f} | {row['flops_per_unknown']:.0f} "
            f"| {rate * row['bytes_per_unknown']:.1f} | {rate * row['flops_per_unknown']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

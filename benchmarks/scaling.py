"""Scaling: one rank against two, measured; and a thousand, by counting messages and bytes.

Both sizes of a pair run by turns, each in processes of its own, one load step of a cube at a time:
the same cube (strong), or two cubes side by side (weak).  Efficiencies are those of a CG iteration,
so that one iteration more or less does not count.

    elastane bench scaling
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mpi4py import MPI

from elastane.benchmarks import communication, pictures
from elastane.benchmarks.communication import Network, Sharing
from elastane.benchmarks.machine import add_common_arguments, spread, write_results
from elastane.benchmarks.problems import Listener, clamp, common_folder, formulas, problem
from elastane.jobs.launchers import find_mpiexec, is_open_mpi, num_cores
from elastane.meshes.box import Box
from elastane.solver.boundary import Traction
from elastane.solver.levels import multigrid_degrees
from elastane.solver.loading import Run
from elastane.solver.log import seconds as logged_seconds
from elastane.solver.polynomials import DEGREES
from elastane.solver.problem import LinearSettings

Row = dict[str, Any]

#: Ranks of the model; a share of a rank in the middle is the same from 27 on.
RANKS = (8, 64, 512, 1024)

#: Partitions are counted up to so many parts, beyond which no rank has more neighbours.
COUNTED_PARTS = 64


def main() -> int:
    """Measure, count, and write the results."""
    parser = argparse.ArgumentParser(
        prog="elastane bench scaling", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--degree", type=int, default=2)
    parser.add_argument("--cells", type=int, default=20, help="along the edges of a cube")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--latency", type=float, default=2e-6, help="of a message, in s")
    parser.add_argument(
        "--bandwidth", type=float, default=25e9 / 64, help="of a rank's share of the link, in B/s"
    )
    parser.add_argument("--kind", choices=("strong", "weak"), help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    add_common_arguments(parser)
    options = parser.parse_args()
    if options.quick:
        options.cells, options.repeats = 4, 1
    if options.measure:
        row = measure(options.degree, options.cells, options.kind)
        if MPI.COMM_WORLD.rank == 0:
            options.measure.write_text(json.dumps(row), encoding="utf-8")
        return 0
    network = Network(options.latency, options.bandwidth)
    kinds = ("strong",) if options.quick else ("strong", "weak")
    measured = list(pairs(kinds, options.repeats))
    # Others on the machine make a rank slower, never faster.
    rate = max(r["unknowns"] / r["cg_seconds"]["low"] for r in measured if r["ranks"] == 1)
    content = {
        "degree": options.degree,
        "measured": measured,
        "network": {"latency": network.latency, "bandwidth": network.bandwidth},
        "model": list(model(options, network, rate)),
    }
    write_results("scaling", content, options.output)
    pictures.scaling(content, options.output)
    print(table(content))  # noqa: T201
    return 0


def pairs(kinds: Sequence[str], repeats: int) -> Iterator[Row]:
    """Yield what one and two ranks take, by turns."""
    for kind in kinds:
        turns = [{ranks: launched(ranks, kind) for ranks in (1, 2)} for _ in range(repeats)]
        for ranks in (1, 2):
            rows = [turn[ranks] for turn in turns]
            ideal = ranks if kind == "strong" else 1
            efficiency = {
                name: spread([turn[1][name] / (ideal * turn[ranks][name]) for turn in turns])
                for name in ("cg_seconds", "apply_seconds", "seconds")
            }
            yield {
                **rows[0],
                **{name: spread([row[name] for row in rows]) for name in efficiency},
                "kind": kind,
                "ranks": ranks,
                "efficiency": efficiency["cg_seconds"],
                "apply_efficiency": efficiency["apply_seconds"],
                "whole_efficiency": efficiency["seconds"],
            }


def launched(ranks: int, kind: str) -> Row:
    """Return what processes of their own measure."""
    mpiexec = find_mpiexec()
    if mpiexec is None:
        raise SystemExit("mpiexec is not on the PATH: `elastane doctor` says how to get an MPI")
    command, environment = [mpiexec, "-n", str(ranks)], dict(os.environ)
    if is_open_mpi(mpiexec):
        command += ["--oversubscribe"] if ranks > num_cores() else []
        if os.geteuid() == 0:
            environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    module = ["-m", "mpi4py", "-m", "elastane.benchmarks.scaling"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "row.json"
        command += [sys.executable, *module, *sys.argv[1:], "--kind", kind, "--measure", str(path)]
        subprocess.run(command, env=environment, check=True)
        row: Row = json.loads(path.read_text(encoding="utf-8"))
        return row


def measure(degree: int, cells: int, kind: str) -> Row:
    """Return what the ranks of this run take for a load step, the slowest rank counting."""
    comm = MPI.COMM_WORLD
    length = comm.size if kind == "weak" else 1
    body = Box(size=(float(length), 1.0, 1.0), cells=(length * cells, cells, cells))
    load = Traction("x-max", formulas(0.0, 0.0, -0.02 / length**2))
    chosen = problem(body, degree, [clamp("x-min"), load], linear=LinearSettings(rtol=1e-3))
    with common_folder(comm) as folder:
        run = Run(chosen, folder, Listener(verbose=False), comm)
    x, y = run.multigrid.jacobian.createVecs()
    x.set(1.0)
    applies = []
    for _ in range(11):
        comm.Barrier()
        started = MPI.Wtime()
        run.multigrid.jacobian.mult(x, y)
        applies.append(comm.allreduce(MPI.Wtime() - started, op=MPI.MAX))
    started = MPI.Wtime()
    before = logged_seconds()
    report = run.solve()
    elapsed = comm.allreduce(MPI.Wtime() - started, op=MPI.MAX)
    krylov = report.steps[0].newton.krylov_iterations
    in_krylov = comm.allreduce(logged_seconds()["krylov"] - before["krylov"], op=MPI.MAX)
    return {
        "unknowns": report.dofs,
        "krylov_iterations": krylov,
        "seconds": elapsed,
        # CG begins with a preconditioner, as an iteration ends.
        "cg_seconds": in_krylov / (sum(krylov) + len(krylov)),
        "apply_seconds": sorted(applies[1:])[len(applies) // 2],
    }


def model(options: argparse.Namespace, network: Network, rate: float) -> Iterator[Row]:
    """Yield communication of a CG iteration against work, at a rate of unknowns per second."""
    degree = options.degree
    for cells in (2, 4) if options.quick else (8, 16, 24):
        unknowns = 3 * (degree * cells) ** 3
        for ranks in RANKS:
            at_degree = shared_by(cells, min(ranks, COUNTED_PARTS), degree)
            needed = communication.exchanges(degree, DEGREES[0], at_degree, ranks)
            seconds = communication.seconds(network, needed, ranks)
            yield {
                "ranks": ranks,
                "unknowns_per_rank": unknowns,
                "neighbours": int(at_degree[degree].neighbours.max()),
                "apply_bytes": 3 * 4 * int(at_degree[degree].nodes.max()),
                "messages": sum(each.count * each.messages for each in needed),
                "bytes": sum(each.count * each.num_bytes for each in needed),
                "reductions": communication.NUM_REDUCTIONS,
                "communication_seconds": seconds,
                "work_seconds": unknowns / rate,
                "share": seconds / (seconds + unknowns / rate),
            }


def shared_by(cells: int, num_parts: int, degree: int) -> dict[int, Sharing]:
    """Return what parts of cells³ cells share on each multigrid level, by degree."""
    edge = round(num_parts ** (1 / 3)) * cells
    parts = communication.bisect(communication.grid_centres(edge), num_parts)
    return {
        level: communication.sharing(communication.grid_nodes(edge, level), parts, num_parts)
        for level in multigrid_degrees(degree, "logarithmic")
    }


def table(content: Row) -> str:
    """Return the results as Markdown tables."""
    network = content["network"]
    lines = [
        "| scaling | ranks | unknowns | load step [s] | CG iteration [ms] | efficiency: CG "
        "| apply | load step |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in content["measured"]:
        efficiencies = " | ".join(
            f"{row[name]['median']:.2f} ({row[name]['low']:.2f}-{row[name]['high']:.2f})"
            for name in ("efficiency", "apply_efficiency", "whole_efficiency")
        )
        lines.append(
            f"| {row['kind']} | {row['ranks']} | {row['unknowns']:,} "
            f"| {row['seconds']['median']:.2f} | {1e3 * row['cg_seconds']['median']:.1f} "
            f"| {efficiencies} |"
        )
    lines += [
        "",
        f"Model of a CG iteration, p = {content['degree']}: {1e6 * network['latency']:.1f} µs "
        f"per message, {network['bandwidth'] / 1e9:.2f} GB/s per rank.",
        "",
        "| ranks | unknowns per rank | neighbours | kB of an exchange | messages | MB in all "
        "| communication [ms] | work [ms] | share |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in content["model"]:
        lines.append(
            f"| {row['ranks']:,} | {row['unknowns_per_rank']:,} | {row['neighbours']} "
            f"| {row['apply_bytes'] / 1e3:.1f} | {row['messages']} | {row['bytes'] / 1e6:.2f} "
            f"| {1e3 * row['communication_seconds']:.2f} | {1e3 * row['work_seconds']:.2f} "
            f"| {row['share']:.0%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

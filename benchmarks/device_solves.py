"""Whole load steps on a device: the Schwarz shell, unknowns per second of wall time.

A load step is all of Newton's method, with the preconditioner's set-up and what the host does
meanwhile.  Kernels are compiled before: the first solve does not count.  A simulated device has no
times; it shows that all of this works.
"""

import argparse
import gc
import time
from collections.abc import Iterator
from typing import Any

from mpi4py import MPI
from petsc4py import PETSc

from elastane.benchmarks.device_operators import described
from elastane.benchmarks.machine import spread, write_results
from elastane.benchmarks.problems import Listener, common_folder, cube, schwarz_shell
from elastane.solver.device import open_device
from elastane.solver.loading import Run
from elastane.solver.problem import LinearSettings, Problem

Row = dict[str, Any]

#: As published rates were taken.
LINEAR = LinearSettings(rtol=1e-3)

#: Events of PETSc's log: Newton's method, and its preconditioner's set-up.
WHOLE, SET_UP = ("SNESSolve",), ("SNESJacobianEval", "PCSetUp")


def main(options: argparse.Namespace) -> int:
    """Measure on a device; write the results."""
    content = measure(options)
    write_results(f"solve-{content['device']['name']}", content, options.output)
    print(table(content))  # noqa: T201
    return 0


def measure(options: argparse.Namespace) -> Row:
    """Return all measurements.

    Args:
        options: `backend`, `quick`, `repeats`, and `extents`: unit cells along an edge.
    """
    device = open_device(options.backend, 0)
    simulated = device.name == "simulated"
    rows = []
    for name, chosen in problems(options, small=simulated or options.quick):
        repeats = 1 if simulated else 1 + options.repeats
        solves = [load_step(chosen) for _ in range(repeats)]
        row: Row = {"name": name, **solves[0][0]}
        if not simulated:
            timed = [times for _, times in solves[1:]]
            row |= {key: spread([times[key] for times in timed]) for key in timed[0]}
        rows.append(row)
        print(name, row, flush=True)  # noqa: T201
    return {"device": described(device), "repeats": options.repeats, "solves": rows}


def problems(options: argparse.Namespace, *, small: bool) -> Iterator[tuple[str, Problem]]:
    """Yield what is solved; a small cube where only the working of it counts."""
    if small:
        yield "cube, p = 2", cube(2, 3, linear=LINEAR, backend=options.backend)
        return
    for degree in (2, 3):
        for extent in options.extents:
            name = f"Schwarz shell 0.2, p = {degree}, {extent}³ cells"
            yield name, schwarz_shell(degree, extent, 0.2, linear=LINEAR, backend=options.backend)


def load_step(chosen: Problem) -> tuple[Row, dict[str, float]]:
    """Return what a load step did, and its times.

    Raises:
        RuntimeError: If it does not converge at once.
    """
    with common_folder(MPI.COMM_SELF) as folder:
        run = Run(chosen, folder, Listener(verbose=False), MPI.COMM_SELF)
    before, started = _seconds(WHOLE + SET_UP), time.perf_counter()
    report = run.solve()
    seconds = time.perf_counter() - started
    after = _seconds(WHOLE + SET_UP)
    if report.status != "converged" or len(report.steps) != 1:
        raise RuntimeError(f"{report.status} after {len(report.steps)} steps {report.message}")
    spent = {name: after[name] - before[name] for name in after}
    done = report.preconditioner
    krylov = report.steps[0].newton.krylov_iterations
    row = {
        "unknowns": report.dofs,
        "krylov_iterations": list(krylov),
        "rebuilds": done["rebuilds"],
        "bytes_in_krylov_per_iteration": sum(
            done["device"]["in_krylov"][f"bytes_{way}"] for way in ("up", "down")
        )
        / sum(krylov),
    }
    del run
    gc.collect()
    PETSc.garbage_cleanup()
    return row, {
        "seconds": seconds,
        "rate": 1e-6 * report.dofs / seconds,
        "setup_share": sum(spent[name] for name in SET_UP) / sum(spent[name] for name in WHOLE),
    }


def _seconds(names: tuple[str, ...]) -> dict[str, float]:
    return {name: float(PETSc.Log.Event(name).getPerfInfo()["time"]) for name in names}


def table(content: Row) -> str:
    """Return the results as a Markdown table."""
    lines = [
        f"{content['device']['description']}.",
        "",
        "| load step | unknowns | seconds (quartiles) | MDoF/s | preconditioner set-up "
        "| CG by Newton iteration | bytes over the bus per CG iteration |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in content["solves"]:
        seconds, rate, share = "", "", ""
        if "rate" in row:
            times = row["seconds"]
            seconds = f"{times['median']:.3g} ({times['low']:.3g}-{times['high']:.3g})"
            rate = f"{row['rate']['median']:.1f}"
            share = f"{row['setup_share']['median']:.0%}"
        lines.append(
            f"| {row['name']} | {row['unknowns']:,} | {seconds} | {rate} | {share} "
            f"| {', '.join(map(str, row['krylov_iterations']))} "
            f"| {row['bytes_in_krylov_per_iteration']:.0f} |"
        )
    if not any("rate" in row for row in content["solves"]):
        lines.insert(1, "Times of a simulated device mean nothing, so there are none.")
    return "\n".join(lines)

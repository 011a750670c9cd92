"""Whole load steps: time, memory, iterations and work; and error against time.

Each problem runs on one pinned core in a process of its own.  Core seconds are processor seconds of
Newton's method, with all that its preconditioner needs.  Work of linear solves is counted by
floating-point operations, those in single precision as halves: in applies of the fine Jacobian in
double precision, per decimal digit by which the residuals fall.

    elastane bench solve
"""

import argparse
import gc
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi4py import MPI
from petsc4py import PETSc

from elastane.benchmarks import device_solves, pictures
from elastane.benchmarks.assembled import solve_assembled
from elastane.benchmarks.machine import (
    add_backend_argument,
    add_common_arguments,
    pin,
    resident_bytes,
    spread,
    write_results,
)
from elastane.benchmarks.problems import (
    Listener,
    common_folder,
    cook,
    cube,
    inclusion,
    punch,
    schwarz_shell,
    smooth,
)
from elastane.jobs.states import ExitCode
from elastane.solver.fused.level import FusedLevel
from elastane.solver.level_operator import LevelOperator
from elastane.solver.loading import Run
from elastane.solver.log import EVENTS
from elastane.solver.problem import LinearSettings, NewtonSettings, Problem

Row = dict[str, Any]

#: As published counts were taken.
LINEAR = LinearSettings(rtol=1e-3)

#: So that what is left of Newton's method is below the errors of the discretisations.
TIGHT = NewtonSettings(rtol=1e-10)

#: The load steps, by name.
SOLVES: Mapping[str, Callable[[], Problem]] = {
    "Schwarz shell 0.2, p = 2": lambda: schwarz_shell(2, 2, 0.2, linear=LINEAR),
    "Schwarz shell 0.2, p = 3": lambda: schwarz_shell(3, 2, 0.2, linear=LINEAR),
    "Schwarz shell 0.05, p = 2": lambda: schwarz_shell(2, 2, 0.05, linear=LINEAR),
    "punch, p = 2, nu = 0.3": lambda: punch(2, 2, linear=LINEAR),
    "punch, p = 3, nu = 0.3": lambda: punch(3, 2, linear=LINEAR),
    "punch, p = 2, nu = 0.49": lambda: punch(2, 1, 0.49, linear=LINEAR),
    "punch, p = 2, nu = 0.495": lambda: punch(2, 1, 0.495, linear=LINEAR),
    "punch, p = 2, nu = 0.499": lambda: punch(2, 1, 0.499, linear=LINEAR),
    "Cook, p = 2": lambda: cook(2, 64, linear=LINEAR),
    "inclusion 1:100, p = 2": lambda: inclusion(2, 20, linear=LINEAR),
    "cube, p = 1": lambda: cube(1, 40, linear=LINEAR),
    "cube, p = 2": lambda: cube(2, 34, linear=LINEAR),
    "cube, p = 4": lambda: cube(4, 17, linear=LINEAR),
}

#: The same, small.
QUICK_SOLVES: Mapping[str, Callable[[], Problem]] = {
    "inclusion 1:100, p = 2": lambda: inclusion(2, 4, linear=LINEAR),
}

#: Problems of the picture of error against time.
FAMILIES: Mapping[str, Callable[..., Problem]] = {
    "smooth solution": smooth,
    "Cook's membrane": cook,
}

#: Degree and cells of the solution that errors are taken from.
REFERENCES = {"smooth solution": (6, 6), "Cook's membrane": (5, 32)}

#: Cells along an edge by problem, method and degree.
MESHES: Mapping[str, Mapping[str, Mapping[int, tuple[int, ...]]]] = {
    "smooth solution": {
        "p-multigrid": {1: (8, 16, 32), 2: (4, 8, 16), 3: (3, 6, 10), 4: (2, 4, 6, 8)},
        "BoomerAMG": {1: (8, 16, 32), 2: (4, 8, 16), 3: (3, 6), 4: (2, 4, 6)},
        "GAMG": {1: (8, 16, 32), 2: (4, 8)},
    },
    "Cook's membrane": {
        "p-multigrid": {1: (16, 32, 64), 2: (8, 16, 32), 3: (4, 8, 16), 4: (4, 8, 16)},
        "BoomerAMG": {1: (16, 32, 64), 2: (8, 16, 32), 3: (4, 8), 4: (4, 8)},
        "GAMG": {1: (16, 32, 64), 2: (8, 16)},
    },
}
QUICK_MESHES: Mapping[str, Mapping[str, Mapping[int, tuple[int, ...]]]] = {
    "smooth solution": {"p-multigrid": {2: (2,)}, "BoomerAMG": {2: (2,)}}
}


@dataclass(frozen=True)
class Point:
    """A point of the picture of error against time."""

    problem: str
    method: str
    degree: int
    cells: int


def main() -> int:
    """Measure each problem in a process of its own; write the results."""
    parser = argparse.ArgumentParser(
        prog="elastane bench solve", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--repeats", type=int, default=3, help="of each solve")
    parser.add_argument("--only", default="", help="problems with this text in their names")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of one problem")
    parser.add_argument(
        "--extents", type=int, nargs="+", default=[2, 4], help="unit cells of the shell on a device"
    )
    add_backend_argument(parser)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--item", type=int, help=argparse.SUPPRESS)
    add_common_arguments(parser)
    options = parser.parse_args()
    if options.quick:
        options.repeats = 1
    if options.backend != "cpu":
        return device_solves.main(options)
    work = list(items(options.quick))
    if options.measure:
        pin(options.core)
        row = measure(work[options.item], options.repeats, quick=options.quick)
        options.measure.write_text(json.dumps(row), encoding="utf-8")
        return 0
    rows = {}
    for number, item in enumerate(work):
        if options.only in f"{item}":
            if options.quick:
                row = measure(item, options.repeats, quick=True)
            else:
                row = apart(number, options.limit)
            print(item, _short(row), flush=True)  # noqa: T201
            rows[item] = row
    content = gathered(rows)
    write_results("solve", content, options.output)
    if content["pareto"]:
        pictures.solve(content, options.output)
    print(table(content))  # noqa: T201
    return ExitCode.NOT_CONVERGED if content["failed"] else ExitCode.CONVERGED


def items(quick: bool) -> Iterator[str | Point]:
    """Yield names of load steps, and points of the picture, references first."""
    yield from QUICK_SOLVES if quick else SOLVES
    for problem, methods in (QUICK_MESHES if quick else MESHES).items():
        degree, cells = (3, 3) if quick else REFERENCES[problem]
        yield Point(problem, "reference", degree, cells)
        for method, by_degree in methods.items():
            for degree, sizes in by_degree.items():
                for cells in sizes:
                    yield Point(problem, method, degree, cells)


def apart(number: int, limit: float) -> Row:
    """Return what a process of its own measures of an item, or why there is nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "row.json"
        command = [sys.executable, "-m", "elastane.benchmarks.solves", *sys.argv[1:]]
        command += ["--item", str(number), "--measure", str(path)]
        try:
            code = subprocess.run(command, timeout=limit, check=False).returncode
        except subprocess.TimeoutExpired:
            return {"status": f"stopped after {limit:.0f} s"}
        if code:
            return {"status": f"exit code {code}"}
        row: Row = json.loads(path.read_text(encoding="utf-8"))
        return row


def measure(item: str | Point, repeats: int, *, quick: bool) -> Row:
    """Return what is measured of an item."""
    if isinstance(item, str):
        return load_step((QUICK_SOLVES if quick else SOLVES)[item], repeats)
    build = FAMILIES[item.problem]
    problem = build(item.degree, item.cells, linear=LINEAR, newton=TIGHT)
    row = {
        "problem": item.problem,
        "method": item.method,
        "degree": item.degree,
        "cells": item.cells,
    }
    if item.method in ("p-multigrid", "reference"):
        times = [ours(problem) for _ in range(repeats if item.method != "reference" else 1)]
    else:
        times = [rival(problem, item.method) for _ in range(repeats)]
    both = {name: spread([t[name] for t in times]) for name in ("seconds", "linear_seconds")}
    return {**row, **times[0], **both, "status": "converged"}


def ours(problem: Problem) -> Row:
    """Return a solve with p-multigrid."""
    run, watch = started(problem)
    energy, newton = watch.solve(run)
    return {
        "unknowns": run.spaces[-1].num_dofs,
        "strain_energy": energy,
        "krylov_iterations": newton,
        "seconds": watch.seconds + run.timings["setup: preconditioner"],
        "linear_seconds": watch.events["KSPSolve"],
        "newton_iterations": len(newton),
    }


def rival(problem: Problem, method: str) -> Row:
    """Return a solve with an assembled matrix; its assembly does not count, but is told."""
    run, _ = started(problem)
    newton = problem.solver.newton
    solution = solve_assembled(run, method, newton.rtol, LINEAR.rtol or 1e-3)
    seconds = solution.seconds
    return {
        "unknowns": run.spaces[-1].num_dofs,
        "strain_energy": solution.strain_energy,
        "krylov_iterations": solution.krylov_iterations,
        "seconds": sum(seconds.values()) - seconds["assembly"],
        "linear_seconds": seconds["solve"],
        "newton_iterations": len(solution.krylov_iterations),
        "parts": seconds,
        "matrix_bytes": solution.matrix_bytes,
    }


def load_step(build: Callable[[], Problem], repeats: int) -> Row:
    """Return time, memory, iterations and work of a load step."""
    rows: list[Row] = []
    for _ in range(repeats):
        before = resident_bytes()
        run, watch = started(build())
        _, krylov = watch.solve(run)
        dofs = run.spaces[-1].num_dofs
        evaluation = watch.events["SNESJacobianEval"] + watch.events["PCSetUp"]
        rows.append(
            {
                "unknowns": dofs,
                "krylov_iterations": krylov,
                "seconds": watch.seconds,
                "setup_seconds": run.timings["setup"],
                "microseconds_per_unknown": 1e6 * watch.seconds / dofs,
                "preconditioner_share": evaluation / watch.events["SNESSolve"],
                "krylov_share": watch.events["KSPSolve"] / watch.events["SNESSolve"],
                "applies": watch.applies,
                "digits": watch.digits,
                "rebuilds": run.multigrid.statistics()["rebuilds"],
                "smoother_degree": run.multigrid.smoother_degree,
                "work": watch.work,
                "peak_bytes_per_unknown": (max(_peak(), held()) - before) / dofs,
                "held_bytes_per_unknown": (held() - before) / dofs,
            }
        )
        del run, watch
        gc.collect()
    # Memory is that of the first: what later ones take was there before.
    timed = ("seconds", "setup_seconds", "microseconds_per_unknown", "preconditioner_share")
    spreads = {name: spread([row[name] for row in rows]) for name in timed}
    return {**rows[0], **spreads, "status": "converged"}


def started(problem: Problem) -> tuple[Run, "Watch"]:
    """Return a run that is set up, and something that watches it."""
    with common_folder(MPI.COMM_SELF) as folder:
        run = Run(problem, folder, Listener(verbose=False), MPI.COMM_SELF)
    return run, Watch()


@dataclass
class Watch:
    """What is seen of a solve.

    Attributes:
        seconds: Processor seconds.
        events: Seconds of events of PETSc's log.
        applies: Applies of the fine Jacobian by precision.
        work: Work of linear solves by part, see `work_done`.
        digits: Decimal digits by which linear residuals fell, summed.
    """

    seconds: float = 0.0
    events: dict[str, float] = field(default_factory=dict)
    applies: dict[str, int] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)
    digits: float = 0.0

    def solve(self, run: Run) -> tuple[float, list[int]]:
        """Solve; return the strain energy and the CG iterations of each Newton iteration.

        Raises:
            RuntimeError: If the load step does not converge at once.
        """
        norms: list[float] = []

        def see(_: PETSc.KSP, iteration: int, norm: float) -> None:
            if iteration == 0:
                norms.clear()
            elif norm > 0.0:
                self.digits += math.log10(norms[-1] / norm)
            norms.append(norm)

        run.newton.snes.getKSP().setMonitor(see)
        before, counted, done = _events(), fine_applies(run), work_done(run)
        started = time.process_time()
        report = run.solve()
        self.seconds = time.process_time() - started
        if report.status != "converged" or len(report.steps) != 1:
            raise RuntimeError(f"{report.status} after {len(report.steps)} steps {report.message}")
        self.events = {name: value - before[name] for name, value in _events().items()}
        after = fine_applies(run)
        self.applies = {name: after[name] - counted[name] for name in after}
        self.work = {name: value - done[name] for name, value in work_done(run).items()}
        step = report.steps[0]
        return step.strain_energy, list(step.newton.krylov_iterations)


def fine_applies(run: Run) -> dict[str, int]:
    """Return how often the fine Jacobian was applied so far, in linear solves."""
    done = run.multigrid.statistics()
    counts = {"double": done["jacobian_applies"], "single": 0}
    for level in done["levels"]:
        if level["degree"] == run.mechanics.space.degree:
            precision = "single" if level["precision"] == "float32" else "double"
            counts[precision] += level["applies"] - level["applies_in_estimates"]
    return counts


def work_done(run: Run) -> dict[str, float]:
    """Return the work of linear solves so far by part, in applies of the fine Jacobian in double.

    That is the floating-point operations of operators and smoothers over those of such an apply, in
    single precision as halves; passes over L-vectors are left out, as those of CG are.  What PETSc
    does below p = 1 are the operations that it counts itself.
    """
    done, levels = run.multigrid.statistics(), run.multigrid.smoothed
    unit = _flops(run.multigrid.levels[-1].operator)
    work = {
        "operator": float(done["jacobian_applies"]),
        "smoother": 0.0,
        "coarser levels": 0.0,
        "coarse solver": EVENTS["coarse solve"].getPerfInfo()["flops"] / unit,
    }
    for level, counts in zip(levels, done["levels"], strict=True):
        weight = 0.5 if counts["precision"] == "float32" else 1.0
        applies = weight * (counts["applies"] - counts["applies_in_estimates"]) / unit
        # A cycle solves elements as often as it applies the Jacobian: see `Chebyshev`.
        elements = applies * level.elements.flops if level.elements else 0.0
        operator = applies * _flops(level.jacobian.operator)
        if level is levels[-1]:
            work["operator"] += operator
            work["smoother"] += elements
        else:
            work["coarser levels"] += operator + elements
    return work


def finest_level(work: Mapping[str, float]) -> float:
    """Return the work on the finest level."""
    return work["operator"] + work["smoother"]


def all_levels(work: Mapping[str, float]) -> float:
    """Return the work on all levels."""
    return sum(work.values())


def _flops(operator: LevelOperator) -> int:
    assert isinstance(operator, FusedLevel), "libCEED's kernels are not counted"
    return operator.flops()


def _events() -> dict[str, float]:
    names = ("SNESSolve", "SNESJacobianEval", "PCSetUp", "KSPSolve")
    return {name: float(PETSc.Log.Event(name).getPerfInfo()["time"]) for name in names}


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def held() -> int:
    """Return the memory that this process holds, once freed memory is handed back."""
    gc.collect()
    PETSc.garbage_cleanup()
    return resident_bytes()


def gathered(rows: Mapping[str | Point, Row]) -> Row:
    """Return the content of the file of results."""
    solves = [{"name": item, **row} for item, row in rows.items() if isinstance(item, str)]
    points = {item: row for item, row in rows.items() if isinstance(item, Point)}
    exact = {
        item.problem: row["strain_energy"]
        for item, row in points.items()
        if item.method == "reference" and "strain_energy" in row
    }
    pareto = [
        {**row, "error": abs(row["strain_energy"] / exact[item.problem] - 1.0)}
        for item, row in points.items()
        if item.method != "reference" and "strain_energy" in row and item.problem in exact
    ]
    failed = {
        f"{item}": row["status"] for item, row in rows.items() if row["status"] != "converged"
    }
    return {"solves": solves, "pareto": pareto, "equal": list(equal(pareto)), "failed": failed}


def advantage(row: Row, pareto: list[Row]) -> float | None:
    """Return how many times as long a rival takes as p-multigrid does for no larger an error."""
    times = [
        mine["seconds"]["median"]
        for mine in pareto
        if (mine["problem"], mine["method"]) == (row["problem"], "p-multigrid")
        and mine["error"] <= row["error"]
    ]
    return row["seconds"]["median"] / min(times) if times else None


def equal(pareto: list[Row]) -> Iterator[Row]:
    """Yield how many times as long rivals take with the same elements, per Newton iteration."""
    ours = {
        (r["problem"], r["degree"], r["cells"]): r for r in pareto if r["method"] == "p-multigrid"
    }
    for row in pareto:
        mine = ours.get((row["problem"], row["degree"], row["cells"]))
        if row["method"] == "p-multigrid" or mine is None:
            continue
        yield {
            **{name: row[name] for name in ("problem", "method", "degree", "cells", "unknowns")},
            "error": row["error"],
            "whole": _per_iteration(row, "seconds") / _per_iteration(mine, "seconds"),
            "linear": _per_iteration(row, "linear_seconds")
            / _per_iteration(mine, "linear_seconds"),
        }


def _per_iteration(row: Row, name: str) -> float:
    return float(row[name]["median"] / row["newton_iterations"])


def _short(row: Row) -> str:
    seconds = row.get("seconds", {}).get("median", math.nan)
    return f"{row['status']}, {seconds:.2f} s, CG {row.get('krylov_iterations')}"


def table(content: Row) -> str:
    """Return the results as Markdown tables."""
    lines = [
        "| load step | unknowns | core s (quartiles) | µs per unknown | CG by Newton iteration "
        "| work per digit: finest level | all levels | preconditioner set-up "
        "| bytes per unknown: held | peak |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in content["solves"]:
        if row["status"] != "converged":
            lines.append(f"| {row['name']} | {row['status']} | | | | | | | | |")
            continue
        lines.append(
            f"| {row['name']} | {row['unknowns']:,} | {_quartiles(row['seconds'])} "
            f"| {row['microseconds_per_unknown']['median']:.1f} "
            f"| {', '.join(map(str, row['krylov_iterations']))} "
            f"| {_per_digit(row, finest_level)} | {_per_digit(row, all_levels)} "
            f"| {row['preconditioner_share']['median']:.0%} "
            f"| {row['held_bytes_per_unknown']:.0f} | {row['peak_bytes_per_unknown']:.0f} |"
        )
    lines += [
        "",
        "| problem | method | p | cells | unknowns | error of the energy | core s (quartiles) "
        "| CG per Newton iteration | times as long as p-multigrid with no larger error |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in content["pareto"]:
        krylov = row["krylov_iterations"]
        ratio = None if row["method"] == "p-multigrid" else advantage(row, content["pareto"])
        lines.append(
            f"| {row['problem']} | {row['method']} | {row['degree']} | {row['cells']} "
            f"| {row['unknowns']:,} | {row['error']:.1e} | {_quartiles(row['seconds'])} "
            f"| {sum(krylov) / len(krylov):.1f} | {f'{ratio:.1f}' if ratio else ''} |"
        )
    lines += [
        "",
        "| same elements | rival | p | cells | unknowns | whole, times as long | CG alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in content["equal"]:
        lines.append(
            f"| {row['problem']} | {row['method']} | {row['degree']} | {row['cells']} "
            f"| {row['unknowns']:,} | {row['whole']:.1f} | {row['linear']:.1f} |"
        )
    lines += [f"\n{name}: {status}" for name, status in content["failed"].items()]
    return "\n".join(lines)


def _per_digit(row: Row, part: Callable[[Mapping[str, float]], float]) -> str:
    """Return a part of the work per decimal digit."""
    return f"{part(row['work']) / row['digits']:.1f}"


def _quartiles(values: dict[str, float]) -> str:
    return f"{values['median']:.3g} ({values['low']:.3g}-{values['high']:.3g})"


if __name__ == "__main__":
    sys.exit(main())

"""Writes what a solve tells: events.jsonl, history.csv and result.json, and C of its kernels."""

import csv
import json
import time
from collections.abc import Mapping
from io import StringIO
from typing import Any

from elastane.jobs.paths import RunFolder
from elastane.jobs.result import add_report, add_step, empty_result, plain, write_result
from elastane.solver.kernel_sources import kernel_sources
from elastane.solver.problem import Output, Problem
from elastane.solver.report import Report

AXES = "xyz"


class Recorder:
    """The run folder's side of a solve; lives on rank 0.

    Args:
        folder: The run folder.
        problem: What is solved.
        ranks: Number of ranks.
        versions: Versions of the libraries in use.
    """

    def __init__(
        self, folder: RunFolder, problem: Problem, ranks: int, versions: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._output = problem.output
        self._started = time.monotonic()
        self._result = empty_result(problem.name, problem.degree, problem.backend, ranks)
        self._result["versions"] = dict(versions)
        self._append_row(history_header(problem.output))
        write_result(folder.result, self._result)
        folder.generated.mkdir(exist_ok=True)
        self._write_sources(kernel_sources(problem.materials.values()))

    def event(self, kind: str, values: Mapping[str, Any]) -> None:
        """Write an event down; who reads of a converged step finds it in the result already."""
        if kind == "problem":
            kept = ("dofs", "cells", "level_dofs", "ranks", "backend", "memory_bytes")
            self._result.update({key: values[key] for key in kept})
        elif kind == "warning":
            self._result["warnings"].append(values["message"])
        elif kind == "phase":
            self._result["timings"][f"setup: {values['name']}"] = values["seconds"]
        elif kind == "step_converged":
            add_step(self._result, values)
            self._append_row(history_row(self._output, values))
        elif kind == "fused_kernels":
            self._write_sources(values["sources"])
            values = {"names": list(values["sources"])}
        if kind in ("problem", "step_converged"):
            write_result(self._folder.result, self._result)
        self._log(kind, values)

    def _log(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append a line to the log of events."""
        entry = {
            "event": kind,
            "time": time.time(),
            "seconds": time.monotonic() - self._started,
            **values,
        }
        with self._folder.events.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(plain(entry), allow_nan=False) + "\n")

    def finish(self, report: Report) -> None:
        """Write the final result."""
        add_report(self._result, report)
        write_result(self._folder.result, self._result)
        self._log("finished", {"status": report.status, "message": report.message})

    def _append_row(self, row: list[Any]) -> None:
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)
        with self._folder.history.open("a", encoding="utf-8") as stream:
            stream.write(text.getvalue())

    def _write_sources(self, sources: Mapping[str, str]) -> None:
        """Write C into the folder of generated sources, by its names."""
        for name, source in sources.items():
            (self._folder.generated / f"{name}.c").write_text(source, encoding="utf-8")


def history_header(output: Output) -> list[str]:
    """Return the names of the columns of history.csv."""
    columns = [
        "step", "load", "strain_energy", "max_displacement", "min_J",
        "newton_iterations", "krylov_iterations", "wall_time [s]",
    ]  # fmt: skip
    for name in output.surfaces:
        columns.append(f"area {name}")
        columns += [f"force_{axis} {name}" for axis in AXES]
        columns += [f"displacement_{axis} {name}" for axis in AXES]
    for name in output.probes:
        columns += [f"displacement_{axis} at {name}" for axis in AXES]
    return columns


def history_row(output: Output, step: Mapping[str, Any]) -> list[Any]:
    """Return the row of a converged step, given as the fields of a `StepReport`."""
    krylov = step["newton"]["krylov_iterations"]
    row = [
        step["step"], step["load"], step["strain_energy"], step["max_displacement"], step["min_J"],
        len(krylov), sum(krylov), round(step["seconds"], 3),
    ]  # fmt: skip
    for name in output.surfaces:
        surface = step["surfaces"][name]
        row += [surface["area"], *surface["force"], *surface["displacement"]]
    for name in output.probes:
        row += step["probes"][name]
    return row

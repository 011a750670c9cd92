"""Writes what a solve tells: events.jsonl, history.csv and result.json, and C of its kernels.

A solve that is resumed continues the files of the attempts before it: the steps up to its
checkpoint stay, those beyond are computed again and are dropped when the first of them starts.
"""

import csv
import time
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any

from elastane.jobs.event_log import append_event, read_events
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import (
    add_report,
    empty_result,
    read_result,
    step_result,
    write_result,
    write_text,
)
from elastane.solver.kernel_sources import kernel_sources
from elastane.solver.problem import Output, Problem
from elastane.solver.report import Report

AXES = "xyz"
_NONE = ("",) * len(AXES)
#: Events may follow each other fast; whether the run is still ours is asked at most so often.
FENCE_SECONDS = 1.0
#: After these the solver or the recorder replaces files: then it is asked in any case.
BEFORE_WRITES = ("problem", "step_started", "step_converged", "stop_requested")


class FencedError(RuntimeError):
    """Another copy has taken the run over; this one must write nothing more."""


class Recorder:
    """The run folder's side of a solve; lives on rank 0.

    Args:
        folder: The run folder.
        problem: What is solved.
        ranks: Number of ranks.
        versions: Versions of the libraries in use.
        is_ours: Whether no other copy has taken the run over.
    """

    def __init__(
        self,
        folder: RunFolder,
        problem: Problem,
        ranks: int,
        versions: Mapping[str, str],
        is_ours: Callable[[], bool] = lambda: True,
    ) -> None:
        self._folder = folder
        self._output = problem.output
        self._started = time.monotonic()
        self._is_ours = is_ours
        self._asked = float("-inf")
        self._result = empty_result(problem.name, problem.degree, problem.backend, ranks)
        self._result["versions"] = dict(versions)
        if problem.output.units:
            self._result["units"] = dict(problem.output.units)
        self._require_ours()
        for step in steps_before(folder):
            self._add_step(step)
        self._write_history()
        self._write_result()
        folder.generated.mkdir(exist_ok=True)
        self._write_sources(kernel_sources(problem.materials.values()))

    def event(self, kind: str, values: Mapping[str, Any]) -> None:
        """Write an event down; who reads of a converged step finds it in the result already.

        Raises:
            FencedError: If another copy has taken the run over; nothing is written then.
            OSError: If it cannot be written.
        """
        if kind in BEFORE_WRITES or time.monotonic() > self._asked + FENCE_SECONDS:
            self._require_ours()
        if kind == "problem":
            kept = ("dofs", "cells", "level_dofs", "ranks", "backend", "memory_bytes")
            self._result.update({key: values[key] for key in kept})
        elif kind == "warning":
            self._result["warnings"].append(values["message"])
        elif kind == "phase":
            self._result["timings"][f"setup: {values['name']}"] = values["seconds"]
        elif kind == "step_started":
            self._drop_steps_from(values["step"])
        elif kind == "step_converged":
            step = step_result(values)
            self._add_step(step)
            self._append_row(history_row(self._output, step))
        elif kind == "fused_kernels":
            self._write_sources(values["sources"])
            values = {"names": list(values["sources"])}
        if kind in ("problem", "step_converged"):
            self._write_result()
        self._log(kind, values)

    def finish(self, report: Report) -> None:
        """Write the final result.

        Raises:
            FencedError: If another copy has taken the run over; nothing is written then.
        """
        self._require_ours()
        add_report(self._result, report)
        self._result["resumed_from"] = report.resumed_from
        self._write_result()
        self._log("finished", {"status": report.status, "message": report.message})

    def _require_ours(self) -> None:
        self._asked = time.monotonic()
        if not self._is_ours():
            raise FencedError(
                f"another copy has taken {self._folder.root} over: this one ends and leaves its "
                "files alone"
            )

    def _log(self, kind: str, values: Mapping[str, Any]) -> None:
        """Append a line to the log of events."""
        seconds = time.monotonic() - self._started
        append_event(self._folder.events, kind, {"seconds": seconds, **values})

    def _add_step(self, step: Mapping[str, Any]) -> None:
        self._result["steps"].append(step)
        for key in ("strain_energy", "max_displacement"):
            self._result[key] = step[key]

    def _drop_steps_from(self, first: int) -> None:
        """Forget steps of earlier attempts that are computed again."""
        kept = [step for step in self._result["steps"] if step["step"] < first]
        if len(kept) == len(self._result["steps"]):
            return
        self._result.update(steps=[], strain_energy=0.0, max_displacement=0.0)
        for step in kept:
            self._add_step(step)
        self._write_history()
        self._write_result()

    def _write_result(self) -> None:
        write_result(self._folder.result, self._result)

    def _write_history(self) -> None:
        """Write the whole table."""
        rows = [history_row(self._output, step) for step in self._result["steps"]]
        write_text(self._folder.history, _as_csv([history_header(self._output), *rows]))

    def _append_row(self, row: list[Any]) -> None:
        with self._folder.history.open("a", encoding="utf-8") as stream:
            stream.write(_as_csv([row]))

    def _write_sources(self, sources: Mapping[str, str]) -> None:
        """Write C into the folder of generated sources, by its names."""
        for name, source in sources.items():
            (self._folder.generated / f"{name}.c").write_text(source, encoding="utf-8")


def steps_before(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the converged steps of earlier attempts, as result.json has them.

    Where that is lost they are taken from the events.
    """
    try:
        steps = read_result(folder.result)["steps"]
    except (OSError, ValueError, KeyError):
        found: dict[int, dict[str, Any]] = {}
        for event in read_events(folder.events):
            if event["event"] == "step_started":
                found = {n: step for n, step in found.items() if n < event["step"]}
            elif event["event"] == "step_converged":
                found[event["step"]] = step_result(event)
        return [found[number] for number in sorted(found)]
    return list(steps)


def _as_csv(rows: list[list[Any]]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def history_header(output: Output) -> list[str]:
    """Return the names of the columns of history.csv, with units where the job fixes them."""
    length, area, force, energy = (
        f" [{output.units[dimension]}]" if output.units else ""
        for dimension in ("length", "area", "force", "energy")
    )
    columns = [
        "step", "load", f"strain_energy{energy}", f"max_displacement{length}", "min_J",
        "newton_iterations", "krylov_iterations", "wall_time [s]",
    ]  # fmt: skip
    for name in output.surfaces:
        columns.append(f"area {name}{area}")
        columns += [f"force_{axis} {name}{force}" for axis in AXES]
        columns += [f"displacement_{axis} {name}{length}" for axis in AXES]
    for name in output.probes:
        columns += [f"displacement_{axis} at {name}{length}" for axis in AXES]
    return columns


def history_row(output: Output, step: Mapping[str, Any]) -> list[Any]:
    """Return the row of a converged step, given as its entry in result.json."""
    row = [
        step["step"], step["load"], step["strain_energy"], step["max_displacement"], step["min_J"],
        step["newton_iterations"], sum(step["krylov_iterations"]), round(step["seconds"], 3),
    ]  # fmt: skip
    # A run may be resumed with more output than it had before.
    for name in output.surfaces:
        surface = step["surfaces"].get(name, {"area": "", "force": _NONE, "displacement": _NONE})
        row += [surface["area"], *surface["force"], *surface["displacement"]]
    for name in output.probes:
        row += step["probes"].get(name, {"displacement": _NONE})["displacement"]
    return row

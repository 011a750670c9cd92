"""The table of several runs: what was varied, how they stand, what came out of them."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result, write_text
from elastane.jobs.view import stored_status

#: Dimensions of what is measured, by the beginning of its name.
DIMENSIONS = {
    "strain_energy": "energy", "max_displacement": "length", "force_": "force",
    "displacement_": "length",
}  # fmt: skip
#: What each run of a sweep varied, in its folder.
POINT_FILE = "sweep.json"
RESULT_COLUMNS = (
    "run", "state", "dofs", "cells", "ranks", "steps", "load", "newton_iterations",
    "krylov_iterations", "strain_energy", "max_displacement", "min_J", "setup [s]", "solve [s]",
)  # fmt: skip


def collect_csv(folders: Sequence[RunFolder]) -> str:
    """Return a table of runs, a row each: what was varied, how it stands, what came out.

    Surface forces, mean displacements and probes are those of the last converged step.
    """
    points = [point_of(folder) for folder in folders]
    found = [read_sound_result(folder) for folder in folders]
    results = [_row(folder, result) for folder, result in zip(folders, found, strict=True)]
    units = common_units(found)
    varied = list(dict.fromkeys(key for point in points for key in point))
    measured = list(dict.fromkeys(key for _, extra in results for key in extra))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*varied, *(_with_unit(name, units) for name in (*RESULT_COLUMNS, *measured))])
    for point, (row, extra) in zip(points, results, strict=True):
        writer.writerow(
            [_cell(point.get(key, "")) for key in varied]
            + [_cell(row[key]) for key in RESULT_COLUMNS]
            + [extra.get(key, "") for key in measured]
        )
    return text.getvalue()


def note_point(folder: RunFolder, point: Mapping[str, Any]) -> None:
    """Write down in a run folder what the run varies."""
    write_text(folder.root / POINT_FILE, json.dumps(point) + "\n")


def point_of(folder: RunFolder) -> dict[str, Any]:
    """Return what a run varied, nothing for one that belongs to no sweep."""
    try:
        point = json.loads((folder.root / POINT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return point if isinstance(point, dict) else {}


def read_sound_result(folder: RunFolder) -> dict[str, Any]:
    """Return the content of result.json, nothing where it cannot be read."""
    try:
        return read_result(folder.result)
    except (OSError, ValueError):
        return {}


def common_units(results: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Return the units that all results have, none if they differ or one has none."""
    units = [result.get("units", {}) for result in results if result]
    return units[0] if units and all(each == units[0] for each in units) else {}


def _with_unit(name: str, units: Mapping[str, str]) -> str:
    """Return the heading of a column."""
    kinds = (kind for start, kind in DIMENSIONS.items() if name.startswith(start))
    unit = units.get(next(kinds, ""))
    return f"{name} [{unit}]" if unit else name


def _row(folder: RunFolder, result: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the row of a run, and what was measured on its surfaces and at its probes."""
    status = stored_status(folder)
    steps = result.get("steps", [])
    last = steps[-1] if steps else {}
    timings = result.get("timings", {})
    row = {
        "run": folder.root.name,
        "state": status.state.value,
        "steps": len(steps),
        "newton_iterations": sum(step["newton_iterations"] for step in steps),
        "krylov_iterations": sum(sum(step["krylov_iterations"]) for step in steps),
        "setup [s]": timings.get("setup", ""),
        "solve [s]": timings.get("solve", ""),
        **{key: result.get(key, "") for key in ("dofs", "cells", "ranks")},
        **{
            key: last.get(key, "") for key in ("load", "strain_energy", "max_displacement", "min_J")
        },
    }
    measured: dict[str, Any] = {}
    for name, surface in last.get("surfaces", {}).items():
        for quantity in ("force", "displacement"):
            for axis, value in zip("xyz", surface[quantity], strict=True):
                measured[f"{quantity}_{axis} {name}"] = value
    for name, probe in last.get("probes", {}).items():
        for axis, value in zip("xyz", probe["displacement"], strict=True):
            measured[f"displacement_{axis} at {name}"] = value
    return row, measured


def _cell(value: Any) -> Any:
    """Return a cell; a text that a spreadsheet would take for a formula is quoted."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return json.dumps(value) if isinstance(value, list | dict) else value

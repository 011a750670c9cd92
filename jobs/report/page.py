"""The page about runs: one HTML file with its style, plots and pictures inside.

It asks for nothing from elsewhere, and a browser is told to refuse if it did.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from elastane.jobs.paths import RunFolder
from elastane.jobs.progress import in_time
from elastane.jobs.report.curves import bracket, curves, residual_lines
from elastane.jobs.report.html import Html, badge, document, in_full, shown, table
from elastane.jobs.report.picture import NoPictureError, render_body
from elastane.jobs.report.plots import Line, bar_plot, line_plot, number
from elastane.jobs.report.run import Run, read_run
from elastane.jobs.result import write_text
from elastane.jobs.results_table import common_units

#: Rendering takes seconds each.
MAX_PICTURES = 12
#: Narrower ones cannot be told apart.
MAX_BARS = 200
#: Rows of the table of load steps.
MAX_STEPS = 500
#: The phases that add up to the time of a run; others are parts of them.
PHASES = ("setup", "solve", "output")


def write_page(folders: Sequence[RunFolder], target: Path) -> Path:
    """Write a page about runs and return its path.

    Raises:
        OSError: If it cannot be written.
    """
    runs = [read_run(folder) for folder in folders]
    title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
    sections = [_comparison(runs)] if len(runs) > 1 else []
    for index, run in enumerate(runs):
        section = _run(run, with_picture=index < MAX_PICTURES, anchor=f"run-{index}")
        sections.append(section)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, document(title, sections))
    return target


def _comparison(runs: Sequence[Run]) -> str:
    """Return a table of the runs, and their load-displacement curves in one plot."""
    varied = list(dict.fromkeys(key for run in runs for key in run.point))
    units = common_units([run.result for run in runs])
    head = ["run", "state", *varied, "unknowns", "steps", "load", "Krylov",
            f"strain energy{bracket(units, 'energy')}",
            f"largest displacement{bracket(units, 'length')}", "solve"]  # fmt: skip
    rows = []
    for index, run in enumerate(runs):
        last = run.steps[-1] if run.steps else {}
        rows.append(
            [
                Html(f'<a href="#run-{index}">{escape(run.name)}</a>'),
                badge(run.status.state.value),
                *(shown(run.point.get(key, "")) for key in varied),
                f"{run.result.get('dofs', 0):,}",
                len(run.steps),
                shown(last.get("load", "")),
                sum(sum(step["krylov_iterations"]) for step in run.steps),
                shown(run.result.get("strain_energy", "")),
                shown(run.result.get("max_displacement", "")),
                _seconds(run.result.get("timings", {}).get("solve")),
            ]
        )
    plot = ""
    drawn = [(run, found[0]) for run in runs if (found := curves(run.steps, run.units))]
    if drawn:
        first = drawn[0][1]
        alike = [(run, curve) for run, curve in drawn if curve.title == first.title]
        lines = [curve.line(run.point_shown or run.name) for run, curve in alike]
        plot = f"<h2>{escape(first.title)}</h2><div class='plots'>" + line_plot(
            lines, first.x_label, first.y_label
        ) + "</div>"  # fmt: skip
    return f"<h1>{len(runs)} runs</h1>\n{table(head, rows)}{plot}\n"


def _seconds(value: Any) -> str:
    return in_time(value) if isinstance(value, int | float) else ""


def _run(run: Run, with_picture: bool, anchor: str) -> str:
    """Return the section of a run."""
    status, result = run.status, run.result
    parts = [f'<section id="{anchor}">\n<h1>{escape(run.name)} {badge(status.state.value)}</h1>\n']
    if run.point:
        parts.append(f"<p>{escape(run.point_shown)}</p>\n")
    message = status.message or str(result.get("message", ""))
    if message:
        parts.append(f'<p class="message">{escape(message)}</p>\n')
    parts.append(_tiles(run))
    if with_picture:
        parts.append(_picture(run))
    parts.append(_plots(run))
    if run.steps:
        parts.append("<h2>Load steps</h2>\n" + _steps(run))
    timings = result.get("timings", {})
    if any(timings.values()):
        parts.append("<h2>Timings</h2>\n" + _timings(timings))
    if result.get("warnings"):
        items = "".join(f"<li>{escape(str(warning))}</li>" for warning in result["warnings"])
        parts.append(f"<h2>Warnings</h2>\n<ul>{items}</ul>\n")
    parts.append("<h2>Provenance</h2>\n" + _provenance(run))
    if run.job:
        parts.append(f"<h2>Job</h2>\n<pre>{escape(run.job)}</pre>\n")
    parts.append("</section>\n")
    return "".join(parts)


def _tiles(run: Run) -> str:
    """Return the numbers of a run that are looked for first."""
    result, steps, units = run.result, run.steps, run.units
    krylov = sum(sum(step["krylov_iterations"]) for step in steps)
    newton = sum(step["newton_iterations"] for step in steps)
    tiles = {
        "unknowns": f"{result.get('dofs', 0):,}",
        "cells": f"{result.get('cells', 0):,}",
        "degree": str(result.get("degree", "")),
        "ranks": str(result.get("ranks", "")),
        "load reached": number(steps[-1]["load"]) if steps else "0",
        "load steps": str(len(steps)),
        "Newton iterations": str(newton),
        "Krylov iterations": str(krylov),
        f"strain energy{bracket(units, 'energy')}": f"{result.get('strain_energy', 0.0):.9g}",
        f"largest displacement{bracket(units, 'length')}": number(
            result.get("max_displacement", 0.0)
        ),
        "memory": f"{result.get('memory_bytes', 0) / 1e6:,.0f} MB",
        "time": in_time(sum(result.get("timings", {}).get(k, 0.0) for k in PHASES)),
    }
    entries = "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in tiles.items()
    )
    return f"<dl>{entries}</dl>\n"


def _picture(run: Run) -> str:
    try:
        png = render_body(run.folder, run.units.get("stress", ""))
    except NoPictureError as error:
        return f'<p class="note">{escape(str(error))}</p>\n'
    code = base64.b64encode(png).decode("ascii")
    unit = bracket(run.units, "stress")
    caption = f"The deformed body after the last written step, coloured by von Mises stress{unit}"
    return (
        f'<figure class="body"><img alt="{escape(caption)}" src="data:image/png;base64,{code}">'
        f"<figcaption>{escape(caption)}; grey: the box of the initial body</figcaption></figure>\n"
    )


def _plots(run: Run) -> str:
    """Return the plots of a run."""
    drawn = [
        (curve.title, line_plot([curve.line()], curve.x_label, curve.y_label))
        for curve in curves(run.steps, run.units)
    ]
    drawn.append(
        (
            "Newton's convergence",
            line_plot(residual_lines(run.steps), "Newton iteration of the step",
                      "residual / first", logarithmic=True),
        )
    )  # fmt: skip
    krylov = [float(count) for step in run.steps for count in step["krylov_iterations"]]
    labels = ("Newton iteration of the run", "Krylov iterations")
    if len(krylov) <= MAX_BARS:
        drawn.append(("Linear solves", bar_plot(krylov, *labels)))
    else:
        line = Line([(float(number), count) for number, count in enumerate(krylov, 1)])
        drawn.append(("Linear solves", line_plot([line], *labels)))
    boxes = "".join(f"<div><h3>{escape(title)}</h3>{plot}</div>" for title, plot in drawn if plot)
    return f'<div class="plots">{boxes}</div>\n' if boxes else ""


def _steps(run: Run) -> str:
    units = run.units
    energy, displacement = bracket(units, "energy"), bracket(units, "length")
    head = ["step", "load", "Newton", "Krylov", "residual", f"strain energy{energy}",
            f"largest displacement{displacement}", "min J", "seconds", "why it ended"]  # fmt: skip
    rows = []
    left_out = max(len(run.steps) - MAX_STEPS, 0)
    for index, step in enumerate(run.steps, 1):
        if index <= left_out:
            continue
        norms = [norm for norm in step["residual_norms"] if norm is not None]
        residual = f"{norms[0]:.2e} → {norms[-1]:.2e}" if norms else ""
        rows.append(
            [
                step.get("step", index), shown(step["load"]), step["newton_iterations"],
                " ".join(map(str, step["krylov_iterations"])), residual,
                f"{step['strain_energy']:.9g}", shown(step.get("max_displacement", "")),
                shown(step.get("min_J", "")), f"{step.get('seconds', 0.0):.2f}",
                step.get("reason", ""),
            ]
        )  # fmt: skip
    note = f'<p class="note">the last {MAX_STEPS} of {len(run.steps)}; history.csv has all</p>\n'
    return (note if left_out else "") + table(head, rows, "steps")


def _timings(timings: Mapping[str, float]) -> str:
    """Return a bar per phase."""
    longest = max(timings.values())
    rows = [
        [
            name,
            f"{seconds:.2f} s",
            Html(f'<div class="bar" style="width:{100 * seconds / longest:.1f}%"></div>'),
        ]
        for name, seconds in sorted(timings.items(), key=lambda entry: -entry[1])
    ]
    return table(["phase", "time", ""], rows, "timings")


def _provenance(run: Run) -> str:
    """Return where a run comes from."""
    status = run.status
    entries: dict[str, Any] = {
        "folder": str(run.folder.root.resolve()),
        "executor": f"{status.executor} {status.job_id or ''}".strip(),
        "host": status.host,
        "restarts": status.restarts or "",
        "backend": run.result.get("backend", ""),
        "versions": run.result.get("versions", {}),
        **run.provenance,
    }
    rows: list[Sequence[Any]] = []
    for key, value in entries.items():
        if isinstance(value, Mapping):
            text = "\n".join(f"{name}: {in_full(entry)}" for name, entry in value.items())
        else:
            text = in_full(value)
        if text:
            rows.append([key, Html(f"<pre>{escape(text)}</pre>")])
    return table(["what", ""], rows, "provenance")

"""Pictures of results, one PNG for each file of numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

mpl.use("agg")

#: Small enough for a repository.
DPI = 90

MARKERS = "osD^v*Xp<>hd"


def operator(content: dict[str, Any], folder: Path) -> None:
    """Draw unknowns per second by degree, out of cache and in cache."""
    lines: dict[str, dict[str, dict[int, tuple[float, float, float]]]] = {}

    def add(name: str, row: dict[str, Any], values: tuple[float, float, float]) -> None:
        if row["function"] == "jacobian":
            lines.setdefault(name, {}).setdefault(row["where"], {})[row["degree"]] = values

    for row in content["fused"]:
        add(f"fused, {row['precision']}", row, _quartiles(row["rate"]))
        if row["where"] == "out of cache" and row["precision"] == "double":
            add("model bound", row, (row["bound"],) * 3)
    for row in content["rivals"]:
        if row["rival"] == "single" or "serial" in row["rival"]:
            continue
        library = f", {row['libceed']}" if row["rival"].startswith("/") else ""
        add(f"{row['rival']}{library}", row, _quartiles(row["theirs"]))
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.8), sharey=True)
    for axis, where in zip(axes, ("out of cache", "in cache"), strict=True):
        for number, (name, by_where) in enumerate(lines.items()):
            if where in by_where:
                _line(axis, name, by_where[where], number)
        axis.set(title=f"Jacobian, {where}", xlabel="degree p", yscale="log")
        axis.set_xticks(sorted({row["degree"] for row in content["fused"]}))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.grid(which="both", alpha=0.3)
    axes[0].set_ylabel("MDoF/s of one core, quartiles")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="center left", bbox_to_anchor=(0.91, 0.5), frameon=False)
    _save(figure, folder / "operator.png")


def solve(content: dict[str, Any], folder: Path) -> None:
    """Draw the error of the energy against core seconds."""
    problems = list(dict.fromkeys(row["problem"] for row in content["pareto"]))
    figure, axes = pyplot.subplots(1, len(problems), figsize=(6.2 * len(problems), 5.2))
    for axis, problem in zip(_list(axes), problems, strict=True):
        lines: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for row in content["pareto"]:
            if row["problem"] == problem:
                place = lines.setdefault((row["method"], row["degree"]), [])
                place.append((row["seconds"]["median"], row["error"]))
        for (method, degree), points in lines.items():
            seconds, errors = zip(*sorted(points), strict=True)
            is_ours = method == "p-multigrid"
            axis.plot(
                seconds,
                errors,
                "-" if is_ours else "--",
                color=f"C{degree}",
                marker=MARKERS[0] if is_ours else MARKERS[1 + (method == "GAMG")],
                fillstyle="full" if is_ours else "none",
                label=f"p = {degree}, {method}",
            )
        axis.set(title=problem, xlabel="core seconds of a load step", xscale="log", yscale="log")
        axis.grid(which="both", alpha=0.3)
    _list(axes)[0].set_ylabel("relative error of the strain energy")
    handles, labels = _list(axes)[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="center left", bbox_to_anchor=(0.92, 0.5), frameon=False)
    _save(figure, folder / "solve.png")


def scaling(content: dict[str, Any], folder: Path) -> None:
    """Draw what the model says of communication by ranks, and what was measured."""
    figure, (measured, model) = pyplot.subplots(1, 2, figsize=(12, 4.6))
    for number, kind in enumerate(dict.fromkeys(row["kind"] for row in content["measured"])):
        rows = [row for row in content["measured"] if row["kind"] == kind]
        points = {row["ranks"]: _quartiles(row["efficiency"]) for row in rows}
        _line(measured, kind, points, number)
    measured.set(title="measured", xlabel="ranks", ylabel="efficiency", ylim=(0, 1.2))
    measured.set_xticks(sorted({row["ranks"] for row in content["measured"]}))
    measured.legend(frameon=False)
    measured.grid(alpha=0.3)
    rows = [row for row in content["model"] if row["ranks"] > 1]
    for number, unknowns in enumerate(dict.fromkeys(row["unknowns_per_rank"] for row in rows)):
        chosen = [row for row in rows if row["unknowns_per_rank"] == unknowns]
        points = {row["ranks"]: (row["share"],) * 3 for row in chosen}
        _line(model, f"{unknowns:,} unknowns per rank", points, number)
    model.set(
        title="model: communication of a CG iteration",
        xlabel="ranks",
        ylabel="share of the time",
        xscale="log",
        ylim=(0, 1),
    )
    model.legend(frameon=False)
    model.grid(alpha=0.3)
    _save(figure, folder / "scaling.png")


def _quartiles(values: dict[str, float]) -> tuple[float, float, float]:
    return values["low"], values["median"], values["high"]


def _line(
    axis: Axes, name: str, points: dict[int, tuple[float, float, float]], number: int
) -> None:
    """Draw medians with quartiles over whole numbers."""
    places = sorted(points)
    low, middle, high = zip(*(points[place] for place in places), strict=True)
    style = ":" if "bound" in name else "-"
    marker = MARKERS[number % len(MARKERS)]
    axis.plot(places, middle, style, marker=marker, label=name, color=f"C{number % 10}")
    axis.fill_between(places, low, high, alpha=0.2, color=f"C{number % 10}")


def _list(axes: Any) -> Sequence[Axes]:
    return list(axes) if hasattr(axes, "__len__") else [axes]


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    figure.savefig(path, dpi=DPI, bbox_inches="tight")
    pyplot.close(figure)

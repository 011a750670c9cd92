"""The curves of a run: load against displacement, Newton's convergence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elastane.jobs.report.plots import Line

AXES = "xyz"
#: A mean displacement below this part of the largest one is that of a support.
IDLE = 1e-6
#: Lines in the plot of residuals.
MAX_LINES = 30


#: Symbols of the units of a job by dimension, empty where it fixes none.
Units = Mapping[str, str]


@dataclass(frozen=True)
class Curve:
    """A curve with what its axes mean.

    Attributes:
        title: What it shows.
        points: (x, y) of each load step, the initial state first.
        x_label, y_label: Quantities with their units.
    """

    title: str
    points: tuple[tuple[float, float], ...]
    x_label: str
    y_label: str

    def line(self, label: str = "") -> Line:
        """Return its line for a plot."""
        return Line(self.points, label)


def bracket(units: Units, dimension: str) -> str:
    """Return the unit of a dimension as it stands behind a label, "" without units."""
    return f" [{units[dimension]}]" if dimension in units else ""


def curves(steps: Sequence[Mapping[str, Any]], units: Units) -> list[Curve]:
    """Return a load-displacement curve for each surface that moved, or else of the largest motion.

    A surface moves in three directions: shown is that in which its force is largest, if it moved
    in it, else that in which it moved most.
    """
    if not steps:
        return []
    found = list(_surface_curves(steps, units)) + list(_probe_curves(steps, units))
    if found:
        return found
    points = [(0.0, 0.0), *((step["load"], step["max_displacement"]) for step in steps)]
    label = f"largest displacement{bracket(units, 'length')}"
    return [Curve("Largest displacement", tuple(points), "load", label)]


def _surface_curves(steps: Sequence[Mapping[str, Any]], units: Units) -> Iterator[Curve]:
    last = steps[-1]
    idle = IDLE * float(last.get("max_displacement") or 0.0)
    for name, surface in last.get("surfaces", {}).items():
        force, displacement = surface["force"], surface["displacement"]
        moved = [axis for axis in range(3) if abs(displacement[axis]) > idle]
        if not moved or not any(force):
            continue
        axis = max(moved, key=lambda axis: (abs(force[axis]), abs(displacement[axis])))
        points = [(0.0, 0.0)]
        for step in steps:
            there = step["surfaces"].get(name)
            if there is not None:
                points.append((there["displacement"][axis], there["force"][axis]))
        yield Curve(
            f"Load and displacement of {name}",
            tuple(points),
            f"mean displacement {AXES[axis]}{bracket(units, 'length')}",
            f"force {AXES[axis]}{bracket(units, 'force')}",
        )


def _probe_curves(steps: Sequence[Mapping[str, Any]], units: Units) -> Iterator[Curve]:
    for name, probe in steps[-1].get("probes", {}).items():
        displacement = probe["displacement"]
        if not any(displacement):
            continue
        axis = max(range(3), key=lambda axis: abs(displacement[axis]))
        points = [(0.0, 0.0)]
        for step in steps:
            there = step["probes"].get(name)
            if there is not None:
                points.append((there["displacement"][axis], step["load"]))
        yield Curve(
            f"Load and displacement at {name}",
            tuple(points),
            f"displacement {AXES[axis]}{bracket(units, 'length')}",
            "load",
        )


def residual_lines(steps: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Return the residuals of load steps relative to their first, early steps lighter.

    Of many steps some are left out, never the last.
    """
    lines = []
    stride = -(-len(steps) // MAX_LINES)
    for index, step in enumerate(steps):
        if (len(steps) - 1 - index) % stride:
            continue
        norms = step["residual_norms"]
        first = next((norm for norm in norms if norm), None)
        if first is None:
            continue
        points = [(float(k), norm / first) for k, norm in enumerate(norms) if norm is not None]
        label = f"step {step.get('step', index + 1)}"
        lines.append(Line(points, label, index / max(len(steps) - 1, 1)))
    return lines

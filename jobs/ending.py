"""How a run ended, in the lines that `elastane run` and the log of a submitted run close with."""

from collections.abc import Mapping
from typing import Any

from elastane.jobs.progress import in_time
from elastane.jobs.states import Status


def ending(result: Mapping[str, Any]) -> list[str]:
    """Return what was found, how long it took and how much memory it needed, a line each."""
    lines = []
    if result["status"] == Status.CONVERGED.value:
        units = result.get("units")
        energy, length = (f" {units[name]}" if units else "" for name in ("energy", "length"))
        lines.append(
            f"converged in {len(result['steps'])} load steps: strain energy "
            f"{result['strain_energy']:.12g}{energy}, largest displacement "
            f"{result['max_displacement']:.6g}{length}"
        )
    if any(result["timings"].values()):
        lines += [_timings(result), _memory(result)]
    return lines


def _memory(result: Mapping[str, Any]) -> str:
    """Return the largest memory of all ranks."""
    per_unknown = result["memory_bytes"] / max(result["dofs"], 1)
    return (
        f"memory: {result['memory_bytes'] / 1e6:,.0f} MB, {per_unknown:,.0f} bytes per unknown, "
        "libraries included"
    )


def _timings(result: Mapping[str, Any]) -> str:
    """Return the seconds of each part."""
    parts = [f"{name} {in_time(result['timings'][name])}" for name in ("setup", "solve", "output")]
    return f"time: {', '.join(parts)}"

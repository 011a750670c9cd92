"""What is counted and not timed: operations, bytes, iterations, applies, messages.

`counts.json` holds what these were when they were last accepted; tests/benchmarks compares.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from elastane.benchmarks.communication import bisect, grid_centres, grid_nodes, sharing
from elastane.benchmarks.problems import cube, inclusion, punch, schwarz_shell
from elastane.benchmarks.solves import LINEAR, all_levels, finest_level, started
from elastane.materials import find_model
from elastane.materials.kernels import find_kernels
from elastane.solver.fused.source import Kernel
from elastane.solver.problem import Problem

ACCEPTED = Path(__file__).parent / "counts.json"

#: Small problems, whose iterations are counted.
PROBLEMS: Mapping[str, Callable[[], Problem]] = {
    "cube, p = 1": lambda: cube(1, 8, linear=LINEAR),
    "cube, p = 2": lambda: cube(2, 6, linear=LINEAR),
    "cube, p = 4": lambda: cube(4, 3, linear=LINEAR),
    "inclusion 1:100, p = 2": lambda: inclusion(2, 8, linear=LINEAR),
    "punch, p = 2": lambda: punch(2, 0, linear=LINEAR),
    "punch, p = 3": lambda: punch(3, 0, linear=LINEAR),
    "punch, p = 2, nu = 0.49": lambda: punch(2, 0, 0.49, linear=LINEAR),
    "Schwarz shell 0.2, p = 2": lambda: schwarz_shell(2, 1, 0.2, linear=LINEAR),
}


def kernel_counts() -> dict[str, dict[str, float]]:
    """Return operations and bytes per unknown of fused kernels, beside L-vectors."""
    kernels = find_kernels(find_model("neo-hookean"))
    counts = {}
    for kind in ("residual", "jacobian"):
        for degree in range(1, 7):
            for single in (False, True):
                kernel = Kernel.of(
                    kind,
                    kernels,
                    varying=False,
                    degree=degree,
                    num_points_1d=degree + 1,
                    geometry_degree=1,
                    single=single,
                )
                unknowns = 3 * degree**3
                counts[f"{kind}, p = {degree}, {'single' if single else 'double'}"] = {
                    "flops": round(kernel.flops / unknowns, 1),
                    "bytes": round(kernel.bytes / unknowns, 1),
                }
    return counts


def solve_counts(name: str) -> dict[str, Any]:
    """Return iterations, applies and work of a load step of PROBLEMS."""
    run, watch = started(PROBLEMS[name]())
    _, krylov = watch.solve(run)
    return {
        "newton_iterations": len(krylov),
        "krylov_iterations": sum(krylov),
        "residuals": run.newton.num_residuals,
        **{f"applies, {precision}": count for precision, count in watch.applies.items()},
        "work, finest level": round(finest_level(watch.work), 1),
        "work, all levels": round(all_levels(watch.work), 1),
    }


def communication_counts() -> dict[str, int]:
    """Return what the busiest of 64 parts of a cube shares at p = 2."""
    parts = bisect(grid_centres(16), 64)
    shared = sharing(grid_nodes(16, 2), parts, 64)
    return {"neighbours": int(shared.neighbours.max()), "nodes": int(shared.nodes.max())}


def accepted() -> dict[str, Any]:
    """Return the counts as they were last accepted."""
    if not ACCEPTED.exists():
        return {}
    content: dict[str, Any] = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    return content


def accept(section: str, name: str, counts: Any) -> None:
    """Replace accepted counts."""
    content = accepted()
    content.setdefault(section, {})[name] = counts
    ACCEPTED.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")

"""What to try when a solve gives up: edits of the job file, by the cause of the failure."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI

from elastane.solver.boundary import Pressure, Traction
from elastane.solver.mechanics import Mechanics
from elastane.solver.problem import Problem
from elastane.solver.report import Cause, NewtonReport

#: No message names more edits than so many.
MAX_EDITS = 3
#: What the job file allows.
MAX_REFINE, MAX_ITERATIONS, MAX_STEPS = 10, 100_000, 10_000


@dataclass(frozen=True)
class Edit:
    """An edit of the job file.

    Attributes:
        key: Where, with dots, e.g. "loading.min_step".
        value: What to write there.
        why: What it is good for.
    """

    key: str
    value: Any
    why: str

    @property
    def yaml(self) -> str:
        """Return the lines to write, in YAML's flow style, which fits in one."""
        *sections, last = self.key.split(".")
        text = f"{last}: {json.dumps(self.value)}".replace('"', "")
        for section in reversed(sections):
            text = f"{section}: {{{text}}}"
        return text

    def __str__(self) -> str:
        return f"`{self.yaml}` ({self.why})"


def give_up(
    problem: Problem, mechanics: Mechanics, load: float, target: float, newton: NewtonReport
) -> str:
    """Return in words how far a solve came, why it ended and what to try; collective."""
    at_limit = load > 0.0 and problem.loading.adaptive and is_limit_load(mechanics)
    limit = ""
    if at_limit:
        limit = (
            f"This looks like a limit load near {load:.4g} of 1: no equilibrium beyond it; "
            "prescribe displacements instead of loads to follow the path"
            f"{_loaded_surface(problem)}. "
        )
    tries = "; or ".join(str(edit) for edit in edits(problem, newton.cause))
    return (
        f"stopped at load {load:.6g} of 1; the step to {target:.6g} failed: {newton.message}. "
        f"{limit}Try: {tries}."
    )


def edits(problem: Problem, cause: str) -> list[Edit]:
    """Return the edits to try after a failure, the most promising first."""
    kinds = [*(() if problem.loading.adaptive else (_adaptive,)), *REMEDIES[Cause(cause)]]
    found = (edit(problem) for edit in kinds)
    return [edit for edit in found if edit is not None][:MAX_EDITS]


def is_limit_load(mechanics: Mechanics) -> bool:
    """Return whether only loads drive a body, so that equilibrium may cease to be; collective."""
    prescribed = mechanics.prescribed_displacement(1.0)
    comm: MPI.Comm = mechanics.space.dm.comm.tompi4py()
    return bool(comm.allreduce(float(np.abs(prescribed).max(initial=0.0)), op=MPI.MAX) == 0.0)


def _loaded_surface(problem: Problem) -> str:
    loaded = [b.surface for b in problem.boundary if isinstance(b, Traction | Pressure)]
    return f", e.g. on {loaded[0]} by `displacement` in `boundary`" if loaded else ""


def _adaptive(problem: Problem) -> Edit:
    return Edit("loading.adaptive", True, "a step that fails is cut and tried again")


def _more_steps(problem: Problem) -> Edit | None:
    if problem.loading.steps >= MAX_STEPS:
        return None
    steps = min(4 * problem.loading.steps, MAX_STEPS)
    return Edit("loading.steps", steps, "smaller increments from the start")


def _smaller_steps(problem: Problem) -> Edit | None:
    if not problem.loading.adaptive:
        return None
    min_step = float(f"{0.01 * problem.loading.min_step:.1e}")
    return Edit("loading.min_step", min_step, "come closer to where it fails")


def _refine(problem: Problem) -> Edit | None:
    refine = problem.mesh.refine + 1
    if refine > MAX_REFINE:
        return None
    return Edit("mesh.refine", refine, "smaller elements bear larger deformation")


def _more_newton(problem: Problem) -> Edit | None:
    return _more_iterations("solver.newton", problem.solver.newton.max_iterations)


def _line_search(problem: Problem) -> Edit:
    other = "bt" if problem.solver.newton.line_search == "cp" else "cp"
    return Edit("solver.newton.line_search", other, "another way to choose the length of a step")


def _more_krylov(problem: Problem) -> Edit | None:
    return _more_iterations("solver.linear", problem.solver.linear.max_iterations)


def _more_iterations(section: str, now: int) -> Edit | None:
    if now >= MAX_ITERATIONS:
        return None
    iterations = min(4 * now, MAX_ITERATIONS)
    return Edit(f"{section}.max_iterations", iterations, "slow convergence may end yet")


def _coarse(problem: Problem) -> Edit | None:
    coarse = problem.solver.multigrid.coarse
    other = {"gamg": "boomeramg", "boomeramg": "direct"}.get(coarse)
    return Edit("solver.multigrid.coarse", other, "a stronger coarse solver") if other else None


def _other_krylov(problem: Problem) -> Edit | None:
    if "ksp_type" in problem.solver.petsc_options:
        return None
    options = "solver.petsc_options.ksp_type"
    return Edit(options, "gmres", "needs no positive definite tangent")


#: What helps against each cause of a failure.
REMEDIES: dict[Cause, tuple[Callable[[Problem], Edit | None], ...]] = {
    Cause.INVERTED: (_more_steps, _refine, _smaller_steps),
    Cause.ITERATIONS: (_more_newton, _more_steps, _line_search),
    Cause.LINE_SEARCH: (_line_search, _more_steps, _refine),
    Cause.LINEAR_SLOW: (_more_krylov, _coarse, _more_steps, _smaller_steps),
    Cause.LINEAR_INDEFINITE: (_other_krylov, _smaller_steps, _more_steps),
    Cause.LINEAR: (_coarse, _other_krylov, _more_steps),
    Cause.NOT_A_NUMBER: (_more_steps, _refine, _smaller_steps),
    Cause.OTHER: (_more_steps, _smaller_steps, _refine),
}

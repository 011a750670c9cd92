"""What a solve says about itself: plain frozen data, from one Newton solve to the whole run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Cause(StrEnum):
    """Why a load step failed."""

    INVERTED = "inverted"
    ITERATIONS = "iterations"
    LINE_SEARCH = "line search"
    LINEAR_SLOW = "linear solver too slow"
    LINEAR_INDEFINITE = "tangent indefinite"
    LINEAR = "linear solver"
    NOT_A_NUMBER = "not a number"
    OTHER = "other"


@dataclass(frozen=True)
class NewtonReport:
    """How one load step went.

    Attributes:
        converged: Whether the residual met its bound.
        reason: PETSc's name of the reason why Newton's method ended, e.g. CONVERGED_FNORM_RELATIVE.
        residual_norms: Norms of the residual, one more than iterations; the first is that of the
            linearised problem at the start of the step.
        krylov_iterations: Krylov iterations of each Newton iteration.
        message: In words, when it did not converge: what failed and where.
        cause: When it did not converge, one of `Cause`.
    """

    converged: bool
    reason: str
    residual_norms: tuple[float, ...]
    krylov_iterations: tuple[int, ...]
    message: str = ""
    cause: str = ""


@dataclass(frozen=True)
class SurfaceReport:
    """A surface at the end of a load step.

    Attributes:
        area: Initial area.
        force: Reaction of the support where a component is prescribed, else the applied force.
        displacement: Mean displacement, weighted by initial area.
    """

    area: float
    force: tuple[float, float, float]
    displacement: tuple[float, float, float]


@dataclass(frozen=True)
class StepReport:
    """A converged load step.

    Attributes:
        step: Number of the step, from 1.
        load: Load fraction reached.
        newton: Course of Newton's method.
        strain_energy: Integral of ψ over the initial volume.
        max_displacement: Largest displacement norm at a node.
        min_J: Smallest det F at a quadrature point.
        surfaces: Reports of the surfaces asked for.
        probes: Displacements at the probes asked for.
        seconds: Wall time of the step.
    """

    step: int
    load: float
    newton: NewtonReport
    strain_energy: float
    max_displacement: float
    min_J: float
    surfaces: Mapping[str, SurfaceReport] = field(default_factory=dict)
    probes: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        status: converged, diverged, interrupted or failed.
        message: For every status but converged: how far it came, why it stopped, what to try.
        dofs: Unknowns without those that boundary conditions remove.
        cells: Cells of the mesh.
        level_dofs: Unknowns of each multigrid level, from coarse to fine.
        ranks: Number of MPI ranks.
        backend: The libCEED resource that was used.
        steps: The load steps that converged, in a resumed run those since then.
        timings: Seconds of each phase: setup, solve, output, and finer ones.
        memory_bytes: Largest resident memory, summed over ranks.
        preconditioner: What the preconditioner did: rebuilds and their reasons, the degree of its
            smoothers at the end, cycles, applies on each level.
        warnings: What the user should know even if all went well, e.g. a fallback that was taken.
        resumable: Whether it ended with a checkpoint because it was asked to, to be resumed.
        resumed_from: Load fraction of the checkpoint that it began from; 0 from the start.
    """

    status: str
    message: str
    dofs: int
    cells: int
    level_dofs: tuple[int, ...]
    ranks: int
    backend: str
    steps: tuple[StepReport, ...]
    timings: Mapping[str, float]
    memory_bytes: int
    preconditioner: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    resumable: bool = False
    resumed_from: float = 0.0

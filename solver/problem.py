"""What is to be solved, as plain frozen data.

A login node builds and checks a `Problem` without PETSc, MPI or libCEED; a worker solves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from elastane.materials.model import Choices, Material
from elastane.meshes.source import MeshSource
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.formula import Formula


@dataclass(frozen=True)
class RegionMaterial:
    """A material model with its parameters, as given for a region.

    Attributes:
        model: The material model.
        parameters: Formulas (numbers are constant formulas) of those parameters that the user
            gave, in the units of the job; `model.resolve` turns them into the model's own.
        options: Options and sizes, e.g. {"volumetric": "quadratic", "terms": 2}.
    """

    model: Material
    parameters: Mapping[str, Formula]
    options: Choices = field(default_factory=dict)


@dataclass(frozen=True)
class Loading:
    """The stepping from load fraction 0 to 1.

    Attributes:
        steps: Number of equal increments to start with.
        adaptive: Whether a failed step is cut and easy ones grow again.
        min_step: Smallest increment before the solve gives up.
    """

    steps: int = 1
    adaptive: bool = True
    min_step: float = 1e-4


@dataclass(frozen=True)
class NewtonSettings:
    """When Newton's method stops.

    Attributes:
        rtol: Bound of the residual norm relative to that at the start of the load step.
        atol: Absolute bound of the residual norm, in units of force.
        max_iterations: Iterations before the load step counts as failed.
        line_search: PETSc's name: `cp` (critical point), `bt` (back-tracking) or `basic`.
    """

    rtol: float = 1e-8
    atol: float = 1e-12
    max_iterations: int = 50
    line_search: str = "cp"


@dataclass(frozen=True)
class LinearSettings:
    """When the Krylov method stops.

    Attributes:
        rtol: Relative bound of the linear residual; None chooses it by Eisenstat and Walker.
        max_iterations: Iterations before the linear solve counts as failed.
    """

    rtol: float | None = None
    max_iterations: int = 1000


@dataclass(frozen=True)
class MultigridSettings:
    """The p-multigrid preconditioner.

    Attributes:
        levels: "logarithmic", "uniform", or the degrees from coarse to fine.
        smoother_degree: Degree of the Chebyshev polynomial.
        coarse: Solver of the p = 1 problem, a name in `elastane.solver.preconditioners.COARSE`.
    """

    levels: str | tuple[int, ...] = "logarithmic"
    smoother_degree: int = 3
    coarse: str = "boomeramg"


@dataclass(frozen=True)
class SolverSettings:
    """How the discrete problem is solved."""

    newton: NewtonSettings = NewtonSettings()
    linear: LinearSettings = LinearSettings()
    multigrid: MultigridSettings = MultigridSettings()
    petsc_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """What a run leaves behind.

    Attributes:
        format: A name in `elastane.solver.output.FORMATS`.
        every: Load steps between two written fields; 0 writes the last step only.
        fields: Names in `elastane.solver.output.FIELDS`.
        surfaces: Surfaces whose area, force and mean displacement are reported every step.
        probes: Initial coordinates of points whose displacement is reported every step.
    """

    format: str = "vtu"
    every: int = 1
    fields: tuple[str, ...] = ("displacement", "cauchy_stress")
    surfaces: tuple[str, ...] = ()
    probes: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Problem:
    """A hyperelastic boundary value problem and how to solve it.

    Attributes:
        name: Name of the job.
        mesh: Where the mesh comes from.
        degree: Polynomial degree p of the displacement, 1 to 8.
        num_points_1d: Gauss points per direction, at least p + 1.
        materials: Material of each region; "all" stands for every region not named.
        boundary: Loads and supports.
        body_force: Force per initial volume.
        loading: Load steps.
        solver: Solver settings.
        backend: A name in `elastane.solver.backends.BACKENDS` or a raw libCEED resource.
        output: Results wanted.
    """

    name: str
    mesh: MeshSource
    degree: int
    num_points_1d: int
    materials: Mapping[str, RegionMaterial]
    boundary: tuple[BoundaryCondition, ...]
    body_force: tuple[Formula, Formula, Formula] | None = None
    loading: Loading = Loading()
    solver: SolverSettings = SolverSettings()
    backend: str = "cpu"
    output: Output = Output()

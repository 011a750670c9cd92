"""What is to be solved, as plain frozen data.

A login node builds and checks a `Problem` without PETSc, MPI or libCEED; a worker solves it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from elastane.materials.model import TIME_INCREMENT, Choices, Material, Values
from elastane.meshes.source import MeshSource
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.formula import Formula
from elastane.solver.sources import FieldValues, Places, Tree, leaves, values_of


@dataclass(frozen=True)
class RegionMaterial:
    """A material model with its parameters, as given for a region.

    Attributes:
        model: The material model.
        parameters: Where the values come from of those parameters that the user gave, in the units
            of the job; numbers are constant formulas, arrays tuples of their entries.
        options: Options and sizes, e.g. {"volumetric": "quadratic", "terms": 2}.
    """

    model: Material
    parameters: Mapping[str, Tree]
    options: Choices = field(default_factory=dict)

    @property
    def uses_space(self) -> bool:
        """Return whether a parameter may differ from point to point."""
        return any(leaf.uses_space for tree in self.parameters.values() for leaf in leaves(tree))

    @property
    def uses_time(self) -> bool:
        """Return whether a parameter may change with the load fraction."""
        return any(leaf.uses_time for tree in self.parameters.values() for leaf in leaves(tree))

    @property
    def varies(self) -> bool:
        """Return whether a parameter is not the same everywhere and always."""
        return self.uses_space or self.uses_time

    @property
    def fields(self) -> set[str]:
        """Return the names of the fields of the mesh that the parameters need."""
        every = [leaf for tree in self.parameters.values() for leaf in leaves(tree)]
        return {leaf.field for leaf in every if isinstance(leaf, FieldValues)}

    def resolve(self, places: Places, time_increment: float = 0.0) -> dict[str, Values]:
        """Return the model's own parameters at places, by their scalar names.

        Args:
            places: Where.
            time_increment: Time since the last converged step, in s.

        Raises:
            ParameterError: If a value is out of bounds.
            ValueError: If a formula, a field or a direction has no value at a place.
        """
        given: dict[str, Values] = {
            name: values_of(tree, places) for name, tree in self.parameters.items()
        }
        if self.model.depends_on_rate:
            given[TIME_INCREMENT.name] = time_increment
        return self.model.resolve(given, self.options)


@dataclass(frozen=True)
class Loading:
    """The stepping from load fraction 0 to 1.

    Attributes:
        steps: Number of equal increments to start with.
        adaptive: Whether a failed step is cut and easy ones grow again.
        min_step: Smallest increment before the solve gives up.
        duration: Time from load fraction 0 to 1, in s.
    """

    steps: int = 1
    adaptive: bool = True
    min_step: float = 1e-4
    duration: float = 1.0


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
        smoother: The polynomial, a name in `elastane.solver.smoother.SMOOTHERS`.
        smoother_degree: Degree of the Chebyshev polynomial; None begins with the lowest of
            `elastane.solver.polynomials.DEGREES` and takes the next where linear solves are slow.
        coarse: Solver of the p = 1 problem, a name in `elastane.solver.preconditioners.COARSE`.
    """

    levels: str | tuple[int, ...] = "logarithmic"
    smoother: str = "chebyshev-first"
    smoother_degree: int | None = None
    coarse: str = "gamg"


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
        fields: Names in `elastane.solver.output.OUTPUT_FIELDS`.
        surfaces: Surfaces whose area, force and mean displacement are reported every step.
        probes: Initial coordinates of points whose displacement is reported every step.
        units: How units are written, by dimension ("length", "stress"); none if the job says none.
    """

    format: str = "vtu"
    every: int = 1
    fields: tuple[str, ...] = ("displacement", "cauchy_stress")
    surfaces: tuple[str, ...] = ()
    probes: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


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

"""The job file: its keys, their types, defaults and meaning.

One class is one section.  A section knows what is right by itself; what needs other sections, the
mesh or the materials is checked in `elastane.jobs.semantics`.  Any consistent set of units will
do; the unit that a description names is the SI one.  The section `units` says which set it is, and
is what quantities such as "3 MPa" are converted to: whoever validates a section gives the
`UnitSystem` as pydantic's context.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from elastane.jobs.fields import (
    Angle,
    Components,
    ForcePerVolumeVector,
    Measured,
    Name,
    OneOf,
    Point,
    Stress,
    StressVector,
    Vector,
    WallTime,
    shown,
)
from elastane.jobs.mesh_section import MeshSection
from elastane.jobs.section import Degree, Section
from elastane.jobs.units import UnitSystem, symbols_of
from elastane.solver.backends import find_backend
from elastane.solver.boundary import BOUNDARY_CONDITIONS, BoundaryCondition
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.pressure import Pressure
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.boundary.traction import Traction
from elastane.solver.formula import Formula
from elastane.solver.levels import LEVEL_RULES
from elastane.solver.output import FORMATS, OUTPUT_FIELDS
from elastane.solver.polynomials import SMOOTHERS
from elastane.solver.preconditioners import COARSE
from elastane.solver.problem import (
    LinearSettings,
    Loading,
    MultigridSettings,
    NewtonSettings,
    Output,
    SolverSettings,
)

MAX_LOAD_STEPS = 10_000
MAX_SMOOTHER_DEGREE = 20


class UnitsSection(Section):
    """The consistent set of units of all numbers in the file, and of all results."""

    length: Annotated[str, OneOf("unit of length", symbols_of("length"))] = Field(
        description="Unit of length."
    )
    force: Annotated[str, OneOf("unit of force", symbols_of("force"))] = Field(
        description="Unit of force; stresses are in force/length²."
    )
    time: Annotated[str, OneOf("unit of time", symbols_of("time"))] = Field(
        default="s", description="Unit of time."
    )

    def system(self) -> UnitSystem:
        """Return the set."""
        return UnitSystem(self.length, self.force, self.time)


class MaterialSection(BaseModel):
    """A material model; its parameters and options are the further keys."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)

    model: str

    def entries(self) -> dict[str, Any]:
        """Return the further keys, as read."""
        return dict(self.model_extra or {})


class RotationSection(Section):
    """A rigid rotation."""

    axis: Vector = Field(description="Direction of the axis.")
    origin: Point = Field(default=(0.0, 0.0, 0.0), description="A point on the axis, m.")
    angle: Angle = Field(description="Angle at load 1, degrees.")

    @model_validator(mode="after")
    def _axis_has_a_direction(self) -> Self:
        if not any(self.axis):
            raise ValueError("the axis (0, 0, 0) has no direction")
        return self


def _prescribes_something(components: Components) -> Components:
    if all(component is None for component in components):
        raise ValueError("no component is prescribed; remove the entry, or give a number")
    return components


class BoundarySection(Section):
    """A support or a load on a surface; one kind per entry."""

    surface: str = Field(description="A surface of the mesh.")
    displacement: Annotated[Components, AfterValidator(_prescribes_something)] | None = Field(
        default=None, description="Displacement, m; a component left out or null is free."
    )
    rotation: RotationSection | None = None
    traction: StressVector | None = Field(
        default=None, description="Dead force per initial area, Pa."
    )
    pressure: Stress | None = Field(
        default=None, description="Follower force per current area, Pa, positive inwards."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = self.kinds()
        if len(given) != 1:
            kinds = ", ".join(BOUNDARY_CONDITIONS)
            got = " and ".join(given) if given else "none"
            raise ValueError(f"exactly one of {kinds} stands in an entry, got {got}")
        return self

    def kinds(self) -> list[str]:
        """Return the keys of the kinds that are given."""
        return [kind for kind in BOUNDARY_CONDITIONS if getattr(self, kind) is not None]

    def condition(self) -> BoundaryCondition:
        """Return the boundary condition."""
        if self.displacement is not None:
            return Displacement(self.surface, self.displacement)
        if self.rotation is not None:
            rotation = self.rotation
            return Rotation(self.surface, rotation.axis, rotation.origin, rotation.angle)
        if self.traction is not None:
            return Traction(self.surface, self.traction)
        assert self.pressure is not None
        return Pressure(self.surface, self.pressure)


class LoadingSection(Section):
    """The way from load fraction 0 to 1."""

    steps: Annotated[int, Field(ge=1, le=MAX_LOAD_STEPS)] = Field(
        default=1, description="Equal increments of the load fraction."
    )
    adaptive: bool = Field(
        default=True, description="Cut a failed step, grow again after easy ones."
    )
    min_step: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=1e-4, description="Smallest increment before giving up."
    )
    duration: Annotated[float, Field(gt=0.0), Measured("time")] = Field(
        default=1.0,
        description="Time from load fraction 0 to 1, s; it counts for viscoelastic materials.",
    )

    def loading(self) -> Loading:
        """Return the load steps."""
        return Loading(**self.model_dump())


Tolerance = Annotated[float, Field(gt=0.0, lt=1.0)]
Iterations = Annotated[int, Field(ge=1, le=100_000)]


class NewtonSection(Section):
    """When Newton's method stops."""

    rtol: Tolerance = Field(default=1e-8, description="Relative bound of the residual norm.")
    atol: Annotated[float, Field(ge=0.0), Measured("force")] = Field(
        default=1e-12, description="Absolute bound of the residual norm, N."
    )
    max_iterations: Iterations = Field(
        default=50, description="Iterations before the load step counts as failed."
    )
    line_search: Annotated[str, OneOf("line search", ("cp", "bt", "basic"))] = Field(
        default="cp", description="PETSc's line search: critical point, back-tracking or none."
    )


def _read_rtol(value: Any) -> float | str:
    if value == "adaptive":
        return "adaptive"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"'adaptive' or a number is needed, got {shown(value)}")
    if not 0.0 < value < 1.0:
        raise ValueError(f"must lie between 0 and 1, got {value}")
    return float(value)


class LinearSection(Section):
    """When the Krylov method stops."""

    rtol: Annotated[
        float | str,
        PlainValidator(_read_rtol),
        WithJsonSchema(
            {
                "anyOf": [
                    {"const": "adaptive"},
                    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                ]
            }
        ),
    ] = Field(default="adaptive", description="Relative bound, or adaptive (Eisenstat and Walker).")
    max_iterations: Iterations = Field(
        default=1000, description="Iterations before the linear solve counts as failed."
    )

    def settings(self) -> LinearSettings:
        """Return the settings."""
        rtol = None if isinstance(self.rtol, str) else self.rtol
        return LinearSettings(rtol, self.max_iterations)


def _read_smoother_degree(value: Any) -> int | str:
    if value == "auto":
        return "auto"
    if type(value) is not int:
        raise ValueError(f"'auto' or an integer is needed, got {shown(value)}")
    if not 1 <= value <= MAX_SMOOTHER_DEGREE:
        raise ValueError(f"must lie between 1 and {MAX_SMOOTHER_DEGREE}, got {value}")
    return value


def _read_levels(value: Any) -> str | tuple[int, ...]:
    if isinstance(value, str) and value in LEVEL_RULES:
        return value
    whole = isinstance(value, list | tuple) and all(type(degree) is int for degree in value)
    if not whole:
        rules = ", ".join(LEVEL_RULES)
        raise ValueError(f"{rules} or a list of degrees is needed, got {shown(value)}")
    return tuple(value)


def _write_levels(levels: str | tuple[int, ...]) -> str | list[int]:
    return levels if isinstance(levels, str) else list(levels)


class MultigridSection(Section):
    """The p-multigrid preconditioner."""

    levels: Annotated[
        str | tuple[int, ...],
        PlainValidator(_read_levels),
        PlainSerializer(_write_levels, when_used="json"),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": list(LEVEL_RULES)},
                    {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 8}},
                ]
            }
        ),
    ] = Field(default="logarithmic", description="A rule, or the degrees from coarse to fine.")
    smoother: Annotated[str, OneOf("smoother", tuple(SMOOTHERS))] = Field(
        default="chebyshev-first", description="Kind of the smoother's Chebyshev polynomials."
    )
    smoother_degree: Annotated[
        int | str,
        PlainValidator(_read_smoother_degree),
        WithJsonSchema(
            {
                "anyOf": [
                    {"const": "auto"},
                    {"type": "integer", "minimum": 1, "maximum": MAX_SMOOTHER_DEGREE},
                ]
            }
        ),
    ] = Field(
        default="auto",
        description="Degree of the Chebyshev smoother; auto: 1, and 2 once a linear solve is slow.",
    )
    coarse: Annotated[str, OneOf("coarse solver", tuple(COARSE))] = Field(
        default="gamg", description="Solver of the p = 1 problem."
    )

    def settings(self) -> MultigridSettings:
        """Return the settings."""
        degree = None if isinstance(self.smoother_degree, str) else self.smoother_degree
        return MultigridSettings(self.levels, self.smoother, degree, self.coarse)


def _read_option(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ValueError(f"a text, a number, true or false is needed, got {shown(value)}")
    return str(value)


class SolverSection(Section):
    """How the discrete problem is solved."""

    newton: NewtonSection = NewtonSection()
    linear: LinearSection = LinearSection()
    multigrid: MultigridSection = MultigridSection()
    petsc_options: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")],
        Annotated[
            str,
            BeforeValidator(_read_option),
            WithJsonSchema({"type": ["string", "number", "boolean"]}),
        ],
    ] = Field(default={}, description="Raw PETSc options without dash, under our own prefix.")

    def settings(self) -> SolverSettings:
        """Return the settings."""
        return SolverSettings(
            newton=NewtonSettings(**self.newton.model_dump()),
            linear=self.linear.settings(),
            multigrid=self.multigrid.settings(),
            petsc_options=self.petsc_options,
        )


class OutputSection(Section):
    """What the run leaves behind."""

    format: Annotated[str, OneOf("format", tuple(FORMATS))] = Field(
        default="vtu", description="Format of the fields; vtu comes with a .pvd time series."
    )
    every: Annotated[int, Field(ge=0, le=MAX_LOAD_STEPS)] = Field(
        default=1, description="Load steps between two written fields; 0: the last only."
    )
    fields: Annotated[
        tuple[Annotated[str, OneOf("field", OUTPUT_FIELDS)], ...], Field(strict=False)
    ] = Field(default=("displacement", "cauchy_stress"), description="Fields to write.")
    surfaces: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Surfaces whose force and mean displacement are reported every step.",
    )
    probes: dict[Name, Point] = Field(
        default={}, description="Initial points whose displacement is reported every step, m."
    )
    checkpoint_minutes: Annotated[float, Field(ge=0.0)] = Field(
        default=10.0,
        description="Least time between two checkpoints, minutes; 0: after every load step.",
    )

    def output(self, units: UnitSystem | None) -> Output:
        """Return the output settings, for results in these units."""
        symbols = {} if units is None else units.symbols()
        return Output(self.format, self.every, self.fields, self.surfaces, self.probes, symbols)


class ResourcesSection(Section):
    """What a submitted job asks of a cluster."""

    nodes: Annotated[int, Field(ge=1, le=100_000)] = Field(default=1, description="Nodes.")
    ranks_per_node: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=1, description="MPI ranks on each node."
    )
    gpus_per_node: Annotated[int, Field(ge=0, le=64)] = Field(
        default=0, description="GPUs on each node; cuda and hip take as many as ranks."
    )
    time: WallTime | None = Field(
        default=None, description="Wall time, [days-]hours:minutes:seconds."
    )


def _check_backend(name: str) -> str:
    find_backend(name)
    return name


class JobFile(Section):
    """A job of Elastane."""

    version: Literal[1] = Field(default=1, description="Version of the job file's format.")
    name: Name | None = Field(
        default=None, description="Name of the job; default: the file's stem."
    )
    units: UnitsSection | None = Field(
        default=None,
        description="The units of all numbers; with them, quantities such as 3 MPa are read.",
    )
    mesh: MeshSection
    degree: Degree = Field(default=2, description="Polynomial degree of the displacement.")
    quadrature_extra: Annotated[int, Field(ge=0, le=8)] = Field(
        default=0, description="Gauss points per direction beyond degree + 1."
    )
    materials: dict[str, MaterialSection] = Field(
        min_length=1, description="Region name -> material; all is every region not named."
    )
    boundary: Annotated[tuple[BoundarySection, ...], Field(strict=False)] = Field(
        default=(), description="Supports and loads."
    )
    body_force: ForcePerVolumeVector = Field(
        default=(Formula.constant(0.0),) * 3, description="Force per initial volume, N/m³."
    )
    loading: LoadingSection = LoadingSection()
    solver: SolverSection = SolverSection()
    backend: Annotated[str, AfterValidator(_check_backend)] = Field(
        default="cpu", description="cpu; cuda or hip, a rank per GPU; or a raw libCEED resource."
    )
    output: OutputSection = OutputSection()
    resources: ResourcesSection = ResourcesSection()

"""Boundary value problems in a few words, solved without a job file."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.materials import find_model
from elastane.meshes.body import Body
from elastane.meshes.mesh import FACET_CORNERS, Mesh
from elastane.meshes.source import MeshSource, SubSurface
from elastane.solver.boundary import (
    BoundaryCondition,
    Displacement,
    Pressure,
    Rotation,
    Traction,
)
from elastane.solver.diagnostics import nodal_diagnostics
from elastane.solver.formula import Formula
from elastane.solver.loading import Run
from elastane.solver.observer import Request
from elastane.solver.problem import (
    LinearSettings,
    Loading,
    MultigridSettings,
    NewtonSettings,
    Output,
    Problem,
    RegionMaterial,
    SolverSettings,
)
from elastane.solver.report import Report
from elastane.solver.sources import Tree, shape_of

Floats = NDArray[np.float64]
Number = float | str | None

#: Newton's method goes on until rounding stops it, so that what is left of it is below all
#: tolerances of the tests.
TIGHT = NewtonSettings(rtol=1e-11, atol=1e-13)


@dataclass
class Listener:
    """Keeps all events; asks the solve to stop at the chosen event."""

    stop_at: str = ""
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def event(self, kind: str, **values: Any) -> None:
        self.events.append((kind, values))

    def request(self) -> Request:
        stops = any(kind == self.stop_at for kind, _ in self.events)
        return Request.STOP if stops else Request.GO_ON

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [values for other, values in self.events if other == kind]


def formula(value: float | str) -> Formula:
    return Formula.parse(value) if isinstance(value, str) else Formula.constant(value)


def tree(value: Any) -> Tree:
    """Return what stands for a parameter: a number, a formula, a source, or a list of those."""
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(tree(entry) for entry in value)
    return formula(value) if isinstance(value, int | float | str) else value


def displacement(surface: str, x: Number, y: Number, z: Number) -> Displacement:
    """Prescribe components; None leaves one free."""
    components = tuple(None if value is None else formula(value) for value in (x, y, z))
    return Displacement(surface, components)  # type: ignore[arg-type]


def clamp(surface: str) -> Displacement:
    return displacement(surface, 0.0, 0.0, 0.0)


def traction(surface: str, x: float | str, y: float | str, z: float | str) -> Traction:
    return Traction(surface, (formula(x), formula(y), formula(z)))


def pressure(surface: str, value: float | str) -> Pressure:
    return Pressure(surface, formula(value))


def rotation(
    surface: str, angle: float, axis: tuple[float, float, float], origin: tuple[float, float, float]
) -> Rotation:
    return Rotation(surface, axis, origin, formula(angle))


def material(model: str, options: dict[str, str] | None = None, **given: Any) -> RegionMaterial:
    chosen = find_model(model)
    parameters = {name: tree(value) for name, value in given.items()}
    sizes = chosen.sizes_of({name: np.zeros(shape_of(t)) for name, t in parameters.items()})
    return RegionMaterial(chosen, parameters, {**(options or {}), **sizes})


@dataclass(frozen=True)
class MeshBody(Body):
    """A body that has its mesh already."""

    mesh: Mesh

    @property
    def surface_names(self) -> tuple[str, ...]:
        return tuple(self.mesh.surfaces)

    @property
    def region_names(self) -> tuple[str, ...]:
        return self.mesh.regions

    def num_cells(self, refine: int) -> int:
        return self.mesh.num_cells

    def default_geometry_degree(self, degree: int) -> int:
        return self.mesh.geometry_degree

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        return self.mesh


def renumbered(mesh: Mesh, seed: int) -> Mesh:
    """Return the same mesh with cells and vertices in another order and each cell's axes turned."""
    random = np.random.default_rng(seed)
    order = random.permutation(mesh.num_cells)
    new_vertex = random.permutation(mesh.num_vertices)
    n = mesh.geometry_degree + 1
    corners = new_vertex[mesh.cells[order]].reshape(-1, 2, 2, 2)
    coordinates = mesh.coordinates[order].reshape(-1, n, n, n, 3)
    for cell in range(mesh.num_cells):
        # Even permutations and even numbers of reversed axes are rotations.
        axes = np.roll(np.arange(3), random.integers(3))
        kept = random.integers(4)
        reversed_axes = tuple(axis for axis in range(3) if kept < 3 and axis != kept)
        corners[cell] = np.flip(corners[cell].transpose(axes), reversed_axes)
        coordinates[cell] = np.flip(coordinates[cell].transpose(*axes, 3), reversed_axes)
    cells = corners.reshape(-1, 8)
    facets = {
        frozenset(vertices): (cell, facet)
        for cell in range(mesh.num_cells)
        for facet, vertices in enumerate(cells[cell, FACET_CORNERS].tolist())
    }
    return Mesh(
        cells=cells,
        coordinates=coordinates.reshape(mesh.coordinates.shape),
        geometry_degree=mesh.geometry_degree,
        regions=mesh.regions,
        cell_regions=mesh.cell_regions[order],
        surfaces={
            name: np.array(
                [
                    facets[frozenset(new_vertex[mesh.cells[cell, FACET_CORNERS[facet]]].tolist())]
                    for cell, facet in pairs
                ]
            )
            for name, pairs in mesh.surfaces.items()
        },
    )


def problem(
    body: Body | Mesh,
    degree: int,
    boundary: Sequence[BoundaryCondition],
    region_material: RegionMaterial | None = None,
    **settings: Any,
) -> Problem:
    """Return a problem; the settings go where they belong by their names."""
    if isinstance(body, Mesh):
        body = MeshBody(body)
    sub_surfaces: dict[str, SubSurface] = settings.pop("sub_surfaces", {})
    source = MeshSource(
        body,
        geometry_degree=settings.pop("geometry_degree", None),
        refine=settings.pop("refine", 0),
        sub_surfaces=sub_surfaces,
    )
    force = settings.pop("body_force", None)
    chosen = region_material or material("neo-hookean", youngs_modulus=1.0, poissons_ratio=0.3)
    return Problem(
        name="case",
        mesh=source,
        degree=degree,
        num_points_1d=degree + 1 + settings.pop("quadrature_extra", 0),
        materials=settings.pop("materials", {"all": chosen}),
        boundary=tuple(boundary),
        body_force=None if force is None else tuple(formula(value) for value in force),  # type: ignore[arg-type]
        loading=settings.pop("loading", Loading()),
        solver=SolverSettings(
            newton=settings.pop("newton", TIGHT),
            linear=settings.pop("linear", LinearSettings()),
            multigrid=settings.pop("multigrid", MultigridSettings()),
            petsc_options=settings.pop("petsc_options", {}),
        ),
        backend=settings.pop("backend", "cpu"),
        output=Output(every=0, **settings),
    )


@dataclass(frozen=True)
class Solved:
    """A solved problem: its report, and the run for what the report does not hold."""

    run: Run
    report: Report

    @property
    def energy(self) -> float:
        return self.report.steps[-1].strain_energy

    @property
    def X(self) -> Floats:
        return self.run.mechanics.space.X

    @property
    def u(self) -> Floats:
        return self.run.mechanics.u.array

    @property
    def reactions(self) -> Floats:
        """Nodal forces of supports, shape (num_nodes, 3); zero but for rounding elsewhere."""
        return self.run.mechanics.R.array

    @property
    def cauchy_stress(self) -> Floats:
        """Mean of the elements around each node: xx, yy, zz, xy, yz, xz."""
        mechanics = self.run.mechanics
        sums = nodal_diagnostics(mechanics.body, mechanics.space, mechanics.u.ceed, 1.0)
        stress: Floats = sums[:, 1:7] / sums[:, :1]
        return stress

    def force(self, surface: str) -> tuple[float, float, float]:
        return self.report.steps[-1].surfaces[surface].force

    def nodes(self, surface: str) -> NDArray[np.bool_]:
        space = self.run.mechanics.space
        return space.on_surface[:, self.run.topology.surfaces.index(surface)]

    def u_at(self, x: float, y: float, z: float) -> Floats:
        """Displacement of the node at an initial place."""
        distance = np.linalg.norm(self.X - [x, y, z], axis=1)
        node = int(np.argmin(distance))
        assert distance[node] < 1e-9
        return self.u[node]


def placed(chosen: Problem) -> Problem:
    """Return a problem where it is solved: on $ELASTANE_CASES_BACKEND instead of the CPU.

    It is a variable of the environment since some cases are solved by processes of their own.
    """
    if chosen.backend != "cpu":
        return chosen
    return replace(chosen, backend=os.environ.get("ELASTANE_CASES_BACKEND", "cpu"))


def start(chosen: Problem, listener: Listener | None = None, comm: Any = MPI.COMM_WORLD) -> Run:
    """Return a run that is set up but not solved."""
    with common_folder(comm) as folder:
        return Run(placed(chosen), folder, listener or Listener(), comm)


def attempt(
    chosen: Problem, listener: Listener | None = None, comm: Any = MPI.COMM_WORLD
) -> Solved:
    """Solve a problem that may have no solution."""
    with common_folder(comm) as folder:
        run = Run(placed(chosen), folder, listener or Listener(), comm)
        return Solved(run, run.solve())


def solve(chosen: Problem, listener: Listener | None = None, comm: Any = MPI.COMM_WORLD) -> Solved:
    """Solve a problem that has a solution."""
    solved = attempt(chosen, listener, comm)
    assert solved.report.status == "converged", solved.report.message
    return solved


@contextmanager
def common_folder(comm: Any) -> Iterator[Path]:
    """Give all ranks the same new folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(comm.bcast(folder))
        comm.Barrier()

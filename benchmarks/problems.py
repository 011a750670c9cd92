"""The problems that are measured."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from elastane.materials import find_model
from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.cook import Cook
from elastane.meshes.mesh import Mesh
from elastane.meshes.schwarz import SchwarzP
from elastane.meshes.source import MeshSource, SubSurface
from elastane.solver.boundary import BoundaryCondition, Displacement, Pressure, Traction
from elastane.solver.formula import Formula
from elastane.solver.observer import Request
from elastane.solver.problem import (
    LinearSettings,
    MultigridSettings,
    NewtonSettings,
    Output,
    Problem,
    RegionMaterial,
    SolverSettings,
)


class Listener:
    """Keeps what a run tells, and prints how Newton's method goes on."""

    def __init__(self, verbose: bool = True) -> None:
        self.fields_seconds = 0.0
        self._verbose = verbose

    def event(self, kind: str, **values: Any) -> None:
        """Take note of an event."""
        if kind == "fields":
            self.fields_seconds += values["seconds"]
        if self._verbose and kind in ("phase", "newton", "step_failed", "warning"):
            print(kind, *(f"{key}={value}" for key, value in values.items()), flush=True)  # noqa: T201

    def request(self) -> Request:
        """Return that the solve shall go on."""
        return Request.GO_ON


def formulas(*values: float | str | None) -> Any:
    """Return numbers and texts as formulas; None stays None."""
    return tuple(map(_formula, values))


def _formula(value: float | str | None) -> Formula | None:
    if value is None:
        return None
    return Formula.parse(value) if isinstance(value, str) else Formula.constant(value)


def material(model: str, options: dict[str, str] | None = None, **given: float) -> RegionMaterial:
    """Return a material with numbers as parameters."""
    parameters = {name: Formula.constant(value) for name, value in given.items()}
    return RegionMaterial(find_model(model), parameters, options or {})


def rubber(youngs_modulus: float = 1.0) -> RegionMaterial:
    """Return a neo-Hookean solid with ν = 0.3."""
    return material("neo-hookean", youngs_modulus=youngs_modulus, poissons_ratio=0.3)


def problem(
    body: Body | MeshSource,
    degree: int,
    boundary: Sequence[BoundaryCondition],
    materials: Mapping[str, RegionMaterial] | None = None,
    linear: LinearSettings = LinearSettings(),  # noqa: B008 (frozen)
    newton: NewtonSettings = NewtonSettings(),  # noqa: B008 (frozen)
    multigrid: MultigridSettings = MultigridSettings(),  # noqa: B008 (frozen)
    **settings: Any,
) -> Problem:
    """Return a problem of one load step with p + 1 Gauss points per direction."""
    return Problem(
        name="benchmark",
        mesh=body if isinstance(body, MeshSource) else MeshSource(body),
        degree=degree,
        num_points_1d=degree + 1,
        materials=materials or {"all": rubber()},
        boundary=tuple(boundary),
        solver=SolverSettings(newton=newton, linear=linear, multigrid=multigrid),
        output=Output(every=0),
        **settings,
    )


def clamp(surface: str) -> Displacement:
    """Return a clamped surface."""
    return Displacement(surface, formulas(0.0, 0.0, 0.0))


def slide(surface: str, axis: int) -> Displacement:
    """Return a surface without displacement along an axis."""
    return Displacement(surface, formulas(*(0.0 if i == axis else None for i in range(3))))


def box(cells: int) -> Box:
    """Return a unit cube."""
    return Box(cells=(cells, cells, cells))


def cube(degree: int, cells: int, **settings: Any) -> Problem:
    """Return a unit cube, clamped on one side and sheared on the opposite one, so that it bends."""
    loads: list[BoundaryCondition] = [
        clamp("x-min"),
        Traction("x-max", formulas(0.0, 0.0, -0.02)),
    ]
    return problem(box(cells), degree, loads, **settings)


def schwarz_shell(degree: int, extent: int, thickness: float, **settings: Any) -> Problem:
    """Return the shell of extent³ unit cells, compressed, with the meshes of arXiv:2204.01722."""
    body = SchwarzP(
        extent=(extent, extent, extent),
        thickness=thickness,
        refine=2,
        layers=2 if degree == 2 else 1,
    )
    # A thin shell bends: its load is smaller by the square of the thickness.
    load = -0.02 * min(1.0, (thickness / 0.2) ** 2)
    loads: list[BoundaryCondition] = [clamp("x-min"), Traction("x-max", formulas(load, 0.0, 0.0))]
    return problem(body, degree, loads, **settings)


def punch(degree: int, refine: int, poissons_ratio: float = 0.3, **settings: Any) -> Problem:
    """Return a quarter of a block under a pressure on the middle of its top; refine doubles cells.

    The load shrinks where the solid is nearly incompressible and would be pressed out sideways.
    """
    pressure = 160.0 if poissons_ratio < 0.4 else 40.0
    supports: list[BoundaryCondition] = [
        slide("x-min", 0),
        slide("y-min", 1),
        slide("z-min", 2),
        Displacement("z-max", formulas(0.0, 0.0, None)),
        Pressure("punch", Formula.constant(pressure)),
    ]
    solid = material(
        "neo-hookean-isochoric",
        {"volumetric": "quadratic"},
        youngs_modulus=240.566,
        poissons_ratio=poissons_ratio,
    )
    middle = SubSurface("z-max", (0.0, 0.0, 0.0), (0.5, 0.5, 1.0))
    mesh = MeshSource(Box(cells=(4, 4, 2)), refine=refine, sub_surfaces={"punch": middle})
    return problem(mesh, degree, supports, {"all": solid}, **settings)


def cook(degree: int, cells: int, **settings: Any) -> Problem:
    """Return Cook's membrane in plane strain, one cell thick, whatever its cells in the plane."""
    solid = material(
        "neo-hookean-isochoric", {"volumetric": "j2"}, shear_modulus=0.4225, poissons_ratio=0.3
    )
    loads: list[BoundaryCondition] = [
        clamp("left"),
        slide("z-min", 2),
        slide("z-max", 2),
        Traction("right", formulas(0.0, 0.02, 0.0)),
    ]
    body = Cook(thickness=3.0, cells=(cells, cells, 1))
    return problem(body, degree, loads, {"all": solid}, **settings)


class Inclusion(Box):
    """A box with an inclusion, half as wide, in its middle."""

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the two regions."""
        return ("matrix", "inclusion")

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh."""
        mesh = super().build(geometry_degree, refine)
        middle = mesh.coordinates.mean(axis=1)
        inside = (np.abs(middle - 0.5) < 0.25).all(axis=1)
        return replace(mesh, regions=self.region_names, cell_regions=inside.astype(np.int64))


def inclusion(degree: int, cells: int, contrast: float = 100.0, **settings: Any) -> Problem:
    """Return a soft cube around a stiff one, stretched; cells is a multiple of four."""
    loads: list[BoundaryCondition] = [clamp("x-min"), Traction("x-max", formulas(0.1, 0.0, 0.0))]
    materials = {"matrix": rubber(), "inclusion": rubber(contrast)}
    return problem(Inclusion(cells=(cells,) * 3), degree, loads, materials, **settings)


def smooth(degree: int, cells: int, **settings: Any) -> Problem:
    """Return a cube between frictionless walls under a wavy body force.

    Reflected at its walls it is periodic, so that the solution has no singularity anywhere.
    """
    walls = [slide(f"{'xyz'[axis]}-{side}", axis) for axis in range(3) for side in ("min", "max")]
    force = formulas(*(f"0.8 * sin(pi*{i}) * cos(pi*{j})" for i, j in ("xy", "yz", "zx")))
    return problem(box(cells), degree, walls, body_force=force, **settings)


@contextmanager
def common_folder(comm: MPI.Intracomm) -> Iterator[Path]:
    """Give all ranks the same new folder, and remove it when all have left."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(comm.bcast(folder))
        comm.Barrier()

"""The problems that are measured: neo-Hookean bodies, clamped on one side and loaded opposite."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mpi4py import MPI

from elastane.materials import find_model
from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.schwarz import SchwarzP
from elastane.meshes.source import MeshSource
from elastane.solver.boundary import Displacement, Traction
from elastane.solver.formula import Formula
from elastane.solver.problem import (
    LinearSettings,
    MultigridSettings,
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

    def stop_requested(self) -> bool:
        """Return whether to stop: never."""
        return False


def loaded(
    body: Body,
    degree: int,
    traction: tuple[float, float, float],
    linear: LinearSettings = LinearSettings(),  # noqa: B008 (frozen)
    multigrid: MultigridSettings = MultigridSettings(),  # noqa: B008 (frozen)
    **settings: Any,
) -> Problem:
    """Return a body with E = 1 and ν = 0.3, clamped on x-min, with a dead traction on x-max."""
    x, y, z = map(Formula.constant, traction)
    zero = Formula.constant(0.0)
    parameters = {"youngs_modulus": Formula.constant(1.0), "poissons_ratio": Formula.constant(0.3)}
    return Problem(
        name="benchmark",
        mesh=MeshSource(body),
        degree=degree,
        num_points_1d=degree + 1,
        materials={"all": RegionMaterial(find_model("neo-hookean"), parameters)},
        boundary=(Displacement("x-min", (zero, zero, zero)), Traction("x-max", (x, y, z))),
        solver=SolverSettings(linear=linear, multigrid=multigrid),
        output=Output(every=0),
        **settings,
    )


def cube(degree: int, num_cells_1d: int, **settings: Any) -> Problem:
    """Return a unit cube, bent."""
    cells = (num_cells_1d, num_cells_1d, num_cells_1d)
    return loaded(Box(cells=cells), degree, (0.0, 0.0, -0.02), **settings)


def schwarz_shell(degree: int, extent: int, thickness: float, **settings: Any) -> Problem:
    """Return the shell of extent³ unit cells, compressed, with the meshes of arXiv:2204.01722."""
    body = SchwarzP(
        extent=(extent, extent, extent),
        thickness=thickness,
        refine=2,
        layers=2 if degree == 2 else 1,
    )
    return loaded(body, degree, (-0.02, 0.0, 0.0), **settings)


@contextmanager
def common_folder(comm: MPI.Intracomm) -> Iterator[Path]:
    """Give all ranks the same new folder, and remove it when all have left."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(comm.bcast(folder))
        comm.Barrier()

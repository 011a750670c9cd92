"""How large a job is: unknowns, memory, output.  Counted where it can be, else estimated."""

import os
from dataclasses import dataclass

import numpy as np

from elastane.meshes.entities import SurfaceEntities, find_entities, surface_entities
from elastane.meshes.mesh import Mesh
from elastane.meshes.source import MeshSource
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.levels import multigrid_degrees
from elastane.solver.output import FIELDS, material_arrays
from elastane.solver.problem import Problem

DOUBLE = 8
#: PETSc as it is usually built counts unknowns in 32 bits.
MAX_UNKNOWNS = 2**31 - 1

# Memory, fitted to runs of p = 1, 2 and 4 with 200,000 to 1,000,000 unknowns; right to 20 % there.
#: Interpreter, MPI, PETSc and libCEED of one rank before anything is stored.
BASE_BYTES = 100_000_000
#: DMPlex and our own tables.
BYTES_PER_CELL = 5_000
#: Stored state in double and in single precision, geometry of curved cells, det F.
BYTES_PER_POINT = 280
#: Vectors of Newton's method, CG and the smoothers, of all levels.
BYTES_PER_UNKNOWN = 370
#: Element matrices of p = 1 and the matrix on aggregates; or the assembled p = 1 matrix (81 entries
#: in a row), its set-up, and BoomerAMG's coarser levels.
BYTES_PER_COARSE_UNKNOWN = {"gamg": 1_100, "boomeramg": 4_900, "direct": 4_900}


@dataclass(frozen=True)
class Sizes:
    """The size of a job.

    Attributes:
        cells: Cells of the mesh.
        level_degrees: Degree of each multigrid level, from coarse to fine.
        level_dofs: Unknowns of each level, prescribed components removed.
        memory_bytes: Estimated memory of all ranks together, for one rank.
        output_bytes: Estimated size of all fields.
    """

    cells: int
    level_degrees: tuple[int, ...]
    level_dofs: tuple[int, ...]
    memory_bytes: int
    output_bytes: int

    @property
    def dofs(self) -> int:
        """Return the unknowns of the finest level."""
        return self.level_dofs[-1]

    def memory_per_rank(self, ranks: int) -> int:
        """Return the estimated memory of a rank, in bytes."""
        return BASE_BYTES + (self.memory_bytes - BASE_BYTES) // ranks


def measure(problem: Problem, mesh: Mesh) -> Sizes:
    """Return the size of a problem on its mesh."""
    degrees = multigrid_degrees(problem.degree, problem.solver.multigrid.levels)
    dofs = count_dofs(problem, mesh, degrees)
    memory = (
        BASE_BYTES
        + mesh.num_cells * (BYTES_PER_CELL + problem.num_points_1d**3 * BYTES_PER_POINT)
        + _material_bytes(problem, mesh)
        + sum(dofs) * BYTES_PER_UNKNOWN
        + dofs[0] * BYTES_PER_COARSE_UNKNOWN[problem.solver.multigrid.coarse]
    )
    return Sizes(mesh.num_cells, degrees, dofs, memory, _output_bytes(problem, mesh, dofs[-1]))


def _material_bytes(problem: Problem, mesh: Mesh) -> int:
    """Return the size of what materials keep at each point.

    These are histories, and parameters that vary, of which libCEED has a copy.
    """
    cells = np.bincount(mesh.cell_regions, minlength=len(mesh.regions))
    total = 0
    for region, num_cells in zip(mesh.regions, cells.tolist(), strict=True):
        material = problem.materials.get(region) or problem.materials["all"]
        numbers = len(material.model.initial_history(material.options))
        if material.varies:
            numbers += 2 * len(material.model.scalars(material.options))
        total += DOUBLE * numbers * num_cells * problem.num_points_1d**3
    return total


def count_dofs(problem: Problem, mesh: Mesh, degrees: tuple[int, ...]) -> tuple[int, ...]:
    """Return the unknowns of spaces of these degrees, prescribed components removed."""
    entities = find_entities(mesh.cells)
    prescribed: list[SurfaceEntities | None] = [None, None, None]
    for condition in problem.boundary:
        if not isinstance(condition, Displacement | Rotation):
            continue
        surface = surface_entities(entities, mesh.surfaces[condition.surface])
        for axis, constrained in enumerate(condition.constrained):
            if constrained:
                known = prescribed[axis]
                prescribed[axis] = surface if known is None else known | surface
    return tuple(
        3 * entities.num_nodes(degree)
        - sum(surface.num_nodes(degree) for surface in prescribed if surface is not None)
        for degree in degrees
    )


def _output_bytes(problem: Problem, mesh: Mesh, dofs: int) -> int:
    """Return the size of all written fields."""
    names = problem.output.fields
    arrays = material_arrays(names, [(m.model, m.options) for m in problem.materials.values()])
    numbers = 3 + sum(len(FIELDS[name].components) for name in names if name in FIELDS)
    numbers += sum(map(len, arrays.values()))
    connectivity = mesh.num_cells * (problem.degree + 1) ** 3 * 8
    every, steps = problem.output.every, problem.loading.steps
    written = 1 if every == 0 else -(-steps // every)
    return written * (dofs // 3 * numbers * DOUBLE + connectivity)


def check_before_building(source: MeshSource, degree: int) -> None:
    """Refuse a mesh that nothing here can hold, with figures.

    Raises:
        ValueError: If it is too large.
    """
    cells = source.expected_cells
    unknowns = 3 * cells * degree**3
    if unknowns > MAX_UNKNOWNS:
        raise ValueError(
            f"{cells:,} cells of degree {degree} have about {unknowns:,} unknowns; at most "
            f"{MAX_UNKNOWNS:,} can be numbered: refine less, or lower the degree"
        )
    geometry_degree = source.geometry_degree or source.body.default_geometry_degree(degree)
    # Vertices, coordinates and what is needed to build them.
    needed = cells * (8 + 3 * (geometry_degree + 1) ** 3) * DOUBLE * 4
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise ValueError(
            f"{cells:,} cells need about {in_bytes(needed)} to be built; this machine has "
            f"{in_bytes(there)}: refine less"
        )


def in_bytes(count: float) -> str:
    """Return a number of bytes for people, e.g. "1.5 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

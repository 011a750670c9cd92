"""Checks of a job that need the cells: supports, loads, probes, material fields."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from elastane.jobs.job import Reading
from elastane.jobs.schema import BoundarySection
from elastane.jobs.semantics import ALL_REGIONS, Findings, prescribed_axes
from elastane.materials import ParameterError
from elastane.meshes.element_map import facet_nodes
from elastane.meshes.locate import locate
from elastane.meshes.mesh import Mesh
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.pressure import Pressure
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.formula import Formula, FormulaError
from elastane.solver.problem import RegionMaterial
from elastane.solver.rigid_modes import free_motions

Floats = NDArray[np.float64]

#: Load fractions at which formulas are tried.
LOAD_FRACTIONS = (0.0, 0.5, 1.0)


def check_mesh(reading: Reading, mesh: Mesh) -> Findings:
    """Check what is sound in a job file against its mesh."""
    file, unsound = reading.draft.file, reading.draft.unsound
    entries = [
        (index, entry)
        for index, entry in zip(reading.draft.boundary, file.boundary, strict=True)
        if entry.surface in mesh.surfaces
    ]
    yield from _check_overlaps(entries, mesh)
    for index, entry in entries:
        yield from _check_load(index, entry, mesh)
    yield from _check_formulas(("body_force",), file.body_force, mesh.coordinates.reshape(-1, 3))
    for region, material in reading.materials.items():
        yield from _check_material(region, material, reading, mesh)
    yield from _check_probes(file.output.probes, mesh)
    if "boundary" not in unsound and len(entries) == len(file.boundary):
        for motions in free_motions(mesh, [entry.condition() for _, entry in entries]):
            message = (
                f"nothing holds {motions}: prescribe displacements that do; "
                "a traction or a pressure holds nothing"
            )
            yield ("boundary",), message


def _check_overlaps(entries: Sequence[tuple[int, BoundarySection]], mesh: Mesh) -> Findings:
    """No component is prescribed twice where two surfaces of different names share facets."""
    supports = [(index, entry) for index, entry in entries if prescribed_axes(entry)]
    facets = {
        entry.surface: {(cell, facet) for cell, facet in mesh.surfaces[entry.surface].tolist()}
        for _, entry in supports
    }
    for (first, one), (second, other) in combinations(supports, 2):
        axes = [axis for axis in prescribed_axes(one) if axis in prescribed_axes(other)]
        if not axes or one.surface == other.surface:
            continue
        shared = len(facets[one.surface] & facets[other.surface])
        if shared:
            message = (
                f"the component {axes[0]} is prescribed already by boundary[{first}] on "
                f"{shared} facets that {other.surface!r} shares with {one.surface!r}"
            )
            yield ("boundary", second, other.kinds()[0]), message


def _check_load(index: int, entry: BoundarySection, mesh: Mesh) -> Findings:
    """The formulas of an entry are finite on its surface."""
    facets = mesh.surfaces[entry.surface]
    nodes = facet_nodes(mesh.geometry_degree)[facets[:, 1]]
    X = mesh.coordinates[facets[:, :1], nodes].reshape(-1, 3)
    path = ("boundary", index, entry.kinds()[0])
    yield from _check_formulas(path, formulas_of(entry.condition()), X)


def formulas_of(condition: BoundaryCondition) -> tuple[Formula, ...]:
    """Return the formulas of a boundary condition."""
    if isinstance(condition, Rotation):
        return (condition.angle,)
    if isinstance(condition, Pressure):
        return (condition.pressure,)
    if isinstance(condition, Displacement):
        return tuple(component for component in condition.components if component is not None)
    return condition.components


def _check_formulas(
    path: tuple[str | int, ...], formulas: Sequence[Formula], X: Floats
) -> Findings:
    """Formulas have finite values at points, at the load fractions that matter."""
    for formula in formulas:
        if formula.value is not None:
            continue
        try:
            for t in LOAD_FRACTIONS if formula.uses_time else (1.0,):
                formula.evaluate(X, t)
        except FormulaError as error:
            yield path, str(error)


def _check_material(
    region: str, material: RegionMaterial, reading: Reading, mesh: Mesh
) -> Findings:
    """Parameters that depend on place or load stay within their bounds."""
    if all(formula.value is not None for formula in material.parameters.values()):
        return
    X = mesh.coordinates[_cells_of(region, reading, mesh)].reshape(-1, 3)
    for t in LOAD_FRACTIONS:
        try:
            values = {name: formula.evaluate(X, t) for name, formula in material.parameters.items()}
            material.model.resolve(values, material.options)
        except ParameterError as error:
            known = error.parameter in material.parameters
            path = ("materials", region, error.parameter) if known else ("materials", region)
            yield path, str(error)
            return
        except FormulaError as error:
            yield ("materials", region), str(error)
            return


def _cells_of(region: str, reading: Reading, mesh: Mesh) -> NDArray[np.bool_]:
    """Return which cells have the material of a region."""
    named = reading.draft.file.materials
    belongs = [
        name == region or (region == ALL_REGIONS and name not in named) for name in mesh.regions
    ]
    return np.array(belongs, dtype=bool)[mesh.cell_regions]


def _check_probes(probes: "dict[str, tuple[float, float, float]]", mesh: Mesh) -> Findings:
    """Probes lie inside the body."""
    points = np.array(list(probes.values()), dtype=float).reshape(-1, 3)
    cells, _ = locate(mesh.coordinates, mesh.geometry_degree, points)
    X = mesh.coordinates.reshape(-1, 3)
    for name, point, cell in zip(probes, points, cells, strict=True):
        if cell < 0:
            near = X[np.argmin(((X - point) ** 2).sum(axis=1))]
            message = (
                f"the point {point.tolist()} lies outside the body; "
                f"the nearest node is at {[round(float(value), 12) for value in near]}"
            )
            yield ("output", "probes", name), message

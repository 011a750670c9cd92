"""Checks of a job that need the cells: supports, loads, probes, material fields."""

from collections.abc import Iterator, Sequence
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


def warnings(reading: Reading, mesh: Mesh) -> Iterator[str]:
    """Yield what is allowed and yet looks like a mistake."""
    stiffness = 0.0
    for region, material in reading.materials.items():
        constants = {
            name: formula.value
            for name, formula in material.parameters.items()
            if formula.value is not None
        }
        if len(constants) < len(material.parameters):
            continue
        kernel = material.model.resolve(constants, material.options)
        pascals = [p.name for p in material.model.kernel_parameters if p.unit == "Pa"]
        stiffness = max(stiffness, *(float(np.max(kernel[name])) for name in pascals))
        yield from _locking(region, kernel, reading.draft.file.degree)
    yield from _scales(reading, mesh, stiffness)


def _locking(region: str, kernel: "dict[str, float | Floats]", degree: int) -> Iterator[str]:
    """Warn of a nearly incompressible material in elements of low degree."""
    shear = kernel.get("lame_mu")
    if shear is None:
        return
    if "lame_lambda" in kernel:
        ratio = np.divide(kernel["lame_lambda"], shear)
    elif "bulk_modulus" in kernel:
        ratio = np.divide(kernel["bulk_modulus"], shear) - 2.0 / 3.0
    else:
        return
    nu = float(np.max(ratio / (2.0 * (ratio + 1.0))))
    if nu >= 0.49 and degree < 4:
        yield (
            f"Poisson's ratio {nu:.6g} of {region} is nearly incompressible: degree {degree} may "
            "lock and be too stiff; use degree 4 or more, and compare with one degree less"
        )


def _scales(reading: Reading, mesh: Mesh, stiffness: float) -> Iterator[str]:
    """Warn of loads that no unit system makes plausible."""
    size = float(np.ptp(mesh.coordinates.reshape(-1, 3), axis=0).max())
    if stiffness > 1e8 and size > 1e3:
        yield (
            f"a body of size {size:.4g} with moduli of {stiffness:.3g}: if lengths are in mm, "
            "moduli and loads must be in MPa (N/mm²)"
        )
    for index, entry in zip(reading.draft.boundary, reading.draft.file.boundary, strict=True):
        condition = entry.condition()
        values = [abs(f.value) for f in formulas_of(condition) if f.value is not None]
        largest = max(values, default=0.0)
        if largest == 0.0 or isinstance(condition, Rotation):
            continue
        if isinstance(condition, Displacement):
            if largest > 10.0 * size:
                yield (
                    f"boundary[{index}]: a displacement of {largest:.4g} on a body of size "
                    f"{size:.4g}; is the unit of length the same?"
                )
        elif stiffness > 0.0 and not 1e-8 < largest / stiffness < 10.0:
            yield (
                f"boundary[{index}]: a load of {largest:.4g} on moduli of {stiffness:.3g}, a ratio "
                f"of {largest / stiffness:.1e}; are the units of stress the same?"
            )

"""Checks of a job that need the cells: supports, loads, probes, material fields."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from elastane.jobs.job import Reading
from elastane.jobs.schema import BoundarySection
from elastane.jobs.semantics import ALL_REGIONS, Findings, prescribed_axes
from elastane.materials import ParameterError, maxwell
from elastane.meshes.element_map import apply_tensor, facet_nodes, field_values
from elastane.meshes.file_body import MeshFile
from elastane.meshes.lagrange import gauss, gauss_lobatto, interpolation
from elastane.meshes.locate import locate
from elastane.meshes.mesh import Ints, Mesh, MeshField
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.pressure import Pressure
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.formula import Formula, FormulaError
from elastane.solver.problem import RegionMaterial
from elastane.solver.rigid_modes import free_motions
from elastane.solver.sources import FieldValues, Places, leaves, values_of

Floats = NDArray[np.float64]

#: Load fractions at which formulas are tried.
LOAD_FRACTIONS = (0.0, 0.5, 1.0)
#: Points at which materials are tried at once: few enough for the cache of a core.
_POINTS_AT_A_TIME = 1 << 15


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
    """Parameters that depend on place or load have values, within their bounds."""
    if not material.varies or not material.fields <= set(mesh.fields):
        return
    here = ("materials", region)
    cells = np.flatnonzero(_cells_of(region, reading, mesh))
    missing = list(_missing_values(region, material, reading, mesh, cells))
    if missing:
        yield from missing
        return
    given: dict[str, Floats] = {}
    try:
        for places in _places(material, reading, mesh, cells):
            for name, tree in material.parameters.items():
                blamed = name
                given[name] = values_of(tree, places)
            material.model.resolve({**given, **material.model.at_start}, material.options)
    except ParameterError as error:
        known = error.parameter in material.parameters
        path = key_path(region, error.parameter) if known else here
        yield path, _with_place(str(error), places.X)
    except ValueError as error:
        yield key_path(region, blamed), str(error)


def key_path(region: str, parameter: str) -> tuple[str, ...]:
    """Return where a parameter of a material stands in the job file."""
    within = (maxwell.VISCOELASTIC,) if parameter in maxwell.KEYS else ()
    return ("materials", region, *within, parameter)


def _with_place(message: str, X: Floats) -> str:
    """Return a message with the coordinates of a point in place of its number among those tried."""

    def place(found: re.Match[str]) -> str:
        return "at (" + ", ".join(f"{x:.6g}" for x in X[int(found[1])]) + ")"

    return re.sub(r"at point (?:\d+, )*(\d+)", place, message)


def _missing_values(
    region: str, material: RegionMaterial, reading: Reading, mesh: Mesh, cells: Ints
) -> Findings:
    """Fields of the mesh have values in all cells of a region that needs them."""
    for name, tree in material.parameters.items():
        fields = dict.fromkeys(x.field for x in leaves(tree) if isinstance(x, FieldValues))
        for field in fields:
            without = cells[mesh.fields[field].missing()[cells]]
            if len(without):
                message = (
                    f"the field {field!r} has no finite value in {len(without)} of {len(cells)} "
                    f"cells, the first: {_element(int(without[0]), reading)}"
                )
                yield key_path(region, name), message


def _element(cell: int, reading: Reading) -> str:
    """Return the name of a cell, with the file's own number of its element."""
    source = reading.source
    if source is None or not isinstance(source.body, MeshFile):
        return f"cell {cell}"
    return f"element {source.body.content.element_numbers[cell // 8**source.refine]}"


def _places(
    material: RegionMaterial, reading: Reading, mesh: Mesh, cells: Ints
) -> Iterator[Places]:
    """Yield the nodes and quadrature points of cells, at the load fractions that matter."""
    file = reading.draft.file
    rules = gauss_lobatto(file.degree + 1), gauss(file.degree + 1 + file.quadrature_extra)
    nodes = gauss_lobatto(mesh.geometry_degree + 1)[0]
    for points, _ in rules:
        matrix = interpolation(nodes, points)
        at_a_time = max(1, _POINTS_AT_A_TIME // len(points) ** 3)
        for start in range(0, len(cells), at_a_time):
            some = cells[start : start + at_a_time]
            X = apply_tensor((matrix, matrix, matrix), mesh.coordinates[some]).reshape(-1, 3)
            fields = {}
            for name in material.fields:
                field = MeshField(mesh.fields[name].values[some])
                fields[name] = field_values(field, points).reshape(-1, field.num_components)
            for t in LOAD_FRACTIONS if material.uses_time else (1.0,):
                yield Places(X, t, fields)


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

"""Checks of a job file that need several sections, the materials or the names of the mesh.

Nothing is built here; what needs the cells themselves is checked in `elastane.jobs.mesh_checks`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elastane.jobs.faults import KeyPath, nearest
from elastane.jobs.fields import shown
from elastane.jobs.mesh_section import MeshSection, SubSurfaceSection
from elastane.jobs.schema import BoundarySection, JobFile, MaterialSection
from elastane.jobs.sources import Given, complete, constant_values, read_given
from elastane.jobs.units import UnitSystem
from elastane.materials import (
    FILE_MODELS,
    Material,
    Parameter,
    ParameterError,
    find_model,
    maxwell,
)
from elastane.materials.maxwell import VISCOELASTIC, generalised_maxwell
from elastane.meshes.annulus import Annulus
from elastane.meshes.source import BODIES, MeshSource
from elastane.solver.levels import multigrid_degrees
from elastane.solver.problem import RegionMaterial

#: What a check finds: where, and what is wrong.
Finding = tuple[KeyPath, str]
Findings = Iterator[Finding]

ALL_REGIONS = "all"


@dataclass(frozen=True)
class MeshNames:
    """The names that the other sections may use.

    Attributes:
        surfaces: Names of surfaces.
        regions: Names of regions.
        fields: Components of the fields that come with the mesh, by name.
    """

    surfaces: tuple[str, ...]
    regions: tuple[str, ...]
    fields: Mapping[str, int] = field(default_factory=dict)


def mesh_source(
    section: MeshSection, directory: Path, findings: list[Finding]
) -> tuple[MeshSource | None, MeshNames | None]:
    """Return the mesh source and its names, as far as they are sound; the rest is found."""
    try:
        body = section.body(directory)
        names = MeshNames(body.surface_names, body.region_names, body.field_components)
    except ValueError as error:
        kind = section.sources()[0]
        findings.append((("mesh", kind), str(error)))
        return None, names_of_kind(kind, section.surfaces)
    sound = True
    parts = {}
    for name, part in section.surfaces.items():
        for path, message in _sub_surface_findings(name, part, names.surfaces):
            findings.append((path, message))
            sound = False
        if sound:
            parts[name] = part.sub_surface()
    names = replace(names, surfaces=(*names.surfaces, *section.surfaces))
    if not sound:
        return None, names
    return MeshSource(body, section.refine, section.geometry_degree, parts), names


def names_of_kind(kind: str, sub_surfaces: Iterable[str]) -> MeshNames | None:
    """Return the names of a kind of body whose numbers are at fault; None for a file."""
    if kind == "file":
        return None
    # Only a sector of an annulus has all the surfaces that an annulus may have.
    body = Annulus(angle=90.0) if kind == "annulus" else BODIES[kind]()
    return MeshNames((*body.surface_names, *sub_surfaces), body.region_names)


def _sub_surface_findings(
    name: str, part: SubSurfaceSection, surfaces: tuple[str, ...]
) -> Findings:
    here = ("mesh", "surfaces", name)
    try:
        part.sub_surface()
    except ValueError as error:
        yield here, str(error)
    if part.on not in surfaces:
        yield (*here, "on"), f"unknown surface {shown(part.on)}; {nearest(part.on, surfaces)}"
    if name in surfaces:
        yield here, "the mesh has a surface of this name"


@dataclass(frozen=True)
class Surroundings:
    """What a material section may refer to.

    Attributes:
        directory: Folder of the job file, where files of materials are.
        fields: Components of the fields of the mesh by name; None if the mesh is not known.
        units: The units of the job; None if it fixes none.
    """

    directory: Path
    fields: Mapping[str, int] | None
    units: UnitSystem | None


def region_material(
    region: str, section: MaterialSection, around: Surroundings, findings: list[Finding]
) -> RegionMaterial | None:
    """Return the material of a region; None if it is at fault.

    Args:
        region: Its name.
        section: What is said of it.
        around: What it may refer to.
        findings: Where what is wrong is added.
    """
    here: KeyPath = ("materials", region)
    entries = section.entries()
    try:
        model = _model(section.model, entries, around.directory)
    except MaterialKeyError as error:
        findings.append(((*here, *error.path), str(error)))
        return None
    before = len(findings)
    within = entries.pop(VISCOELASTIC, None)
    known = (model.parametrization.parameters, model.options)
    given, options = _read(here, entries, known, around, findings)
    if within is not None:
        further = (*here, VISCOELASTIC)
        try:
            if not isinstance(within, dict):
                raise ValueError(f"fractions and relaxation_times are needed, got {shown(within)}")
            model = generalised_maxwell(model)
        except ValueError as error:
            findings.append((further, str(error)))
            return None
        known = (maxwell.PARAMETERS, maxwell.OPTIONS)
        own = _read(further, within, known, around, findings)
        given, options = given | own[0], options | own[1]
    if len(findings) > before:
        return None
    try:
        return _together(model, given, options)
    except ParameterError as error:
        ours = within if error.parameter in maxwell.KEYS and within is not None else None
        section_path = here if ours is None else (*here, VISCOELASTIC)
        blamed = error.parameter in (entries if ours is None else ours)
        findings.append(((*section_path, error.parameter) if blamed else section_path, str(error)))
        return None


def _read(
    here: KeyPath,
    entries: Mapping[str, Any],
    known: tuple[tuple[Parameter, ...], Mapping[str, tuple[str, ...]]],
    around: Surroundings,
    findings: list[Finding],
) -> tuple[dict[str, Given], dict[str, str]]:
    """Return the parameters and options that a mapping gives; what is wrong with it is found.

    Args:
        here: Where the mapping stands.
        entries: The mapping.
        known: The parameters and the options that may stand there.
        around: What it may refer to.
        findings: Where what is wrong is added.
    """
    parameters = {parameter.name: parameter for parameter in known[0]}
    given: dict[str, Given] = {}
    options: dict[str, str] = {}
    for key, value in entries.items():
        if key in known[1]:
            options[key] = value
        elif key not in parameters:
            names = [*parameters, *known[1]]
            findings.append(((*here, key), f"unknown key {shown(key)}; {nearest(key, names)}"))
        else:
            found, wrong = read_given(parameters[key], value, around.fields, around.units)
            findings += [((*here, key, *path), message) for path, message in wrong]
            if found is not None:
                given[key] = found
    return given, options


class MaterialKeyError(ValueError):
    """A material section names no material.

    Attributes:
        path: The key at fault within the section; () where one is missing.
    """

    def __init__(self, path: KeyPath, message: str) -> None:
        self.path = path
        super().__init__(message)


def _model(name: str, entries: dict[str, Any], directory: Path) -> Material:
    """Return the material of that name; takes the key of its file, if it has one, from the entries.

    Raises:
        MaterialKeyError: If there is none of that name, or its file defines none.
    """
    kind = FILE_MODELS.get(name)
    if kind is None:
        try:
            return find_model(name)
        except ValueError as error:
            raise MaterialKeyError(("model",), str(error)) from None
    what = f"the path of a {' or '.join(kind.suffixes)} file, relative to the job file"
    if kind.key not in entries:
        raise MaterialKeyError((), f"{name} needs the key {kind.key}: {what}")
    file = entries.pop(kind.key)
    if not isinstance(file, str) or not file:
        raise MaterialKeyError((kind.key,), f"{what}, is needed, got {shown(file)}")
    try:
        return kind.load(directory / file)
    except ValueError as error:
        raise MaterialKeyError((kind.key,), str(error)) from None


def _together(
    model: Material, given: Mapping[str, Given], options: Mapping[str, str]
) -> RegionMaterial:
    """Return the material; what depends on the place waits for the mesh.

    Raises:
        ParameterError: If parameters or options do not go together.
    """
    model.check_names(given)
    parameters, sizes = complete(model, given)
    choices = model.resolve_choices({**options, **sizes})
    constants = constant_values(parameters)
    if len(constants) == len(parameters):
        model.resolve(constants | model.at_start, choices)
    return RegionMaterial(model, parameters, choices)


def check_regions(materials: Mapping[str, object], regions: tuple[str, ...]) -> Findings:
    """Every region has one material, and every material a region."""
    unknown = [name for name in materials if name not in (*regions, ALL_REGIONS)]
    for name in unknown:
        message = f"unknown region {shown(name)}; {nearest(name, [*regions, ALL_REGIONS])}"
        yield ("materials", name), message
    missing = [name for name in regions if name not in materials]
    if missing and not unknown and ALL_REGIONS not in materials:
        yield ("materials",), f"no material for the regions {', '.join(missing)}"


def check_surfaces(file: JobFile, boundary: tuple[int, ...], surfaces: tuple[str, ...]) -> Findings:
    """Every surface that the job names is one of the mesh."""
    for index, entry in zip(boundary, file.boundary, strict=True):
        if entry.surface not in surfaces:
            message = f"unknown surface {shown(entry.surface)}; {nearest(entry.surface, surfaces)}"
            yield ("boundary", index, "surface"), message
    for index, name in enumerate(file.output.surfaces):
        if name not in surfaces:
            message = f"unknown surface {shown(name)}; {nearest(name, surfaces)}"
            yield ("output", "surfaces", index), message


def check_prescribed_once(file: JobFile, boundary: tuple[int, ...]) -> Findings:
    """No component is prescribed by two entries for the same surface."""
    seen: dict[tuple[str, str], int] = {}
    for index, entry in zip(boundary, file.boundary, strict=True):
        axes = prescribed_axes(entry)
        again = [axis for axis in axes if (entry.surface, axis) in seen]
        if again:
            yield (
                ("boundary", index, entry.kinds()[0]),
                f"the component {' and '.join(again)} of {entry.surface!r} is prescribed already "
                f"by boundary[{seen[entry.surface, again[0]]}]",
            )
        seen |= {(entry.surface, axis): index for axis in axes}


def prescribed_axes(entry: BoundarySection) -> list[str]:
    """Return which of x, y, z an entry prescribes."""
    if entry.rotation is not None:
        return ["x", "y", "z"]
    components = entry.displacement or ()
    return [a for a, value in zip("xyz", components, strict=False) if value is not None]


def check_levels(file: JobFile) -> Findings:
    """The multigrid levels fit the degree."""
    try:
        multigrid_degrees(file.degree, file.solver.multigrid.levels)
    except ValueError as error:
        yield ("solver", "multigrid", "levels"), str(error)

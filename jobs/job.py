"""A job: the job file read, checked and turned into a `Problem`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elastane.jobs.faults import Fault, JobFileError, KeyPath, Position
from elastane.jobs.mesh_section import MESH_SOURCES
from elastane.jobs.schema import JobFile, MaterialSection, ResourcesSection
from elastane.jobs.semantics import (
    Finding,
    MeshNames,
    Surroundings,
    check_levels,
    check_prescribed_once,
    check_regions,
    check_surfaces,
    mesh_source,
    names_of_kind,
    region_material,
)
from elastane.jobs.sources import write_tree
from elastane.jobs.validation import NO_REGION, Draft, validate
from elastane.jobs.yaml_reader import Document, read_document
from elastane.jobs.yaml_writer import write_yaml
from elastane.materials import FILE_MODELS, maxwell
from elastane.meshes.source import MeshSource
from elastane.solver.problem import Problem, RegionMaterial


@dataclass(frozen=True)
class Job:
    """A sound job.

    Attributes:
        file: The effective job file: every default filled in, the mesh file by its full path.
        problem: What is to be solved.
    """

    file: JobFile
    problem: Problem

    @property
    def name(self) -> str:
        """Return the name of the job."""
        return self.problem.name

    @property
    def resources(self) -> ResourcesSection:
        """Return what a submitted job asks for."""
        return self.file.resources

    def effective_yaml(self) -> str:
        """Return a job file, all defaults filled in, that gives the same result anywhere."""
        return write_yaml(self.file.model_dump(mode="json", exclude_none=True))


@dataclass
class Reading:
    """A job file as far as it was understood.

    Attributes:
        document: Its text and data.
        draft: Its sound sections.
        source: The mesh, if its section is sound.
        materials: The sound materials by region.
        findings: What is wrong beyond the draft's faults.
    """

    document: Document
    draft: Draft
    source: MeshSource | None
    materials: Mapping[str, RegionMaterial]
    findings: list[Finding] = field(default_factory=list)

    def error(self) -> JobFileError | None:
        """Return all faults found so far, None if there are none."""
        document = self.document
        faults = [
            *self.draft.faults,
            *[
                Fault(_position(document, path, message), path, message)
                for path, message in dict.fromkeys(self.findings)
            ],
        ]
        return JobFileError(document.file, document.lines, faults) if faults else None

    def job(self) -> Job:
        """Return the job.

        Raises:
            JobFileError: With all faults of the file.
        """
        error = self.error()
        if error is not None:
            raise error
        assert self.source is not None
        path = Path(self.document.file)
        file = _effective(self.draft.file, self.source, self.materials, path)
        source = replace(self.source, geometry_degree=file.mesh.geometry_degree)
        return Job(file, _problem(file, source, self.materials))


def load_job(path: Path) -> Job:
    """Return the job of a file; the mesh is not built.

    Raises:
        JobFileError: With all faults that show without the cells of the mesh.
    """
    return read_job(path).job()


def read_job(path: Path) -> Reading:
    """Return what can be understood of a job file.

    Raises:
        JobFileError: If it is not even YAML.
    """
    document = read_document(path)
    draft = validate(document)
    findings: list[Finding] = []
    file = draft.file
    source, names = None, _names_of_unsound_mesh(document)
    if "mesh" not in draft.unsound:
        source, names = mesh_source(file.mesh, path.resolve().parent, findings)
    materials = {}
    fields = None if names is None else names.fields
    around = Surroundings(path.resolve().parent, fields, draft.units)
    for region, section in file.materials.items():
        if region == NO_REGION:
            continue
        material = region_material(region, section, around, findings)
        if material is not None:
            materials[region] = material
    if names is not None:
        if "materials" not in draft.unsound:
            findings += check_regions(file.materials, names.regions)
        findings += check_surfaces(file, draft.boundary, names.surfaces)
    findings += check_prescribed_once(file, draft.boundary)
    if not draft.unsound & {"degree", "solver"}:
        findings += check_levels(file)
    return Reading(document, draft, source, materials, findings)


def _names_of_unsound_mesh(document: Document) -> MeshNames | None:
    """Return the names of a mesh whose section is at fault, if it says which body it is."""
    section = document.value(("mesh",))
    if not isinstance(section, dict):
        return None
    given = [kind for kind in MESH_SOURCES if kind in section]
    parts = section.get("surfaces")
    return (
        names_of_kind(given[0], parts if isinstance(parts, dict) else ())
        if len(given) == 1
        else None
    )


def _effective(
    file: JobFile, source: MeshSource, materials: Mapping[str, RegionMaterial], path: Path
) -> JobFile:
    """Return the job file with every default filled in."""
    geometry_degree = source.geometry_degree or source.body.default_geometry_degree(file.degree)
    mesh: dict[str, Any] = {"geometry_degree": geometry_degree}
    if file.mesh.file is not None:
        mesh["file"] = str((path.resolve().parent / file.mesh.file).resolve())
    return file.model_copy(
        update={
            "name": file.name or _name_from(path),
            "mesh": file.mesh.model_copy(update=mesh),
            "materials": {
                region: _complete(section, materials[region])
                for region, section in file.materials.items()
            },
        }
    )


def _name_from(path: Path) -> str:
    """Return the stem of a file as the name of a job."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).lstrip(".-")[:64] or "job"


def _complete(section: MaterialSection, material: RegionMaterial) -> MaterialSection:
    """Return a material with options and the path of its file filled in, and its parameters."""
    parameters = {name: write_tree(tree) for name, tree in material.parameters.items()}
    options = {name: material.options[name] for name in material.model.options}
    if section.model in FILE_MODELS:
        options[FILE_MODELS[section.model].key] = str(material.model.file)
    written = {**section.entries(), **parameters, **options}
    if material.model.base:
        written[maxwell.VISCOELASTIC] = {key: written.pop(key) for key in maxwell.KEYS}
    return MaterialSection.model_validate({"model": section.model, **written})


def _problem(file: JobFile, source: MeshSource, materials: Mapping[str, RegionMaterial]) -> Problem:
    assert file.name is not None
    idle = all(component.value == 0.0 for component in file.body_force)
    return Problem(
        name=file.name,
        mesh=source,
        degree=file.degree,
        num_points_1d=file.degree + 1 + file.quadrature_extra,
        materials=materials,
        boundary=tuple(entry.condition() for entry in file.boundary),
        body_force=None if idle else file.body_force,
        loading=file.loading.loading(),
        solver=file.solver.settings(),
        backend=file.backend,
        output=file.output.output(None if file.units is None else file.units.system()),
    )


def _position(document: Document, path: KeyPath, message: str) -> Position:
    """Return where to point: at a bad value, but at the key of a bad key or a bad section."""
    value = document.value(path)
    if message.startswith("unknown key") or isinstance(value, dict | list):
        return document.key_position(path)
    return document.value_position(path)

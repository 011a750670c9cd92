"""`elastane check`: everything that can be known about a job without solving it."""

from dataclasses import dataclass
from pathlib import Path

from elastane.jobs.gpu_request import gpu_fault
from elastane.jobs.job import Job, Reading, read_job
from elastane.jobs.mesh_checks import check_mesh
from elastane.jobs.plausibility import warnings
from elastane.jobs.schema import ResourcesSection
from elastane.jobs.sizes import Sizes, check_before_building, in_bytes, measure
from elastane.meshes.mesh import Mesh


@dataclass(frozen=True)
class Checked:
    """A job that was checked against its mesh.

    Attributes:
        job: The job.
        sizes: Its size.
        warnings: What is allowed and yet looks like a mistake.
        regions: Regions of the mesh.
        fields: Fields of the mesh that the materials use, with their kind.
    """

    job: Job
    sizes: Sizes
    warnings: tuple[str, ...]
    regions: tuple[str, ...]
    fields: tuple[str, ...]


def check_job(path: Path) -> Checked:
    """Return a job with its size.

    Raises:
        JobFileError: With all faults, those that need the mesh included.
    """
    reading = read_job(path)
    mesh = _build(reading)
    if mesh is not None:
        reading.findings += check_mesh(reading, mesh)
    job = reading.job()
    assert mesh is not None
    used = {name for material in job.problem.materials.values() for name in material.fields}
    fields = tuple(f"{name} ({mesh.fields[name].kind})" for name in sorted(used))
    return Checked(
        job, measure(job.problem, mesh), tuple(warnings(reading, mesh)), mesh.regions, fields
    )


def _build(reading: Reading) -> Mesh | None:
    """Return the mesh; None if it cannot be built, with the reason among the findings."""
    if reading.source is None or "units" in reading.draft.unsound:
        return None
    section = reading.draft.file.mesh
    path = ("mesh", section.sources()[0])
    degree = reading.draft.file.degree
    try:
        check_before_building(reading.source, degree)
        return reading.source.build(degree)
    except ValueError as error:
        reading.findings.append((path, str(error)))
        return None


def summary(checked: Checked) -> str:
    """Return what is known about a sound job, for a terminal."""
    job, sizes = checked.job, checked.sizes
    problem = job.problem
    mesh = job.file.mesh
    source = mesh.sources()[0]
    ranks = job.resources.nodes * job.resources.ranks_per_node
    levels = ", ".join(
        f"p = {degree}: {dofs:,}"
        for degree, dofs in zip(sizes.level_degrees, sizes.level_dofs, strict=True)
    )
    models = ", ".join(
        f"{region}: {material.model.name}" for region, material in problem.materials.items()
    )
    steps = f"{problem.loading.steps} {'adaptive' if problem.loading.adaptive else 'fixed'}"
    units = None if job.file.units is None else job.file.units.system()
    rows = {
        **(
            {}
            if units is None
            else {
                "units": f"{units.length}, {units.force}, {units.time}; stresses in "
                f"{units.symbol('stress')}"
            }
        ),
        "mesh": f"{mesh.file if source == 'file' else source}, {sizes.cells:,} cells, element "
        f"map of degree {mesh.geometry_degree}",
        "regions": ", ".join(checked.regions),
        "materials": models,
        **({"mesh fields": ", ".join(checked.fields)} if checked.fields else {}),
        "unknowns": f"{sizes.dofs:,} (degree {problem.degree}, {problem.num_points_1d} Gauss "
        "points per direction)",
        "levels": levels,
        "load steps": steps,
        "backend": problem.backend,
        "memory": f"about {in_bytes(sizes.memory_per_rank(ranks))} per rank on "
        f"{_counted(ranks, 'rank')}",
        "fields": f"about {in_bytes(sizes.output_bytes)} of {problem.output.format}",
        "would ask for": _request(job.resources),
    }
    lines = [f"{job.name} is sound", *[f"  {key:<14}{value}" for key, value in rows.items()]]
    lines += [f"  warning: {warning}" for warning in checked.warnings]
    fault = gpu_fault(job.file)
    if fault is not None:
        lines.append(f"  SLURM would give it no GPU: {fault}")
    return "\n".join(lines)


def _request(resources: ResourcesSection) -> str:
    """Return what a scheduler would be asked for."""
    return (
        f"{_counted(resources.nodes, 'node')}, {_counted(resources.ranks_per_node, 'rank')} and "
        f"{_counted(resources.gpus_per_node, 'GPU')} on each, "
        f"{resources.time or 'for the default time of the site'}"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

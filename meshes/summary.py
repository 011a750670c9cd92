"""What is in a mesh file, as text for people: sizes, regions, surfaces, and its worst element."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elastane.meshes.element_map import (
    cell_volumes,
    corner_coordinates,
    determinants,
    facet_areas,
    gradients_by_chunk,
)
from elastane.meshes.entities import connected_components, find_entities
from elastane.meshes.lagrange import gauss_lobatto
from elastane.meshes.mesh import Floats, Mesh
from elastane.meshes.read import read_mesh


@dataclass(frozen=True)
class WorstCell:
    """The cell of the lowest quality.

    Attributes:
        cell: Its number.
        scaled_jacobian: det dX/dξ over the product of the lengths of the columns of dX/dξ, the
            smallest at its nodes: 1 for a box, 0 where it is flat.
        middle: Mean of its corners, in the unit of length.
    """

    cell: int
    scaled_jacobian: float
    middle: tuple[float, float, float]


def scaled_jacobians(mesh: Mesh) -> Floats:
    """Return the smallest scaled Jacobian at the nodes of each cell, shape (num_cells,)."""
    lowest = np.empty(mesh.num_cells)
    for chunk, gradients in gradients_by_chunk(mesh, gauss_lobatto(mesh.geometry_degree + 1)[0]):
        lengths = np.linalg.norm(gradients, axis=-2).prod(axis=-1)
        lowest[chunk] = (determinants(gradients) / lengths).min(axis=1)
    return lowest


def find_worst_cell(mesh: Mesh) -> WorstCell:
    """Return the cell of the lowest quality."""
    quality = scaled_jacobians(mesh)
    cell = int(quality.argmin())
    x, y, z = corner_coordinates(mesh)[cell].mean(axis=0).tolist()
    return WorstCell(cell, float(quality[cell]), (x, y, z))


def summarise_file(path: Path) -> str:
    """Return a table of what is in a mesh file, without a newline at the end.

    Raises:
        MeshError: If the file cannot be read or computed on.
    """
    content = read_mesh(path)
    worst = find_worst_cell(content.mesh)
    lines = [
        f"{path}",
        f"sha256           {content.sha256}",
        *_sizes(content.mesh),
        *_regions(content.mesh),
        *_surfaces(content.mesh),
        *_fields(content.mesh),
        f"worst element    {content.element_numbers[worst.cell]} in region "
        f"{content.mesh.regions[content.mesh.cell_regions[worst.cell]]} at {_point(worst.middle)}: "
        f"scaled Jacobian {worst.scaled_jacobian:.3f} (1 is a box, 0 is flat)",
        *(f"warning          {warning}" for warning in content.warnings),
    ]
    return "\n".join(lines)


def _sizes(mesh: Mesh) -> list[str]:
    nodes = mesh.coordinates.reshape(-1, 3)
    low, high = nodes.min(axis=0), nodes.max(axis=0)
    # What is zero up to rounding is shown as zero.
    rounding = 1e-14 * float(np.abs(nodes).max())
    low, high = (np.where(np.abs(end) < rounding, 0.0, end) for end in (low, high))
    parts = int(connected_components(mesh.cells).max()) + 1
    return [
        f"cells            {mesh.num_cells:,} hexahedra, element map of degree "
        f"{mesh.geometry_degree}",
        f"vertices         {mesh.num_vertices:,}",
        f"parts            {parts} that share no vertex" if parts > 1 else "parts            1",
        f"bounding box     {_point(low)} to {_point(high)}",
    ]


def _regions(mesh: Mesh) -> list[str]:
    volumes = cell_volumes(mesh)
    lines = [f"volume           {volumes.sum():.6g}", "regions"]
    for region, name in enumerate(mesh.regions):
        inside = mesh.cell_regions == region
        lines.append(f"  {name:<20} {inside.sum():>9,} cells   volume {volumes[inside].sum():.6g}")
    return lines


def _surfaces(mesh: Mesh) -> list[str]:
    lines = ["surfaces"]
    untagged = np.zeros((mesh.num_cells, 6), dtype=bool)
    untagged[tuple(find_entities(mesh.cells).boundary_facets.T)] = True
    for name, facets in mesh.surfaces.items():
        untagged[tuple(facets.T)] = False
        area = facet_areas(mesh, facets).sum()
        lines.append(f"  {name:<20} {len(facets):>9,} facets  area {area:.6g}")
    lines.append(f"  {'(in no surface)':<20} {untagged.sum():>9,} facets")
    return lines


def _fields(mesh: Mesh) -> list[str]:
    """Return a line for each field; there are none for most files."""
    lines = ["fields"] if mesh.fields else []
    for name, field in mesh.fields.items():
        lengths = np.linalg.norm(field.values, axis=2) if field.num_components > 1 else field.values
        known = lengths[np.isfinite(lengths)]
        what = "length" if field.num_components > 1 else "values"
        extent = f"{what} from {known.min():.6g} to {known.max():.6g}" if len(known) else "empty"
        without = int(field.missing().sum())
        missing = f", none in {without:,} cells" if without else ""
        lines.append(f"  {name:<20} {field.kind}   {extent}{missing}")
    return lines


def _point(coordinates: Floats | tuple[float, float, float]) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in coordinates) + ")"

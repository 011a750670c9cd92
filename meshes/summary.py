"""What is in a mesh, as text for people: sizes, regions, surfaces, and its worst element."""

from dataclasses import dataclass

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


def summarise(mesh: Mesh) -> str:
    """Return a table of what is in the mesh, without a newline at the end."""
    entities = find_entities(mesh.cells)
    volumes = cell_volumes(mesh)
    nodes = mesh.coordinates.reshape(-1, 3)
    worst = find_worst_cell(mesh)
    num_parts = int(connected_components(mesh.cells).max()) + 1
    tagged = {pair for facets in mesh.surfaces.values() for pair in map(tuple, facets.tolist())}
    lines = [
        f"cells            {mesh.num_cells} hexahedra, element map of degree {mesh.geometry_degree}",
        f"vertices         {entities.num_vertices}",
        f"connected parts  {num_parts}",
        f"bounding box     {_point(nodes.min(axis=0))} to {_point(nodes.max(axis=0))}",
        f"volume           {volumes.sum():.6g}",
        f"worst element    scaled Jacobian {worst.scaled_jacobian:.3f} at {_point(worst.middle)}",
        "regions",
    ]
    for region, name in enumerate(mesh.regions):
        inside = mesh.cell_regions == region
        lines.append(f"  {name:<20} {inside.sum():>9} cells   volume {volumes[inside].sum():.6g}")
    lines.append("surfaces")
    for name, facets in mesh.surfaces.items():
        area = facet_areas(mesh, facets).sum()
        lines.append(f"  {name:<20} {len(facets):>9} facets  area {area:.6g}")
    num_free = len(entities.boundary_facets) - len(tagged)
    lines.append(f"  {'(in no surface)':<20} {num_free:>9} facets")
    return "\n".join(lines)


def _point(coordinates: Floats | tuple[float, float, float]) -> str:
    return "(" + ", ".join(f"{float(x):.6g}" for x in coordinates) + ")"

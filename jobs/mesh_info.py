"""`elastane mesh info`: what is in a mesh file."""

from pathlib import Path

import numpy as np

from elastane.meshes.element_map import (
    cell_volumes,
    corner_coordinates,
    determinants,
    facet_areas,
    gradients_by_chunk,
)
from elastane.meshes.entities import connected_components
from elastane.meshes.lagrange import gauss
from elastane.meshes.mesh import Mesh
from elastane.meshes.read import read_mesh


def describe_mesh(path: Path) -> str:
    """Return cells, orders, regions, surfaces and the worst element of a mesh file.

    Raises:
        MeshError: If the file cannot be read or computed on.
    """
    content = read_mesh(path)
    mesh = content.mesh
    corners = corner_coordinates(mesh).reshape(-1, 3)
    parts = int(connected_components(mesh.cells).max(initial=-1)) + 1
    lines = [
        f"{path}: {mesh.num_cells:,} hexahedra, {mesh.num_vertices:,} vertices, "
        f"element map of degree {mesh.geometry_degree}, "
        f"{'one part' if parts == 1 else f'{parts} parts that share no vertex'}",
        f"  from {_point(corners.min(axis=0))} to {_point(corners.max(axis=0))}",
    ]
    lines += [f"  region  {line}" for line in _regions(mesh)]
    lines += [f"  surface {line}" for line in _surfaces(mesh)]
    lines += [_worst_element(mesh), f"  sha256 {content.sha256}"]
    lines += [f"  warning: {warning}" for warning in content.warnings]
    return "\n".join(lines)


def _regions(mesh: Mesh) -> list[str]:
    volumes = cell_volumes(mesh)
    width = max(map(len, mesh.regions))
    return [
        f"{name:<{width}}  {np.count_nonzero(mesh.cell_regions == number):,} cells, "
        f"volume {volumes[mesh.cell_regions == number].sum():.6g}"
        for number, name in enumerate(mesh.regions)
    ]


def _surfaces(mesh: Mesh) -> list[str]:
    width = max(map(len, mesh.surfaces), default=0)
    return [
        f"{name:<{width}}  {len(facets):,} facets, area {facet_areas(mesh, facets).sum():.6g}"
        for name, facets in mesh.surfaces.items()
    ]


def _worst_element(mesh: Mesh) -> str:
    """Return the cell whose map is the least even: its smallest determinant over its largest."""
    points = gauss(mesh.geometry_degree + 1)[0]
    evenness = np.empty(mesh.num_cells)
    for chunk, gradients in gradients_by_chunk(mesh, points):
        values = determinants(gradients)
        evenness[chunk] = values.min(axis=1) / values.max(axis=1)
    cell = int(evenness.argmin())
    place = _point(corner_coordinates(mesh)[cell].mean(axis=0))
    return (
        f"  worst element at {place}: its smallest det dX/dξ is {evenness[cell]:.3g} of its largest"
    )


def _point(X: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> str:
    return f"({', '.join(f'{coordinate:.6g}' for coordinate in X)})"

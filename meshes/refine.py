"""Uniform refinement: every cell becomes eight, in tensor order of the halves.

New vertices stand on the edges, facets and in the cells of the old mesh and are told apart by
these, never by their coordinates.  The map of a new cell is the restriction of the old one, so
that the body does not change.
"""

from dataclasses import replace

import numpy as np

from elastane.meshes.element_map import apply_tensor, corner_nodes, field_values
from elastane.meshes.entities import Entities, find_entities
from elastane.meshes.grid import grid_corners
from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.mesh import EDGE_CORNERS, FACET_CORNERS, Floats, Ints, Mesh, MeshField


def refine_mesh(mesh: Mesh, times: int) -> Mesh:
    """Return the mesh with every cell split in eight, `times` times."""
    for _ in range(times):
        mesh = _split(mesh)
    return mesh


def change_geometry_degree(mesh: Mesh, geometry_degree: int) -> Mesh:
    """Return the mesh with maps of another degree, interpolated at its nodes."""
    if geometry_degree == mesh.geometry_degree:
        return mesh
    nodes = gauss_lobatto(geometry_degree + 1)[0]
    matrix = interpolation(gauss_lobatto(mesh.geometry_degree + 1)[0], nodes)
    coordinates = apply_tensor((matrix, matrix, matrix), mesh.coordinates)
    fields = {
        name: MeshField(field_values(field, nodes)) if field.is_nodal else field
        for name, field in mesh.fields.items()
    }
    return replace(mesh, coordinates=coordinates, geometry_degree=geometry_degree, fields=fields)


def _split(mesh: Mesh) -> Mesh:
    lattice = _lattice_vertices(find_entities(mesh.cells))
    corners = grid_corners((2, 2, 2))
    children = lattice[:, corners[..., 0] + 3 * (corners[..., 1] + 3 * corners[..., 2])]
    return Mesh(
        cells=children.reshape(-1, 8),
        coordinates=_on_children(mesh.coordinates, mesh.geometry_degree),
        geometry_degree=mesh.geometry_degree,
        regions=mesh.regions,
        cell_regions=np.repeat(mesh.cell_regions, 8),
        surfaces={name: _child_facets(facets) for name, facets in mesh.surfaces.items()},
        fields={
            name: MeshField(
                _on_children(field.values, mesh.geometry_degree)
                if field.is_nodal
                else np.repeat(field.values, 8, axis=0)
            )
            for name, field in mesh.fields.items()
        },
    )


def _lattice_vertices(entities: Entities) -> Ints:
    """Return the vertex numbers on the 3 x 3 x 3 lattice of each old cell, (num_cells, 27)."""
    edges_from = entities.num_vertices
    facets_from = edges_from + len(entities.edges)
    cells_from = facets_from + len(entities.facets)
    num_cells = len(entities.cells)
    place = corner_nodes(2)
    lattice = np.empty((num_cells, 27), dtype=np.int64)
    lattice[:, place] = entities.cells
    lattice[:, place[EDGE_CORNERS].sum(axis=1) // 2] = edges_from + entities.cell_edges
    lattice[:, place[FACET_CORNERS].sum(axis=1) // 4] = facets_from + entities.cell_facets
    lattice[:, 13] = cells_from + np.arange(num_cells)
    return lattice


def _on_children(values: Floats, geometry_degree: int) -> Floats:
    """Return nodal values of the cells at the nodes of their children."""
    nodes = gauss_lobatto(geometry_degree + 1)[0]
    halves = [interpolation(nodes, 0.5 * (nodes + side)) for side in (-1.0, 1.0)]
    children = [
        apply_tensor((halves[i], halves[j], halves[k]), values)
        for k in range(2)
        for j in range(2)
        for i in range(2)
    ]
    return np.stack(children, axis=1).reshape(-1, *values.shape[1:])


def _child_facets(facets: Ints) -> Ints:
    """Return the pairs (cell, facet) of the new mesh; the child in corner c keeps c's facets."""
    cell, side = facets[:, :1], facets[:, 1:]
    children = 8 * cell + FACET_CORNERS[side[:, 0]]
    return np.stack([children, np.broadcast_to(side, children.shape)], axis=-1).reshape(-1, 2)

"""The surfaces of a mesh from a file: its surface elements, sides of elements and sets of nodes."""

import numpy as np

from elastane.meshes.entities import Entities, find_facets
from elastane.meshes.file_mesh import FileMesh, MeshError
from elastane.meshes.mesh import Ints


def find_surfaces(
    file_mesh: FileMesh, entities: Entities, vertex_points: Ints
) -> tuple[dict[str, Ints], list[str]]:
    """Return the pairs (cell, facet) of each surface, and what is suspicious about them.

    Where a name stands for several things, surface elements and sides come before nodes.

    Args:
        file_mesh: Content of the file.
        entities: Edges and facets of its cells.
        vertex_points: Index of the point of each vertex, ascending.

    Raises:
        MeshError: If a surface element is no facet of a hexahedron.
    """
    vertices = np.full(len(file_mesh.points), -1, dtype=np.int64)
    vertices[vertex_points] = np.arange(len(vertex_points))
    facets = {
        name: _facets_of_sides(entities, sides) for name, sides in file_mesh.side_sets.items()
    }
    quadrilaterals = find_facets(entities, vertices[file_mesh.quadrilaterals])
    for name, members in file_mesh.quadrilateral_sets.items():
        found = quadrilaterals[members]
        if (found < 0).any():
            first = file_mesh.quadrilaterals[members[found < 0][0]]
            middle = file_mesh.points[first].mean(axis=0).tolist()
            raise MeshError(
                f"surface {name!r}: {int((found < 0).sum())} of its {len(found)} elements are no "
                f"facet of a hexahedron, the first with its middle at {middle}: "
                "do surface and volume meshes fit?"
            )
        facets[name] = np.concatenate([facets[name], found]) if name in facets else found
    return _boundary_surfaces(entities, facets, _facets_of_nodes(file_mesh, entities, vertices))


def _facets_of_sides(entities: Entities, sides: Ints) -> Ints:
    if ((sides[:, 1] < 0) | (sides[:, 1] > 5)).any():
        raise MeshError("sides of elements must lie in 1..6")
    return entities.cell_facets[sides[:, 0], sides[:, 1]]


def _facets_of_nodes(file_mesh: FileMesh, entities: Entities, vertices: Ints) -> dict[str, Ints]:
    """Return for each set of nodes the boundary facets all of whose corners are in the set."""
    on_boundary = entities.cells_per_facet == 1
    surfaces = {}
    for name, points in file_mesh.node_sets.items():
        in_set = np.zeros(entities.num_vertices, dtype=bool)
        members = vertices[points]
        in_set[members[members >= 0]] = True
        surfaces[name] = np.flatnonzero(in_set[entities.facets].all(axis=1) & on_boundary)
    return surfaces


def _boundary_surfaces(
    entities: Entities, tagged: dict[str, Ints], of_nodes: dict[str, Ints]
) -> tuple[dict[str, Ints], list[str]]:
    """Return the boundary facets among those given as pairs (cell, facet)."""
    pairs = entities.boundary_facets
    pair_of_facet = np.full(len(entities.facets), -1, dtype=np.int64)
    pair_of_facet[entities.cell_facets[pairs[:, 0], pairs[:, 1]]] = np.arange(len(pairs))
    surfaces, warnings = {}, []
    for name, facets in (of_nodes | tagged).items():
        found = pair_of_facet[np.unique(facets)]
        inside = int((found < 0).sum())
        if inside:
            warnings.append(
                f"surface {name!r}: {inside} of its {len(found)} facets lie inside the body, "
                "between two cells, and are left out"
            )
        if inside < len(found):
            surfaces[name] = pairs[np.sort(found[found >= 0])]
        elif name in of_nodes:
            warnings.append(f"node set {name!r} holds no whole facet and makes no surface")
    return surfaces, warnings

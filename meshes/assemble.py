"""From what a mesh file says to a mesh: node orders, vertices, regions, surfaces, all checked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from elastane.meshes.body import MAX_GEOMETRY_DEGREE
from elastane.meshes.checks import (
    ElementNames,
    check_coordinates,
    check_corners,
    check_determinants,
    check_facets,
    find_cracks,
)
from elastane.meshes.element_map import apply_tensor, corner_nodes
from elastane.meshes.entities import find_entities
from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.file_surfaces import find_surfaces
from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.mesh import Floats, Ints, Mesh, MeshField
from elastane.meshes.orderings import VTK_20, serendipity

#: Region of the cells that are in no set.
_REMAINDER = "body"


@dataclass(frozen=True)
class Assembly:
    """A mesh from a file.

    Attributes:
        mesh: The mesh.
        element_numbers: The file's own number of each cell, shape (num_cells,).
        warnings: What is suspicious about the file.
    """

    mesh: Mesh
    element_numbers: Ints
    warnings: tuple[str, ...]


def assemble(file_mesh: FileMesh) -> Assembly:
    """Return the mesh of a file.

    Raises:
        MeshError: If no computation on it can be right.
    """
    _check_kinds(file_mesh)
    _check_indices(file_mesh)
    blocks = file_mesh.blocks
    used = np.unique(np.concatenate([block.nodes.ravel() for block in blocks]))
    check_coordinates(file_mesh.points, used)
    corner_points = np.concatenate([_corner_points(block) for block in blocks])
    vertex_points, cells = np.unique(corner_points, return_inverse=True)
    cells = cells.reshape(-1, 8)
    regions, cell_regions = _regions(file_mesh.cell_sets, len(cells))
    names = ElementNames(
        numbers=np.concatenate([block.numbers for block in blocks]),
        kinds=np.repeat([block.kind for block in blocks], [len(block.numbers) for block in blocks]),
        regions=regions,
        cell_regions=cell_regions,
    )
    check_corners(cells, names)
    entities = find_entities(cells)
    check_facets(entities, names)
    geometry_degree = max(map(_degree, blocks))
    surfaces, warnings = find_surfaces(file_mesh, entities, vertex_points)
    mesh = Mesh(
        cells=cells,
        coordinates=np.concatenate(
            [_at_nodes(block, file_mesh.points, geometry_degree) for block in blocks]
        ),
        geometry_degree=geometry_degree,
        regions=regions,
        cell_regions=cell_regions,
        surfaces=surfaces,
        fields=_fields(file_mesh, geometry_degree),
    )
    check_determinants(mesh, names)
    warnings += [
        f"the field {name!r} is given for cells and at nodes; the values at nodes are left out"
        for name in file_mesh.cell_fields
        if name in file_mesh.point_fields
    ]
    num_orphans = len(file_mesh.points) - len(used)
    if num_orphans:
        warnings.append(f"{num_orphans} nodes belong to no hexahedron and are left out")
    cracks = find_cracks(entities, file_mesh.points[vertex_points])
    if len(cracks):
        place = file_mesh.points[vertex_points[cracks[0, 0]]].tolist()
        warnings.append(
            f"{len(cracks)} pairs of nodes lie in the same place and are not merged, the first at "
            f"{place}: the body has a crack there; merge the nodes unless it is meant"
        )
    return Assembly(mesh, names.numbers, tuple(warnings))


def _check_kinds(file_mesh: FileMesh) -> None:
    if file_mesh.unsupported:
        found = ", ".join(f"{count} {kind}" for kind, count in file_mesh.unsupported.items())
        raise MeshError(
            f"the file has elements that are not hexahedra ({found}); tetrahedra come later: "
            "mesh with hexahedra only"
        )
    if sum(len(block.numbers) for block in file_mesh.blocks) == 0:
        raise MeshError("the file has no hexahedra; are volumes meshed and saved?")
    for block in file_mesh.blocks:
        degree = _degree(block)
        complete = block.nodes.shape[1] in (20, (degree + 1) ** 3)
        if not complete or not 1 <= degree <= MAX_GEOMETRY_DEGREE:
            raise MeshError(f"hexahedra with {block.nodes.shape[1]} nodes are not read")


def _check_indices(file_mesh: FileMesh) -> None:
    num_points = len(file_mesh.points)
    num_cells = sum(len(block.nodes) for block in file_mesh.blocks)
    for block in file_mesh.blocks:
        _check_range(f"nodes of {block.kind} elements", block.nodes, num_points)
    _check_range("nodes of surface elements", file_mesh.quadrilaterals, num_points)
    for kind, sets, limit in (
        ("element set", file_mesh.cell_sets, num_cells),
        ("surface", file_mesh.quadrilateral_sets, len(file_mesh.quadrilaterals)),
        ("surface", file_mesh.side_sets, num_cells),
        ("node set", file_mesh.node_sets, num_points),
    ):
        for name, members in sets.items():
            if not (0 < len(name) <= 200 and name.isprintable()):
                raise MeshError(f"{name[:40]!r} cannot be the name of a {kind}")
            _check_range(f"members of {kind} {name!r}", members, limit)
    for fields, length in (
        (file_mesh.cell_fields, num_cells),
        (file_mesh.point_fields, num_points),
    ):
        for name, values in fields.items():
            if not (0 < len(name) <= 200 and name.isprintable()):
                raise MeshError(f"{name[:40]!r} cannot be the name of a field")
            if len(values) != length:
                raise MeshError(f"the field {name!r} has {len(values)} values, {length} are needed")


def _check_range(what: str, indices: Ints, limit: int) -> None:
    outside = (indices < 0) | (indices >= limit)
    if outside.any():
        raise MeshError(
            f"{what} must lie in 1..{limit}, got {int(indices[outside][0]) + 1} "
            f"({int(outside.sum())} such)"
        )


def _degree(block: Block) -> int:
    num_nodes = block.nodes.shape[1]
    return 2 if num_nodes == 20 else round(num_nodes ** (1 / 3)) - 1


def _corner_points(block: Block) -> Ints:
    if block.nodes.shape[1] == 20:
        # The corners of VTK's order in tensor order.
        return block.nodes[:, np.argsort(VTK_20[:8])]
    return block.nodes[:, corner_nodes(_degree(block))]


def _at_nodes(block: Block, at_points: Floats, geometry_degree: int) -> Floats:
    """Return values at the Gauss-Lobatto nodes; the file's nodes stand at equal distances."""
    degree = _degree(block)
    values = at_points[block.nodes]
    if block.nodes.shape[1] == 20:
        values = np.moveaxis(np.tensordot(serendipity(), values, axes=(1, 1)), 0, 1)
    matrix = interpolation(
        np.linspace(-1.0, 1.0, degree + 1), gauss_lobatto(geometry_degree + 1)[0]
    )
    return apply_tensor((matrix, matrix, matrix), values)


def _fields(file_mesh: FileMesh, geometry_degree: int) -> dict[str, MeshField]:
    at_nodes = {
        name: np.concatenate(
            [_at_nodes(block, values, geometry_degree) for block in file_mesh.blocks]
        )
        for name, values in file_mesh.point_fields.items()
    }
    in_cells = {name: values[:, None, :] for name, values in file_mesh.cell_fields.items()}
    return {name: MeshField(values) for name, values in (at_nodes | in_cells).items()}


def _regions(cell_sets: Mapping[str, Ints], num_cells: int) -> tuple[tuple[str, ...], Ints]:
    """Return region names and the region of each cell.

    A set of all cells says nothing beside others and is left out.
    """
    sets = {name: np.unique(cells) for name, cells in cell_sets.items() if len(cells)}
    partial = {name: cells for name, cells in sets.items() if len(cells) < num_cells}
    sets = partial or dict(list(sets.items())[-1:])
    cell_regions = np.full(num_cells, -1, dtype=np.int64)
    for region, (name, cells) in enumerate(sets.items()):
        taken = cell_regions[cells]
        if (taken >= 0).any():
            other = list(sets)[taken.max()]
            raise MeshError(
                f"regions {other!r} and {name!r} overlap in {int((taken >= 0).sum())} elements; "
                "every element must belong to one"
            )
        cell_regions[cells] = region
    names = tuple(sets)
    outside = cell_regions < 0
    if outside.any():
        cell_regions[outside] = names.index(_REMAINDER) if _REMAINDER in names else len(names)
        names = names if _REMAINDER in names else (*names, _REMAINDER)
    return names, cell_regions

"""Writes meshes with fields: MSH files by the writer beside this one, others through meshio."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from elastane.meshes.element_map import facet_nodes
from elastane.meshes.mesh import Floats, Ints, Mesh
from elastane.meshes.orderings import LINEAR, VTK_27
from tests.meshes.msh_writer import number_nodes, write_msh

#: For MSH files the version and whether they are binary; for others what meshio calls the format.
FORMATS: dict[str, tuple[str, bool] | str] = {
    "msh 2 text": ("2.2", False),
    "msh 2 binary": ("2.2", True),
    "msh 4.1 text": ("4.1", False),
    "msh 4.1 binary": ("4.1", True),
    "msh 2 of meshio": "gmsh22",
    "vtu": "vtu",
    "vtk": "vtk",
}

#: Cell type of meshio, its nodes, type of quadrilateral, its nodes; by degree of the element map.
_TYPES = {
    1: ("hexahedron", LINEAR, "quad", [0, 1, 3, 2]),
    2: ("hexahedron27", VTK_27, "quad9", [0, 2, 8, 6, 1, 5, 7, 3, 4]),
}


def write_fields(
    folder: Path,
    file_format: str,
    mesh: Mesh,
    cell_fields: Mapping[str, Floats],
    point_fields: Mapping[str, Callable[[Floats], Floats]],
) -> Path:
    """Write a mesh with fields; NaN stands for cells that are left out, where that can be.

    Args:
        folder: Where.
        file_format: A key of FORMATS.
        mesh: A mesh of degree 1 or 2, its cells sorted by region.
        cell_fields: Values for each cell.
        point_fields: Functions of positions.
    """
    chosen = FORMATS[file_format]
    if isinstance(chosen, str):
        return _write_with_meshio(folder, chosen, mesh, cell_fields, point_fields)
    version, binary = chosen
    path = folder / "part.msh"
    write_msh(path, mesh, (mesh.geometry_degree + 1) ** 3, version, binary)
    first = sum(map(len, mesh.surfaces.values())) + 1  # facets are numbered before cells
    points, _ = number_nodes(mesh)
    content = b""
    for name, values in cell_fields.items():
        content += _section("ElementData", name, first + np.arange(len(values)), values, binary)
    for name, function in point_fields.items():
        values = function(points)
        content += _section("NodeData", name, 1 + np.arange(len(values)), values, binary)
    path.write_bytes(path.read_bytes() + content)
    return path


def _section(section: str, name: str, numbers: Ints, values: Floats, binary: bool) -> bytes:
    values = values.reshape(len(values), -1)
    known = np.isfinite(values).all(axis=1)
    numbers, values = numbers[known], values[known]
    head = f'${section}\n1\n"{name}"\n1\n0.0\n3\n0\n{values.shape[1]}\n{len(values)}\n'
    rows = list(zip(numbers.tolist(), values.tolist(), strict=True))
    if binary:
        body = b"".join(struct.pack(f"<i{len(row)}d", number, *row) for number, row in rows)
    else:
        lines = (" ".join([str(number), *map(repr, row)]) + "\n" for number, row in rows)
        body = "".join(lines).encode()
    return head.encode() + body + f"\n$End{section}\n".encode()


def _write_with_meshio(
    folder: Path,
    file_format: str,
    mesh: Mesh,
    cell_fields: Mapping[str, Floats],
    point_fields: Mapping[str, Callable[[Floats], Floats]],
) -> Path:
    """Write a mesh, its surfaces and regions tagged 1, 2, ..."""
    import meshio  # type: ignore[import-untyped]

    points, nodes = number_nodes(mesh)
    hexahedron, table, quadrilateral, facet_table = _TYPES[mesh.geometry_degree]
    facets = np.concatenate(list(mesh.surfaces.values()))
    sides = facet_nodes(mesh.geometry_degree)[facets[:, 1]][:, facet_table]
    numbers = np.arange(len(mesh.surfaces)) + 1
    tags = np.repeat(numbers, [len(surface) for surface in mesh.surfaces.values()])
    is_msh = file_format == "gmsh22"
    names = ("gmsh:physical", "gmsh:geometrical") if is_msh else ("MaterialIds",)
    cell_data = {tag: [mesh.cell_regions + 1, tags] for tag in names} | {
        name: [values, np.zeros((len(facets), *values.shape[1:]))]
        for name, values in cell_fields.items()
    }
    path = folder / f"part.{'msh' if is_msh else file_format}"
    meshio.Mesh(
        points,
        [(hexahedron, nodes[:, table]), (quadrilateral, nodes[facets[:, :1], sides])],
        cell_data=cell_data,
        point_data={name: function(points) for name, function in point_fields.items()},
    ).write(path, file_format=file_format)
    return path

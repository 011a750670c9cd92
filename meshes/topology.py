"""The mesh spread over MPI ranks: a DMPlex for the topology, arrays for everything else.

Rank 0 builds the mesh, a graph partitioner splits it, and each rank keeps its cells, without
overlap.  What belongs to a cell (geometry, region, surfaces of its facets) travels with it as cell
data, so that no later step needs the whole mesh; so do the fields of the mesh.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import petsc4py
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.meshes.mesh import Floats, Ints, Mesh, MeshField

#: PETSc's corner of each corner in tensor order: DMPlex turns the lower face the other way round.
PLEX_CORNERS = np.array([0, 3, 1, 2, 4, 5, 7, 6])

#: Slot in the cone of a DMPlex hexahedron of each facet (DMPlexGetRawFaces_Internal lists the
#: cone as lower, upper, front, back, right, left in its own corner numbering).
CONE_SLOTS = np.array([5, 4, 2, 3, 0, 1])

#: Graph partitioners in order of preference; "simple" cuts the cell list and ignores the graph.
PARTITIONERS = ("ptscotch", "parmetis", "simple")

#: Bits of one surface mask that a double carries exactly.
BITS_PER_WORD = 50


@dataclass(frozen=True)
class Topology:
    """A rank's part of the mesh.

    Attributes:
        plex: The distributed DMPlex, interpolated, without overlap.
        entities: DMPlex points of the 27 entities of each cell, arranged as the tensor product
            (lower end, interior, upper end)³ with ξ₁ fastest, shape (num_cells, 27).
        corners: Vertex numbers of the whole mesh at the corners of each cell in tensor order,
            shape (num_cells, 8); they fix the orientation of edges and facets on all ranks alike.
        coordinates: Nodes of the element maps, see `Mesh`.
        geometry_degree: Degree of the element maps.
        regions: Region names.
        cell_regions: Region number of each cell.
        cell_numbers: Number of each cell in the whole mesh.
        surfaces: Surface names.
        facet_surfaces: Whether facet f of cell c lies on surface s, shape
            (num_cells, 6, num_surfaces).
        num_global_cells: Cells of the whole mesh.
        partitioner: Name of the partitioner used.
        fields: Numbers that came with the mesh, of the cells of this rank.
    """

    plex: PETSc.DMPlex
    entities: Ints
    corners: Ints
    coordinates: Floats
    geometry_degree: int
    regions: tuple[str, ...]
    cell_regions: Ints
    cell_numbers: Ints
    surfaces: tuple[str, ...]
    facet_surfaces: NDArray[np.bool_]
    num_global_cells: int
    partitioner: str
    fields: Mapping[str, MeshField]

    def facets(self, surface: str) -> Ints:
        """Return the pairs (cell, facet) of this rank on a surface, shape (n, 2)."""
        return np.argwhere(self.facet_surfaces[:, :, self.surfaces.index(surface)])

    def points_on_surfaces(self) -> NDArray[np.bool_]:
        """Return which DMPlex points lie on each surface, shape (num_points, num_surfaces).

        A point counts on every rank that holds it, also where none of the facets is on that rank.
        """
        start, end = self.plex.getChart()
        on_surface = np.zeros((end - start, len(self.surfaces)), dtype=np.int32)
        for facet, entities in enumerate(facet_entities()):
            points = self.entities[:, entities]
            for s in range(len(self.surfaces)):
                on_surface[points[self.facet_surfaces[:, facet, s]], s] = 1
        if self.plex.comm.size > 1:
            sf = self.plex.getPointSF()
            for s in range(len(self.surfaces)):
                values = np.ascontiguousarray(on_surface[:, s])
                roots = values.copy()
                sf.reduceBegin(MPI.INT, values, roots, MPI.MAX)
                sf.reduceEnd(MPI.INT, values, roots, MPI.MAX)
                leaves = roots.copy()
                sf.bcastBegin(MPI.INT, roots, leaves, MPI.REPLACE)
                sf.bcastEnd(MPI.INT, roots, leaves, MPI.REPLACE)
                on_surface[:, s] = leaves
        return on_surface.astype(bool)


def facet_entities() -> list[Ints]:
    """Return for each facet the nine entities of its closure, as positions among the 27."""
    position = np.arange(27).reshape(3, 3, 3).transpose(2, 1, 0)  # [ξ₁, ξ₂, ξ₃]
    return [
        np.take(position, 2 * side, axis=direction).ravel()
        for direction in range(3)
        for side in range(2)
    ]


def distribute(mesh: Mesh | None, comm: MPI.Comm) -> Topology:
    """Return each rank's part of a mesh that rank 0 holds (elsewhere `mesh` is None)."""
    names = comm.bcast(
        (
            mesh.regions,
            tuple(mesh.surfaces),
            mesh.geometry_degree,
            mesh.num_cells,
            {name: field.values.shape[1:] for name, field in mesh.fields.items()},
        )
        if mesh is not None
        else None
    )
    regions, surfaces, geometry_degree, num_global_cells, field_shapes = names
    cells = (
        mesh.cells[:, np.argsort(PLEX_CORNERS)]
        if mesh is not None
        else np.zeros((0, 8), dtype=np.int64)
    )
    # The coordinates live in the cell data; DMPlex only needs some to build from a cell list.
    num_vertices = mesh.num_vertices if mesh is not None else 0
    plex = PETSc.DMPlex().createFromCellList(
        3, cells.astype(PETSc.IntType), np.zeros((num_vertices, 3)), interpolate=True, comm=comm
    )
    num_words = -(-len(surfaces) // BITS_PER_WORD)
    field_widths = [nodes * components for nodes, components in field_shapes.values()]
    widths = (8, 3 * (geometry_degree + 1) ** 3, 1, 1, 6 * num_words, *field_widths)
    cell_data = _pack(mesh, num_words) if mesh is not None else np.zeros((0, sum(widths)))
    vertex_data = np.arange(num_vertices, dtype=float)[:, None]

    partitioner = "none"
    if comm.size > 1:
        partitioner = _set_partitioner(plex)
        cell_layout = _stratum_section(plex, height=0, width=sum(widths))
        vertex_layout = _stratum_section(plex, height=3, width=1)
        plex_0 = plex.clone()
        migration = plex.distribute(overlap=0)
        cell_data = _migrate(plex_0, migration, cell_layout, cell_data)
        vertex_data = _migrate(plex_0, migration, vertex_layout, vertex_data)

    numbers, coordinates, region, number, words, *fields = np.split(
        cell_data, np.cumsum(widths)[:-1], 1
    )
    corners = numbers.astype(np.int64)
    return Topology(
        plex=plex,
        entities=_entities(plex, corners, vertex_data[:, 0].astype(np.int64)),
        corners=corners,
        coordinates=np.ascontiguousarray(coordinates).reshape(
            len(corners), (geometry_degree + 1) ** 3, 3
        ),
        geometry_degree=geometry_degree,
        regions=regions,
        cell_regions=region[:, 0].astype(np.int64),
        cell_numbers=number[:, 0].astype(np.int64),
        surfaces=surfaces,
        facet_surfaces=_unpack_bits(words, len(surfaces)),
        num_global_cells=num_global_cells,
        partitioner=partitioner,
        fields={
            name: MeshField(np.ascontiguousarray(values).reshape(len(corners), *shape))
            for (name, shape), values in zip(field_shapes.items(), fields, strict=True)
        },
    )


def _pack(mesh: Mesh, num_words: int) -> Floats:
    """Return the data of each cell as one row of doubles."""
    words = np.zeros((mesh.num_cells, 6, num_words))
    for s, facets in enumerate(mesh.surfaces.values()):
        words[facets[:, 0], facets[:, 1], s // BITS_PER_WORD] += 2.0 ** (s % BITS_PER_WORD)
    return np.concatenate(
        [
            mesh.cells.astype(float),
            mesh.coordinates.reshape(mesh.num_cells, 3 * (mesh.geometry_degree + 1) ** 3),
            mesh.cell_regions[:, None].astype(float),
            np.arange(mesh.num_cells, dtype=float)[:, None],
            words.reshape(mesh.num_cells, 6 * num_words),
            *(field.values.reshape(mesh.num_cells, -1) for field in mesh.fields.values()),
        ],
        axis=1,
    )


def _unpack_bits(words: Floats, num_surfaces: int) -> NDArray[np.bool_]:
    """Return the surface masks of `_pack` as booleans, shape (num_cells, 6, num_surfaces)."""
    integers = words.astype(np.int64).reshape(len(words), 6, words.shape[1] // 6)
    bits = [
        (integers[:, :, s // BITS_PER_WORD] >> (s % BITS_PER_WORD)) & 1 for s in range(num_surfaces)
    ]
    return np.stack(bits, axis=-1).astype(bool) if bits else np.zeros((len(words), 6, 0), bool)


def available_partitioner(comm: MPI.Comm) -> str:
    """Return the best partitioner that this PETSc was built with."""
    for name in PARTITIONERS:
        partitioner = PETSc.Partitioner().create(comm=comm)
        try:
            with _QuietErrors():
                partitioner.setType(name)
        except PETSc.Error:
            continue
        finally:
            partitioner.destroy()
        return name
    raise AssertionError("PETSc always has the simple partitioner")


class _QuietErrors:
    """PETSc prints a traceback before it raises; a probe that may fail should not."""

    def __enter__(self) -> None:
        PETSc.Sys.pushErrorHandler("ignore")

    def __exit__(self, *exception: object) -> None:
        PETSc.Sys.popErrorHandler()


def _set_partitioner(plex: PETSc.DMPlex) -> str:
    name = available_partitioner(plex.comm.tompi4py())
    plex.getPartitioner().setType(name)
    return name


def _stratum_section(plex: PETSc.DMPlex, height: int, width: int) -> PETSc.Section:
    """Return a section with `width` values on each point of a height."""
    section = PETSc.Section().create(comm=plex.comm)
    section.setChart(*plex.getChart())
    start, end = plex.getHeightStratum(height)
    for point in range(start, end):
        section.setDof(point, width)
    section.setUp()
    return section


def _migrate(
    plex: PETSc.DMPlex, migration: PETSc.SF, section: PETSc.Section, rows: Floats
) -> Floats:
    """Return the rows that belong to this rank's points after the distribution."""
    vector = PETSc.Vec().createWithArray(np.ascontiguousarray(rows).ravel(), comm=PETSc.COMM_SELF)
    _, moved = plex.distributeField(migration, section, vector)
    return moved.array.copy().reshape(-1, rows.shape[1])


def _cones(plex: PETSc.DMPlex, start: int, end: int, size: int) -> NDArray[np.int32]:
    """Return the cones of a range of points that all have the same cone size.

    petsc4py wraps DMPlexGetCone only, a call per point.
    """
    if start == end:
        return np.zeros((0, size), dtype=PETSc.IntType)
    petsc = ctypes.CDLL(petsc4py.PETSc.__file__)
    cones = ctypes.c_void_p()
    if petsc.DMPlexGetCones(ctypes.c_void_p(plex.handle), ctypes.byref(cones)):
        raise RuntimeError("DMPlexGetCones failed")
    section = ctypes.c_void_p()
    if petsc.DMPlexGetConeSection(ctypes.c_void_p(plex.handle), ctypes.byref(section)):
        raise RuntimeError("DMPlexGetConeSection failed")
    offset = ctypes.c_int()
    petsc.PetscSectionGetOffset(section, start, ctypes.byref(offset))
    integer = ctypes.c_int32 if PETSc.IntType().itemsize == 4 else ctypes.c_int64
    address = (cones.value or 0) + offset.value * ctypes.sizeof(integer)
    flat = np.ctypeslib.as_array((integer * ((end - start) * size)).from_address(address))
    return flat.reshape(-1, size).copy()


def _entities(plex: PETSc.DMPlex, corners: Ints, vertex_numbers: Ints) -> Ints:
    """Return the 27 DMPlex points of each cell in tensor arrangement, see `Topology`."""
    entities = np.empty((len(corners), 3, 3, 3), dtype=np.int64)  # [cell, ξ₃, ξ₂, ξ₁]
    first_cell, last_cell = plex.getHeightStratum(0)
    entities[:, 1, 1, 1] = np.arange(first_cell, last_cell)

    first_vertex, _ = plex.getDepthStratum(0)
    order = np.argsort(vertex_numbers)
    vertices = first_vertex + order[np.searchsorted(vertex_numbers, corners, sorter=order)]
    entities[:, ::2, ::2, ::2] = vertices.reshape(-1, 2, 2, 2)

    facets = _cones(plex, first_cell, last_cell, 6)[:, CONE_SLOTS]
    entities[:, 1, 1, 0], entities[:, 1, 1, 2] = facets[:, 0], facets[:, 1]
    entities[:, 1, 0, 1], entities[:, 1, 2, 1] = facets[:, 2], facets[:, 3]
    entities[:, 0, 1, 1], entities[:, 2, 1, 1] = facets[:, 4], facets[:, 5]

    # An edge is the one between its two vertices.
    first_edge, last_edge = plex.getDepthStratum(1)
    ends = np.sort(_cones(plex, first_edge, last_edge, 2).astype(np.int64), axis=1)
    _, num_points = plex.getChart()
    keys = ends[:, 0] * num_points + ends[:, 1]
    order = np.argsort(keys)
    for direction in (1, 2, 3):  # axes of `entities`
        ordered = np.moveaxis(entities, direction, 1)
        pair = np.sort(np.stack([ordered[:, 0, ::2, ::2], ordered[:, 2, ::2, ::2]]), axis=0)
        wanted = pair[0] * num_points + pair[1]
        found = order[np.searchsorted(keys, wanted, sorter=order)]
        ordered[:, 1, ::2, ::2] = first_edge + found
    return entities.reshape(-1, 27)

"""VTU files of Lagrange hexahedra, one per load step, and the PVD file that lists them.

One piece, points shared by the cells, arrays appended as they lie in memory, each behind its length
in bytes.  The length of each array over all ranks is known beforehand, so that every rank knows
where its rows go.

Reference: VTK File Formats, https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from elastane.solver.output.fields import FIELDS, component_names, unit_of
from elastane.solver.output.format import Floats, OutputFormat, OutputMesh
from elastane.solver.output.parallel_file import Block, write_together
from elastane.solver.output.partition import Partition
from elastane.solver.output.pvd import PvdSeries
from elastane.solver.output.vtk_cells import cell_type, connectivity

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

# With a header before 2.1, VTK takes Lagrange hexahedra in an older order, with two edges swapped.
HEAD = """\
<?xml version="1.0"?>
<VTKFile type="UnstructuredGrid" version="2.2" byte_order="LittleEndian" header_type="UInt64">
<UnstructuredGrid>
<Piece NumberOfPoints="{points}" NumberOfCells="{cells}">
{arrays}
</Piece>
</UnstructuredGrid>
<AppendedData encoding="raw">
_"""
TAIL = b"\n</AppendedData>\n</VTKFile>\n"
LABEL = '<InformationKey name="UNITS_LABEL" location="vtkDataArray">{}</InformationKey>'
TYPES = {"<f8": "Float64", "<i8": "Int64", "|u1": "UInt8"}
LENGTH_BYTES = 8  # of the UInt64 in front of each array


class VtuFormat(OutputFormat):
    """`fields/step-0001.vtu` and so on, and the time series `fields.pvd`."""

    def __init__(
        self, folder: Path, comm: "Intracomm", mesh: OutputMesh, resume: bool = False
    ) -> None:
        self._folder = folder
        self._comm = comm
        self._mesh = mesh
        self._series = PvdSeries(folder / "fields.pvd", comm, resume)

    def write(self, step: int, load: float, point_fields: Mapping[str, Floats]) -> Path:
        """Write a load step and return its VTU file; see `OutputFormat`."""
        path = self._folder / "fields" / f"step-{step:04d}.vtu"
        write_vtu(path, self._comm, self._mesh, point_fields)
        self._series.add(load, path)
        return path


def write_vtu(
    path: Path, comm: "Intracomm", mesh: OutputMesh, point_fields: Mapping[str, Floats]
) -> None:
    """Write the fields of one load step; collective.

    Raises:
        OSError: On all ranks, with path and errno, if one of them could not write.
    """
    points = Partition.of(len(mesh.points), comm)
    cells = Partition.of(len(mesh.cells), comm)
    sections = {
        "Points": [Array("Points", mesh.points, points, FIELDS["displacement"].components)],
        "Cells": list(cell_arrays(mesh, cells)),
        "PointData": list(point_arrays(point_fields, points, mesh.units)),
        "CellData": [Array("region", mesh.cell_regions, cells)],
    }
    arrays = list(chain.from_iterable(sections.values()))
    *starts, size = accumulate((LENGTH_BYTES + a.num_bytes for a in arrays), initial=0)
    offsets = {array.name: start for array, start in zip(arrays, starts, strict=True)}
    head = HEAD.format(
        points=points.total, cells=cells.total, arrays=declarations(sections, offsets)
    ).encode()
    blocks = [array.block(len(head) + offsets[array.name]) for array in arrays]
    if comm.rank == 0:
        blocks += [array.length_block(len(head) + offsets[array.name]) for array in arrays]
        blocks += [(0, memoryview(head)), (len(head) + size, memoryview(TAIL))]
    write_together(path, comm, blocks)


def declarations(sections: Mapping[str, Sequence["Array"]], offsets: Mapping[str, int]) -> str:
    """Return the XML that says which array starts where in the appended data."""
    lines: list[str] = []
    for section, arrays in sections.items():
        declared = [array.declaration(offsets[array.name]) for array in arrays]
        lines += [f"<{section}>", *declared, f"</{section}>"]
    return "\n".join(lines)


def cell_arrays(mesh: OutputMesh, cells: Partition) -> Iterator["Array"]:
    """Yield the arrays that make the cells."""
    num_cells, nodes_per_cell = mesh.cells.shape
    ends = (cells.first + 1 + np.arange(num_cells)) * nodes_per_cell
    yield Array("connectivity", connectivity(mesh), cells)
    yield Array("offsets", ends, cells)
    yield Array("types", np.full(num_cells, cell_type(mesh.degree), np.uint8), cells)


def point_arrays(
    fields: Mapping[str, Floats], points: Partition, units: Mapping[str, str]
) -> Iterator["Array"]:
    """Yield the fields at the points."""
    for name, values in fields.items():
        components = component_names(name, values.shape[1])
        yield Array(name, values, points, components, unit_of(name, units))


@dataclass(frozen=True)
class Array:
    """An array of the file.

    Attributes:
        name: Its name in the file.
        rows: The rows of this rank.
        partition: Where they stand among those of all ranks.
        components: Names of the columns.
        unit: Symbol of their unit, which VTK calls a label; empty if it is unknown.
    """

    name: str
    rows: NDArray[Any]
    partition: Partition
    components: tuple[str, ...] = ("",)
    unit: str = ""

    @property
    def row_bytes(self) -> int:
        """Return the length of a row."""
        return self.rows.dtype.itemsize * int(np.prod(self.rows.shape[1:]))

    @property
    def num_bytes(self) -> int:
        """Return the length over all ranks."""
        return self.partition.total * self.row_bytes

    def declaration(self, offset: int) -> str:
        """Return the XML that says what stands at `offset` of the appended data."""
        columns = f' NumberOfComponents="{len(self.components)}"'
        columns += "".join(f' ComponentName{i}="{c}"' for i, c in enumerate(self.components) if c)
        kind = TYPES[self.rows.dtype.str]
        head = (
            f'<DataArray type="{kind}" Name="{self.name}"{columns} '
            f'format="appended" offset="{offset}"'
        )
        return f"{head}>{LABEL.format(escape(self.unit))}</DataArray>" if self.unit else f"{head}/>"

    def block(self, offset: int) -> Block:
        """Return the rows of this rank and where they go, for an array that starts at `offset`."""
        content = np.ascontiguousarray(self.rows).reshape(-1).view(np.uint8)
        return offset + LENGTH_BYTES + self.partition.first * self.row_bytes, content.data

    def length_block(self, offset: int) -> Block:
        """Return the length that stands in front of an array that starts at `offset`."""
        return offset, memoryview(self.num_bytes.to_bytes(LENGTH_BYTES, "little"))

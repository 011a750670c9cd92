"""The quadrature points where a body is closest to turning inside out, as a small VTU file."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.meshes.topology import Topology
from elastane.solver.ceed import ranges
from elastane.solver.diagnostics import volume_ratios
from elastane.solver.journal import Journal
from elastane.solver.mechanics import Mechanics
from elastane.solver.output.parallel_file import write_together

#: Points that are kept.
NUM_POINTS = 20
VTK_VERTEX = 1
#: The file in the run folder.
WORST_POINTS = "worst.vtu"

#: Rows of initial coordinates (3), number of the cell in the whole mesh, J.
Rows = NDArray[np.float64]


def leave_worst_points(
    run_folder: Path, mechanics: Mechanics, topology: Topology, journal: Journal
) -> None:
    """Write the worst points of a step that failed into the run folder; collective.

    A full disk is no reason to stop: a warning says so.
    """
    rows = worst_points(mechanics, topology.cell_numbers)
    comm = mechanics.space.dm.comm.tompi4py()
    try:
        write_worst_points(run_folder / WORST_POINTS, comm, rows)
    except OSError as error:
        journal.warn_once("the worst points could not be written", f" ({error})")
        return
    load, min_J = mechanics.load_fraction, float(rows[0, 4])
    journal.event("worst_points", load=load, path=WORST_POINTS, count=len(rows), min_J=min_J)


def worst_points(mechanics: Mechanics, cell_numbers: NDArray[np.int64]) -> Rows:
    """Return the points with the smallest J of the displacement of the last residual; collective.

    Args:
        mechanics: The state.
        cell_numbers: Numbers of the cells of this rank in the whole mesh.

    Returns:
        Rows of X, cell and J on all ranks, the smallest J first; NaN counts as smaller still.
    """
    body, comm = mechanics.body, mechanics.space.dm.comm.tompi4py()
    rows = np.empty((0, 5))
    for part in body.parts:
        for elements in ranges(len(part.elements)):
            J = volume_ratios(body, mechanics.space, part, elements, mechanics.u.ceed)
            X = body.geometry.point_coordinates(part.coordinates[elements], body.points)
            cells = np.broadcast_to(cell_numbers[part.elements[elements]][:, None], J.shape)
            found = np.concatenate([X, cells[..., None], J[..., None]], axis=2).reshape(-1, 5)
            rows = _lowest(np.concatenate([rows, found]))
    return _lowest(np.concatenate(comm.allgather(rows)))


def _lowest(rows: Rows) -> Rows:
    """Return the rows of lowest J, in order; ties in the order of cells and places."""
    J = np.where(np.isnan(rows[:, 4]), -np.inf, rows[:, 4])
    return rows[np.lexsort((*rows[:, 2::-1].T, rows[:, 3], J))[:NUM_POINTS]]


def write_worst_points(path: Path, comm: MPI.Intracomm, rows: Rows) -> None:
    """Write points as vertices with arrays `cell` and `J`; collective.

    Raises:
        OSError: On all ranks, with path and errno, if rank 0 could not write.
    """
    text = memoryview(vtu(rows) if comm.rank == 0 else b"")
    write_together(path, comm, [(0, text)])


def vtu(rows: Rows) -> bytes:
    """Return the VTU file of rows of X, cell and J."""
    count = len(rows)
    root = ElementTree.Element("VTKFile", type="UnstructuredGrid", version="0.1")
    grid = ElementTree.SubElement(root, "UnstructuredGrid")
    piece = ElementTree.SubElement(
        grid, "Piece", NumberOfPoints=str(count), NumberOfCells=str(count)
    )

    def add(section: str, *arrays: tuple[str, str, NDArray[np.generic]]) -> None:
        parent = ElementTree.SubElement(piece, section)
        for name, kind, values in arrays:
            array = ElementTree.SubElement(
                parent, "DataArray", Name=name, type=kind, format="ascii",
                NumberOfComponents=str(values.size // max(count, 1)),
            )  # fmt: skip
            array.text = " ".join(map(str, values.reshape(-1).tolist()))

    each = np.arange(count)
    add("Points", ("Points", "Float64", rows[:, :3]))
    add(
        "Cells",
        ("connectivity", "Int64", each),
        ("offsets", "Int64", each + 1),
        ("types", "UInt8", np.full(count, VTK_VERTEX)),
    )
    add(
        "PointData",
        ("cell", "Int64", rows[:, 3].astype(np.int64)),
        ("J", "Float64", rows[:, 4]),
    )
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)

"""One VTKHDF file with all load steps, for ParaView 5.12 and newer.

The mesh is stored once, and each field as one long array to which every step adds its rows; the
group `Steps` says where the rows of a step begin.  A resumed run, perhaps on other ranks and so
with other node numbers, adds its own mesh.

HDF5 cannot add to a file such that a kill at any moment leaves it readable.  Therefore each step is
added to a copy, which then takes the name.  Copying costs about as much as the disk needs to read
and write the steps so far: for many large steps VTU is the better choice.

Reference: https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elastane.solver.output.fields import unit_of
from elastane.solver.output.format import Floats, OutputFormat, OutputMesh
from elastane.solver.output.hdf5_file import open_hdf5
from elastane.solver.output.parallel_file import written_aside
from elastane.solver.output.partition import Partition
from elastane.solver.output.vtk_cells import cell_type, connectivity

if TYPE_CHECKING:
    import h5py
    from mpi4py.MPI import Intracomm

#: Most rows of a chunk, the unit of disk space: 50 MB of stresses.
CHUNK_ROWS = 2**20


class VtkhdfFormat(OutputFormat):
    """`fields.vtkhdf`, gathered and written by rank 0.

    Raises:
        ImportError: If h5py is missing.
    """

    def __init__(
        self, folder: Path, comm: "Intracomm", mesh: OutputMesh, resume: bool = False
    ) -> None:
        require_h5py()
        self._path = folder / "fields.vtkhdf"
        self._comm = comm
        self._mesh = gathered_mesh(mesh, comm)
        self._mesh_offsets: dict[str, int] = {}
        self._keep = resume and self._path.exists()

    def write(self, step: int, load: float, point_fields: Mapping[str, Floats]) -> Path:
        """Add a load step and return the file; see `OutputFormat`."""
        fields = {name: gathered(values, self._comm) for name, values in point_fields.items()}
        with written_aside(self._path, self._comm) as aside:
            if self._comm.rank == 0:
                if self._keep:
                    shutil.copyfile(self._path, aside)
                self._add_step(aside, load, fields)
        self._keep = True
        return self._path

    def _add_step(self, path: Path, load: float, fields: Mapping[str, Floats]) -> None:
        """Add a load step to a file, and the mesh if this run has not done so."""
        with open_hdf5(path) as file:
            root = file.require_group("VTKHDF")
            root.attrs["Version"] = (2, 0)
            root.attrs["Type"] = np.bytes_("UnstructuredGrid")
            steps = root.require_group("Steps")
            drop_steps(steps, from_load=load)
            self._mesh_offsets = self._mesh_offsets or add_mesh(root, self._mesh)
            for name, start in self._mesh_offsets.items():
                append(steps, name, start)
            for name, values in fields.items():
                start = append(root, f"PointData/{name}", values)
                if unit := unit_of(name, self._mesh.units):
                    root[f"PointData/{name}"].attrs["units"] = unit
                append(steps, f"PointDataOffsets/{name}", start)
            append(steps, "Values", load)
            steps.attrs["NSteps"] = len(steps["Values"])


def require_h5py() -> None:
    """Raise an ImportError that says what to do if h5py cannot be imported."""
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"output format vtkhdf needs the Python package h5py ({error}); "
            "install it with `pip install h5py`, or choose format vtu"
        ) from error


def gathered(rows: NDArray[Any], comm: "Intracomm") -> NDArray[Any]:
    """Return the rows of all ranks on rank 0, none elsewhere; collective."""
    partition = Partition.of(len(rows), comm)
    num_rows = partition.total if comm.rank == 0 else 0
    whole = np.empty((num_rows, *rows.shape[1:]), rows.dtype)
    row_size = int(np.prod(rows.shape[1:]))
    comm.Gatherv(np.ascontiguousarray(rows), (whole, np.array(partition.counts) * row_size))
    return whole


def gathered_mesh(mesh: OutputMesh, comm: "Intracomm") -> OutputMesh:
    """Return the mesh of all ranks on rank 0, an empty one elsewhere; collective."""
    return OutputMesh(
        mesh.degree,
        gathered(mesh.points, comm),
        gathered(mesh.cells, comm),
        gathered(mesh.cell_regions, comm),
        mesh.units,
    )


def drop_steps(steps: "h5py.Group", from_load: float) -> None:
    """Forget the steps of this load fraction or a larger one."""
    import h5py

    kept = np.searchsorted(steps["Values"][:], from_load) if "Values" in steps else 0

    def shorten(_: str, item: "h5py.Group | h5py.Dataset") -> None:
        if isinstance(item, h5py.Dataset):
            item.resize(kept, axis=0)

    steps.visititems(shorten)


def add_mesh(root: "h5py.Group", mesh: OutputMesh) -> dict[str, int]:
    """Add a mesh and return the entries of `Steps` that refer to it, by name."""
    num_cells, nodes_per_cell = mesh.cells.shape
    part = append(root, "NumberOfPoints", len(mesh.points))
    append(root, "NumberOfCells", num_cells)
    append(root, "NumberOfConnectivityIds", mesh.cells.size)
    append(root, "Offsets", np.arange(num_cells + 1) * nodes_per_cell)
    first_cell = append(root, "Types", np.full(num_cells, cell_type(mesh.degree), np.uint8))
    return {
        "PartOffsets": part,
        "NumberOfParts": 1,
        "PointOffsets": append(root, "Points", mesh.points),
        "CellOffsets": first_cell,
        "ConnectivityIdOffsets": append(root, "Connectivity", connectivity(mesh).reshape(-1)),
        "CellDataOffsets/region": append(root, "CellData/region", mesh.cell_regions),
    }


def append(group: "h5py.Group", name: str, values: NDArray[Any] | float) -> int:
    """Add rows, or a single number, to a dataset and return the number of the first of them."""
    rows = np.atleast_1d(values)
    if name not in group:
        group.create_dataset(
            name,
            shape=(0, *rows.shape[1:]),
            maxshape=(None, *rows.shape[1:]),
            chunks=(min(max(len(rows), 16), CHUNK_ROWS), *rows.shape[1:]),
            dtype=rows.dtype,
        )
    dataset = group[name]
    first = len(dataset)
    dataset.resize(first + len(rows), axis=0)
    dataset[first:] = rows
    return first

"""The fields on disk, as VTK reads them.

Run as a program under mpiexec, this file writes them: `test_output.py FORMAT FOLDER DEGREE`.
"""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
from mpi4py import MPI
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkUnstructuredGrid
from vtkmodules.vtkFiltersVerdict import vtkCellSizeFilter
from vtkmodules.vtkIOHDF import vtkHDFReader
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from elastane.solver.output import FIELDS, FORMATS, OutputMesh, von_mises_stress

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NUM_CELLS = np.array([2, 2, 1])
NUM_REGIONS = 2
DEGREES = (1, 2, 3, 4, 5)


# What is written: a block of cells whose nodes have parameters in [0, 1]³.


def straight(parameters: Floats) -> Floats:
    return parameters


def bent(parameters: Floats) -> Floats:
    """A trilinear map: cells of every degree hold it exactly."""
    x, y, z = parameters.T
    return np.stack([x + 0.2 * y * z, y - 0.1 * x * z, z + 0.3 * x * y * z], axis=1)


def polynomials(parameters: Floats, degree: int, load: float) -> dict[str, Floats]:
    """Each field with other polynomials, of the degree of the cells, which hold them exactly."""
    combination = parameters @ [1.0, 2.0, -1.0]
    return {
        name: np.stack(
            [load * (combination + c) ** degree for c in range(len(field.components))], axis=1
        )
        for name, field in FIELDS.items()
    }


def positions(numbers: Ints, shape: Ints) -> Ints:
    """Return the index triples of flat indices."""
    return np.array(np.unravel_index(numbers, tuple(shape))).T


def block(degree: int, comm: MPI.Intracomm) -> tuple[OutputMesh, Floats]:
    """Return this rank's part of the block, straight, and the parameters of its nodes."""
    num_nodes = degree * NUM_CELLS + 1
    corners = degree * positions(np.arange(NUM_CELLS.prod()), NUM_CELLS)
    inside = np.indices((degree + 1,) * 3).reshape(3, -1)[::-1].T
    nodes = corners[:, None, :] + inside
    cells = np.ravel_multi_index(tuple(np.moveaxis(nodes, -1, 0)), tuple(num_nodes))
    rank_of_cell = np.arange(len(cells)) * comm.size // len(cells)
    owner = np.full(num_nodes.prod(), comm.size)
    np.minimum.at(owner, cells, rank_of_cell[:, None])
    by_owner = np.argsort(owner, kind="stable")
    number = np.argsort(by_owner)
    lattice = positions(by_owner[owner[by_owner] == comm.rank], num_nodes)
    parameters = lattice / (num_nodes - 1)
    mine = rank_of_cell == comm.rank
    regions = np.arange(len(cells)) % NUM_REGIONS
    return OutputMesh(degree, parameters, number[cells[mine]], regions[mine]), parameters


def write(
    kind: str,
    folder: Path,
    degree: int,
    loads: tuple[float, ...] = (0.5, 1.0),
    body: Callable[[Floats], Floats] = bent,
    comm: MPI.Intracomm = MPI.COMM_SELF,
    resume: bool = False,
    first_step: int = 1,
    units: Mapping[str, str] | None = None,
) -> None:
    mesh, parameters = block(degree, comm)
    mesh = OutputMesh(degree, body(parameters), mesh.cells, mesh.cell_regions, units or {})
    output = FORMATS[kind](folder, comm, mesh, resume)
    for step, load in enumerate(loads, first_step):
        output.write(step, load, polynomials(parameters, degree, load))


# How it is read.


def read_vtu(folder: Path) -> dict[float, vtkUnstructuredGrid]:
    grids = {}
    for entry in ElementTree.parse(folder / "fields.pvd").iter("DataSet"):
        reader = vtkXMLUnstructuredGridReader()
        reader.SetFileName(str(folder / entry.attrib["file"]))
        reader.Update()
        grids[float(entry.attrib["timestep"])] = reader.GetOutput()
    return grids


def read_vtkhdf(folder: Path) -> dict[float, vtkUnstructuredGrid]:
    grids = {}
    with h5py.File(folder / "fields.vtkhdf") as file:
        loads = file["VTKHDF/Steps/Values"][:]
    for step, load in enumerate(loads):
        reader = vtkHDFReader()
        reader.SetFileName(str(folder / "fields.vtkhdf"))
        reader.SetStep(step)
        reader.Update()
        assert reader.GetNumberOfSteps() == len(loads)
        grids[float(load)] = reader.GetOutput()
    return grids


READERS = {"vtu": read_vtu, "vtkhdf": read_vtkhdf}


def points(grid: vtkUnstructuredGrid) -> Floats:
    return vtk_to_numpy(grid.GetPoints().GetData())


def fields(grid: vtkUnstructuredGrid) -> dict[str, Floats]:
    data = grid.GetPointData()
    return {
        data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)).reshape(grid.GetNumberOfPoints(), -1)
        for i in range(data.GetNumberOfArrays())
    }


def cells(grid: vtkUnstructuredGrid) -> Ints:
    connectivity = vtk_to_numpy(grid.GetCells().GetConnectivityArray())
    return connectivity.reshape(grid.GetNumberOfCells(), -1)


def shape_functions(grid: vtkUnstructuredGrid, cell: int, xi: Floats) -> Floats:
    """Return VTK's shape functions at `xi` in [0, 1]³ of a cell."""
    values = [0.0] * cells(grid).shape[1]
    grid.GetCell(cell).InterpolateFunctions(xi.tolist(), values)
    return np.array(values)


@pytest.fixture(params=FORMATS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("degree", DEGREES)
def test_points_are_shared_by_the_cells(kind: str, degree: int, tmp_path: Path) -> None:
    write(kind, tmp_path, degree)
    for grid in READERS[kind](tmp_path).values():
        assert grid.GetNumberOfCells() == NUM_CELLS.prod()
        assert grid.GetNumberOfPoints() == np.prod(degree * NUM_CELLS + 1)


@pytest.mark.parametrize("degree", DEGREES)
def test_a_unit_cube_has_unit_volume(kind: str, degree: int, tmp_path: Path) -> None:
    write(kind, tmp_path, degree, body=straight)
    measure = vtkCellSizeFilter()
    measure.SetInputData(READERS[kind](tmp_path)[1.0])
    measure.Update()
    volumes = vtk_to_numpy(measure.GetOutput().GetCellData().GetArray("Volume"))
    # Sums of products of a hundred numbers of order one.
    np.testing.assert_allclose(volumes.sum(), 1.0, rtol=1e-13)


@pytest.mark.parametrize("degree", DEGREES)
def test_cells_hold_the_map_and_the_fields_between_the_nodes(
    kind: str, degree: int, tmp_path: Path
) -> None:
    write(kind, tmp_path, degree)
    random = np.random.default_rng(3)
    corners = positions(np.arange(NUM_CELLS.prod()), NUM_CELLS)
    for load, grid in READERS[kind](tmp_path).items():
        for cell, corner in enumerate(corners):
            xi = random.uniform(size=3)
            parameters = ((corner + xi) / NUM_CELLS)[None]
            shape, nodes = shape_functions(grid, cell, xi), cells(grid)[cell]
            # Rounding of some hundred shape functions, in fields up to 8⁵ = 3e4.
            np.testing.assert_allclose(shape @ points(grid)[nodes], bent(parameters)[0], rtol=1e-12)
            for name, exact in polynomials(parameters, degree, load).items():
                interpolated = shape @ fields(grid)[name][nodes]
                np.testing.assert_allclose(interpolated, exact[0], rtol=1e-12, atol=1e-12)


def test_every_component_has_its_name(tmp_path: Path) -> None:
    write("vtu", tmp_path, degree=2)
    data = read_vtu(tmp_path)[1.0].GetPointData()
    for name, field in FIELDS.items():
        array = data.GetArray(name)
        names = tuple(array.GetComponentName(c) or "" for c in range(len(field.components)))
        assert names == field.components


UNITS = {"length": "mm", "stress": "N/mm^2"}
LABELS = {
    "displacement": "mm",
    "cauchy_stress": "N/mm^2",
    "von_mises_stress": "N/mm^2",
    "J": None,
    "strain_energy_density": "N/mm^2",
}


def test_vtu_labels_its_fields_with_units_that_change_no_name_or_value(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "labelled").mkdir()
    write("vtu", tmp_path / "plain", 2)
    write("vtu", tmp_path / "labelled", 2, units=UNITS)
    plain, labelled = (read_vtu(tmp_path / name)[1.0] for name in ("plain", "labelled"))
    for name, values in fields(plain).items():
        assert np.array_equal(fields(labelled)[name], values)
        array = labelled.GetPointData().GetAbstractArray(name)
        label = array.UNITS_LABEL()
        has = array.HasInformation() and array.GetInformation().Has(label)
        assert (array.GetInformation().Get(label) if has else None) == LABELS[name]


def test_vtkhdf_keeps_the_units_of_its_fields_as_attributes(tmp_path: Path) -> None:
    write("vtkhdf", tmp_path, 2, units=UNITS)
    with h5py.File(tmp_path / "fields.vtkhdf") as file:
        data = file["VTKHDF/PointData"]
        assert {name: data[name].attrs.get("units") for name in data} == LABELS
    assert set(fields(read_vtkhdf(tmp_path)[1.0])) == set(LABELS)


def test_cells_know_their_region(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path, degree=2)
    for grid in READERS[kind](tmp_path).values():
        regions = vtk_to_numpy(grid.GetCellData().GetArray("region"))
        np.testing.assert_array_equal(regions, np.arange(NUM_CELLS.prod()) % NUM_REGIONS)


def test_vtu_header_is_of_the_present_node_order(tmp_path: Path) -> None:
    write("vtu", tmp_path, degree=2)
    for path in (tmp_path / "fields").glob("*.vtu"):
        head = path.read_bytes()[:200].decode()
        version = re.search(r'<VTKFile .*version="(\d+)\.(\d+)"', head)
        assert version is not None
        assert tuple(map(int, version.groups())) >= (2, 1)


@pytest.mark.mpi
@pytest.mark.parametrize("degree", [1, 3])
def test_ranks_write_what_one_rank_writes(
    kind: str, degree: int, tmp_path: Path, run_ranks: Callable[..., str]
) -> None:
    write(kind, tmp_path / "one", degree)
    run_ranks(3, Path(__file__), kind, tmp_path / "three", degree)
    for one, three in zip(
        READERS[kind](tmp_path / "one").values(),
        READERS[kind](tmp_path / "three").values(),
        strict=True,
    ):
        same = {tuple(point): number for number, point in enumerate(points(three))}
        number = np.array([same[tuple(point)] for point in points(one)])
        assert len(same) == three.GetNumberOfPoints()
        np.testing.assert_array_equal(number[cells(one)], cells(three))
        for name, values in fields(one).items():
            np.testing.assert_array_equal(values, fields(three)[name][number])


def test_files_of_a_series_are_named_relative_to_it(tmp_path: Path) -> None:
    write("vtu", tmp_path / "before", degree=1)
    (tmp_path / "before").rename(tmp_path / "after")
    assert list(read_vtu(tmp_path / "after")) == [0.5, 1.0]


def test_a_resumed_run_replaces_the_steps_it_repeats(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path, degree=2, loads=(0.25, 0.5, 1.0))
    # On other ranks the nodes have other numbers: here, the body is another one altogether.
    write(kind, tmp_path, degree=2, loads=(0.4, 0.7), body=straight, resume=True, first_step=2)
    grids = READERS[kind](tmp_path)
    _, parameters = block(2, MPI.COMM_SELF)
    assert list(grids) == [0.25, 0.4, 0.7]
    for load, grid in grids.items():
        body = bent if load < 0.4 else straight
        np.testing.assert_array_equal(points(grid), body(parameters))
        assert cells(grid).max() == len(parameters) - 1
        for name, values in polynomials(parameters, 2, load).items():
            np.testing.assert_array_equal(fields(grid)[name], values)


def test_a_new_run_forgets_the_steps_of_the_last_one(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path, degree=1, loads=(0.25, 1.0))
    write(kind, tmp_path, degree=1, loads=(0.5, 1.0))
    assert list(READERS[kind](tmp_path)) == [0.5, 1.0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system that holds the first steps of a run, and not many more."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("NOT TESTED: what happens on a full disk; only root can mount a small one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.mpi
def test_all_ranks_tell_of_a_full_disk_and_earlier_steps_stay(
    kind: str, small_disk: Path, run_ranks: Callable[..., str]
) -> None:
    said = run_ranks(2, Path(__file__), kind, small_disk, 5, 100)
    failed = re.findall(r"^\[Errno (\d+)\] .*: '(.*)'$", said, re.MULTILINE)
    assert len(failed) == 2, said
    assert {int(number) for number, _ in failed} == {errno.ENOSPC}
    assert all(name.startswith(str(small_disk)) for _, name in failed)
    loads = list(READERS[kind](small_disk))
    assert loads
    np.testing.assert_allclose(loads, np.arange(1, len(loads) + 1) / 100)
    assert not list(small_disk.rglob("*.part"))


def test_a_kill_leaves_the_steps_so_far_readable(kind: str, tmp_path: Path) -> None:
    program = [sys.executable, __file__, kind, str(tmp_path), "4", "100000"]
    with subprocess.Popen(program) as running:
        while len(list(tmp_path.glob("fields.*"))) == 0:
            assert running.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)
        running.send_signal(signal.SIGKILL)
    assert len(READERS[kind](tmp_path)) > 1


def test_missing_h5py_is_told_before_anything_is_solved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    mesh, _ = block(1, MPI.COMM_SELF)
    with pytest.raises(ImportError, match="pip install h5py"):
        FORMATS["vtkhdf"](tmp_path, MPI.COMM_SELF, mesh, False)


def test_von_mises_stress_is_that_of_the_textbook() -> None:
    tension, shear, pressure = np.eye(6)[0], np.eye(6)[3], np.array([1.0, 1, 1, 0, 0, 0])
    stresses = np.stack([tension, shear, pressure, tension + 5 * pressure])
    expected = [[1.0], [np.sqrt(3)], [0.0], [1.0]]
    # Rounding of stresses of order one.
    np.testing.assert_allclose(von_mises_stress(stresses), expected, atol=1e-14)


if __name__ == "__main__":
    kind_, folder_, degree_, *num_steps_ = sys.argv[1:]
    num_steps = int(num_steps_[0]) if num_steps_ else 2
    try:
        write(
            kind_,
            Path(folder_),
            int(degree_),
            loads=tuple(np.arange(1, num_steps + 1) / num_steps),
            comm=MPI.COMM_WORLD,
        )
    except OSError as failure:
        sys.stdout.write(f"{failure}\n")

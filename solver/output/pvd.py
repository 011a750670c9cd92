"""ParaView's list of the files of a time series."""

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from elastane.solver.output.parallel_file import write_together

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm


class PvdSeries:
    """A time series whose times are load fractions.

    The file is written anew at each addition, and renamed: ParaView can reload it at any moment.
    """

    def __init__(self, path: Path, comm: "Intracomm", resume: bool) -> None:
        self._path = path
        self._comm = comm
        self._files = read_pvd(path) if resume and comm.rank == 0 and path.exists() else {}

    def add(self, load: float, file: Path) -> None:
        """Let `file` be the last of the series; collective.

        Raises:
            OSError: On all ranks, with path and errno, if rank 0 could not write.
        """
        earlier = {time: name for time, name in self._files.items() if time < load}
        self._files = earlier | {load: file.relative_to(self._path.parent).as_posix()}
        text = memoryview(pvd(self._files)) if self._comm.rank == 0 else memoryview(b"")
        write_together(self._path, self._comm, [(0, text)])


def pvd(files: dict[float, str]) -> bytes:
    """Return the text of a PVD file for file names by time."""
    root = ElementTree.Element("VTKFile", type="Collection", version="1.0")
    collection = ElementTree.SubElement(root, "Collection")
    for time, name in files.items():
        ElementTree.SubElement(collection, "DataSet", timestep=str(time), part="0", file=name)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def read_pvd(path: Path) -> dict[float, str]:
    """Return the file names of a PVD file by time."""
    entries = ElementTree.parse(path).iter("DataSet")
    return {float(entry.attrib["timestep"]): entry.attrib["file"] for entry in entries}

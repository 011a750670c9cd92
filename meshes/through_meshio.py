"""VTK, Medit and Nastran files through meshio.

meshio keeps VTK's node orders and knows neither regions nor surfaces; integers per cell that
usually mean them are taken for both: cells with value 3 form `region-3`, surface elements
`surface-3`.  Scalars and vectors become fields.
"""

import io
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from elastane.meshes.file_mesh import Block, FileMesh, MeshError
from elastane.meshes.mesh import Floats, Ints
from elastane.meshes.orderings import from_other

#: Names, in small letters without punctuation, of data that number regions and surfaces.
_TAGS = (
    "gmshphysical", "meditref", "nastranref", "region", "regionid", "material", "materialid",
    "materialids", "physicalids", "cellentityids", "celltags",
)  # fmt: skip

_HEXAHEDRA = ("hexahedron", "hexahedron20", "hexahedron27", "VTK_LAGRANGE_HEXAHEDRON")
_QUADRILATERALS = ("quad", "quad8", "quad9", "VTK_LAGRANGE_QUADRILATERAL")
_SERVES_NOTHING = ("vertex", "line", "line3", "line4", "VTK_LAGRANGE_CURVE")

_VTU_VERSION = re.compile(rb"(<VTKFile[^>]*?\sversion=)\"[^\"]*\"")

#: Where a VTK file says its version, and the first one with the present order of Lagrange nodes.
_VERSIONS = {
    "vtu": (re.compile(rb"<VTKFile[^>]*\sversion=\"(\d+)\.(\d+)\""), (2, 1)),
    "vtk": (re.compile(rb"# vtk DataFile Version (\d+)\.(\d+)"), (5, 1)),
}


def read_with_meshio(path: Path, file_format: str) -> FileMesh:
    """Return the content of a file that meshio reads.

    Raises:
        MeshError: If meshio refuses the file or leaves something out.
    """
    lagrange = _lagrange_ordering(path, file_format)
    if file_format == "vtu":
        with tempfile.NamedTemporaryFile(suffix=".vtu") as copy:
            # meshio refuses versions that it knows under other numbers: the content is the same.
            copy.write(_VTU_VERSION.sub(rb'\g<1>"1.0"', path.read_bytes(), count=1))
            copy.flush()
            return _file_mesh(_read(Path(copy.name), file_format), lagrange)
    return _file_mesh(_read(path, file_format), lagrange)


def _read(path: Path, file_format: str) -> Any:
    import meshio  # type: ignore[import-untyped]

    with redirect_stdout(io.StringIO()) as reasons, redirect_stderr(io.StringIO()) as complaints:
        try:
            mesh = meshio.read(path, file_format=file_format)
        except SystemExit:
            reason = " ".join(reasons.getvalue().split())[:200]
            raise MeshError(f"meshio cannot read it: {reason or 'is it damaged?'}") from None
    if "cannot handle" in complaints.getvalue():
        raise MeshError("the file has elements that meshio does not know; use hexahedra only")
    return mesh


read_vtu: Callable[[Path], FileMesh] = partial(read_with_meshio, file_format="vtu")
read_vtk: Callable[[Path], FileMesh] = partial(read_with_meshio, file_format="vtk")
read_medit: Callable[[Path], FileMesh] = partial(read_with_meshio, file_format="medit")
read_nastran: Callable[[Path], FileMesh] = partial(read_with_meshio, file_format="nastran")


def _lagrange_ordering(path: Path, file_format: str) -> str:
    """Return the order of nodes in Lagrange cells, which VTK changed in its version 9."""
    if file_format not in _VERSIONS:
        return "vtk lagrange"
    pattern, first_new = _VERSIONS[file_format]
    with path.open("rb") as file:
        found = pattern.search(file.read(4096))
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return "vtk lagrange" if version >= first_new else "vtk lagrange before 2.1"


def _file_mesh(mesh: Any, lagrange: str) -> FileMesh:
    starts = np.cumsum([0, *(len(block.data) for block in mesh.cells)])
    tags = _tags(mesh)
    blocks, unsupported = [], Counter[str]()
    cell_tags, surface_tags = [], []
    corners = [np.empty((0, 4), dtype=np.int64)]
    for block, start, block_tags in zip(mesh.cells, starts, tags, strict=False):
        nodes = np.asarray(block.data, dtype=np.int64)
        if block.type in _HEXAHEDRA:
            ordering = lagrange if block.type.startswith("VTK") else "vtk"
            table = from_other(ordering, nodes.shape[1])
            blocks.append(Block(nodes[:, table], np.arange(start, start + len(nodes)) + 1))
            cell_tags.append(block_tags)
        elif block.type in _QUADRILATERALS:
            corners.append(nodes[:, :4])
            surface_tags.append(block_tags)
        elif block.type not in _SERVES_NOTHING:
            unsupported[block.type] += len(nodes)
    points = np.asarray(mesh.points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 3:
        raise MeshError("the file has no coordinates in three dimensions")
    return FileMesh(
        points=points,
        blocks=tuple(blocks),
        cell_sets=_sets("region", cell_tags),
        quadrilaterals=np.concatenate(corners),
        quadrilateral_sets=_sets("surface", surface_tags),
        unsupported=dict(unsupported),
        cell_fields=_cell_fields(mesh),
        point_fields=_fields(mesh.point_data),
    )


def _cell_fields(mesh: Any) -> dict[str, Floats]:
    """Return the fields of the hexahedra, counted through all blocks."""
    inside = [block.type in _HEXAHEDRA for block in mesh.cells]
    if not any(inside):
        return {}
    return _fields(
        {
            name: np.concatenate(
                [part for part, wanted in zip(parts, inside, strict=True) if wanted]
            )
            for name, parts in mesh.cell_data.items()
        }
    )


def _fields(named: Mapping[str, Any]) -> dict[str, Floats]:
    """Return what is numbers, one or three at each place."""
    fields = {}
    for name, values in named.items():
        array = np.asarray(values)
        if array.dtype.kind in "fiu" and array.ndim <= 2 and array[:1].size in (1, 3):
            fields[name] = array.reshape(len(array), -1).astype(np.float64)
    return fields


def _tags(mesh: Any) -> list[Ints]:
    """Return one integer per element of each block; 0 where the file says nothing."""
    for wanted in _TAGS:
        for name, values in mesh.cell_data.items():
            if re.sub("[^a-z]", "", name.lower()) == wanted:
                return [
                    np.asarray(part).reshape(len(part), -1)[:, 0].astype(np.int64)
                    for part in values
                ]
    return [np.zeros(len(block.data), dtype=np.int64) for block in mesh.cells]


def _sets(unnamed: str, tags: Sequence[Ints]) -> dict[str, Ints]:
    """Return the elements of each tag but 0, counted through all blocks."""
    every = np.concatenate([np.empty(0, dtype=np.int64), *tags])
    return {
        f"{unnamed}-{tag}": np.flatnonzero(every == tag) for tag in np.unique(every[every != 0])
    }

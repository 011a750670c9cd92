"""Our hexahedra as VTK's."""

from elastane.meshes.orderings import vtk_lagrange
from elastane.solver.output.format import Ints, OutputMesh

VTK_HEXAHEDRON = 12
VTK_LAGRANGE_HEXAHEDRON = 72


def cell_type(degree: int) -> int:
    """Return VTK's number of the cell type; of degree 1 the plain one, which all filters take."""
    return VTK_HEXAHEDRON if degree == 1 else VTK_LAGRANGE_HEXAHEDRON


def connectivity(mesh: OutputMesh) -> Ints:
    """Return the node numbers of each cell in VTK's order."""
    return mesh.cells[:, vtk_lagrange(mesh.degree)]

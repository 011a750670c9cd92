"""A body whose mesh is in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from elastane.meshes.body import Body, check_resolution
from elastane.meshes.mesh import Mesh
from elastane.meshes.read import ReadMesh, read_mesh
from elastane.meshes.refine import change_geometry_degree, refine_mesh


@dataclass(frozen=True)
class MeshFile(Body):
    """A mesh file; it is read when something is asked that only its content can tell.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def content(self) -> ReadMesh:
        """Return the mesh as the file has it.

        Raises:
            MeshError: If the file cannot be read or computed on.
        """
        return read_mesh(self.path)

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Return the names of the surfaces in the file."""
        return tuple(self.content.mesh.surfaces)

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the names of the regions in the file."""
        return self.content.mesh.regions

    @property
    def field_components(self) -> Mapping[str, int]:
        """Return the components of each field in the file."""
        fields = self.content.mesh.fields
        return {name: field.num_components for name, field in fields.items()}

    def num_cells(self, refine: int) -> int:
        """Return the number of cells after that many uniform refinements."""
        return self.content.mesh.num_cells * 8**refine

    def default_geometry_degree(self, degree: int) -> int:
        """Return the file's own degree."""
        return self.content.mesh.geometry_degree

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh, each direction's cells doubled `refine` times."""
        check_resolution(geometry_degree, refine)
        mesh = refine_mesh(self.content.mesh, refine)
        return change_geometry_degree(mesh, geometry_degree)

"""The section `mesh` of the job file: bodies, files, refinement, names of sub-surfaces.

Units are those of `elastane.jobs.schema`.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from elastane.jobs.fields import Measured, Name, Point
from elastane.jobs.section import Degree, Section
from elastane.meshes.annulus import Annulus
from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.cook import Cook
from elastane.meshes.file_body import MeshFile
from elastane.meshes.schwarz import SchwarzP
from elastane.meshes.source import SubSurface
from elastane.meshes.sphere_shell import SphereShell

MESH_SOURCES = ("file", "box", "schwarz_p", "annulus", "sphere_shell", "cook")

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Counts2 = Annotated[tuple[Count, Count], Field(strict=False)]
Counts3 = Annotated[tuple[Count, Count, Count], Field(strict=False)]
Length = Annotated[float, Field(gt=0.0), Measured("length")]


class BodySection(Section, ABC):
    """A body with a shape of its own."""

    @abstractmethod
    def body(self) -> Body:
        """Return the body.

        Raises:
            ValueError: If the numbers do not make a body.
        """


class BoxSection(BodySection):
    """A box with edges along x, y and z."""

    size: Annotated[tuple[Length, Length, Length], Field(strict=False)] = Field(
        description="Lengths of the edges, m."
    )
    cells: Counts3 = Field(description="Cells along x, y and z.")
    origin: Point = Field(
        default=(0.0, 0.0, 0.0), description="Corner with the smallest coordinates, m."
    )

    def body(self) -> Body:
        """Return the body."""
        return Box(self.size, self.cells, self.origin)


class SchwarzSection(BodySection):
    """A shell around the Schwarz P surface."""

    extent: Counts3 = Field(description="Unit cells along x, y and z.")
    thickness: Length = Field(
        description="Thickness of the shell; a cell of the lattice has edges of length 2."
    )
    refine: Annotated[int, Field(ge=0, le=10)] = Field(description="Refinements of the surface.")
    layers: Count = Field(description="Cells through the thickness.")

    def body(self) -> Body:
        """Return the body."""
        return SchwarzP(self.extent, self.thickness, self.refine, self.layers)


class AnnulusSection(BodySection):
    """A hollow cylinder along z, or a sector of it."""

    inner: Length = Field(description="Inner radius, m.")
    outer: Length = Field(description="Outer radius, m.")
    length: Length = Field(default=1.0, description="Length along z, m.")
    angle: Annotated[float, Field(gt=0.0, le=360.0), Measured("angle")] = Field(
        default=360.0, description="Angle of the sector, degrees."
    )
    cells: Counts3 = Field(description="Cells along the radius, around and along z.")

    def body(self) -> Body:
        """Return the body."""
        return Annulus(self.inner, self.outer, self.length, self.angle, self.cells)


class SphereShellSection(BodySection):
    """An octant of a spherical shell."""

    inner: Length = Field(description="Inner radius, m.")
    outer: Length = Field(description="Outer radius, m.")
    cells: Counts2 = Field(description="Cells along the radius and along a block's edge.")

    def body(self) -> Body:
        """Return the body."""
        return SphereShell(self.inner, self.outer, self.cells)


class CookSection(BodySection):
    """Cook's membrane, 48 long, z from -thickness/2 to thickness/2."""

    thickness: Length = Field(default=1.0, description="Thickness along z, m.")
    cells: Counts3 = Field(description="Cells along, across and through.")

    def body(self) -> Body:
        """Return the body."""
        return Cook(self.thickness, self.cells)


class SubSurfaceSection(Section):
    """The facets of a surface that lie in a box."""

    on: str = Field(description="A surface of the mesh.")
    min: Point = Field(description="Smallest coordinates of the box, m.")
    max: Point = Field(description="Largest coordinates of the box, m.")

    def sub_surface(self) -> SubSurface:
        """Return the part of the surface."""
        return SubSurface(self.on, self.min, self.max)


class MeshSection(Section):
    """Where the mesh comes from: exactly one body or a file."""

    file: str | None = Field(
        default=None, min_length=1, description="A mesh file, absolute or relative to the job file."
    )
    box: BoxSection | None = None
    schwarz_p: SchwarzSection | None = None
    annulus: AnnulusSection | None = None
    sphere_shell: SphereShellSection | None = None
    cook: CookSection | None = None
    refine: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0, description="Uniform refinements after reading; each makes eight cells of one."
    )
    geometry_degree: Degree | None = Field(
        default=None,
        description="Degree of the element map; default: the file's own, 1 for straight bodies, "
        "the displacement's for curved ones.",
    )
    surfaces: dict[Name, SubSurfaceSection] = Field(
        default={}, description="Further names: the part of a surface inside a box."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = self.sources()
        if len(given) != 1:
            kinds = ", ".join(MESH_SOURCES)
            got = " and ".join(given) if given else "none"
            raise ValueError(f"exactly one of {kinds} is needed, got {got}")
        return self

    def sources(self) -> list[str]:
        """Return the keys of the sources that are given."""
        return [name for name in MESH_SOURCES if getattr(self, name) is not None]

    def body(self, directory: Path) -> Body:
        """Return what is meshed; a relative file is looked for in the directory.

        Raises:
            ValueError: If the numbers do not make a body, or the file is not a mesh.
        """
        if self.file is not None:
            return MeshFile(mesh_path(directory, self.file))
        section: BodySection = getattr(self, self.sources()[0])
        return section.body()


def mesh_path(directory: Path, file: str) -> Path:
    """Return the absolute path of a mesh file.

    Raises:
        ValueError: If there is no such file.
    """
    if "\0" in file:
        raise ValueError("the name of the mesh file holds a NUL")
    path = (directory / file).resolve()
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise ValueError(f"the mesh file {path} {what}")
    return path

"""Where a mesh comes from: a body or a file, its refinement, and further names for surfaces."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from elastane.meshes.annulus import Annulus
from elastane.meshes.body import Body, check_finite, check_resolution
from elastane.meshes.box import Box
from elastane.meshes.cook import Cook
from elastane.meshes.element_map import corner_coordinates
from elastane.meshes.file_body import MeshFile
from elastane.meshes.mesh import FACET_CORNERS, Ints, Mesh
from elastane.meshes.names import unknown_name
from elastane.meshes.schwarz import SchwarzP
from elastane.meshes.sphere_shell import SphereShell

#: Bodies by their key in the section `mesh` of a job file; that of a file has its path alone.
BODIES: Mapping[str, type[Body]] = {
    "box": Box,
    "annulus": Annulus,
    "sphere_shell": SphereShell,
    "cook": Cook,
    "schwarz_p": SchwarzP,
    "file": MeshFile,
}

#: A corner counts as inside a box if it is outside by less than this part of the body's diagonal.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class SubSurface:
    """The facets of a surface all of whose corners lie in a box.

    Attributes:
        on: Name of the surface.
        minimum: Smallest coordinates of the box, in the unit of length.
        maximum: Largest coordinates of the box, in the unit of length.
    """

    on: str
    minimum: tuple[float, float, float]
    maximum: tuple[float, float, float]

    def __post_init__(self) -> None:
        check_finite("surfaces", "min", self.minimum)
        check_finite("surfaces", "max", self.maximum)
        if any(low > high for low, high in zip(self.minimum, self.maximum, strict=True)):
            raise ValueError(
                "surfaces: min must not exceed max, "
                f"got {list(self.minimum)} and {list(self.maximum)}"
            )

    def facets(self, mesh: Mesh) -> Ints:
        """Return the pairs (cell, facet), shape (num_facets, 2)."""
        candidates = mesh.surfaces[self.on]
        corners = corner_coordinates(mesh)
        extent = corners.reshape(-1, 3)
        slack = _TOLERANCE * float(np.linalg.norm(np.ptp(extent, axis=0)))
        positions = corners[candidates[:, :1], FACET_CORNERS[candidates[:, 1]]]
        inside = (positions >= np.array(self.minimum) - slack) & (
            positions <= np.array(self.maximum) + slack
        )
        return candidates[inside.all(axis=(1, 2))]


@dataclass(frozen=True)
class MeshSource:
    """How to get a mesh.

    Attributes:
        body: What is meshed, or the file that holds the mesh.
        refine: Uniform refinements: each splits every cell in eight.
        geometry_degree: Degree of the element map; None leaves it to the body.
        sub_surfaces: Further names of parts of surfaces.
    """

    body: Body
    refine: int = 0
    geometry_degree: int | None = None
    sub_surfaces: Mapping[str, SubSurface] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_resolution(1 if self.geometry_degree is None else self.geometry_degree, self.refine)

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Return all names of surfaces; a mesh file is read, a body is not built.

        Raises:
            ValueError: If a sub-surface lies on an unknown surface or takes a name in use.
        """
        names = self.body.surface_names
        for name, part in self.sub_surfaces.items():
            if part.on not in names:
                raise ValueError(f"surfaces: {name}: " + unknown_name("surface", part.on, names))
            if name in names:
                raise ValueError(f"surfaces: the mesh has a surface {name!r} already")
        return names + tuple(self.sub_surfaces)

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the names of the regions; a mesh file is read, a body is not built."""
        return self.body.region_names

    @property
    def expected_cells(self) -> int:
        """Return the number of cells that `build` will give."""
        return self.body.num_cells(self.refine)

    def build(self, degree: int) -> Mesh:
        """Return the mesh for displacements of that degree.

        Raises:
            ValueError: If a sub-surface is empty or its surface unknown.
            MeshError: If the file is not a mesh that can be computed on.
        """
        names = self.surface_names
        geometry_degree = self.geometry_degree or self.body.default_geometry_degree(degree)
        mesh = self.body.build(geometry_degree, self.refine)
        parts = {name: part.facets(mesh) for name, part in self.sub_surfaces.items()}
        for name, facets in parts.items():
            if len(facets) == 0:
                raise ValueError(self._empty(name, mesh))
        surfaces = {**mesh.surfaces, **parts}
        return replace(mesh, surfaces={name: surfaces[name] for name in names})

    def _empty(self, name: str, mesh: Mesh) -> str:
        part = self.sub_surfaces[name]
        facets = mesh.surfaces[part.on]
        corners = corner_coordinates(mesh)[facets[:, :1], FACET_CORNERS[facets[:, 1]]]
        corners = corners.reshape(-1, 3)
        return (
            f"surfaces: {name}: no facet of {part.on!r} has all its corners in the box from "
            f"{list(part.minimum)} to {list(part.maximum)}; the surface extends from "
            f"{corners.min(axis=0).tolist()} to {corners.max(axis=0).tolist()}: "
            "widen the box or refine the mesh"
        )

"""A hollow cylinder, whole or a sector of it, with its axis along z."""

import math
from dataclasses import dataclass

import numpy as np

from elastane.meshes.body import (
    Body,
    check_counts,
    check_positive,
    check_radii,
    check_resolution,
)
from elastane.meshes.grid import (
    Counts,
    grid_corners,
    grid_parameters,
    grid_sides,
    grid_vertices,
    refined,
)
from elastane.meshes.mesh import Floats, Ints, Mesh

ANNULUS_SURFACES = ("inner", "outer", "theta-min", "theta-max", "z-min", "z-max")


@dataclass(frozen=True)
class Annulus(Body):
    """A hollow cylinder with z in [0, length] and polar angles from the x axis to `angle`.

    Attributes:
        inner: Inner radius, in the unit of length.
        outer: Outer radius, in the unit of length.
        length: Length along z, in the unit of length.
        angle: Angle of the sector in degrees; at 360 the body closes on itself and has no surfaces
            theta-min and theta-max.
        cells: Cells along the radius, around and along z.
    """

    inner: float = 1.0
    outer: float = 2.0
    length: float = 1.0
    angle: float = 360.0
    cells: tuple[int, int, int] = (2, 8, 1)

    def __post_init__(self) -> None:
        check_radii("annulus", self.inner, self.outer)
        check_positive("annulus", "length", self.length)
        check_counts("annulus", "cells", self.cells, ("radial", "around", "along z"))
        if not 0.0 < self.angle <= 360.0:
            raise ValueError(f"annulus: angle must lie in (0, 360] degrees, got {self.angle}")
        if self.angle / self.cells[1] > 120.0:
            raise ValueError(
                f"annulus: a cell may span at most 120 degrees, got {self.angle} degrees "
                f"with {self.cells[1]} cells around; give more cells around"
            )

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Return the sides; those of the sector only where it is open."""
        if not self._closed:
            return ANNULUS_SURFACES
        return tuple(name for name in ANNULUS_SURFACES if not name.startswith("theta"))

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the one region."""
        return ("body",)

    def num_cells(self, refine: int) -> int:
        """Return the number of cells after that many uniform refinements."""
        return math.prod(self.cells) * 8**refine

    def default_geometry_degree(self, degree: int) -> int:
        """Return the degree of the displacement."""
        return degree

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh, each direction's cells doubled `refine` times."""
        check_resolution(geometry_degree, refine)
        counts = refined(self.cells, refine)
        cells = self._cells(counts)
        sides = dict(zip(ANNULUS_SURFACES, grid_sides(counts), strict=True))
        return Mesh(
            cells=cells,
            coordinates=self._position(grid_parameters(counts, geometry_degree)),
            geometry_degree=geometry_degree,
            regions=self.region_names,
            cell_regions=np.zeros(len(cells), dtype=np.int64),
            surfaces={name: sides[name] for name in self.surface_names},
        )

    @property
    def _closed(self) -> bool:
        return self.angle == 360.0

    def _cells(self, counts: Counts) -> Ints:
        corners = grid_corners(counts)
        if not self._closed:
            return grid_vertices(counts, corners)
        corners[..., 1] %= counts[1]
        # One layer of vertices fewer around, as the last is the first.
        return grid_vertices((counts[0], counts[1] - 1, counts[2]), corners)

    def _position(self, parameters: Floats) -> Floats:
        across, around, along = np.moveaxis(parameters, -1, 0)
        radius = self.inner + (self.outer - self.inner) * across
        theta = np.deg2rad(self.angle) * around
        return np.stack(
            [radius * np.cos(theta), radius * np.sin(theta), self.length * along], axis=-1
        )

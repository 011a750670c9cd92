"""A box with axes along x, y and z."""

import math
from dataclasses import dataclass

import numpy as np

from elastane.meshes.body import (
    Body,
    check_counts,
    check_finite,
    check_positive,
    check_resolution,
)
from elastane.meshes.grid import map_grid, refined
from elastane.meshes.mesh import Mesh

BOX_SURFACES = ("x-min", "x-max", "y-min", "y-max", "z-min", "z-max")


@dataclass(frozen=True)
class Box(Body):
    """A box.

    Attributes:
        size: Lengths of the edges along x, y and z, in the unit of length.
        cells: Cells along x, y and z.
        origin: The corner with the smallest coordinates, in the unit of length.
    """

    size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    cells: tuple[int, int, int] = (1, 1, 1)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        check_finite("box", "size", self.size)
        for length in self.size:
            check_positive("box", "size", length)
        check_counts("box", "cells", self.cells, ("along x", "along y", "along z"))
        check_finite("box", "origin", self.origin)

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Return the six sides."""
        return BOX_SURFACES

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the one region."""
        return ("body",)

    def num_cells(self, refine: int) -> int:
        """Return the number of cells after that many uniform refinements."""
        return math.prod(self.cells) * 8**refine

    def default_geometry_degree(self, degree: int) -> int:
        """Return 1: the cells are boxes."""
        return 1

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh, each direction's cells doubled `refine` times."""
        check_resolution(geometry_degree, refine)
        size, origin = np.array(self.size), np.array(self.origin)
        return map_grid(
            refined(self.cells, refine),
            geometry_degree,
            lambda parameters: origin + size * parameters,
            BOX_SURFACES,
        )

"""Cook's membrane: a tapered panel, clamped on the left and sheared on the right.

Reference: R. D. Cook, Improved two-dimensional finite element, J. Struct. Div. ASCE 100 (1974).
"""

import math
from dataclasses import dataclass

import numpy as np

from elastane.meshes.body import Body, check_counts, check_positive, check_resolution
from elastane.meshes.grid import map_grid, refined
from elastane.meshes.mesh import Floats, Mesh

COOK_SURFACES = ("left", "right", "bottom", "top", "z-min", "z-max")


@dataclass(frozen=True)
class Cook(Body):
    """The panel with corners (0, 0), (48, 44), (48, 60), (0, 44) and z in [-t/2, t/2].

    Attributes:
        thickness: t, in the unit of length.
        cells: Cells from left to right, from bottom to top and along z.
    """

    thickness: float = 1.0
    cells: tuple[int, int, int] = (8, 8, 1)

    def __post_init__(self) -> None:
        check_positive("cook", "thickness", self.thickness)
        check_counts("cook", "cells", self.cells, ("left to right", "bottom to top", "along z"))

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Return the six sides."""
        return COOK_SURFACES

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the one region."""
        return ("body",)

    def num_cells(self, refine: int) -> int:
        """Return the number of cells after that many uniform refinements."""
        return math.prod(self.cells) * 8**refine

    def default_geometry_degree(self, degree: int) -> int:
        """Return 1: the map of the panel is bilinear in each cell."""
        return 1

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh, each direction's cells doubled `refine` times."""
        check_resolution(geometry_degree, refine)
        return map_grid(refined(self.cells, refine), geometry_degree, self._position, COOK_SURFACES)

    def _position(self, parameters: Floats) -> Floats:
        across, up, through = np.moveaxis(parameters, -1, 0)
        height = 44.0 + (16.0 - 44.0) * across
        return np.stack(
            [48.0 * across, 44.0 * across + height * up, self.thickness * (through - 0.5)], axis=-1
        )

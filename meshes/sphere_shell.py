"""An octant of a hollow sphere, in three blocks that meet on the diagonal x = y = z.

The outer faces x = 1, y = 1 and z = 1 of the unit cube are taken to the sphere by the equiangular
gnomonic map: a point of face x = 1 with parameters (s, t) goes to the direction
(1, tan πs/4, tan πt/4), so that all cells along a block edge span equal angles.

Reference: C. Ronchi, R. Iacono, P. S. Paolucci, The "cubed sphere", J. Comput. Phys. 124 (1996).
"""

from dataclasses import dataclass

import numpy as np

from elastane.meshes.body import Body, check_counts, check_radii, check_resolution
from elastane.meshes.grid import Counts, grid_corners, grid_parameters, grid_sides
from elastane.meshes.mesh import Floats, Ints, Mesh

SPHERE_SHELL_SURFACES = ("inner", "outer", "x-min", "y-min", "z-min")


@dataclass(frozen=True)
class SphereShell(Body):
    """The part x, y, z >= 0 of a hollow sphere about the origin.

    Attributes:
        inner: Inner radius, in the unit of length.
        outer: Outer radius, in the unit of length.
        cells: Cells along the radius and along each edge of the three blocks.
    """

    inner: float = 1.0
    outer: float = 2.0
    cells: tuple[int, int] = (2, 2)

    def __post_init__(self) -> None:
        check_radii("sphere_shell", self.inner, self.outer)
        check_counts("sphere_shell", "cells", self.cells, ("radial", "along each block edge"))

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Return the two spheres and the three planes of symmetry."""
        return SPHERE_SHELL_SURFACES

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the one region."""
        return ("body",)

    def num_cells(self, refine: int) -> int:
        """Return the number of cells after that many uniform refinements."""
        return 3 * self.cells[0] * self.cells[1] ** 2 * 8**refine

    def default_geometry_degree(self, degree: int) -> int:
        """Return the degree of the displacement."""
        return degree

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh, each direction's cells doubled `refine` times."""
        check_resolution(geometry_degree, refine)
        radial, along_edge = (count << refine for count in self.cells)
        # Block b has ξ₁ along the radius and ξ₂, ξ₃ along the two axes that follow axis b.
        counts = (radial, along_edge, along_edge)
        parameters = grid_parameters(counts, geometry_degree)
        blocks = range(3)
        coordinates = np.concatenate([self._position(parameters, block) for block in blocks])
        return Mesh(
            cells=_block_cells(counts),
            coordinates=coordinates,
            geometry_degree=geometry_degree,
            regions=self.region_names,
            cell_regions=np.zeros(len(coordinates), dtype=np.int64),
            surfaces=_block_surfaces(counts),
        )

    def _position(self, parameters: Floats, block: int) -> Floats:
        across, second, third = np.moveaxis(parameters, -1, 0)
        radius = self.inner + (self.outer - self.inner) * across
        direction = np.stack(
            [np.ones_like(second), np.tan(0.25 * np.pi * second), np.tan(0.25 * np.pi * third)],
            axis=-1,
        )
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        return np.roll(radius[..., None] * direction, block, axis=-1)


def _block_cells(counts: Counts) -> Ints:
    """Return the cells of the three blocks; vertices on common sides are one."""
    radial, second, third = np.moveaxis(grid_corners(counts), -1, 0)
    along_edge = counts[1]
    on_cube = np.stack([np.full_like(second, along_edge), second, third])
    size = along_edge + 1
    keys = []
    for block in range(3):
        x, y, z = np.roll(on_cube, block, axis=0)
        keys.append(((radial * size + z) * size + y) * size + x)
    return np.unique(np.concatenate(keys), return_inverse=True)[1].reshape(-1, 8)


def _block_surfaces(counts: Counts) -> dict[str, Ints]:
    """Return the facets on each surface: block b touches the planes of the two other axes."""
    sides = grid_sides(counts)
    num_block_cells = counts[0] * counts[1] * counts[2]
    parts: dict[str, list[Ints]] = {name: [] for name in SPHERE_SHELL_SURFACES}
    planes = ("x-min", "y-min", "z-min")
    for block in range(3):
        offset = np.array([block * num_block_cells, 0])
        parts["inner"].append(sides[0] + offset)
        parts["outer"].append(sides[1] + offset)
        parts[planes[(block + 1) % 3]].append(sides[2] + offset)
        parts[planes[(block + 2) % 3]].append(sides[4] + offset)
    return {name: np.concatenate(facets) for name, facets in parts.items()}

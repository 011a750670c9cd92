"""A shell about Schwarz's primitive surface, a triply periodic minimal surface.

Very nearly, the surface is

    f(x) = cos πx + cos πy + cos πz = 0

with cells of length 2 centred on the points with even coordinates.  The mesh is that of PETSc's
DMPlexCreateTPSMesh: 24 quadrilaterals per cell, four around each of the six tubes that join a cell
to its neighbours; each refinement halves them and moves every vertex to the nearest point of the
surface; normals then carry the layers.  The faces of the box are planes of symmetry, so that they
cut the shell at right angles.

The topology comes from a frame of square tubes in integer coordinates, on which every vertex has a
place of its own.  Positions are found in one cell and moved to the others.

Reference: I. Maskery et al., Insights into the mechanical properties of several triply periodic
minimal surface lattice structures, Polymer 152 (2018).
"""

import math
from dataclasses import dataclass

import numpy as np

from elastane.meshes.body import Body, check_counts, check_positive, check_resolution
from elastane.meshes.box import BOX_SURFACES
from elastane.meshes.grid import Counts, grid_corners
from elastane.meshes.lagrange import gauss_lobatto
from elastane.meshes.mesh import Floats, Ints, Mesh

SCHWARZ_SURFACES = (*BOX_SURFACES, "inside", "outside")

#: The largest principal curvature of the surface is π, at (1/2, 1, 0) and the like: thicker walls
#: overlap themselves.
MAX_THICKNESS = 2.0 / math.pi

#: Tubes of a cell in the order of the facets of a box, as (axis, side).
_TUBES = tuple((axis, side) for axis in range(3) for side in (-1, 1))


@dataclass(frozen=True)
class SchwarzP(Body):
    """The shell in the box from (-1, -1, -1) to 2 extent - 1.

    Attributes:
        extent: Cells of the lattice along x, y and z, each of length 2.
        thickness: Thickness of the wall, half of it on either side of the surface, in the same
            unit.
        refine: Refinements of the 24 quadrilaterals of each cell.
        layers: Cells through the thickness.
    """

    extent: tuple[int, int, int] = (1, 1, 1)
    thickness: float = 0.2
    refine: int = 1
    layers: int = 1

    def __post_init__(self) -> None:
        check_counts("schwarz_p", "extent", self.extent, ("along x", "along y", "along z"))
        check_counts("schwarz_p", "layers", (self.layers,), ("through the thickness",))
        check_positive("schwarz_p", "thickness", self.thickness)
        check_resolution(1, self.refine)
        if self.thickness >= MAX_THICKNESS:
            raise ValueError(
                f"schwarz_p: thickness must be below {MAX_THICKNESS:.4f}, where the wall overlaps "
                f"itself, got {self.thickness}"
            )

    @property
    def surface_names(self) -> tuple[str, ...]:
        """Return the sides of the box and the two sides of the wall.

        `inside` is the side towards the centres of the cells.
        """
        return SCHWARZ_SURFACES

    @property
    def region_names(self) -> tuple[str, ...]:
        """Return the one region."""
        return ("body",)

    def num_cells(self, refine: int) -> int:
        """Return the number of cells after that many uniform refinements."""
        return 24 * math.prod(self.extent) * self.layers * 4**self.refine * 8**refine

    def default_geometry_degree(self, degree: int) -> int:
        """Return the degree of the displacement."""
        return degree

    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh, each direction's cells doubled `refine` times."""
        check_resolution(geometry_degree, refine)
        levels, layers = self.refine + refine, self.layers << refine
        wall = _extrude(_surface_nodes(levels, geometry_degree), self.thickness, layers)
        centres = 2.0 * _lattice(self.extent)
        coordinates = (centres[:, None, None, :] + wall).reshape(-1, *wall.shape[1:])
        return Mesh(
            cells=_cells(self.extent, levels, layers),
            coordinates=coordinates,
            geometry_degree=geometry_degree,
            regions=self.region_names,
            cell_regions=np.zeros(len(coordinates), dtype=np.int64),
            surfaces=_surfaces(self.extent, levels, layers),
        )


def _lattice(extent: Counts) -> Ints:
    """Return the indices of the cells of the lattice, the first fastest, shape (num, 3)."""
    return grid_corners(extent)[:, 0]


def _frame(junction: float, end: float, across: float) -> Floats:
    """Return the corners of the 24 quadrilaterals of a cell, shape (24, 2, 2, 3).

    The last axis but one (ξ₁) goes around the tube, the one before (ξ₂) along it in the positive
    direction, so that ∂₁ x ∂₂ points away from the axis of the tube.

    Args:
        junction: The corners where tubes meet are (± junction, ± junction, ± junction).
        end: Distance of the end of a tube from the centre.
        across: The corners at the end of a tube lie at ± across in the other directions.
    """
    around = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    signs = around[(np.arange(4)[:, None] + np.arange(2)) % 4]
    corners = np.empty((len(_TUBES), 4, 2, 2, 3))
    for tube, (axis, side) in enumerate(_TUBES):
        towards_end = np.array([junction, end]) if side > 0 else np.array([-end, -junction])
        spread = np.array([junction, across]) if side > 0 else np.array([across, junction])
        corners[tube, ..., axis] = towards_end[:, None]
        corners[tube, ..., (axis + 1) % 3] = spread[:, None] * signs[:, None, :, 0]
        corners[tube, ..., (axis + 2) % 3] = spread[:, None] * signs[:, None, :, 1]
    return corners.reshape(-1, 2, 2, 3)


def _halve(points: Floats) -> Floats:
    """Return a grid of points with the middles of edges and quadrilaterals put in.

    Shape (num, n + 1, n + 1, 3) becomes (num, 2 n + 1, 2 n + 1, 3).
    """
    num, size = points.shape[0], 2 * points.shape[1] - 1
    finer = np.empty((num, size, size, 3))
    finer[:, ::2, ::2] = points
    finer[:, 1::2, ::2] = 0.5 * (points[:, :-1] + points[:, 1:])
    finer[:, :, 1::2] = 0.5 * (finer[:, :, :-1:2] + finer[:, :, 2::2])
    return finer


def _surface_nodes(levels: int, degree: int) -> Floats:
    """Return the nodes on the surface of the quadrilaterals of the cell about the origin.

    Shape (24 * 4**levels, (degree + 1)², 3), both in tensor order within a coarse quadrilateral.
    """
    neck = math.sqrt(2.0) / 4.0
    points = _frame(junction=1.0 - neck, end=1.0, across=neck)
    for _ in range(levels):
        points = _nearest_point(_halve(points))
    # Bilinear between the vertices, along ξ₁ and then along ξ₂.
    parameters = 0.5 * (1.0 + gauss_lobatto(degree + 1)[0])[:, None]
    rows = points[:, :, :-1, None] + parameters * np.diff(points, axis=2)[:, :, :, None]
    parameters = parameters[:, :, None, None]
    nodes = rows[:, :-1, None] + parameters * np.diff(rows, axis=1)[:, :, None]
    nodes = np.moveaxis(nodes, 2, 3)
    return _nearest_point(nodes.reshape(-1, (degree + 1) ** 2, 3))


def _nearest_point(points: Floats) -> Floats:
    """Return the points of f = 0 next to the given ones, shape (..., 3).

    Newton's method for y - x + λ ∇f(y) = 0, f(y) = 0; the Hessian of f is diagonal.
    """
    nearest, multiplier = points.copy(), np.zeros((*points.shape[:-1], 1))
    for _ in range(20):
        cosine = np.cos(np.pi * nearest)
        value = cosine.sum(axis=-1, keepdims=True)
        gradient = -np.pi * np.sin(np.pi * nearest)
        diagonal = 1.0 - multiplier * np.pi**2 * cosine
        offset = (nearest - points + multiplier * gradient) / diagonal
        scaled = gradient / diagonal
        change = (value - (gradient * offset).sum(axis=-1, keepdims=True)) / (
            gradient * scaled
        ).sum(axis=-1, keepdims=True)
        step = offset + scaled * change
        nearest -= step
        multiplier += change
        if np.abs(step).max() < 1e-15:
            break
    return nearest


def _extrude(surface: Floats, thickness: float, layers: int) -> Floats:
    """Return the nodes of the cells on both sides of the surface, from inside to outside.

    Args:
        surface: Shape (num_quadrilaterals, (degree + 1)², 3).
        thickness: Thickness of the wall, in the unit of length.
        layers: Cells through the thickness.

    Returns:
        Shape (num_quadrilaterals * layers, (degree + 1)³, 3); layers run fastest.
    """
    normal = np.sin(np.pi * surface)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    parameters = 0.5 * (1.0 + gauss_lobatto(math.isqrt(surface.shape[1]))[0])
    height = thickness * ((np.arange(layers)[:, None] + parameters) / layers - 0.5)
    nodes = surface[:, None, None] + height[..., None, None] * normal[:, None, None]
    return nodes.reshape(len(surface) * layers, -1, 3)


def _cells(extent: Counts, levels: int, layers: int) -> Ints:
    """Return the vertices of all cells; tubes of neighbours share those at their ends."""
    places = _frame(junction=1.0, end=2.0, across=1.0) * 2**levels
    for _ in range(levels):
        places = _halve(places)
    length = 4 << levels
    lattice = length * _lattice(extent)[:, None, None, None, :]
    x, y, z = np.moveaxis(lattice + places.astype(np.int64) + length, -1, 0)
    size = length * (np.array(extent) + 2)
    keys = x + size[0] * (y + size[1] * z)
    vertices = np.unique(keys, return_inverse=True)[1].reshape(keys.shape)
    corners = np.stack(
        [
            vertices[..., :-1, :-1],
            vertices[..., :-1, 1:],
            vertices[..., 1:, :-1],
            vertices[..., 1:, 1:],
        ],
        axis=-1,
    ).reshape(-1, 1, 1, 4)
    # Vertices of a column through the wall are numbered together.
    through = np.arange(layers)[:, None, None] + np.arange(2)[:, None]
    return (corners * (layers + 1) + through).reshape(-1, 8)


def _surfaces(extent: Counts, levels: int, layers: int) -> dict[str, Ints]:
    """Return the facets on the sides of the box and of the wall."""
    halves = 1 << levels
    shape = (math.prod(extent), len(_TUBES), 4, halves, halves, layers)
    numbers = np.arange(math.prod(shape)).reshape(shape)
    index = _lattice(extent)
    facets = {}
    for tube, (axis, side) in enumerate(_TUBES):
        at_end = index[:, axis] == (extent[axis] - 1 if side > 0 else 0)
        row = -1 if side > 0 else 0
        facets[BOX_SURFACES[tube]] = _pairs(
            numbers[at_end, tube, :, row], facet=3 if side > 0 else 2
        )
    facets["inside"] = _pairs(numbers[..., 0], facet=4)
    facets["outside"] = _pairs(numbers[..., -1], facet=5)
    return facets


def _pairs(cells: Ints, facet: int) -> Ints:
    cells = cells.ravel()
    return np.stack([cells, np.full_like(cells, facet)], axis=1)

"""A hexahedral mesh of the initial configuration, as plain arrays.

Every body and every file reader ends here, and everything else starts here: the check on a login
node, the distribution over ranks, the picture.  Needs numpy only.

Conventions (the only place where they stand):

* The reference element is [-1, 1]³ with coordinates xi = (ξ₁, ξ₂, ξ₃).
* Tensor order: ξ₁ runs fastest.  Corner c = a + 2 b + 4 c' lies at ξ = (±1, ±1, ±1) with a, b, c'
  in {0, 1}; node (i, j, k) of an element of degree g has number i + (g + 1) (j + (g + 1) k).
* Nodes within an element are the Gauss-Lobatto-Legendre points of their degree.
* Facet 2 d is the side ξ_{d+1} = -1 of a cell, facet 2 d + 1 the side ξ_{d+1} = +1.
* Cells are right-handed: det dX/dxi > 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Corners of each facet, in tensor order of the two remaining directions.
FACET_CORNERS: Ints = np.array(
    [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]
)

#: Corners of each edge: the four along ξ₁, then along ξ₂, then along ξ₃.
EDGE_CORNERS: Ints = np.array(
    [
        [0, 1], [2, 3], [4, 5], [6, 7],
        [0, 2], [1, 3], [4, 6], [5, 7],
        [0, 4], [1, 5], [2, 6], [3, 7],
    ]
)  # fmt: skip


@dataclass(frozen=True)
class MeshField:
    """Numbers that come with a mesh: one at each place (a scalar) or three (a vector).

    Attributes:
        values: One for the whole of a cell, or one at each node of its element map, shape
            (num_cells, 1 or (geometry_degree + 1)³, components); NaN where there is none.
    """

    values: Floats

    @property
    def num_components(self) -> int:
        """Return 1 for a scalar, 3 for a vector."""
        return self.values.shape[2]

    @property
    def is_nodal(self) -> bool:
        """Return whether there is a value at each node rather than one for a cell."""
        return self.values.shape[1] > 1

    @property
    def kind(self) -> str:
        """Return what it is in words, e.g. "vector, constant in each cell"."""
        components = {1: "scalar", 3: "vector"}[self.num_components]
        return f"{components}, {'at the nodes' if self.is_nodal else 'constant in each cell'}"

    def missing(self) -> NDArray[np.bool_]:
        """Return which cells have no finite value somewhere, shape (num_cells,)."""
        return np.asarray(~np.isfinite(self.values).all(axis=(1, 2)))


@dataclass(frozen=True)
class Mesh:
    """A mesh of hexahedra.

    Attributes:
        cells: Vertex numbers of the corners in tensor order, shape (num_cells, 8); two cells are
            neighbours exactly when they share vertex numbers.
        coordinates: Initial coordinates X of the element-map nodes of each cell, shape
            (num_cells, (geometry_degree + 1)³, 3), in the unit of length of the job.
        geometry_degree: Degree of the element map.
        regions: Region name of each region number.
        cell_regions: Region number of each cell, shape (num_cells,).
        surfaces: For each surface name the pairs (cell, facet) on it, shape (num_facets, 2).
        fields: Numbers that came with the mesh, by name.
    """

    cells: Ints
    coordinates: Floats
    geometry_degree: int
    regions: tuple[str, ...]
    cell_regions: Ints
    surfaces: Mapping[str, Ints]
    fields: Mapping[str, MeshField] = field(default_factory=dict)

    @property
    def num_cells(self) -> int:
        """Return the number of cells."""
        return len(self.cells)

    @property
    def num_vertices(self) -> int:
        """Return the number of vertices; they are numbered from 0 without gaps."""
        return int(self.cells.max()) + 1 if len(self.cells) else 0

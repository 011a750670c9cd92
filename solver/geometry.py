"""The maps of the elements of a body, X(ξ), evaluated at points.

libCEED calls the reference coordinates X and ours x; the two meet here.  Quadrature data, `qdata`,
are w·det(dX/dξ), then dξ_d/dX_J row by row, ten numbers.
"""

import libceed
import numpy as np
from numpy.typing import NDArray

from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.solver.ceed import (
    GRAD,
    WEIGHT,
    Ceed,
    Field,
    Library,
    Points,
    basis,
    node_restriction,
    operator,
    point_field,
    ranges,
    shared_vector,
)
from elastane.solver.space import tensor_interpolate

Floats = NDArray[np.float64]


class Geometry:
    """Element maps of one degree.

    Args:
        ceed: The libCEED context.
        degree: Degree of the maps.
    """

    def __init__(self, ceed: Ceed, degree: int) -> None:
        self.degree = degree
        self._ceed = ceed
        self._qfunctions = Library.own("geometry")

    def point_coordinates(self, coordinates: Floats, points: Points) -> Floats:
        """Return initial coordinates of points, shape (num_elements, points, 3).

        Args:
            coordinates: Nodes of the element maps, shape (num_elements, nodes, 3).
            points: Where in the elements.
        """
        nodes, _ = gauss_lobatto(self.degree + 1)
        return tensor_interpolate(interpolation(nodes, points.xi), coordinates)

    def qdata(self, coordinates: Floats, points: Points) -> Floats:
        """Return quadrature data, shape (num_elements, 10, points).

        They are computed where they are needed and not kept: the lasting operators hold their own.

        Args:
            coordinates: Nodes of the element maps, shape (num_elements, nodes, 3).
            points: Where in the elements.
        """
        qdata = np.empty((len(coordinates), 10, len(points) ** 3))
        for elements in ranges(len(coordinates)):
            X, target = coordinates[elements], qdata[elements]
            maps = basis(self._ceed, self.degree, points)
            geometry = operator(
                self._ceed,
                self._qfunctions.qfunction(self._ceed, "geometry", None),
                [
                    Field(GRAD, 9, node_restriction(self._ceed, X), maps),
                    Field(WEIGHT, 1, libceed.ELEMRESTRICTION_NONE, maps, libceed.VECTOR_NONE),
                ],
                [point_field(self._ceed, target, passive=False)],
            )
            geometry.apply(shared_vector(self._ceed, X), shared_vector(self._ceed, target))
        return qdata

"""A surface of the body on one rank: its facets as two-dimensional elements.

The nodes of a facet are those nodes of its cell that lie on it, turned so that
∂X/∂ξ₁ × ∂X/∂ξ₂ points outwards.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.element_map import facet_nodes
from elastane.meshes.lagrange import differentiation, gauss_lobatto, interpolation
from elastane.meshes.topology import Topology
from elastane.solver.ceed import (
    GRAD,
    INTERP,
    NONE,
    Ceed,
    CeedOperator,
    CeedVector,
    Field,
    Library,
    Points,
    basis,
    offset_restriction,
    operator,
    operator_of_identity,
    point_field,
    point_restriction,
    shared_vector,
    touch,
)
from elastane.solver.space import Space, tensor_interpolate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


#: Components of the values and the surface gradients of a vector field.
_SIZES = {INTERP: 3, GRAD: 6}


#: Facets on which tensor order of the two directions gives the outward normal: e₂ × e₃ = e₁ and
#: e₁ × e₂ = e₃, but e₁ × e₃ = -e₂.
_OUTWARD = (False, True, True, False, False, True)


def outward_facet_nodes(degree: int) -> Ints:
    """Return the positions in a cell of the nodes of each facet, shape (6, (degree + 1)²).

    The order makes the two directions of the facet and its outward normal right-handed.
    """
    facets = facet_nodes(degree).reshape(6, degree + 1, degree + 1)  # [facet, slow, fast]
    turned = [f if outward else f.T for f, outward in zip(facets, _OUTWARD, strict=True)]
    return np.array(turned).reshape(6, -1)


@dataclass(frozen=True)
class Surface:
    """The facets of a named surface on this rank, with quadrature.

    Attributes:
        name: Name of the surface.
        facets: Pairs (cell, facet), shape (num_facets, 2).
        points: Quadrature points.
        X: Initial coordinates of the points, shape (num_facets, num_points, 3).
        grad_X: ∂X_c/∂ξ_d at component c + 3 d, shape (num_facets, 6, num_points).
        weights: Products of the one-dimensional quadrature weights, shape (num_points,).
    """

    name: str
    facets: Ints
    points: Points
    X: Floats
    grad_X: Floats
    weights: Floats

    @classmethod
    def build(cls, topology: Topology, name: str, points: Points) -> "Surface":
        """Return this rank's part of a surface."""
        facets = topology.facets(name)
        positions = outward_facet_nodes(topology.geometry_degree)[facets[:, 1]]
        corners = np.take_along_axis(
            topology.coordinates[facets[:, 0]], positions[:, :, None], axis=1
        )
        nodes, _ = gauss_lobatto(topology.geometry_degree + 1)
        return cls(
            name=name,
            facets=facets,
            points=points,
            X=tensor_interpolate(interpolation(nodes, points.xi), corners, dimension=2),
            grad_X=_gradient(nodes, points, corners),
            weights=np.outer(points.weights, points.weights).ravel(),
        )

    def nodes(self, space: Space) -> Ints:
        """Return the L-vector node numbers of each facet, shape (num_facets, (p + 1)²)."""
        positions = outward_facet_nodes(space.degree)[self.facets[:, 1]]
        return np.take_along_axis(space.nodes[self.facets[:, 0]], positions, axis=1)

    @property
    def area_weights(self) -> Floats:
        """Return the initial area that each point stands for, shape (num_facets, num_points)."""
        return np.linalg.norm(_normal(self.grad_X), axis=1) * self.weights

    def displacement(self, space: Space, u: Floats) -> Floats:
        """Return the displacement at the points, shape (num_facets, num_points, 3).

        Args:
            space: The space of the displacement.
            u: Nodal displacements, shape (num_nodes, 3).
        """
        nodes, _ = gauss_lobatto(space.degree + 1)
        matrix = interpolation(nodes, self.points.xi)
        return tensor_interpolate(matrix, u[self.nodes(space)], dimension=2)

    def current_normals(self, space: Space, u: Floats) -> Floats:
        """Return current outward normals times the current area of each point.

        Returns:
            Shape (num_facets, num_points, 3), quadrature weights included.
        """
        nodes, _ = gauss_lobatto(space.degree + 1)
        grad_x = self.grad_X + _gradient(nodes, self.points, u[self.nodes(space)])
        return _normal(grad_x).transpose(0, 2, 1) * self.weights[:, None]

    def add_load(self, ceed: Ceed, space: Space, forces: Floats, f: CeedVector) -> None:
        """Add ∫ t · v to the L-vector f.

        Args:
            ceed: The libCEED context.
            space: The space of the test functions.
            forces: Traction times area weight at the points, shape (num_facets, 3, num_points).
            f: L-vector of forces.
        """
        if not len(self.facets):
            return
        forces = np.ascontiguousarray(forces)
        operator_of_identity(
            ceed,
            Field(NONE, 3, point_restriction(ceed, forces.shape)),
            self.fields(ceed, space)[INTERP],
        ).apply_add(shared_vector(ceed, forces), f)

    def fields(self, ceed: Ceed, space: Space) -> dict[int, Field]:
        """Return the active fields of values (INTERP) and surface gradients (GRAD).

        They share their basis: libCEED assembles only where input and output have the same one.
        """
        restriction = offset_restriction(ceed, 3 * self.nodes(space), 3, 3 * space.num_nodes)
        shared = basis(ceed, space.degree, self.points, dimension=2)
        return {mode: Field(mode, size, restriction, shared) for mode, size in _SIZES.items()}


class PressureLoad:
    """Follower pressure on a surface: its residual and exact tangent as CeedOperators.

    Args:
        ceed: The libCEED context.
        surface: The surface.
    """

    def __init__(self, ceed: Ceed, surface: Surface) -> None:
        self.ceed = ceed
        self.surface = surface
        num_facets, num_points = len(surface.facets), len(surface.weights)
        self._library = Library.own("pressure")
        self._grad_X = np.ascontiguousarray(surface.grad_X)
        self._grad_x = self._grad_X.copy()
        self._pressure = np.zeros((num_facets, 1, num_points))
        self._fields = {
            name: point_field(ceed, memory)
            for name, memory in (
                ("grad_X", self._grad_X),
                ("grad_x", self._grad_x),
                ("pressure", self._pressure),
            )
            if num_facets
        }

    def set_pressure(self, values: Floats) -> None:
        """Set the pressure at the points, shape (num_facets, num_points)."""
        self._pressure[:, 0] = values * self.surface.weights
        if self._fields:
            touch(self._fields["pressure"].vector, self._pressure)

    def residual(self, space: Space) -> list[CeedOperator]:
        """Return the operator u -> ∫ p n · v da; empty on a rank without facets."""
        if not self._fields:
            return []
        f, active = self._fields, self.surface.fields(self.ceed, space)
        return [
            operator(
                self.ceed,
                self._library.qfunction(self.ceed, "pressure_residual", None),
                [active[GRAD], f["grad_X"], f["pressure"]],
                [active[INTERP], f["grad_x"]],
            )
        ]

    def jacobian(self, space: Space) -> list[CeedOperator]:
        """Return its tangent at the last residual; empty on a rank without facets."""
        if not self._fields:
            return []
        f, active = self._fields, self.surface.fields(self.ceed, space)
        return [
            operator(
                self.ceed,
                self._library.qfunction(self.ceed, "pressure_jacobian", None),
                [active[GRAD], f["grad_x"], f["pressure"]],
                [active[INTERP]],
            )
        ]


def _gradient(nodes: Floats, points: Points, values: Floats) -> Floats:
    """Return ∂value_c/∂ξ_d of facet values at component c + 3 d, (num_facets, 6, num_points)."""
    n = len(nodes)
    grid = values.reshape(-1, n, n, 3)  # [facet, slow, fast, component]
    interp, grad = interpolation(nodes, points.xi), differentiation(nodes, points.xi)
    along_1 = np.einsum("aj,bi,fjic->fcab", interp, grad, grid, optimize=True)
    along_2 = np.einsum("aj,bi,fjic->fcab", grad, interp, grid, optimize=True)
    return np.concatenate([along_1, along_2], axis=1).reshape(len(grid), 6, len(points) ** 2)


def _normal(gradient: Floats) -> Floats:
    """Return ∂x/∂ξ₁ × ∂x/∂ξ₂ of gradients as `_gradient` gives, (num_facets, 3, num_points)."""
    return np.cross(gradient[:, :3], gradient[:, 3:], axis=1)

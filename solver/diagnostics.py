"""What is told of a deformed body now and then: its energy, det F, and fields at its nodes.

All of it is evaluated by libCEED on the host, whatever applies residual and Jacobian.
"""

import numpy as np

from elastane.meshes.lagrange import interpolation
from elastane.solver.body import Body
from elastane.solver.ceed import (
    NONE,
    CeedVector,
    Field,
    Points,
    offset_restriction,
    point_field,
    ranges,
    shared_vector,
)
from elastane.solver.parts import Floats, Part
from elastane.solver.space import Space, tensor_interpolate


def strain_energy(body: Body, space: Space, u: CeedVector) -> float:
    """Return ∫ ψ over this rank's elements, for the displacement L-vector u."""
    total = 0.0
    for part in body.parts:
        for elements in ranges(len(part.elements)):
            energy = body.operators.at_points(space, part, elements, u, "energy", 1)
            total += float(energy.sum())
    return total


def volume_ratios(body: Body, space: Space, part: Part, elements: slice, u: CeedVector) -> Floats:
    """Return J = det F at the points of a range of elements, shape (num_elements, points)."""
    values = body.operators.at_points(space, part, elements, u, "diagnostics", 9)
    return values[:, 7] / values[:, 0]


def nodal_diagnostics(body: Body, space: Space, u: CeedVector, load_fraction: float) -> Floats:
    """Return ∑ w (1, Cauchy stress, J, ψ) over the elements around each node.

    Points are the nodes of each element; w is the volume that a node represents.  Dividing by the
    first component, summed over ranks, gives the mean at the node.  A history is known at the
    quadrature points alone: the values there are carried to the nodes of each element by least
    squares.

    Returns:
        Shape (num_nodes, 9); stress components xx, yy, zz, xy, yz, xz.
    """
    sums, from_points = np.zeros((2, space.num_nodes, 9))
    total = shared_vector(body.ceed, sums)
    for part in body.parts:
        for elements in ranges(len(part.elements)):
            if part.history.size:
                values = _carried_to_nodes(body, space, part, elements, u)
                np.add.at(from_points, space.nodes[part.elements[elements]], values)
            else:
                _add_at_nodes(body, space, part, elements, u, total, load_fraction)
    return sums + from_points


def _add_at_nodes(
    body: Body,
    space: Space,
    part: Part,
    elements: slice,
    u: CeedVector,
    total: CeedVector,
    load_fraction: float,
) -> None:
    """Add w (1, Cauchy stress, J, ψ), evaluated at the nodes, to a vector of nodal sums."""
    ceed, nodes = body.ceed, Points.nodes(space.degree)
    passive = [point_field(ceed, body.geometry.qdata(part.coordinates[elements], nodes))]
    if part.context is None:
        values = body.parameters_at(part, elements, nodes, load_fraction)
        passive.append(point_field(ceed, values))
    offsets = 9 * space.nodes[part.elements[elements]]
    output = Field(NONE, 9, offset_restriction(ceed, offsets, 9, 9 * space.num_nodes))
    gradient = body.operators.gradient(space, part, elements, nodes)
    body.operators.operator(part, "diagnostics", gradient, passive, [output]).apply_add(u, total)


def _carried_to_nodes(
    body: Body, space: Space, part: Part, elements: slice, u: CeedVector
) -> Floats:
    """Return w (1, Cauchy stress, J, ψ), shape (num_elements, nodes, 9), from the points."""
    nodes = Points.nodes(space.degree)
    at_points = body.operators.at_points(space, part, elements, u, "diagnostics", 9)
    means = (at_points / at_points[:, :1]).transpose(0, 2, 1)
    to_points: Floats = interpolation(nodes.xi, body.points.xi)
    weighted: Floats = to_points.T * body.points.weights
    to_nodes = np.asarray(np.linalg.solve(weighted @ to_points, weighted), dtype=np.float64)
    weights: Floats = body.geometry.qdata(part.coordinates[elements], nodes)[:, 0, :, None]
    return weights * tensor_interpolate(to_nodes, means)

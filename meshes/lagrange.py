"""Quadrature points and Lagrange polynomials on [-1, 1].

With barycentric weights w_j = 1 / Π_{k ≠ j} (x_j - x_k) of the nodes x_j, the Lagrange polynomials
are

    ℓ_j(x) = (w_j / (x - x_j)) / Σ_k w_k / (x - x_k),        ℓ_j'(x_i) = (w_j / w_i) / (x_i - x_j),

which is stable for every x, also next to a node.

Reference: J.-P. Berrut, L. N. Trefethen, Barycentric Lagrange interpolation, SIAM Review 46 (2004).
"""

from functools import cache

import numpy as np

from elastane.meshes.mesh import Floats


@cache
def gauss(num_points: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of Gauss's rule, exact up to degree 2 num_points - 1."""
    if num_points < 1:
        raise ValueError(f"num_points must be at least 1 for Gauss's rule, got {num_points}")
    nodes = np.polynomial.legendre.leggauss(num_points)[0]
    # One more Newton step: numpy's own leaves up to three units in the last place.
    value, slope = _legendre(num_points, nodes)
    nodes = nodes - value / slope
    slope = _legendre(num_points, nodes)[1]
    return _symmetric_rule(nodes, 2.0 / ((1.0 - nodes**2) * slope**2))


@cache
def gauss_lobatto(num_points: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of the Gauss-Lobatto rule, exact up to degree 2 num_points - 3.

    The inner nodes are the zeros of P'_p with p = num_points - 1.
    """
    if num_points < 2:
        raise ValueError(f"num_points must be at least 2 for Gauss-Lobatto, got {num_points}")
    degree = num_points - 1
    nodes = -np.cos(np.pi * np.arange(num_points) / degree)
    nodes[[0, -1]] = -1.0, 1.0
    for _ in range(20):
        inner = nodes[1:-1]
        value, slope = _legendre(degree, inner)
        curvature = (2.0 * inner * slope - degree * (degree + 1) * value) / (1.0 - inner**2)
        step = slope / curvature
        nodes[1:-1] = inner - step
        if np.abs(step).max(initial=0.0) < 1e-16:
            break
    value = _legendre(degree, nodes)[0]
    return _symmetric_rule(nodes, 2.0 / (degree * (degree + 1) * value**2))


def interpolation(nodes: Floats, points: Floats) -> Floats:
    """Return ℓ_j(points[i]), shape (num_points, num_nodes)."""
    distance = points[:, None] - nodes[None, :]
    hit = distance == 0.0
    terms = _barycentric_weights(nodes) / np.where(hit, 1.0, distance)
    matrix = terms / terms.sum(axis=1, keepdims=True)
    on_node = hit.any(axis=1)
    matrix[on_node] = hit[on_node]
    return matrix


def differentiation(nodes: Floats, points: Floats) -> Floats:
    """Return ℓ_j'(points[i]), shape (num_points, num_nodes)."""
    weights = _barycentric_weights(nodes)
    distance = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(distance, 1.0)
    at_nodes = weights[None, :] / weights[:, None] / distance
    np.fill_diagonal(at_nodes, 0.0)
    # Rows sum to zero: the derivative of a constant vanishes to the last digit.
    np.fill_diagonal(at_nodes, -at_nodes.sum(axis=1))
    return interpolation(nodes, points) @ at_nodes


def nodal_interpolation(coarse: int, fine: int) -> Floats:
    """Return the values at the nodes of one degree of the nodal basis of another one."""
    matrix = interpolation(*(gauss_lobatto(degree + 1)[0] for degree in (coarse, fine)))
    # A corner takes the value of the corner exactly: nothing leaks from facets with supports.
    matrix[np.abs(matrix) < 1e-14] = 0.0
    return matrix


def _barycentric_weights(nodes: Floats) -> Floats:
    distance = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(distance, 1.0)
    return 1.0 / distance.prod(axis=1)


def _legendre(degree: int, x: Floats) -> tuple[Floats, Floats]:
    """Return P_degree and its derivative at points x inside (-1, 1); only P at ±1."""
    before, value = np.ones_like(x), x.copy()
    for k in range(2, degree + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    inside = np.abs(x) < 1.0
    slope = np.zeros_like(x)
    slope[inside] = degree * (before - x * value)[inside] / (1.0 - x[inside] ** 2)
    return value, slope


def _symmetric_rule(nodes: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the rule with symmetry and weight sum 2 restored, as read-only arrays."""
    nodes = 0.5 * (nodes - nodes[::-1])
    weights = 0.5 * (weights + weights[::-1])
    weights *= 2.0 / weights.sum()
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights

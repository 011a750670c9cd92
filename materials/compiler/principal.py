"""Third stage for an energy of the principal strains: its stress and tangent in their axes.

With the eigenvalues e_i of E and its eigenvectors, the columns of V, an energy ψ(e₁, e₂, e₃) that
is symmetric in the e_i has

    S = V diag(s) Vᵀ                           s_i = ∂ψ/∂e_i
    Vᵀ dS V = Σ_j h_ij (Vᵀ dE V)_jj            on the diagonal, h_ij = ∂s_i/∂e_j
              θ_ij (Vᵀ dE V)_ij                off it, θ_ij = (s_i - s_j) / (e_i - e_j)

Where two strains come together θ is a quotient of rounding errors.  But s_j is s_i with e_i and
e_j swapped, so that θ is also the mean of (h_ii - 2 h_ij + h_jj) / 2 between the swapped strains
and the strains themselves.  Lobatto's rule gives it without a subtraction of equals: its outer
points are the strains, whose h is known anyway, and by symmetry half of the inner ones suffice.

E is diagonalised by Jacobi's rotations, a fixed number of them without a branch: closed formulas
for the eigenvectors of a 3 x 3 matrix lose all digits at equal eigenvalues.  All of this depends on
the strain alone, and the residual can store what the Jacobian needs of it.

References: J. Simo and R. Taylor, Computer Methods in Applied Mechanics and Engineering 85 (1991)
273-310; G. Golub and C. Van Loan, Matrix Computations, 4th edition, section 8.5.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from elastane.materials.compiler.graph import Graph, dot
from elastane.materials.compiler.stablehlo import Tensor

#: From strains and their increment to s and ds.
Derivatives: TypeAlias = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

PAIRS = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class Accuracy:
    """What depends on the digits in which the formulas are evaluated.

    Attributes:
        sweeps: Sweeps of three Jacobi rotations each.
        radius: |e_i - e_j| / (1 + e_i + e_j) below which θ is a mean and no quotient.
        rule: Inner points in (0, 1) of the rule for the mean, and their weights; the outer point
            has the rest of the weight.
    """

    sweeps: int
    radius: float
    rule: tuple[tuple[float, float], ...]


#: The inner points of Lobatto's rule with six points on [-1, 1], exact to degree 9.
LOBATTO = tuple(
    (math.sqrt((7 - sign * 2 * math.sqrt(7)) / 21), (14 + sign * math.sqrt(7)) / 30)
    for sign in (1, -1)
)

DOUBLES = Accuracy(sweeps=4, radius=0.02, rule=LOBATTO)

#: For 50 digits: the mean is then wrong in digit 40, the quotient in digit 30.
EXACT = Accuracy(sweeps=6, radius=1e-20, rule=())


def principal_axes(graph: Graph, E: Tensor, sweeps: int) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, shape (3,), and eigenvectors, the columns of a (3, 3) tensor.

    Args:
        graph: The graph.
        E: A symmetric (3, 3) tensor.
        sweeps: Sweeps of three rotations each.
    """
    A = E.copy()
    zero, one = graph.constant(0.0), graph.constant(1.0)
    V = np.array([[one if i == j else zero for j in range(3)] for i in range(3)])
    for _ in range(sweeps):
        for p, q in PAIRS:
            r = 3 - p - q
            t, cosine, sine = _rotation(graph, int(A[p, p]), int(A[q, q]), int(A[p, q]))
            shift = graph.multiply(t, int(A[p, q]))
            A[p, p] = graph.subtract(int(A[p, p]), shift)
            A[q, q] = graph.add(int(A[q, q]), shift)
            A[p, q] = A[q, p] = zero
            A[r, p], A[r, q] = _turn(graph, cosine, sine, int(A[r, p]), int(A[r, q]))
            A[p, r], A[q, r] = A[r, p], A[r, q]
            for i in range(3):
                V[i, p], V[i, q] = _turn(graph, cosine, sine, int(V[i, p]), int(V[i, q]))
    return np.diagonal(A).copy(), V


def _rotation(graph: Graph, a_pp: int, a_qq: int, a_pq: int) -> tuple[int, int, int]:
    """Return tangent, cosine and sine of the smaller angle that makes a_pq vanish.

    With d = a_qq - a_pp the tangent is 2 a_pq / (d ± √(d² + 4 a_pq²)), the sign that of d, and 0
    where d and a_pq are.
    """
    zero, one = graph.constant(0.0), graph.constant(1.0)
    d, twice = graph.subtract(a_qq, a_pp), graph.multiply(graph.constant(2.0), a_pq)
    root = graph.operation("sqrt", graph.add(graph.multiply(d, d), graph.multiply(twice, twice)))
    signed = graph.operation("select", graph.operation("less", d, zero), graph.negate(root), root)
    divisor = graph.add(d, signed)
    nothing = graph.operation("equal", divisor, zero)
    t = graph.divide(twice, graph.operation("select", nothing, one, divisor))
    length = graph.operation("sqrt", graph.add(one, graph.multiply(t, t)))
    cosine = graph.divide(one, length)
    return t, cosine, graph.multiply(t, cosine)


def _turn(graph: Graph, cosine: int, sine: int, x: int, y: int) -> tuple[int, int]:
    return (
        graph.subtract(graph.multiply(cosine, x), graph.multiply(sine, y)),
        graph.add(graph.multiply(sine, x), graph.multiply(cosine, y)),
    )


def stress_and_increment(
    graph: Graph,
    kinematics: tuple[Tensor, Tensor, Tensor, Tensor],
    derivatives: Derivatives,
    accuracy: Accuracy,
) -> tuple[Tensor, Tensor]:
    """Return P and dP, both of shape (3, 3).

    With B = F V and A = dH V, P = B diag(s) Vᵀ, Vᵀ dE V is the symmetric part of Bᵀ A, and
    dP = (A diag(s) + B Vᵀ dS V) Vᵀ.

    Args:
        graph: The graph.
        kinematics: F, dH, the principal strains e and their axes V.
        derivatives: Returns s and its increment for strains and their increment.
        accuracy: How θ is computed.
    """
    F, dH, e, V = kinematics
    s, h = _hessian(graph, derivatives, e)
    B, A = _product(graph, F, V), _product(graph, dH, V)
    half = graph.constant(0.5)
    W = np.empty((3, 3), dtype=np.int64)
    rates = [dot(graph, B[:, i], A[:, i]) for i in range(3)]
    for i in range(3):
        W[i, i] = dot(graph, h[i], rates)
    for i, j in PAIRS:
        theta = _divided_difference(graph, derivatives, (e, s, h), (i, j), accuracy)
        shear = graph.add(dot(graph, B[:, i], A[:, j]), dot(graph, B[:, j], A[:, i]))
        W[i, j] = W[j, i] = graph.multiply(graph.multiply(half, theta), shear)
    stretched = _scale(graph, A, s)
    inner = _product(graph, B, W)
    for index in np.ndindex(3, 3):
        inner[index] = graph.add(int(stretched[index]), int(inner[index]))
    return _product(graph, _scale(graph, B, s), V.T), _product(graph, inner, V.T)


def _hessian(graph: Graph, derivatives: Derivatives, e: Tensor) -> tuple[Tensor, Tensor]:
    """Return s and h; of h_ij and h_ji, which are equal, only one is computed."""
    h = np.empty((3, 3), dtype=np.int64)
    for j in range(3):
        s, ds = derivatives(e, _direction(graph, {j: 1.0}))
        h[: j + 1, j] = h[j, : j + 1] = ds[: j + 1]
    return s, h


def _divided_difference(
    graph: Graph,
    derivatives: Derivatives,
    state: tuple[Tensor, Tensor, Tensor],
    pair: tuple[int, int],
    accuracy: Accuracy,
) -> int:
    """Return θ_ij of a pair from the strains e, s and h."""
    e, s, h = state
    i, j = pair
    one, half = graph.constant(1.0), graph.constant(0.5)
    difference = graph.subtract(int(e[i]), int(e[j]))
    size = graph.multiply(graph.constant(accuracy.radius), graph.add(one, int(e[i]), int(e[j])))
    near = graph.operation("less", graph.operation("absolute", difference), size)

    outer = graph.subtract(
        graph.multiply(half, graph.add(int(h[i, i]), int(h[j, j]))), int(h[i, j])
    )
    mean = graph.multiply(graph.constant(1.0 - sum(weight for _, weight in accuracy.rule)), outer)
    for point, weight in accuracy.rule:
        moved = e.copy()
        shift = graph.multiply(graph.constant((1 - point) / 2), difference)
        moved[i], moved[j] = graph.subtract(int(e[i]), shift), graph.add(int(e[j]), shift)
        _, ds = derivatives(moved, _direction(graph, {i: 1.0, j: -1.0}))
        curvature = graph.subtract(int(ds[i]), int(ds[j]))
        mean = graph.add(mean, graph.multiply(graph.constant(weight / 2), curvature))

    divisor = graph.operation("select", near, one, difference)
    quotient = graph.divide(graph.subtract(int(s[i]), int(s[j])), divisor)
    return graph.operation("select", near, mean, quotient)


def _direction(graph: Graph, entries: dict[int, float]) -> Tensor:
    return np.array([graph.constant(entries.get(k, 0.0)) for k in range(3)])


def _product(graph: Graph, X: Tensor, Y: Tensor) -> Tensor:
    return np.array([[dot(graph, X[i], Y[:, j]) for j in range(3)] for i in range(3)])


def _scale(graph: Graph, X: Tensor, s: Tensor) -> Tensor:
    """Return X diag(s)."""
    return np.array([[graph.multiply(int(X[i, j]), int(s[j])) for j in range(3)] for i in range(3)])

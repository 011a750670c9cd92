"""V29: a chosen displacement, the body force that it needs, and how the error falls with h."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from elastane.meshes.box import BOX_SURFACES, Box
from elastane.meshes.lagrange import gauss, gauss_lobatto, interpolation
from elastane.solver.formula import Formula
from elastane.solver.space import tensor_interpolate
from tests.verification.cases import Floats, displacement, material, problem, solve

AMPLITUDE, WAVE_NUMBER = 0.1, 1.5
MU, LAMBDA = 1.0, 4.0

#: u_i = a sin(k x_j) sin(k x_m) + a/2 sin(k x_i), with i, j, m cyclic.
DISPLACEMENT = [
    f"{AMPLITUDE} * (sin({WAVE_NUMBER}*{j}) * sin({WAVE_NUMBER}*{m}) + sin({WAVE_NUMBER}*{i}) / 2)"
    for i, j, m in ("xyz", "yzx", "zxy")
]

#: Relative errors in the L2 norm by degree and cells along an edge, from another code.
ERRORS = {
    1: {2: 7.524e-2, 4: 1.916e-2, 8: 4.811e-3},
    2: {2: 2.525e-3, 4: 3.150e-4, 8: 3.937e-5},
    3: {2: 1.030e-4, 4: 6.487e-6},
    4: {1: 1.245e-4, 2: 3.925e-6, 4: 1.230e-7},
    5: {1: 7.132e-6, 2: 1.141e-7},
}


def exact(X: Floats) -> Floats:
    sine = np.sin(WAVE_NUMBER * X)
    u: Floats = AMPLITUDE * (np.roll(sine, -1, axis=-1) * np.roll(sine, -2, axis=-1) + 0.5 * sine)
    return u


def gradients(X: Floats) -> tuple[Floats, Floats]:
    """Return ∂u_i/∂X_J and ∂²u_i/∂X_J∂X_K at points of shape (n, 3)."""
    a, k = AMPLITUDE, WAVE_NUMBER
    sine, cosine = np.sin(k * X), np.cos(k * X)
    first, second = np.zeros((len(X), 3, 3)), np.zeros((len(X), 3, 3, 3))
    for i in range(3):
        j, m = (i + 1) % 3, (i + 2) % 3
        first[:, i, i] = 0.5 * a * k * cosine[:, i]
        first[:, i, j] = a * k * cosine[:, j] * sine[:, m]
        first[:, i, m] = a * k * sine[:, j] * cosine[:, m]
        second[:, i, i, i] = -0.5 * a * k**2 * sine[:, i]
        second[:, i, j, j] = second[:, i, m, m] = -a * k**2 * sine[:, j] * sine[:, m]
        second[:, i, j, m] = second[:, i, m, j] = a * k**2 * cosine[:, j] * cosine[:, m]
    return first, second


@dataclass(frozen=True)
class BodyForce(Formula):
    """A component of -Div P of the neo-Hookean solid, P = μ F + (λ ln J - μ) F⁻ᵀ."""

    component: int

    def evaluate(self, X: Floats, t: float) -> Floats:
        grad_u, dF = gradients(X)
        F = np.eye(3) + grad_u
        inverse = np.linalg.inv(F)
        d_log_J = np.einsum("nLk,nkLJ->nJ", inverse, dF)
        divergence = (
            MU * np.einsum("niJJ->ni", dF)
            + LAMBDA * np.einsum("nJ,nJi->ni", d_log_J, inverse)
            - (LAMBDA * np.log(np.linalg.det(F)) - MU)[:, None]
            * np.einsum("nJk,nkLJ,nLi->ni", inverse, dF, inverse)
        )
        force: Floats = -divergence[:, self.component]
        return force


def error(degree: int, cells: int) -> float:
    """Return the relative L2 norm of the error; p + 4 Gauss points find five digits of it."""
    chosen = problem(
        Box(cells=(cells, cells, cells)),
        degree,
        [displacement(side, *DISPLACEMENT) for side in BOX_SURFACES],
        material("neo-hookean", shear_modulus=MU, lame_lambda=LAMBDA),
        quadrature_extra=1,
    )
    x, y, z = (BodyForce("-Div P", ("x", "y", "z"), component) for component in range(3))
    state = solve(replace(chosen, body_force=(x, y, z)))
    xi, weights = gauss(degree + 4)
    to_points = interpolation(gauss_lobatto(degree + 1)[0], xi)
    nodes = state.run.mechanics.space.nodes
    X = tensor_interpolate(to_points, state.X[nodes])
    u = tensor_interpolate(to_points, state.u[nodes])
    w = np.einsum("i,j,k->ijk", weights, weights, weights).reshape(-1, 1)
    return float(np.sqrt((w * (u - exact(X)) ** 2).sum() / (w * exact(X) ** 2).sum()))


@pytest.mark.parametrize("degree", ERRORS)
def test_error_falls_as_h_to_the_power_p_plus_one(degree: int) -> None:
    expected = ERRORS[degree]
    errors = [error(degree, cells) for cells in expected]
    # Half a unit of the last digit given.
    np.testing.assert_allclose(errors, list(expected.values()), rtol=5e-4)
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders.min() >= degree + 0.9

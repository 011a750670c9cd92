"""The smoother's polynomials against their closed forms, and the estimate of its bound."""

import numpy as np
import pytest

from elastane.solver.eigenvalue import largest_eigenvalue
from elastane.solver.memory import HOST
from elastane.solver.polynomials import WEIGHTS, Step, first_kind, fourth_kind
from elastane.solver.smoother import Chebyshev
from tests.verification.cases import Floats

#: Eigenvalues of S A over their bound.
SPECTRUM = np.linspace(0.0, 1.0, 100_001)[1:]

degrees = pytest.mark.parametrize("degree", [1, 2, 3, 4, 7])


def error(steps: list[Step]) -> Floats:
    """Return what a polynomial leaves of errors in the eigenvectors, smoothed with b = 0."""
    smoother = Chebyshev(len(SPECTRUM), np.float64, steps)
    smoother.bound = 1.0
    smoother.S[:] = smoother.x[:] = 1.0

    def apply(x: Floats, y: Floats) -> None:
        y += SPECTRUM * x

    smoother.smooth(apply)
    return smoother.x


def plain(degree: int) -> list[Step]:
    """Return the polynomial of the fourth kind without weights."""
    return [Step(1.0, step.keep, step.scale) for step in fourth_kind(degree)]


@degrees
def test_first_kind_is_the_chebyshev_polynomial(degree: int) -> None:
    """T_m of the interval mapped to [-1, 1], scaled to 1 at 0."""
    lower = 0.05
    chebyshev = np.polynomial.chebyshev.Chebyshev.basis(degree, domain=[lower, 1.0])
    expected = chebyshev(SPECTRUM) / chebyshev(0.0)
    np.testing.assert_allclose(error(first_kind(degree, lower)), expected, atol=1e-13)


@degrees
def test_fourth_kind_is_the_chebyshev_polynomial(degree: int) -> None:
    """W_m(1 - 2 λ) / (2 m + 1) with W_m(cos θ) = sin((m + 1/2) θ) / sin(θ / 2)."""
    theta = np.arccos(1.0 - 2.0 * SPECTRUM)
    expected = np.sin((degree + 0.5) * theta) / np.sin(0.5 * theta) / (2 * degree + 1)
    np.testing.assert_allclose(error(plain(degree)), expected, atol=1e-13)


def bounds(p: Floats) -> Floats:
    """Return λ p² / (1 - p²), whose maximum bounds a two-level cycle."""
    return SPECTRUM * p**2 / (1.0 - p**2)


@pytest.mark.parametrize("degree", WEIGHTS)
def test_weights_level_all_maxima(degree: int) -> None:
    """What makes them optimal: at 0, at 1 and at each maximum between, the bound is the same.

    The grid misses maxima by the square of its width.
    """
    values = bounds(error(fourth_kind(degree)))
    inner = values[1:-1][(values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])]
    assert len(inner) == degree - 1
    # The bound at 0 is a limit, off by the width of the grid.
    np.testing.assert_allclose([values[0], *inner], values[-1], rtol=1e-3)
    assert values.max() < bounds(error(plain(degree))).max()


@pytest.mark.parametrize("kind", [first_kind, fourth_kind])
@degrees
def test_smoothing_from_zero_is_smoothing(kind: type, degree: int) -> None:
    """With one apply less."""
    steps = kind(degree)
    results = []
    applies = 0

    def apply(x: Floats, y: Floats) -> None:
        nonlocal applies
        applies += 1
        y += SPECTRUM * x

    for method in ("smooth", "smooth_from_zero"):
        smoother = Chebyshev(len(SPECTRUM), np.float64, steps)
        smoother.bound = 1.1
        smoother.S[:], smoother.b[:] = 1.0, np.cos(SPECTRUM)
        applies = 0
        getattr(smoother, method)(apply)
        assert applies == degree - (method == "smooth_from_zero")
        assert not smoother.y.any()
        results.append(smoother.x)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-13)


def estimate(matrix: Floats, x: Floats, iterations: int) -> float:
    def apply(v: Floats, image: Floats) -> None:
        image += (matrix @ v).astype(x.dtype)

    def precondition(r: Floats, z: Floats) -> None:
        z[:] = r / np.diag(matrix).astype(x.dtype)

    counted = np.ones_like(x)
    return largest_eigenvalue(
        HOST, apply, precondition, counted, lambda total: total, x, iterations
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_largest_eigenvalue_is_met_from_below(dtype: type) -> None:
    """And a later estimate goes on from the eigenvector of the first."""
    random = np.random.default_rng(4)
    factor = random.standard_normal((200, 250)) * np.linspace(0.5, 2.0, 200)[:, None]
    matrix = factor @ factor.T
    scale = 1.0 / np.sqrt(np.diag(matrix))
    exact = np.linalg.eigvalsh(scale[:, None] * matrix * scale)[-1]
    x: Floats = random.standard_normal(200).astype(dtype)
    first = estimate(matrix, x, 10)
    assert 0.95 * exact < first < exact * (1.0 + 1e-6)
    assert first <= estimate(matrix, x, 3) * (1.0 + 1e-6)
    assert estimate(matrix, x, 30) == pytest.approx(exact, rel=1e-5)

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

from elastane.meshes.lagrange import differentiation, gauss, gauss_lobatto, interpolation


def _monomial_integrals(highest: int) -> np.ndarray:
    powers = np.arange(highest + 1)
    return np.where(powers % 2 == 0, 2.0 / (powers + 1), 0.0)


@pytest.mark.parametrize("num_points", range(1, 13))
def test_gauss_integrates_every_monomial_it_should(num_points: int) -> None:
    nodes, weights = gauss(num_points)
    highest = 2 * num_points - 1
    sums = (nodes[None, :] ** np.arange(highest + 1)[:, None]) @ weights
    np.testing.assert_allclose(sums, _monomial_integrals(highest), atol=4e-15)


@pytest.mark.parametrize("num_points", range(2, 13))
def test_gauss_lobatto_integrates_every_monomial_it_should(num_points: int) -> None:
    nodes, weights = gauss_lobatto(num_points)
    highest = 2 * num_points - 3
    sums = (nodes[None, :] ** np.arange(highest + 1)[:, None]) @ weights
    np.testing.assert_allclose(sums, _monomial_integrals(highest), atol=4e-15)
    assert nodes[0] == -1.0
    assert nodes[-1] == 1.0


@pytest.mark.parametrize("num_points", [3, 5, 8, 12])
def test_nodes_agree_with_forty_digit_arithmetic(num_points: int) -> None:
    def polish(function: str, nodes: np.ndarray) -> np.ndarray:
        legendre = {
            "value": lambda x: mpmath.legendre(num_points, x),
            "slope": lambda x: mpmath.diff(lambda y: mpmath.legendre(num_points - 1, y), x),
        }[function]
        with mpmath.workdps(40):
            return np.array([float(mpmath.findroot(legendre, node)) for node in nodes])

    nodes = gauss(num_points)[0]
    np.testing.assert_allclose(nodes, polish("value", nodes), rtol=0, atol=2e-16)
    inner = gauss_lobatto(num_points)[0][1:-1]
    np.testing.assert_allclose(inner, polish("slope", inner), rtol=0, atol=2e-16)


@pytest.mark.parametrize("degree", range(1, 9))
def test_polynomials_of_the_degree_are_reproduced_with_their_derivative(degree: int) -> None:
    nodes = gauss_lobatto(degree + 1)[0]
    random = np.random.default_rng(3)
    points = np.concatenate([random.uniform(-1, 1, 50), nodes, nodes[:-1] + 1e-14])
    polynomial = np.polynomial.Polynomial(random.standard_normal(degree + 1))
    values = polynomial(nodes)
    np.testing.assert_allclose(
        interpolation(nodes, points) @ values, polynomial(points), atol=2e-14
    )
    # The condition of differentiation grows with the square of the degree.
    np.testing.assert_allclose(
        differentiation(nodes, points) @ values,
        polynomial.deriv()(points),
        atol=4e-15 * degree**3 + 1e-14,
    )


def test_interpolation_at_the_nodes_is_the_identity_exactly() -> None:
    nodes = gauss_lobatto(7)[0]
    assert np.array_equal(interpolation(nodes, nodes), np.eye(7))


def test_rules_cannot_be_overwritten_by_a_caller() -> None:
    with pytest.raises(ValueError, match="read-only"):
        gauss(3)[0][0] = 0.0


@pytest.mark.parametrize(("rule", "num_points"), [(gauss, 0), (gauss_lobatto, 1)])
def test_too_few_points_are_refused(rule, num_points: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="num_points must be at least"):
        rule(num_points)

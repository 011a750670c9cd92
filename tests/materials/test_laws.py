"""Laws that every material obeys, on the compiled C."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from elastane.materials import MODELS
from elastane.materials.model import Values
from tests.materials.conftest import Array, CompileByName, Compiled


def norm(tensors: Array) -> Array:
    """Largest entry of each tensor."""
    return np.abs(tensors).max(axis=(1, 2))


def test_rest_stores_no_energy_and_no_stress(compiled: Compiled) -> None:
    rest = np.zeros((1, 3, 3))
    assert compiled.energy(rest)[0] == 0.0
    np.testing.assert_array_equal(compiled.stress(rest), rest)


def test_energy_is_unchanged_by_a_rigid_rotation(
    compiled: Compiled, large: Array, rotations: Array
) -> None:
    if not compiled.material.finite_strain:
        pytest.skip("linear elasticity knows small rotations only")
    large = compiled.within_reach(large)
    rotations = rotations[: len(large)]
    turned = rotations @ (np.eye(3) + large) - np.eye(3)
    energy, P = compiled.energy(large), compiled.stress(large)
    # Rounding of the turned F alone costs a few 1e-15 of stiff directions, relative to both.
    np.testing.assert_allclose(compiled.energy(turned), energy, rtol=1e-12)
    assert (norm(compiled.stress(turned) - rotations @ P) / norm(P)).max() < 1e-12


def test_a_rigid_rotation_stores_no_energy(compiled: Compiled, rotations: Array) -> None:
    if not compiled.material.finite_strain:
        pytest.skip("linear elasticity knows small rotations only")
    H = rotations - np.eye(3)
    stiffness = norm(compiled.stress_increment(np.zeros((1, 3, 3)), np.eye(3)[None]))
    # E of a rounded rotation is a few eps: energy of its square, stress of its size.
    assert np.abs(compiled.energy(H)).max() < 1e-14
    assert np.abs(compiled.stress(H)).max() < 1e-14 * stiffness


def test_turning_body_and_fibres_together_changes_nothing(
    compiled: Compiled, large: Array, rotations: Array
) -> None:
    """ψ(Q H Qᵀ, Q a) = ψ(H, a): nothing but the fibres prefers a direction."""
    large = compiled.within_reach(large)
    energy, P = compiled.energy(large), compiled.stress(large)
    for Q in rotations[:5]:
        parameters = with_fibres_turned(compiled, Q)
        H = Q @ large @ Q.T
        # Rounding of the turned H costs a few 1e-15 of stiff directions, relative to both.
        np.testing.assert_allclose(compiled.energy(H, parameters), energy, rtol=1e-12)
        assert (norm(compiled.stress(H, parameters) - Q @ P @ Q.T) / norm(P)).max() < 1e-12


def with_fibres_turned(compiled: Compiled, Q: Array) -> dict[str, Values]:
    """Return the parameters with Q a in place of each direction a."""
    parameters = dict(compiled.parameters)
    for names, a in directions(compiled):
        parameters |= dict(zip(names, Q @ a, strict=True))
    return parameters


def directions(compiled: Compiled) -> Iterator[tuple[list[str], Array]]:
    """Yield the names of the components of each direction, and the direction."""
    for parameter in compiled.material.kernel_parameters:
        if parameter.direction:
            names = np.reshape(parameter.scalar_names(compiled.choices), (-1, 3))
            for row in names.tolist():
                yield row, np.array([float(compiled.parameters[name]) for name in row])


def test_turning_the_body_about_its_fibres_changes_nothing(
    compiled: Compiled, large: Array
) -> None:
    """ψ(F R) = ψ(F) for rotations R about the only fibre; for all R where there is none."""
    fibres = [a for _, a in directions(compiled)]
    if len(fibres) > 1 or not compiled.material.finite_strain:
        pytest.skip("several fibres have no common axis; linear elasticity has no F")
    (axis,) = fibres or [np.array([0.6, 0.0, 0.8])]
    large = compiled.within_reach(large)
    energy, P = compiled.energy(large), compiled.stress(large)
    for angle in (0.3, 1.0, np.pi / 2, np.pi):
        R = rotation_about(axis, angle)
        H = (np.eye(3) + large) @ R - np.eye(3)
        np.testing.assert_allclose(compiled.energy(H), energy, rtol=1e-12)
        assert (norm(compiled.stress(H) - P @ R) / norm(P)).max() < 1e-12


def rotation_about(axis: Array, angle: float) -> Array:
    """Return Rodrigues' rotation."""
    W = np.cross(np.eye(3), -axis)
    return np.eye(3) + np.sin(angle) * W + (1 - np.cos(angle)) * W @ W


def test_linear_elasticity_ignores_a_small_rotation(
    compile_by_name: CompileByName, small: Array
) -> None:
    linear = compile_by_name("linear")
    skew = small - small.transpose(0, 2, 1)
    np.testing.assert_array_equal(linear.stress(skew), 0.0)


def test_cauchy_stress_is_symmetric(compiled: Compiled, large: Array) -> None:
    if not compiled.material.finite_strain:
        pytest.skip("linear elasticity: P itself is symmetric")
    large = compiled.within_reach(large)
    moment = compiled.stress(large) @ (np.eye(3) + large).transpose(0, 2, 1)
    assert (norm(moment - moment.transpose(0, 2, 1)) / norm(moment)).max() < 1e-12


def test_stress_is_the_derivative_of_the_energy(compiled: Compiled, large: Array) -> None:
    large = compiled.within_reach(large)
    D = np.random.default_rng(6).standard_normal(large.shape)
    quotient = difference_quotient(lambda H: compiled.energy(H)[:, None, None], large, D)
    slope = (compiled.stress(large) * D).sum(axis=(1, 2), keepdims=True)
    scale = norm(compiled.stress(large)) * norm(D)
    assert (norm(slope - quotient) / scale).max() < 1e-7


@pytest.mark.parametrize("states", ["large", "small"])
def test_tangent_matches_central_differences(
    compiled: Compiled, states: str, request: pytest.FixtureRequest
) -> None:
    H = compiled.within_reach(request.getfixturevalue(states))
    dH = np.random.default_rng(9).standard_normal(H.shape)
    smooth = np.logical_not(between_two_sides(compiled, H, dH))
    assert smooth.mean() > 0.98
    dP = compiled.stress_increment(H, dH)
    quotient = difference_quotient(compiled.stress, H, dH)
    assert (norm(dP - quotient) / norm(dP))[smooth].max() < 1e-7


def difference_quotient(function: Callable[[Array], Array], H: Array, D: Array) -> Array:
    """Central differences of fourth order.

    Truncation is of order 2e-4**4, rounding of order 1e-16 / 2e-4; both grow by some 1e3 where an
    exponential does.
    """
    h = step(H)
    near = function(H + h * D) - function(H - h * D)
    far = function(H + 2 * h * D) - function(H - 2 * h * D)
    return (8 * near - far) / (12 * h)


def step(H: Array) -> Array:
    """Return a step that is small beside the smallest stretch and beside the strain itself."""
    smallest = np.linalg.svd(np.eye(3) + H, compute_uv=False)[:, -1]
    size = np.where(norm(H) > 0, norm(H), 1.0)
    return np.asarray(2e-4 * np.minimum(smallest, size))[:, None, None]


def between_two_sides(compiled: Compiled, H: Array, D: Array) -> Array:
    """Return whether a fibre is switched within a quotient, which then is no derivative."""
    h = step(H)
    sides = [switched_on(compiled, X) for X in (H - 2 * h * D, H, H + 2 * h * D)]
    return np.any([side != sides[1] for side in sides], axis=(0, 1))


def switched_on(compiled: Compiled, H: Array) -> Array:
    """Return whether each family of fibres bears load, shape (families, points)."""
    alone = dict(compiled.parameters)
    families = [name for name in alone if name.startswith("k1_")]
    if not families:
        return np.ones((1, len(H)), dtype=bool)
    alone |= dict.fromkeys(["lame_mu", "bulk_modulus", *families], 0.0)
    return np.array([compiled.energy(H, alone | {name: 1.0}) > 0 for name in families])


def test_tangent_is_symmetric(compiled: Compiled, large: Array, small: Array) -> None:
    H = np.concatenate([compiled.within_reach(large), small])
    generator = np.random.default_rng(10)
    A, B = generator.standard_normal((2, *H.shape))
    dP_A, dP_B = compiled.stress_increment(H, A), compiled.stress_increment(H, B)
    one, other = (B * dP_A).sum(axis=(1, 2)), (A * dP_B).sum(axis=(1, 2))
    scale = np.maximum(norm(dP_A) * norm(B), norm(dP_B) * norm(A))
    # Relative to the terms of the sums, which cancel where the directions are nearly conjugate.
    assert (np.abs(one - other) / scale).max() < 1e-13


def hand_written_neo_hookean(H: Array, dH: Array, lame_lambda: float, lame_mu: float) -> Array:
    F = np.eye(3) + H
    T = np.linalg.inv(F).transpose(0, 2, 1)
    log_J = np.log(np.linalg.det(F))[:, None, None]
    trace = (T * dH).sum(axis=(1, 2), keepdims=True)
    turned = T @ dH.transpose(0, 2, 1) @ T
    return lame_mu * dH + lame_lambda * trace * T + (lame_mu - lame_lambda * log_J) * turned


def hand_written_mooney_rivlin(
    H: Array, dH: Array, lame_lambda: float, mu1: float, mu2: float
) -> Array:
    F = np.eye(3) + H
    C = F.transpose(0, 2, 1) @ F
    dC = dH.transpose(0, 2, 1) @ F + F.transpose(0, 2, 1) @ dH
    I1, dI1 = (np.trace(A, axis1=1, axis2=2)[:, None, None] for A in (C, dC))
    shear = mu2 * (dI1 * F + I1 * dH - dH @ C - F @ dC)
    return shear + hand_written_neo_hookean(H, dH, lame_lambda, mu1 + 2 * mu2) - 2 * mu2 * dH


HAND_WRITTEN: dict[str, Callable[..., Array]] = {
    "neo-hookean": hand_written_neo_hookean,
    "mooney-rivlin": hand_written_mooney_rivlin,
}


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_tangent_matches_one_written_by_hand(
    name: str, compile_by_name: CompileByName, large: Array
) -> None:
    compiled = compile_by_name(name)
    # The hand-written one inverts F; beyond a condition number of 30 it loses the digits asked for.
    H = large[np.linalg.cond(np.eye(3) + large) < 30]
    assert len(H) > 700
    dH = np.random.default_rng(11).standard_normal(H.shape)
    dP = compiled.stress_increment(H, dH)
    by_hand = HAND_WRITTEN[name](H, dH, **compiled.parameters)
    assert (norm(dP - by_hand) / norm(by_hand)).max() < 1e-12


def test_mooney_rivlin_without_second_term_is_neo_hookean(
    compile_by_name: CompileByName, large: Array
) -> None:
    """V04."""
    rivlin = MODELS["mooney-rivlin"].resolve({"mu1": 1.0, "mu2": 0.0, "poissons_ratio": 0.4})
    hooke = MODELS["neo-hookean"].resolve({"youngs_modulus": 2.8, "poissons_ratio": 0.4})
    dH = np.random.default_rng(4).standard_normal(large.shape)
    one, other = compile_by_name("mooney-rivlin"), compile_by_name("neo-hookean")
    np.testing.assert_allclose(one.energy(large, rivlin), other.energy(large, hooke), rtol=1e-12)
    for a, b in (
        (one.stress(large, rivlin), other.stress(large, hooke)),
        (one.stress_increment(large, dH, rivlin), other.stress_increment(large, dH, hooke)),
    ):
        assert (norm(a - b) / norm(b)).max() < 1e-12

"""Viscoelastic materials at points: the compiled C, what it remembers, and what is refused."""

import pickle
from typing import Any

import numpy as np
import pytest

from elastane.materials import MODELS, ParameterError, find_model
from elastane.materials.compiler.build import find_material, kernel_set
from elastane.materials.kernels import source_hash
from elastane.materials.maxwell import EXAMPLE, generalised_maxwell
from tests.materials.conftest import Array, Compiled
from tests.materials.test_digits import by_the_book, states

#: Energies of H, of E and of principal strains, in part and as a whole, and one for small strain.
CHOSEN = [
    ("neo-hookean", "isochoric"),
    ("neo-hookean", "all"),
    ("saint-venant-kirchhoff", "isochoric"),
    # Its kernels take long to compile.
    pytest.param(("hencky", "isochoric"), marks=pytest.mark.long),
    ("linear", "isochoric"),
]

SYMMETRIC = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@pytest.fixture(scope="module", params=CHOSEN, ids="-".join)
def viscoelastic(request: pytest.FixtureRequest) -> Compiled:
    base, relaxing = request.param
    material = generalised_maxwell(find_model(base))
    return Compiled(kernel_set(material, {"relaxing": relaxing}))


def given(**changes: Any) -> dict[str, Any]:
    return {"youngs_modulus": 2.8, "poissons_ratio": 0.4, **EXAMPLE, **changes}


def remember(compiled: Compiled, seed: int) -> dict[str, float]:
    """Set a history and return its entries by name."""
    history = compiled.material.example_history(compiled.choices, seed)
    compiled.history = np.array(list(history.values()))
    return history


def second_piola_kirchhoff(compiled: Compiled, H: Array, P: Array) -> Array:
    """Return the six components of S, shape (6, points); those of P for small strain."""
    S = np.linalg.solve(np.eye(3) + H, P) if compiled.material.finite_strain else P
    return np.array([S[:, i, j] for i, j in SYMMETRIC])


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_stress_keeps_every_digit_after_any_history(
    viscoelastic: Compiled, seed: int | None
) -> None:
    """Against the potential of a step as the literature prints it, in 60 digits."""
    remembered = viscoelastic.material.initial_history(viscoelastic.choices)
    viscoelastic.history = np.zeros(len(remembered))
    if seed is not None:
        remembered = remember(viscoelastic, seed)
    H = states()
    P = viscoelastic.stress(H)
    for k, gradient in enumerate(H):
        _, exact = by_the_book(viscoelastic, gradient, viscoelastic.parameters | remembered)
        scale = max(abs(x) for x in exact.flat)
        assert max(abs(x) for x in (P[k] - exact).flat) <= 1e-12 * scale, gradient


def test_what_is_remembered_is_the_stress_that_relaxes(viscoelastic: Compiled) -> None:
    """Stress at once less stress in the end is Σ g_i S_r: Enzyme made the first two, JAX S_r."""
    material, choices = viscoelastic.material, viscoelastic.choices
    example = material.examples_of(choices)[0]
    viscoelastic.history = np.zeros(len(viscoelastic.history))
    H = states()
    at_once, in_the_end = (
        viscoelastic.stress(H, material.resolve({**example, "time_increment": dt}, choices))
        for dt in (0.0, 1e15)
    )
    relaxed = second_piola_kirchhoff(viscoelastic, H, at_once - in_the_end)
    # Both lose digits with their difference and where F is inverted.
    remembered = viscoelastic.update(H)[-6:]
    scale = np.abs(relaxed).max(axis=0)
    assert (np.abs(sum(EXAMPLE["fractions"]) * remembered - relaxed) / scale).max() < 1e-11


def test_overstresses_decay_and_take_up_what_is_new(viscoelastic: Compiled) -> None:
    history = np.array(list(remember(viscoelastic, 3).values())).reshape(3, 6)
    *overstresses, before = history
    *after, now = viscoelastic.update(states()).reshape(3, 6, -1)
    for tau, g, Q, new in zip(
        EXAMPLE["relaxation_times"], EXAMPLE["fractions"], overstresses, after, strict=True
    ):
        ratio = EXAMPLE["time_increment"] / tau
        decay, gain = np.exp(-ratio), g * (1.0 - np.exp(-ratio)) / ratio
        expected = decay * Q[:, None] + gain * (now - before[:, None])
        np.testing.assert_allclose(new, expected, rtol=1e-12, atol=1e-15)


def test_a_rotation_leaves_what_is_remembered(viscoelastic: Compiled, rotations: Array) -> None:
    if not viscoelastic.material.finite_strain:
        pytest.skip("linear elasticity knows small rotations only")
    remember(viscoelastic, 4)
    H = states()
    Q = rotations[: len(H)]
    turned = Q @ (np.eye(3) + H) - np.eye(3)
    np.testing.assert_allclose(viscoelastic.update(turned), viscoelastic.update(H), atol=1e-12)
    P = viscoelastic.stress(H)
    np.testing.assert_allclose(viscoelastic.stress(turned), Q @ P, atol=1e-12 * np.abs(P).max())


def test_tangent_is_symmetric_after_any_history(viscoelastic: Compiled) -> None:
    remember(viscoelastic, 5)
    H = states()
    A, B = np.random.default_rng(5).standard_normal((2, *H.shape))
    dP_A, dP_B = (viscoelastic.stress_increment(H, D) for D in (A, B))
    one, other = (B * dP_A).sum(axis=(1, 2)), (A * dP_B).sum(axis=(1, 2))
    scale = np.abs(dP_A).max(axis=(1, 2)) + np.abs(dP_B).max(axis=(1, 2))
    assert (np.abs(one - other) / scale).max() < 1e-12


@pytest.mark.parametrize("ratio", [0.0, 1e-300, 1e-12, 1e-3, 1.0, 1e3, 1e300])
def test_no_time_is_too_short_or_too_long(ratio: float) -> None:
    material = generalised_maxwell(MODELS["neo-hookean"])
    values = material.resolve(
        given(fractions=[0.4], relaxation_times=[2.0], time_increment=2.0 * ratio)
    )
    # (1 - e^-x)/x is 1 - x/2 + x²/6 - x³/24 for small x; what is left out is below 1e-15.
    small = 1.0 - ratio / 2.0 + ratio**2 / 6.0 - ratio**3 / 24.0 if ratio < 1e-2 else None
    mean = small if small is not None else (1.0 - np.exp(-ratio)) / ratio
    assert values["gains_0"] == pytest.approx(0.4 * mean, rel=1e-11)
    assert values["decays_0"] == pytest.approx(np.exp(-ratio), rel=1e-15)


def test_parameters_may_differ_from_point_to_point() -> None:
    material = generalised_maxwell(MODELS["neo-hookean"])
    times = np.array([[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]])
    values = material.resolve(given(relaxation_times=times))
    for k in range(3):
        one = material.resolve(given(relaxation_times=times[:, k]))
        for name, value in one.items():
            assert np.broadcast_to(values[name], 3)[k] == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fractions": [0.5, 0.5]}, "fractions must sum to less than 1, got 1.0"),
        ({"fractions": [0.5, -0.1]}, "fractions must be between 0 and 1, .* got -0.1 at point 1"),
        ({"relaxation_times": [0.0, 1.0]}, "relaxation_times must be greater than 0, got 0.0"),
        ({"relaxation_times": [1.0]}, "relaxation_times gives 1 branches where fractions gives 2"),
        ({"fractions": [0.1] * 7}, "fractions gives 7 branches, .* takes 1 to 6"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        generalised_maxwell(MODELS["neo-hookean"]).resolve(given(**changes))


def test_a_material_relaxes_once() -> None:
    viscoelastic = generalised_maxwell(MODELS["neo-hookean"])
    with pytest.raises(ValueError, match="has a history already"):
        generalised_maxwell(viscoelastic)


def test_compilers_and_other_ranks_find_the_same_material() -> None:
    material = generalised_maxwell(MODELS["yeoh"])
    again = find_material(kernel_set(material, {}).reference)
    sent = pickle.loads(pickle.dumps(material))  # what ranks do with it
    for other in (again, sent):
        assert other.name == material.name == "yeoh+maxwell"
        assert source_hash(other) == source_hash(material)
    assert source_hash(material) != source_hash(generalised_maxwell(MODELS["gent"]))

"""Energies of principal strains: axes, tangents at and near equal strains, known special cases."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

from elastane.materials import MODELS, ParameterError
from elastane.materials.compiler.evaluate import evaluate, evaluate_exactly
from elastane.materials.compiler.graph import Graph, expm1
from elastane.materials.points import PointKernels
from tests.materials.conftest import Array, CompileByName, Compiled
from tests.materials.test_laws import norm

pytest.importorskip("enzyme_ad", reason="needs pip install 'elastane[materials]'")

from elastane.materials.compiler.errors import CheckError
from elastane.materials.compiler.pipeline import compile_material
from elastane.materials.compiler.principal import DOUBLES, EXACT, principal_axes

#: One kernel set of each model and form.
KERNELS = ("hencky", "ogden-compressible-3", "ogden-isochoric-3")


@pytest.fixture(params=KERNELS)
def principal(request: pytest.FixtureRequest, compile_by_name: CompileByName) -> Compiled:
    return compile_by_name(request.param)


# Principal axes ----------------------------------------------------------------------------------

#: Eigenvalues that ask for care.
EIGENVALUES: dict[str, tuple[float, float, float]] = {
    "apart": (0.3, -0.2, 0.1),
    "two equal": (0.2, 0.2, -0.1),
    "three equal": (0.3, 0.3, 0.3),
    "near by 1e-6": (0.2, 0.2 + 1e-6, -0.1),
    "near by 1e-10": (0.2, 0.2 + 1e-10, -0.1),
    "near by 1e-14": (0.2, 0.2 + 1e-14, -0.1),
    "three near": (0.2, 0.2 + 1e-8, 0.2 - 2e-8),
    "tiny": (1e-12, -2e-12, 3e-13),
    "tiniest": (3e-150, -1e-150, 2e-151),  # their squares are numbers just so
    "large": (50.0, 3.0, -0.49),
    "graded": (1e3, 1.0, 1e-3),
    "rest": (0.0, 0.0, 0.0),
}


def strains(eigenvalues: tuple[float, float, float]) -> Array:
    """Symmetric tensors of these eigenvalues, shape (20, 3, 3)."""
    Q = np.linalg.qr(np.random.default_rng(4).standard_normal((20, 3, 3)))[0]
    E = Q @ np.diag(eigenvalues) @ Q.transpose(0, 2, 1)
    return (E + E.transpose(0, 2, 1)) / 2


def axes_graph(sweeps: int) -> tuple[Graph, list[int]]:
    graph = Graph()
    E = np.array([[graph.input(f"E_{min(i, j)}{max(i, j)}") for j in range(3)] for i in range(3)])
    e, V = principal_axes(graph, E, sweeps)
    return graph, [int(x) for x in (*e, *V.flat)]


def components(E: Any) -> dict[str, Any]:
    return {f"E_{i}{j}": E[..., i, j] for i in range(3) for j in range(i, 3)}


def axes_of(E: Array, sweeps: int) -> tuple[Array, Array]:
    """Eigenvalues (points, 3) and eigenvectors (points, 3, 3) in doubles."""
    graph, outputs = axes_graph(sweeps)
    values = evaluate(graph, outputs, components(E)).T
    return values[:, :3], values[:, 3:].reshape(-1, 3, 3)


def leftover(E: Array, e: Array, V: Array) -> Array:
    """Distance of Vᵀ E V from diag(e), relative to E."""
    rest = V.transpose(0, 2, 1) @ E @ V - e[:, :, None] * np.eye(3)
    return norm(rest) / norm(E)


@pytest.mark.parametrize("name", EIGENVALUES)
def test_eigenvalues_are_those_of_50_digits(name: str) -> None:
    E = strains(EIGENVALUES[name])
    e, V = axes_of(E, DOUBLES.sweeps)
    scale = max(abs(x) for x in EIGENVALUES[name])
    for k in range(len(E)):
        with mpmath.workdps(50):
            exact = mpmath.eigsy(mpmath.matrix(E[k].tolist()), eigvals_only=True)
        error = max(abs(a - b) for a, b in zip(sorted(e[k]), sorted(exact), strict=True))
        # Twelve rotations, each of which rounds a few times.
        assert error <= 5e-15 * scale
    np.testing.assert_allclose(V.transpose(0, 2, 1) @ V, np.tile(np.eye(3), (20, 1, 1)), atol=5e-15)


def test_four_sweeps_are_enough_and_three_are_not() -> None:
    """In 50 digits the fourth leaves 1e-30 at most; of random tensors three leave visible parts."""
    A = np.random.default_rng(5).standard_normal((100_000, 3, 3))
    E = A + A.transpose(0, 2, 1)
    assert leftover(E, *axes_of(E, DOUBLES.sweeps)).max() < 1e-14
    assert leftover(E, *axes_of(E, DOUBLES.sweeps - 1)).max() > 1e-7
    for sweeps, bound in ((DOUBLES.sweeps, 1e-28), (EXACT.sweeps, 1e-48)):
        graph, outputs = axes_graph(sweeps)
        for tensor in [*E[:20], *(strains(EIGENVALUES["apart"]))]:
            values = evaluate_exactly(graph, outputs, components(tensor))
            V = values[3:].reshape(3, 3)
            with mpmath.workdps(60):
                rest = V.T @ (tensor * mpmath.mpf(1)) @ V - np.diag(values[:3])
            assert max(abs(x) for x in rest.flat) < bound * np.abs(tensor).max()


@pytest.mark.parametrize("x", [1e-300, 1e-18, -1e-9, 0.4999, 0.5001, -0.4999, -3.0, 30.0, -800.0])
def test_expm1_keeps_every_digit(x: float) -> None:
    graph = Graph()
    node = expm1(graph, graph.input("x"))
    (value,) = evaluate(graph, [node], {"x": np.float64(x)})
    assert value == pytest.approx(np.expm1(x), rel=1e-15, abs=0)


# Tangents ----------------------------------------------------------------------------------------

#: Principal stretches: equal and near each other, on both sides of where the formula changes.
STRETCHES: dict[str, tuple[float, float, float]] = {
    "rest": (1.0, 1.0, 1.0),
    "two equal": (1.3, 1.3, 0.8),
    "three equal": (1.3, 1.3, 1.3),
    "near by 1e-14": (1.3, 1.3 + 1e-14, 0.8),
    "near by 1e-9": (0.7, 0.7 + 1e-9, 1.1),
    "near by 1e-4": (1.3, 1.3001, 1.3002),
    "all below the change": (1.2, 1.2 * 1.019, 1.2 * 1.01),
    "above the change": (1.2, 1.2 * 1.021, 1.2 / 1.021),
    "large": (3.0, 3.01, 0.4),
}


@pytest.mark.parametrize("name", STRETCHES)
def test_tangent_equals_differences_of_the_textbook_in_60_digits(
    principal: Compiled, name: str
) -> None:
    generator = np.random.default_rng(8)
    Q, R = np.linalg.qr(generator.standard_normal((2, 3, 3)))[0]
    H = R @ Q @ np.diag(STRETCHES[name]) @ Q.T - np.eye(3)
    if name in ("rest", "two equal", "three equal"):
        H = np.diag(STRETCHES[name]) - np.eye(3)  # equal to the last bit
    D = generator.standard_normal((3, 3))
    exact = second_difference(principal, H, D)
    dP = principal.stress_increment(H[None], D[None])[0]
    # Quotients of strains that are 2 % apart lose two of sixteen digits at most.
    assert np.abs(dP - exact).max() < 5e-14 * np.abs(exact).max()


def second_difference(compiled: Compiled, H: Array, D: Array) -> Array:
    """dP along D by second differences of the energy as printed; they err by the step squared."""
    material = compiled.material
    textbook = material.textbook
    assert textbook is not None
    options = material.energy_options(compiled.choices)
    dP = np.empty((3, 3))
    with mpmath.workdps(60):
        step = mpmath.mpf("1e-12")
        parameters = {k: mpmath.mpf(float(v)) for k, v in compiled.parameters.items()}
        F = H * mpmath.mpf(1) + np.eye(3, dtype=int)
        for i, j in np.ndindex(3, 3):
            A = np.zeros((3, 3), dtype=object)
            A[i, j] = step
            mixed = sum(
                a * b * textbook(F + a * A + b * step * D, **parameters, **options)
                for a in (1, -1)
                for b in (1, -1)
            )
            dP[i, j] = float(mixed / (4 * step**2))
    return dP


def test_shearing_a_swollen_hencky_solid_is_the_closed_form(compile_by_name: CompileByName) -> None:
    """At F = a I and for a symmetric D without trace dP = (2 μ - (2 μ + 3 λ) ln a) / a² D."""
    hencky = compile_by_name("hencky")
    lmbda, mu = float(hencky.parameters["lame_lambda"]), float(hencky.parameters["lame_mu"])
    D = np.array([[1.0, 0.3, -0.2], [0.3, -0.4, 0.5], [-0.2, 0.5, -0.6]])
    for a in (0.6, 1.0, 1.7):
        dP = hencky.stress_increment(((a - 1) * np.eye(3))[None], D[None])[0]
        exact = (2 * mu - (2 * mu + 3 * lmbda) * np.log(a)) / a**2 * D
        np.testing.assert_allclose(dP, exact, rtol=1e-13, atol=1e-14)


def test_swelling_gives_pressure_alone(principal: Compiled) -> None:
    H = (np.array([0.5, 0.9, 1.0, 1.1, 2.0]) - 1)[:, None, None] * np.eye(3)
    P = principal.stress(H)
    np.testing.assert_array_equal(P, P[:, :1, :1] * np.eye(3))
    assert (np.sign(P[:, 0, 0]) == [-1, -1, 0, 1, 1]).all()


def test_axes_of_the_body_can_be_exchanged(principal: Compiled, large: Array) -> None:
    """ψ is symmetric in the strains: P(F R) = P(F) R for an R that exchanges axes."""
    R = np.roll(np.eye(3), 1, axis=0)
    exchanged = (np.eye(3) + large) @ R - np.eye(3)
    np.testing.assert_allclose(principal.energy(exchanged), principal.energy(large), rtol=1e-12)
    P = principal.stress(large)
    assert (norm(principal.stress(exchanged) - P @ R) / norm(P)).max() < 1e-12


# Special cases of Ogden's solid ------------------------------------------------------------------

#: Ogden's form and terms, another model with the same parameters.
SAME: dict[str, tuple[str, dict[str, list[float]], str, dict[str, float]]] = {
    "neo-Hookean": (
        "ogden-compressible-1",
        {"mu": [0.7], "alpha": [2.0]},
        "neo-hookean",
        {"shear_modulus": 0.7},
    ),
    "neo-Hookean, isochoric": (
        "ogden-isochoric-1",
        {"mu": [0.7], "alpha": [2.0]},
        "neo-hookean-isochoric-j2",
        {"shear_modulus": 0.7},
    ),
    "neo-Hookean in two terms": (
        "ogden-isochoric-2",
        {"mu": [0.3, 0.4], "alpha": [2.0, 2.0]},
        "neo-hookean-isochoric-j2",
        {"shear_modulus": 0.7},
    ),
    "Mooney-Rivlin": (
        "ogden-isochoric-2",
        {"mu": [0.5, -0.2], "alpha": [2.0, -2.0]},
        "mooney-rivlin-isochoric-j2",
        {"mu1": 0.5, "mu2": 0.2},
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_ogden_reduces_to(name: str, compile_by_name: CompileByName, large: Array) -> None:
    kernels, terms, other_kernels, constants = SAME[name]
    ogden, other = compile_by_name(kernels), compile_by_name(other_kernels)
    ours = ogden.material.resolve({**terms, "bulk_modulus": 2.0}, ogden.choices)
    theirs = other.material.resolve({**constants, "bulk_modulus": 2.0}, other.choices)
    np.testing.assert_allclose(ogden.energy(large, ours), other.energy(large, theirs), rtol=1e-12)
    dH = np.random.default_rng(4).standard_normal(large.shape)
    for a, b in (
        (ogden.stress(large, ours), other.stress(large, theirs)),
        (ogden.stress_increment(large, dH, ours), other.stress_increment(large, dH, theirs)),
    ):
        assert (norm(a - b) / norm(b)).max() < 1e-12


@pytest.mark.parametrize("stretch", [0.4, 0.9, 1.0, 1.5, 3.0, 7.0])
def test_treloars_rubber_in_tension_is_the_closed_form(
    compile_by_name: CompileByName, stretch: float
) -> None:
    """λ₁ P₁₁ - λ₂ P₂₂ = Σ μ_p (λ^α_p - λ^(-α_p/2)) at constant volume, whatever the pressure."""
    rubber = compile_by_name("ogden-isochoric-3")
    transverse = stretch**-0.5
    P = rubber.stress((np.diag([stretch, transverse, transverse]) - np.eye(3))[None])[0]
    terms = [(rubber.parameters[f"mu_{p}"], rubber.parameters[f"alpha_{p}"]) for p in range(3)]
    exact = sum(mu * (stretch**a - stretch ** (-a / 2)) for mu, a in terms)
    difference = stretch * P[0, 0] - transverse * P[1, 1]
    # κ times the rounding of J stands beside it.
    assert difference == pytest.approx(exact, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("stretch", [0.3, 0.8, 1.2, 4.0])
def test_compressible_ogden_in_tension_is_the_closed_form(
    compile_by_name: CompileByName, stretch: float
) -> None:
    """λ_i P_i = Σ μ_p (λ_i^α_p - 1) + λ ln J."""
    ogden = compile_by_name("ogden-compressible-2")
    stretches = np.array([stretch, 0.9, 0.9])
    parameters = ogden.parameters
    terms = [(parameters[f"mu_{p}"], parameters[f"alpha_{p}"]) for p in range(2)]
    lmbda = parameters["bulk_modulus"] - sum(mu * a for mu, a in terms) / 3
    exact = sum(mu * (stretches**a - 1) for mu, a in terms)
    exact = (exact + lmbda * np.log(stretches.prod())) / stretches
    P = ogden.stress((np.diag(stretches) - np.eye(3))[None])[0]
    np.testing.assert_allclose(P, np.diag(exact), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(
    ("given", "blamed", "remedy"),
    [
        ({"mu": [1.0, 1.0], "alpha": [2.0, 0.0]}, "alpha", "leave that term out"),
        ({"mu": [1.0, -3.0], "alpha": [2.0, 2.0]}, "mu", "shear modulus at rest"),
        ({"mu": [1.0, 1.0], "alpha": [2.0]}, "alpha", "both must be as long"),
        ({"mu": [0.1] * 7, "alpha": [2.0] * 7}, "mu", "takes 1 to 6"),
    ],
)
def test_terms_that_make_no_solid_are_refused(
    given: dict[str, list[float]], blamed: str, remedy: str
) -> None:
    with pytest.raises(ParameterError, match=remedy) as caught:
        MODELS["ogden"].resolve({**given, "bulk_modulus": 1.0})
    assert caught.value.parameter == blamed


# The compiler ------------------------------------------------------------------------------------


def test_six_terms_fit_into_one_function(tmp_path: Path) -> None:
    """The larger form passes every check; it would not if derivatives came from a series."""
    choices: dict[str, str | int] = {"form": "isochoric", "terms": 6}
    _, manifest = compile_material(MODELS["ogden"], choices, tmp_path)
    assert manifest.is_file()


def test_an_energy_that_is_not_symmetric_is_refused(tmp_path: Path) -> None:
    def lopsided(e: Any, lame_lambda: Any, lame_mu: Any) -> Any:
        return lame_mu * (e[0] * e[0] + e[1] * e[1] + 2.0 * e[2] * e[2])

    material = replace(MODELS["hencky"], name="lopsided", energy=lopsided)
    with pytest.raises(CheckError, match="the order of the strains changes nothing"):
        compile_material(material, {}, tmp_path)


def test_points_keep_single_precision(principal: Compiled, large: Array) -> None:
    """The guards against division by zero hold for floats, too: rest and equal strains."""
    single = PointKernels(principal.kernels, principal.parameters, single=True)
    H = np.array([np.zeros((3, 3)), 0.3 * np.eye(3), np.diag([0.2, 0.2, -0.1])])
    dH = np.random.default_rng(12).standard_normal(H.shape)
    dP = principal.stress_increment(H, dH)
    # A float has 1.2e-7; exponentials and quotients lose a digit of that.
    assert (norm(single.stress_increment(H, dH) - dP) / norm(dP)).max() < 1e-5

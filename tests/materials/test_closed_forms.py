"""Stresses that the literature gives in closed form.

At constant volume the change of volume bears no load of its own: differences of principal Cauchy
stresses are those of the incompressible solid.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.materials.conftest import Array, CompileByName, Compiled

STRETCHES = np.array([0.5, 0.8, 1.2, 1.7])
MODULI = {"shear_modulus": 1.3, "bulk_modulus": 30.0}

#: The series of Arruda and Boyce, k C_k.
CHAINS = [1 / 2, 2 / 20, 33 / 1050, 4 * 19 / 7000, 5 * 519 / 673750]


def chain_modulus(mu: float, lock: float) -> float:
    """Return the modulus of the chains for that at small strain, as Abaqus prints it."""
    terms = [1, 3 / 5, 99 / 175, 513 / 875, 42039 / 67375]
    return mu / sum(term / lock ** (2 * k) for k, term in enumerate(terms))


#: Kernel set -> parameters, ∂ψ/∂Ī₁ and ∂ψ/∂Ī₂ as functions of Ī₁.
INVARIANTS: dict[str, tuple[Mapping[str, Any], Callable[[Array], Array], float]] = {
    "mooney-rivlin-isochoric-j2": (
        {"mu1": 0.7, "mu2": 0.4, "bulk_modulus": 30.0},
        lambda I1: 0.35 + 0 * I1,
        0.2,
    ),
    "yeoh-quadratic": (
        {"c1": 0.5, "c2": -0.05, "c3": 0.02, "bulk_modulus": 30.0},
        lambda I1: 0.5 - 0.1 * (I1 - 3) + 0.06 * (I1 - 3) ** 2,
        0.0,
    ),
    "gent-quadratic": (
        {**MODULI, "limit": 5.0},
        lambda I1: 0.65 * 5.0 / (5.0 - (I1 - 3)),
        0.0,
    ),
    "arruda-boyce-j2": (
        {**MODULI, "locking_stretch": 2.0},
        lambda I1: np.polyval(
            [chain_modulus(1.3, 2.0) * c / 4**k for k, c in enumerate(CHAINS)][::-1], I1
        ),
        0.0,
    ),
}


def cauchy(compiled: Compiled, F: Array, given: Mapping[str, Any]) -> Array:
    """Return σ at each F."""
    P = compiled.stress(F - np.eye(3), compiled.material.resolve(given, compiled.choices))
    return np.asarray(P @ F.transpose(0, 2, 1) / np.linalg.det(F)[:, None, None])


def tension(stretches: Array, sides: Array) -> Array:
    """Return F of bodies stretched along x and, by another ratio, across."""
    return np.array([np.diag([x, y, y]) for x, y in zip(stretches, sides, strict=True)])


def shear(amounts: Array) -> Array:
    F = np.tile(np.eye(3), (len(amounts), 1, 1))
    F[:, 0, 1] = amounts
    return F


@pytest.mark.parametrize("name", INVARIANTS)
def test_tension_at_constant_volume(name: str, compile_by_name: CompileByName) -> None:
    """σ₁ - σ₂ = 2 (λ² - 1/λ)(∂ψ/∂I₁ + 1/λ ∂ψ/∂I₂), Rivlin's formula."""
    given, W1, W2 = INVARIANTS[name]
    x = STRETCHES
    sigma = cauchy(compile_by_name(name), tension(x, x**-0.5), given)
    expected = 2 * (x**2 - 1 / x) * (W1(x**2 + 2 / x) + W2 / x)
    np.testing.assert_allclose(sigma[:, 0, 0] - sigma[:, 1, 1], expected, rtol=1e-12)


@pytest.mark.parametrize("name", INVARIANTS)
def test_simple_shear_at_constant_volume(name: str, compile_by_name: CompileByName) -> None:
    """σ₁₂ = 2 γ (∂ψ/∂I₁ + ∂ψ/∂I₂); for Gent's rubber it is μ γ / (1 - γ²/J_m)."""
    given, W1, W2 = INVARIANTS[name]
    amounts = np.array([-1.5, 0.1, 1.0, 2.0])
    sigma = cauchy(compile_by_name(name), shear(amounts), given)
    expected = 2 * amounts * (W1(3 + amounts**2) + W2)
    np.testing.assert_allclose(sigma[:, 0, 1], expected, rtol=1e-12)


@pytest.mark.parametrize("nu", [-0.2, 0.0, 0.25, 0.4])
def test_foam_contracts_by_the_same_ratio_at_every_stretch(
    nu: float, compile_by_name: CompileByName
) -> None:
    """Free sides at λ^(-ν): the property by which Blatz and Ko chose their form."""
    foam = compile_by_name("blatz-ko")
    given = {"shear_modulus": 1.3, "poissons_ratio": nu}
    sigma = cauchy(foam, tension(STRETCHES, STRETCHES**-nu), given)
    np.testing.assert_allclose(sigma[:, 1, 1], 0.0, atol=1e-13)


def test_polyurethane_foam_in_tension_and_shear(compile_by_name: CompileByName) -> None:
    """P = μ (λ^(-1/2) - λ⁻³) in tension; σ₁₂ = μ γ, σ₂₂ = -μ γ² and σ₁₁ = 0 in shear."""
    foam = compile_by_name("blatz-ko")
    given = {"shear_modulus": 1.3, "poissons_ratio": 0.25}
    x = STRETCHES
    F = tension(x, x**-0.25)
    P = cauchy(foam, F, given)[:, 0, 0] * x**-0.5
    np.testing.assert_allclose(P, 1.3 * (x**-0.5 - x**-3), rtol=1e-12)
    amounts = np.array([-1.0, 0.5, 2.0])
    sigma = cauchy(foam, shear(amounts), given)
    np.testing.assert_allclose(sigma[:, 0, 1], 1.3 * amounts, rtol=1e-12)
    np.testing.assert_allclose(sigma[:, 1, 1], -1.3 * amounts**2, rtol=1e-12)
    np.testing.assert_allclose(sigma[:, 0, 0], 0.0, atol=1e-13)


def test_saint_venant_kirchhoff_in_tension(compile_by_name: CompileByName) -> None:
    """P = E λ (λ² - 1)/2 with sides at √(1 - ν (λ² - 1))."""
    x = np.array([0.6, 0.9, 1.3])
    F = tension(x, np.sqrt(1 - 0.3 * (x**2 - 1)))
    compiled = compile_by_name("saint-venant-kirchhoff")
    given = {"youngs_modulus": 2.0, "poissons_ratio": 0.3}
    P = compiled.stress(F - np.eye(3), compiled.material.resolve(given))
    np.testing.assert_allclose(P[:, 0, 0], x * (x**2 - 1), rtol=1e-12)
    np.testing.assert_allclose(P[:, 1, 1], 0.0, atol=1e-14)


@pytest.mark.parametrize("dispersion", [0.0, 0.2, 1 / 3])
def test_tissue_in_tension_along_its_fibres(
    dispersion: float, compile_by_name: CompileByName
) -> None:
    """σ₁ - σ₂ = (μ + 2 d ψ') (λ² - 1/λ) + 2 (1 - 3 d) ψ' λ² with ψ' = k₁ <Ē> exp(k₂ <Ē>²)."""
    given = {**MODULI, "fibres": [[1.0, 0.0, 0.0]], "k1": [2.0], "k2": [0.3]}
    x = STRETCHES
    sigma = cauchy(
        compile_by_name("holzapfel-gasser-ogden-1"),
        tension(x, x**-0.5),
        {**given, "dispersion": [dispersion]},
    )
    strain = dispersion * (x**2 + 2 / x - 3) + (1 - 3 * dispersion) * (x**2 - 1)
    slope = 2.0 * np.maximum(strain, 0) * np.exp(0.3 * strain**2)
    expected = (1.3 + 2 * dispersion * slope) * (x**2 - 1 / x)
    expected += 2 * (1 - 3 * dispersion) * slope * x**2
    np.testing.assert_allclose(sigma[:, 0, 0] - sigma[:, 1, 1], expected, rtol=1e-12)


def test_heart_muscle_in_tension_along_its_fibres(compile_by_name: CompileByName) -> None:
    """S = C exp(Q) (b_f E_ff, b_t E_ss, b_t E_nn), with the constants of Land's first problem."""
    given = {
        "fibre": [1.0, 0.0, 0.0],
        "stiffness": 2.0,
        "b_f": 8.0,
        "b_t": 2.0,
        "b_fs": 4.0,
        "bulk_modulus": 200.0,
    }
    x = np.array([0.8, 0.95, 1.1, 1.3])
    sigma = cauchy(compile_by_name("guccione"), tension(x, x**-0.5), given)
    along, across = (x**2 - 1) / 2, (1 / x - 1) / 2
    scale = 2.0 * np.exp(8.0 * along**2 + 2 * 2.0 * across**2)
    expected = scale * (x**2 * 8.0 * along - 2.0 * across / x)
    np.testing.assert_allclose(sigma[:, 0, 0] - sigma[:, 1, 1], expected, rtol=1e-12)


def test_heart_muscle_sheared_along_its_fibres(compile_by_name: CompileByName) -> None:
    """S_fs = C exp(Q) b_fs E_fs with E_fs = γ/2 and E_ss = γ²/2, so that σ_fs follows."""
    given = {
        "fibre": [1.0, 0.0, 0.0],
        "stiffness": 2.0,
        "b_f": 8.0,
        "b_t": 2.0,
        "b_fs": 4.0,
        "bulk_modulus": 200.0,
    }
    g = np.array([-0.6, 0.2, 0.5])
    sigma = cauchy(compile_by_name("guccione"), shear(g), given)
    scale = 2.0 * np.exp(2.0 * (g**2 / 2) ** 2 + 2 * 4.0 * (g / 2) ** 2)
    S_fs, S_ss = scale * 4.0 * g / 2, scale * 2.0 * g**2 / 2
    np.testing.assert_allclose(sigma[:, 0, 1], S_fs + g * S_ss, rtol=1e-12)

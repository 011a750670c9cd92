"""Models that are others in a limit."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.materials.conftest import Array, CompileByName, Compiled

MODULI = {"shear_modulus": 1.0, "bulk_modulus": 5.0}
FIBRES: Mapping[str, Any] = {
    "fibres": [[0.6, 0.8, 0.0], [0.0, 0.6, 0.8]],
    "k1": [3.0, 2.0],
    "k2": [0.5, 0.2],
}


class Reduction(NamedTuple):
    """A kernel set and its parameters, the simpler one that it becomes, and how nearly."""

    name: str
    given: Mapping[str, Any]
    simpler: str
    simpler_given: Mapping[str, Any]
    rtol: float


REDUCTIONS = [
    Reduction(
        "yeoh-j2",
        {"c1": 0.5, "c2": 0.0, "c3": 0.0, "bulk_modulus": 5.0},
        "neo-hookean-isochoric-j2",
        MODULI,
        1e-12,
    ),
    Reduction(
        "mooney-rivlin-isochoric-quadratic",
        {"mu1": 1.0, "mu2": 0.0, "bulk_modulus": 5.0},
        "neo-hookean-isochoric-quadratic",
        MODULI,
        1e-12,
    ),
    # The next term of the logarithm is (Ī₁ - 3)/(2 J_m), Ī₁ - 3 being up to 100.
    Reduction("gent-j2", {**MODULI, "limit": 1e9}, "neo-hookean-isochoric-j2", MODULI, 1e-6),
    # The next term of the series is (Ī₁ + 3)/(10 λ_m²).
    Reduction(
        "arruda-boyce-quadratic",
        {**MODULI, "locking_stretch": 1e4},
        "neo-hookean-isochoric-quadratic",
        MODULI,
        1e-6,
    ),
    Reduction(
        "holzapfel-gasser-ogden-2",
        {**MODULI, **FIBRES, "k1": [0.0, 0.0]},
        "neo-hookean-isochoric-j2",
        MODULI,
        1e-12,
    ),
    # A composite as stiff along as across: its matrix alone, whose volumetric term is (J - 1)².
    Reduction(
        "transversely-isotropic",
        {
            "axial_modulus": 2.8,
            "transverse_modulus": 2.8,
            "axial_shear_modulus": 1.0,
            "axial_poissons_ratio": 0.4,
            "transverse_poissons_ratio": 0.4,
            "fibre": [1.0, 0.0, 0.0],
        },
        "transversely-isotropic",
        {
            "axial_modulus": 2.8,
            "transverse_modulus": 2.8,
            "axial_shear_modulus": 1.0,
            "axial_poissons_ratio": 0.4,
            "transverse_poissons_ratio": 0.4,
            "fibre": [0.0, 0.6, 0.8],
        },
        1e-12,
    ),
]


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=lambda reduction: reduction.name)
def test_a_model_becomes_a_simpler_one(
    reduction: Reduction, compile_by_name: CompileByName, large: Array
) -> None:
    one, other = compile_by_name(reduction.name), compile_by_name(reduction.simpler)
    agree(one, reduction.given, other, reduction.simpler_given, large, reduction.rtol)


def agree(
    one: Compiled,
    given: Mapping[str, Any],
    other: Compiled,
    other_given: Mapping[str, Any],
    H: Array,
    rtol: float,
) -> None:
    """Assert that energy, stress and tangent of two materials are the same."""
    parameters = one.material.resolve(given, one.choices)
    other_parameters = other.material.resolve(other_given, other.choices)
    energy = other.energy(H, other_parameters)
    np.testing.assert_allclose(one.energy(H, parameters), energy, rtol=rtol)
    dH = np.random.default_rng(4).standard_normal(H.shape)
    for a, b in (
        (one.stress(H, parameters), other.stress(H, other_parameters)),
        (one.stress_increment(H, dH, parameters), other.stress_increment(H, dH, other_parameters)),
    ):
        assert (np.abs(a - b).max(axis=(1, 2)) / np.abs(b).max(axis=(1, 2))).max() < rtol


def squeezed(fibres: Array) -> Array:
    """Return deformations that make every fibre shorter, those of the sheared included."""
    generator = np.random.default_rng(8)
    H = 0.4 * generator.standard_normal((2000, 3, 3))
    F = np.eye(3) + H
    J = np.linalg.det(F)
    H, F, J = H[J > 0.2], F[J > 0.2], J[J > 0.2]
    stretch = (np.einsum("qij,fj->qfi", F, fibres) ** 2).sum(axis=2)
    return H[(stretch * J[:, None] ** (-2 / 3) < 1).all(axis=1)]


@pytest.mark.parametrize("recruitment", [0.0, 0.1])
def test_fibres_bear_no_compression(compile_by_name: CompileByName, recruitment: float) -> None:
    """Then a tissue is its matrix, to the last digit and with its tangent."""
    H = squeezed(np.array(FIBRES["fibres"]))
    assert len(H) > 100
    tissue = {**MODULI, **FIBRES, "recruitment": recruitment}
    agree(
        compile_by_name("holzapfel-gasser-ogden-2"),
        tissue,
        compile_by_name("neo-hookean-isochoric-j2"),
        MODULI,
        H,
        1e-12,
    )


def test_fibres_in_all_directions_have_none(compile_by_name: CompileByName, large: Array) -> None:
    """With a dispersion of 1/3 the direction does not matter."""
    tissue = compile_by_name("holzapfel-gasser-ogden-1")
    H = tissue.within_reach(large)
    one, other = (
        {**MODULI, "fibres": [fibre], "k1": [3.0], "k2": [0.1], "dispersion": [1 / 3]}
        for fibre in ([1.0, 0.0, 0.0], [0.0, -0.6, 0.8])
    )
    agree(tissue, one, tissue, other, H, 1e-12)


def test_a_family_counts_once_for_each_time_that_it_is_given(
    compile_by_name: CompileByName, large: Array
) -> None:
    one, two = (compile_by_name(f"holzapfel-gasser-ogden-{number}") for number in (1, 2))
    fibre = [0.6, 0.0, 0.8]
    single = {**MODULI, "fibres": [fibre], "k1": [3.0], "k2": [0.1], "dispersion": [0.2]}
    double = {
        **MODULI,
        "fibres": [fibre, fibre],
        "k1": [1.0, 2.0],
        "k2": [0.1, 0.1],
        "dispersion": [0.2, 0.2],
    }
    agree(two, double, one, single, one.within_reach(large), 1e-12)


def test_a_short_recruitment_is_a_sharp_switch(
    compile_by_name: CompileByName, large: Array
) -> None:
    """The load comes later by half the recruitment; states within it are left out."""
    tissue = compile_by_name("holzapfel-gasser-ogden-2")
    H = tissue.within_reach(large)
    sharp, smooth = (
        tissue.stress(H, tissue.material.resolve({**MODULI, **FIBRES, "recruitment": width}))
        for width in (0.0, 1e-9)
    )
    np.testing.assert_allclose(smooth, sharp, rtol=0, atol=1e-7 * np.abs(sharp).max())


@pytest.mark.parametrize("name", ["gent-j2", "gent-quadratic"])
def test_beyond_its_limit_a_chain_is_not_a_number(
    name: str, compile_by_name: CompileByName
) -> None:
    """Energy and stress and tangent: a solver that gets there must notice."""
    gent = compile_by_name(name)
    parameters = gent.material.resolve({**MODULI, "limit": 4.0})
    shear = np.zeros((3, 3, 3))
    shear[:, 0, 1] = [1.99, 2.0, 2.01]  # Ī₁ - 3 is the square of the amount of shear
    energy, P = gent.energy(shear, parameters), gent.stress(shear, parameters)
    dP = gent.stress_increment(shear, np.ones((3, 3, 3)), parameters)
    finite = [np.isfinite(energy), *(np.isfinite(x).all(axis=(1, 2)) for x in (P, dP))]
    np.testing.assert_array_equal(finite, [[True, False, False]] * 3)
    assert np.isnan(P[2]).any()


def test_saint_venant_kirchhoff_is_linear_elasticity_of_the_green_lagrange_strain(
    compile_by_name: CompileByName, large: Array
) -> None:
    """S = λ tr E I + 2 μ E, written out."""
    compiled = compile_by_name("saint-venant-kirchhoff")
    lmbda, mu = (float(compiled.parameters[name]) for name in ("lame_lambda", "lame_mu"))
    F = np.eye(3) + large
    E = (F.transpose(0, 2, 1) @ F - np.eye(3)) / 2
    S = lmbda * np.trace(E, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 2 * mu * E
    error = np.abs(compiled.stress(large) - F @ S).max(axis=(1, 2))
    assert (error / np.abs(F @ S).max(axis=(1, 2))).max() < 1e-12

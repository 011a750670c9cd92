"""Closed-form states of verification problems V06 to V09, at one point."""

from collections.abc import Mapping

import numpy as np
import pytest

from elastane.materials import MODELS
from elastane.materials.model import Values
from tests.materials.conftest import Array, CompileByName, Compiled

GIVEN = {"youngs_modulus": 1.0, "poissons_ratio": 0.3}


@pytest.fixture(scope="module")
def neo_hookean(compile_by_name: CompileByName) -> Compiled:
    return compile_by_name("neo-hookean")


def first_piola_kirchhoff(compiled: Compiled, F: Array) -> Array:
    H = np.asarray(F, dtype=float) - np.eye(3)
    return compiled.stress(H[None], compiled.material.resolve(GIVEN))[0]


def cauchy(compiled: Compiled, F: Array, parameters: Mapping[str, Values]) -> Array:
    """Return σxx σyy σzz σxy σyz σxz."""
    H = np.asarray(F, dtype=float)[None] - np.eye(3)
    qdata = np.array([1.0, 1, 0, 0, 0, 1, 0, 0, 0, 1])[:, None]
    field = H[0].T.reshape(9, 1)
    return compiled.call("diagnostics", [field, qdata], parameters)[0][1:7, 0]


@pytest.mark.parametrize(
    ("stretch", "transverse", "P11"),
    [
        (1.5, 0.880174592, 0.378280176),
        (0.6, 1.15498215, -0.624348569),
        (3.0, 0.68811103, 1.09314144),
    ],
)
def test_uniaxial_tension(
    neo_hookean: Compiled, stretch: float, transverse: float, P11: float
) -> None:
    """V06; the stretches are given to nine digits."""
    P = first_piola_kirchhoff(neo_hookean, np.diag([stretch, transverse, transverse]))
    np.testing.assert_allclose(np.diag(P), [P11, 0, 0], atol=1e-8)


def test_equibiaxial_tension(neo_hookean: Compiled) -> None:
    """V07."""
    P = first_piola_kirchhoff(neo_hookean, np.diag([1.4, 1.4, 0.710061923]))
    np.testing.assert_allclose(np.diag(P), [0.399948369, 0.399948369, 0], atol=1e-8)


def test_plane_strain_tension(neo_hookean: Compiled) -> None:
    """V07."""
    P = first_piola_kirchhoff(neo_hookean, np.diag([1.5, 0.824923642, 1.0]))
    np.testing.assert_allclose(np.diag(P), [0.40243615, 0, 0.122884994], atol=1e-8)


def test_confined_compression(neo_hookean: Compiled) -> None:
    """V08."""
    P = first_piola_kirchhoff(neo_hookean, np.diag([0.5, 1.0, 1.0]))
    np.testing.assert_allclose(np.diag(P), [-1.37670829, -0.399892604, -0.399892604], atol=1e-8)


@pytest.mark.parametrize(("J", "sigma"), [(0.5, -1.08443096), (2.0, 0.312908043)])
def test_hydrostatic_state(neo_hookean: Compiled, J: float, sigma: float) -> None:
    """V08."""
    stress = cauchy(neo_hookean, J ** (1 / 3) * np.eye(3), MODELS["neo-hookean"].resolve(GIVEN))
    np.testing.assert_allclose(stress, [sigma, sigma, sigma, 0, 0, 0], atol=1e-8)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("neo-hookean", GIVEN, [0.0961538462, 0, 0, 0.192307692]),
        (
            "mooney-rivlin",
            {"mu1": 0.5, "mu2": 0.5, "lame_lambda": 4.0},
            [0.25, 0, 0.125, 0.5],
        ),
    ],
)
def test_simple_shear(
    compile_by_name: CompileByName, name: str, given: dict[str, float], expected: list[float]
) -> None:
    """V09: normal stresses appear, Poynting's effect."""
    F = np.eye(3)
    F[0, 1] = 0.5
    stress = cauchy(compile_by_name(name), F, MODELS[name].resolve(given))
    np.testing.assert_allclose(stress, [*expected, 0, 0], atol=1e-9)

"""The tangent at rest has the moduli that users give."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from elastane.materials import MODELS
from tests.materials.conftest import Array, CompileByName, Compiled

#: Names of the elastic constants that isotropic models take any two of.
E, NU = "youngs_modulus", "poissons_ratio"

#: Models that take other parameters -> those, and their shear and bulk modulus.
OWN_PARAMETERS: dict[str, tuple[Mapping[str, float], float, float]] = {
    "mooney-rivlin": ({"mu1": 0.5, "mu2": 0.25, "lame_lambda": 4.0}, 0.75, 5.0),
    "mooney-rivlin-isochoric": ({"mu1": 0.5, "mu2": 0.25, "bulk_modulus": 4.0}, 0.75, 4.0),
    "yeoh": ({"c1": 0.5, "c2": -0.1, "c3": 0.2, NU: 0.4}, 1.0, 14 / 3),
}

ISOTROPIC = [
    name
    for name, model in MODELS.items()
    if not any(parameter.direction for parameter in model.kernel_parameters)
]


def tangent_at_rest(compiled: Compiled, given: Mapping[str, Any]) -> Array:
    """Return ∂P_ij/∂H_kl as 9 x 9 numbers."""
    parameters = compiled.material.resolve(given, compiled.choices)
    dH = np.eye(9).reshape(9, 3, 3)
    return compiled.stress_increment(np.zeros((9, 3, 3)), dH, parameters).reshape(9, 9).T


def hooke(shear: float, bulk: float) -> Array:
    """Return the tangent of linear elasticity as 9 x 9 numbers."""
    one = np.eye(3)
    volume = np.einsum("ij,kl->ijkl", one, one)
    symmetric = np.einsum("ik,jl->ijkl", one, one) + np.einsum("il,jk->ijkl", one, one)
    return ((bulk - 2 * shear / 3) * volume + shear * symmetric).reshape(9, 9)


def test_isotropic_models_have_the_moduli_that_are_given(compiled: Compiled) -> None:
    material = compiled.material
    if material.name not in ISOTROPIC:
        pytest.skip("fibres have moduli of their own")
    constants = {E: 2.8, NU: 0.4}
    given: Mapping[str, Any] | None
    given, shear, bulk = OWN_PARAMETERS.get(material.name, (None, 1.0, 14 / 3))
    if material.name == "ogden":
        mu, alpha = np.array([0.8, 0.2, -0.1]), np.array([1.5, 4.0, -2.0])
        terms = int(compiled.choices["terms"])
        given = {"mu": mu[:terms], "alpha": alpha[:terms], "bulk_modulus": 14 / 3}
        shear = float(mu[:terms] @ alpha[:terms]) / 2
    if given is None:
        elastic = {"youngs_modulus", NU, "shear_modulus", "bulk_modulus", "lame_lambda"}
        example = material.examples_of(compiled.choices)[0]
        given = constants | {k: v for k, v in example.items() if k not in elastic}
    expected = hooke(shear, bulk)
    # Conversions of constants lose a digit or two.
    atol = 1e-13 * np.abs(expected).max()
    np.testing.assert_allclose(tangent_at_rest(compiled, given), expected, rtol=0, atol=atol)


def test_the_matrix_of_a_tissue_has_the_moduli_that_are_given(
    compile_by_name: CompileByName,
) -> None:
    """At rest fibres are switched off, whatever their stiffness."""
    tissue = compile_by_name("holzapfel-gasser-ogden-1")
    given = {E: 2.8, NU: 0.4, "fibres": [[0.0, 1.0, 1.0]], "k1": [100.0], "k2": [1.0]}
    np.testing.assert_allclose(tangent_at_rest(tissue, given), hooke(1.0, 14 / 3), atol=1e-13)


@pytest.mark.parametrize("fibre", [[1.0, 0.0, 0.0], [1.0, -2.0, 0.5]])
def test_a_composite_has_the_five_constants_that_are_given(
    compile_by_name: CompileByName, fibre: list[float]
) -> None:
    """Strains under a pull along, a pull across and a shear along, from the inverse tangent."""
    given = {
        "axial_modulus": 7.0,
        "transverse_modulus": 2.0,
        "axial_shear_modulus": 0.9,
        "axial_poissons_ratio": 0.3,
        "transverse_poissons_ratio": 0.45,
        "fibre": fibre,
    }
    tangent = tangent_at_rest(compile_by_name("transversely-isotropic"), given)
    a, s, n = basis(fibre)

    def strain(stress: Array) -> Array:
        # Rotations are free: least squares leaves them out.
        return np.asarray(np.linalg.pinv(tangent, rcond=1e-10) @ stress.ravel()).reshape(3, 3)

    along, across = strain(np.outer(a, a)), strain(np.outer(s, s))
    shear = strain(np.outer(a, s) + np.outer(s, a))
    found = {
        "axial_modulus": 1 / (a @ along @ a),
        "transverse_modulus": 1 / (s @ across @ s),
        "axial_shear_modulus": 1 / (2 * (a @ shear @ s)),
        "axial_poissons_ratio": -(s @ along @ s) / (a @ along @ a),
        "transverse_poissons_ratio": -(n @ across @ n) / (s @ across @ s),
    }
    assert found == pytest.approx({name: given[name] for name in found}, rel=1e-12)


def test_heart_muscle_has_the_moduli_of_its_weights(compile_by_name: CompileByName) -> None:
    """C b : ε : ε / 2 is the energy at small strain, beside that of the volume."""
    given = {
        "fibre": [2.0, 1.0, -1.0],
        "stiffness": 2.0,
        "b_f": 8.0,
        "b_t": 2.0,
        "b_fs": 4.0,
        "bulk_modulus": 200.0,
    }
    tangent = tangent_at_rest(compile_by_name("guccione"), given)
    f, s, n = basis(given["fibre"])

    def stiffness(strain: Array) -> float:
        return float(strain.ravel() @ tangent @ strain.ravel())

    assert stiffness(np.outer(f, f)) == pytest.approx(2.0 * 8.0 + 200.0)
    assert stiffness(np.outer(s, s)) == pytest.approx(2.0 * 2.0 + 200.0)
    assert stiffness(np.outer(s, n) + np.outer(n, s)) == pytest.approx(2.0 * 2 * 2.0)
    assert stiffness(np.outer(f, n) + np.outer(n, f)) == pytest.approx(2.0 * 2 * 4.0)
    assert stiffness(np.eye(3)) == pytest.approx(2.0 * (8.0 + 2 * 2.0) + 9 * 200.0)


def basis(first: Any) -> Array:
    """Return the direction and two across as rows of an orthogonal matrix."""
    Q, _ = np.linalg.qr(np.column_stack([first, [0.1, 0.5, 1.0], [1.0, 0.2, 0.1]]))
    return Q.T

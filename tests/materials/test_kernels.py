"""The interface of the compiled functions: layouts, geometry, parameters, manifest."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from elastane.materials import MODELS
from elastane.materials.compiler.native import build_library
from elastane.materials.kernels import GENERATED, find_kernels, read_kernels
from elastane.materials.model import Choices
from elastane.materials.points import PointKernels
from tests.materials.conftest import Array, Compiled

#: Models whose stress is a number even where det F < 0; the solver asks for det F as well.
WITHOUT_LOGARITHM = {
    *("linear", "neo-hookean-j2", "saint-venant-kirchhoff", "guccione"),
    *("hencky", "ogden"),  # of principal strains, which are those of C
}

#: Models whose Jacobian is all sums and products.
SHORT_TANGENTS = {
    "linear",
    "neo-hookean",
    "neo-hookean-j2",
    "neo-hookean-isochoric",
    "mooney-rivlin",
    "saint-venant-kirchhoff",
}

Points: TypeAlias = tuple[Array, Array, Array, Array]


@pytest.fixture
def points() -> Points:
    """Geometry and gradients at 37 points: dxi/dX, w, H and its increment."""
    generator = np.random.default_rng(1)
    dxi_dX = np.eye(3) + 0.3 * generator.standard_normal((37, 3, 3))
    w = 0.5 + generator.random(37)
    H, dH = 0.1 * generator.standard_normal((2, 37, 3, 3))
    return dxi_dX, w, H, dH


def reference_gradient(H: Array, dxi_dX: Array) -> Array:
    """Return du_c/dxi_d at component c + 3 d, where H_cJ = du_c/dxi_d dxi_d/dX_J."""
    gradient = H @ np.linalg.inv(dxi_dX)
    return np.array([gradient[:, c, d] for d in range(3) for c in range(3)])


def weak_gradient(P: Array, dxi_dX: Array, w: Array) -> Array:
    """Return w P_cJ dxi_d/dX_J at component c + 3 d."""
    product = np.einsum("q,qcJ,qdJ->qcd", w, P, dxi_dX)
    return np.array([product[:, c, d] for d in range(3) for c in range(3)])


def qdata(dxi_dX: Array, w: Array) -> Array:
    return np.concatenate([w[None], dxi_dX.reshape(-1, 9).T])


def test_residual_and_jacobian_work_in_reference_coordinates(
    compiled: Compiled, points: Points
) -> None:
    dxi_dX, w, H, dH = points
    geometry = qdata(dxi_dX, w)
    grad_v, *state, det_F = compiled.call("residual", [reference_gradient(H, dxi_dX), geometry])
    (grad_dv,) = compiled.call("jacobian", [reference_gradient(dH, dxi_dX), geometry, *state])
    P, dP = compiled.stress(H), compiled.stress_increment(H, dH)
    J = np.linalg.det(np.eye(3) + H) if compiled.material.finite_strain else np.ones(len(H))
    np.testing.assert_allclose(grad_v, weak_gradient(P, dxi_dX, w), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(grad_dv, weak_gradient(dP, dxi_dX, w), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(det_F[0], J, rtol=1e-13)


def test_diagnostics_are_weighted_cauchy_stress_volume_and_energy(
    compiled: Compiled, points: Points
) -> None:
    dxi_dX, w, H, _ = points
    inputs = [reference_gradient(H, dxi_dX), qdata(dxi_dX, w)]
    (diagnostics,) = compiled.call("diagnostics", inputs)
    (energy,) = compiled.call("energy", inputs)
    P, F = compiled.stress(H), np.eye(3) + H
    J = np.linalg.det(F)
    sigma = P @ F.transpose(0, 2, 1) / J[:, None, None]
    if not compiled.material.finite_strain:
        sigma, J = P, 1 + np.trace(H, axis1=1, axis2=2)
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))
    expected = [np.ones_like(w), *(sigma[:, i, j] for i, j in pairs), J, compiled.energy(H)]
    np.testing.assert_allclose(diagnostics, w * np.array(expected), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(energy[0], diagnostics[8], rtol=1e-15)


def test_parameters_from_a_field_vary_from_point_to_point(
    compiled: Compiled, points: Points
) -> None:
    dxi_dX, w, H, dH = points
    examples = compiled.material.examples_of(compiled.choices)
    sets = [compiled.material.resolve(example) for example in examples]
    sets.append({name: 1.1 * np.asarray(value) for name, value in sets[0].items()})
    field = np.array(
        [[sets[k % 2][name] for k in range(len(w))] for name in compiled.kernels.parameters]
    )
    inputs = [reference_gradient(H, dxi_dX), qdata(dxi_dX, w)]
    nothing = dict.fromkeys(compiled.kernels.parameters, np.nan)
    for function in ("residual", "energy", "diagnostics"):
        varied = compiled.call(f"{function}_field", [*inputs, field], nothing)
        for k in (0, 1):
            constant = compiled.call(function, inputs, sets[k])
            for one, other in zip(varied, constant, strict=True):
                np.testing.assert_allclose(one[:, k::2], other[:, k::2], rtol=1e-13, atol=1e-14)
    state = compiled.call("residual_field", [*inputs, field], nothing)[1:-1]
    inputs = [reference_gradient(dH, dxi_dX), qdata(dxi_dX, w), *state]
    (varied_dP,) = compiled.call("jacobian_field", [*inputs, field], nothing)
    for k in (0, 1):
        (constant_dP,) = compiled.call("jacobian", inputs, sets[k])
        np.testing.assert_allclose(varied_dP[:, k::2], constant_dP[:, k::2], rtol=1e-13, atol=1e-14)


def test_an_inverted_point_is_not_a_number(compiled: Compiled) -> None:
    """The line search of the solver relies on it: det F < 0 must not look like a state."""
    if compiled.material.name in WITHOUT_LOGARITHM:
        pytest.skip("the stress of this model has no logarithm of J")
    H = np.diag([-1.5, 0.0, 0.0])[None]
    P, _, det_F = compiled.residual(H)
    assert det_F[0] == pytest.approx(-0.5)
    assert not np.isfinite(P).all()


def test_names_and_sizes_are_those_of_the_manifest(compiled: Compiled) -> None:
    kernels = compiled.kernels
    stored = (("state", kernels.num_stored),) if kernels.num_stored else ()
    assert kernels.functions["residual"].inputs == (("grad_u", 9), ("qdata", 10))
    assert kernels.functions["residual"].outputs == (("grad_v", 9), *stored, ("det_F", 1))
    assert kernels.functions["jacobian"].inputs == (("grad_du", 9), ("qdata", 10), *stored)
    assert kernels.parameters == compiled.material.scalars(compiled.choices)


def test_the_jacobian_calls_no_dear_functions(compiled: Compiled) -> None:
    """What the split is for: logarithms and quotients are stored, not computed again.

    In longer tangents a quotient or an exponential may take the place of several stored numbers,
    and quotients of parameters remain, which C compilers move out of the loop.
    """
    allowed = set() if compiled.material.name in SHORT_TANGENTS else {"divide", "exp"}
    assert not set(compiled.kernels.manifest["calls"]["jacobian"]) - allowed


@pytest.mark.parametrize(
    ("name", "choices", "num_stored", "flops"),
    [
        ("linear", {}, 0, 16),
        ("neo-hookean", {}, 11, 123),
        ("mooney-rivlin", {}, 11, 303),
        ("holzapfel-gasser-ogden", {"families": 2}, 22, 504),
    ],
)
def test_the_cost_of_the_tangent_does_not_grow(
    name: str, choices: Choices, num_stored: int, flops: int
) -> None:
    kernels = find_kernels(MODELS[name], choices)
    assert kernels.num_stored <= num_stored
    assert kernels.manifest["material_flops"]["jacobian"] <= flops


def test_c_is_straight_line_and_scalar(compiled: Compiled) -> None:
    source = compiled.kernels.source
    bodies = source.split("CEED_QFUNCTION(")[2:]
    assert len(bodies) == 8
    for body in bodies:
        assert body.count("for (") == 1
        assert not re.search(r"CeedScalar \w+\[|\bif \(|\bwhile\b", body)


def test_c_is_the_same_with_the_headers_of_libceed(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    libceed = pytest.importorskip("libceed")
    headers = shlex.quote(f"-I{libceed.__path__[0]}/include")
    monkeypatch.setenv("CC", f"gcc {headers} -include math.h -include ceed/types.h -Werror")
    exported = re.sub(r"(CEED_QFUNCTION)\(", r"\1(", compiled.kernels.source)
    build_library(exported, f"{compiled.name}-with-headers")


def test_a_changed_energy_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS["linear"]
    monkeypatch.setattr("elastane.materials.kernels.source_hash", lambda model: "another")
    with pytest.raises(
        RuntimeError, match=r"has changed .* `python -m elastane.materials.compiler"
    ):
        find_kernels(model)


def test_an_edited_c_file_is_noticed(tmp_path: Path) -> None:
    for path in GENERATED.glob("linear.*"):
        shutil.copy(path, tmp_path)
    edited = tmp_path / "linear.c"
    edited.write_text(edited.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="edited by hand"):
        read_kernels(MODELS["linear"], "linear", tmp_path)


def test_missing_kernels_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"linear.c is missing; run"):
        read_kernels(MODELS["linear"], "linear", tmp_path)


def test_manifests_say_how_they_were_made(compiled: Compiled) -> None:
    manifest = json.loads((GENERATED / f"{compiled.name}.json").read_text(encoding="utf-8"))
    assert set(manifest["derivatives"]) == {"enzyme-ad", "jax"}
    assert all(float(error) <= 1e-12 for error in manifest["checks"].values())


def test_single_precision_agrees_within_its_digits(compiled: Compiled, large: Array) -> None:
    """The single-precision build of the same text computes the same to the digits of a float."""
    single = PointKernels(compiled.kernels, compiled.parameters, single=True)
    large = compiled.within_reach(large)
    P = compiled.stress(large)
    error = np.abs(single.stress(large) - P).max(axis=(1, 2)) / np.abs(P).max(axis=(1, 2))
    # A float has 1.2e-7; J near 0.2 and exponentials lose two or three digits of that.
    assert np.median(error) < 1e-5
    assert error.max() < 5e-3


def test_the_jacobian_decides_nothing(compiled: Compiled) -> None:
    """What the residual decided is stored: rounded twice, two decisions could be two branches."""
    _, body = compiled.kernels.source.split("CEED_QFUNCTION(jacobian)", 1)
    loop = body.split("\n}\n", 1)[0].split("i++)", 1)[1]
    assert "grad_dv" in loop
    assert not re.search(r"[<>]", loop)

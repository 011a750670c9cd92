"""Neural networks from weights files: what is read, what is refused, and the laws of the energy."""

import io
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import jax
import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
from numpy.typing import NDArray

from elastane.materials import Material, find_or_load
from elastane.materials.compiler import pipeline, split
from elastane.materials.compiler.evaluate import DIGITS, evaluate, evaluate_exactly
from elastane.materials.compiler.formulas import Formulas
from elastane.materials.compiler.operations import LARGEST_BODY
from elastane.materials.files import MaterialFileError
from elastane.materials.kernels import source_hash
from elastane.materials.network_file import read_network
from elastane.materials.neural_network import _beyond_linear, shear_modulus

Array = NDArray[np.float64]
Arrays = dict[str, Array]

BULK = 12.5


def weights(*hidden: int) -> Arrays:
    """Return the arrays of a network of these hidden layers; the same ones every time."""
    generator = np.random.default_rng(14)
    sizes = (3, *hidden)
    arrays: Arrays = {}
    for k, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weight = np.abs(generator.standard_normal((fan_out, fan_in))) / np.sqrt(fan_in)
        if k == 0:
            weight[:, 2] = generator.standard_normal(fan_out)
        arrays[f"layers.{k}.weight"] = weight
        arrays[f"layers.{k}.bias"] = 2.0 * generator.standard_normal(fan_out)
    arrays[f"layers.{len(hidden)}.weight"] = np.abs(generator.standard_normal((1, sizes[-1])))
    return arrays


def forward(arrays: Arrays, x: Array) -> float:
    """Return what the network returns, as PyTorch would compute it."""
    last = len(arrays) // 2
    for k in range(last):
        x = np.logaddexp(arrays[f"layers.{k}.weight"] @ x + arrays[f"layers.{k}.bias"], 0.0)
    return float((arrays[f"layers.{last}.weight"] @ x)[0])


def safetensors(arrays: Arrays) -> bytes:
    """Return a file of the documented format."""
    header: dict[str, object] = {}
    data = b""
    for name, array in arrays.items():
        kind = {"float64": "F64", "float32": "F32"}[array.dtype.name]
        end = len(data) + array.nbytes
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(data), end]}
        data += array.tobytes()
    return framed(json.dumps({"__metadata__": {"format": "pt"}, **header}).encode(), data)


def framed(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def npz(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def material_of(path: Path, arrays: Arrays) -> Material:
    path.write_bytes(npz(arrays))
    return find_or_load(str(path))


# What is read and refused ------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_both_formats_hold_the_same_network(precision: type) -> None:
    arrays: Arrays = {name: a.astype(precision) for name, a in weights(5, 4).items()}
    ours = read_network(Path("net.npz"), npz(arrays))
    theirs = read_network(Path("net.safetensors"), safetensors(arrays))
    assert ours.sizes == theirs.sizes == (3, 5, 4, 1)
    for k in range(2):
        np.testing.assert_array_equal(ours.weights[k], arrays[f"layers.{k}.weight"])
        np.testing.assert_array_equal(theirs.weights[k], ours.weights[k])
        np.testing.assert_array_equal(theirs.biases[k], ours.biases[k])
    np.testing.assert_array_equal(theirs.output, ours.output)


def changed(name: str, place: tuple[int, ...], value: float) -> Callable[[Arrays], Arrays]:
    def change(arrays: Arrays) -> Arrays:
        arrays[name][place] = value
        return arrays

    return change


#: What is done to the arrays -> what is said of it.
UNFIT: dict[str, tuple[Callable[[Arrays], Arrays], str]] = {
    "a negative weight between layers": (
        changed("layers.1.weight", (1, 2), -0.25),
        r"layers.1.weight\[1, 2\] is -0.25; it must be at least 0, or the energy is not polyconvex",
    ),
    "a negative weight of the first invariant": (
        changed("layers.0.weight", (3, 0), -1.0),
        r"layers.0.weight\[3, 0\] is -1.0; it must be at least 0",
    ),
    "a negative weight of the output": (
        changed("layers.2.weight", (0, 1), -1.0),
        r"layers.2.weight\[0, 1\] is -1.0; it must be at least 0",
    ),
    "not a number": (
        changed("layers.1.bias", (2,), np.nan),
        r"layers.1.bias\[2\] is nan; it must be finite",
    ),
    "four inputs": (
        lambda arrays: arrays | {"layers.0.weight": np.ones((5, 4))},
        r"layers.0.weight must be of shape \(5, 3\), it is \(5, 4\)",
    ),
    "a bias too short": (
        lambda arrays: arrays | {"layers.1.bias": np.ones(3)},
        r"layers.1.bias must be of shape \(4,\), it is \(3,\)",
    ),
    "two outputs": (
        lambda arrays: arrays | {"layers.2.weight": np.ones((2, 4))},
        r"layers.2.weight must be of shape \(1, 4\), it is \(2, 4\)",
    ),
    "no bias": (
        lambda arrays: {name: a for name, a in arrays.items() if name != "layers.0.bias"},
        r"holds layers.0.weight, .*; a network of 3 layers is layers.0.bias, ",
    ),
    "another name": (
        lambda arrays: arrays | {"extra": np.ones(3)},
        r"holds extra, layers.0.bias",
    ),
    "one layer": (
        lambda arrays: {"layers.0.weight": np.ones((1, 3))},
        r"a network of one hidden layer is layers.0.weight, layers.0.bias and layers.1.weight",
    ),
    "nothing": (lambda arrays: {}, "holds nothing"),
    "whole numbers": (
        lambda arrays: arrays | {"layers.1.bias": np.ones(4, dtype=np.int64)},
        r"layers.1.bias must be of 32- or 64-bit floats, it is of int64",
    ),
    "objects": (
        lambda arrays: arrays | {"layers.1.bias": np.array([{}] * 4, dtype=object)},
        r"no npz file of plain arrays: Object arrays cannot be loaded",
    ),
    "no shear": (
        lambda arrays: arrays | {"layers.0.weight": np.array([[0.0, 0.0, 1.0]] * 5)},
        "at rest the solid would have no shear stiffness",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_makes_no_convex_network_is_refused(name: str, tmp_path: Path) -> None:
    change, words = UNFIT[name]
    with pytest.raises(MaterialFileError, match=words):
        material_of(tmp_path / "net.npz", change(weights(5, 4)))


GOOD = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}

BROKEN_SAFETENSORS = {
    "empty": (b"", "its header is cut off"),
    "cut off": (framed(b"{}")[:-1], "its header is cut off"),
    "a header far too long": ((2**62).to_bytes(8, "little"), "its header is cut off"),
    "no JSON": (framed(b"layers"), "its header is Expecting value"),
    "a list": (framed(b"[]"), "its header is no JSON object"),
    "twins": (framed(b'{"a": 1, "a": 2}'), "a name stands twice"),
    "brackets without end": (framed(b"[" * 100_000), "its header is"),
    "no array": (framed(b'{"a": 1}'), "a must be of 32- or 64-bit floats"),
    "integers": (framed(json.dumps({"a": GOOD | {"dtype": "I64"}}).encode()), "a must be of 32-"),
    "a negative shape": (framed(json.dumps({"a": GOOD | {"shape": [-1]}}).encode()), "a must be"),
    "no data": (framed(json.dumps({"a": GOOD}).encode()), "a does not lie where"),
    "a hole": (
        framed(json.dumps({"a": GOOD | {"data_offsets": [8, 16]}}).encode(), bytes(16)),
        "a does not lie where",
    ),
    "more data": (framed(json.dumps({"a": GOOD}).encode(), bytes(9)), "1 bytes belong to no array"),
}


@pytest.mark.parametrize("name", BROKEN_SAFETENSORS)
def test_damaged_safetensors_are_refused(name: str) -> None:
    content, words = BROKEN_SAFETENSORS[name]
    with pytest.raises(MaterialFileError, match=words):
        read_network(Path("net.safetensors"), content)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_damaged_files_are_refused_or_read(suffix: str) -> None:
    """Whatever byte is wrong, there is a network or a message."""
    write = {".npz": npz, ".safetensors": safetensors}[suffix]
    sound, generator = write(weights(2)), np.random.default_rng(5)
    num_refused = 0
    for _ in range(300):
        content = bytearray(sound)
        content[generator.integers(len(content))] = generator.integers(256)
        content = content[: generator.integers(len(content) // 2, len(content) + 1)]
        try:
            read_network(Path(f"net{suffix}"), bytes(content))
        except MaterialFileError:
            num_refused += 1
    assert num_refused > 100


def test_an_archive_that_unpacks_to_far_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    np.savez_compressed(path, **{"layers.0.weight": np.zeros((10**6, 3))})  # type: ignore[arg-type]
    assert path.stat().st_size < 10**5
    with pytest.raises(MaterialFileError, match=r"unpacks to 24,000,[0-9]+ bytes, more"):
        find_or_load(str(path))


def test_other_weights_are_another_material(tmp_path: Path) -> None:
    arrays = weights(4)
    first = source_hash(material_of(tmp_path / "net.npz", arrays))
    arrays["layers.0.bias"][0] += 1e-15
    assert source_hash(material_of(tmp_path / "net.npz", arrays)) != first


# Laws --------------------------------------------------------------------------------------------


def test_the_network_is_convex_and_rises_with_the_invariants() -> None:
    """Along random segments; what the file's checks promise."""
    arrays, generator = weights(5, 4), np.random.default_rng(6)
    for _ in range(300):
        a, b = 3.0 * generator.standard_normal((2, 3))
        middle, ends = forward(arrays, (a + b) / 2), (forward(arrays, a) + forward(arrays, b)) / 2
        assert middle <= ends * (1 + 1e-15)  # rounding
        risen = a + np.append(np.abs(b[:2]), 0.0)
        assert forward(arrays, risen) >= forward(arrays, a)


@pytest.mark.parametrize("b", [-40.0, -3.0, 0.0, 0.7, 40.0])
def test_softplus_beyond_its_linear_part_is_exact(b: float) -> None:
    """In and around the series, and where e^d overflows; the slope, too."""
    sizes = [1e-12, 1e-6, 1e-3, 0.0199, 0.02, 0.0201, 0.3, 3.0, 50.0, 900.0]
    with jax.enable_x64(True):
        for d in [sign * size for size in sizes for sign in (1, -1)]:
            found, slope = map(float, jax.value_and_grad(lambda x: _beyond_linear(b, x))(d))
            with mpmath.workdps(60):
                sigma = 1 / (1 + mpmath.exp(-mpmath.mpf(b)))
                softplus = [mpmath.log(1 + mpmath.exp(mpmath.mpf(b) + x)) for x in (d, 0)]
                expected = softplus[0] - softplus[1] - sigma * mpmath.mpf(d)
                rise = 1 / (1 + mpmath.exp(-mpmath.mpf(b) - d)) - sigma
            # The slope loses 1/RADIUS times rounding at most; the value, of second order, more.
            assert abs(found - expected) <= 1e-12 * abs(expected)
            assert abs(slope - rise) <= 1e-13 * abs(rise)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return material_of(tmp_path_factory.mktemp("network") / "net.npz", weights(4, 3))


@pytest.fixture(scope="module")
def formulas(network: Material) -> Formulas:
    return pipeline.enzyme_formulas(network, {})


def inputs(H: Array) -> dict[str, Array]:
    """Return the inputs of the graph for displacement gradients of shape (points, 3, 3)."""
    components = {f"H_{i}{j}": H[:, i, j] for i in range(3) for j in range(3)}
    return components | {"bulk_modulus": np.full(len(H), BULK)}


def test_the_gate_passes(network: Material, formulas: Formulas) -> None:
    """P(0) = 0, rotations, symmetry, digits at strains from 1e-12 to 1, JAX's derivatives."""
    independent = pipeline.jax_formulas(network, {})
    errors = pipeline.check_derivatives(network, {}, formulas, independent)
    assert errors["rest stores no energy and no stress"] == 0.0
    assert errors["doubles keep the digits"] < 1e-13


@pytest.mark.parametrize("hidden", [(4, 3), (8, 8)], ids=str)
def test_the_cost_of_the_tangent_does_not_grow_with_the_network(
    tmp_path: Path, hidden: tuple[int, ...]
) -> None:
    """It sees no neurons, only second derivatives by invariants; the residual finds room for them.

    The numbers are those of today: they may fall.
    """
    formulas = pipeline.enzyme_formulas(material_of(tmp_path / "net.npz", weights(*hidden)), {})
    formulas, choice = split.divide(formulas)
    graph = formulas.graph
    assert len(choice.stored) <= 29
    assert split.count_flops(graph, split.jacobian_nodes(graph, choice)) <= 513
    assert len(graph.live((*formulas.P, *choice.stored))) <= 0.75 * LARGEST_BODY


def test_the_energy_is_that_of_a_plain_forward_pass(formulas: Formulas, large: Array) -> None:
    arrays = weights(4, 3)
    found = evaluate(formulas.graph, [formulas.strain_energy], inputs(large))[0]
    slope = 1e-6  # of the central difference that gives n; its error is 1e-10 of n
    up, down = (forward(arrays, np.array([0.0, 0.0, x])) for x in (slope, -slope))
    for H, energy in zip(large[:50], found[:50], strict=True):
        C = (np.eye(3) + H).T @ (np.eye(3) + H)
        J = np.sqrt(np.linalg.det(C))
        I1, I2 = np.trace(C), (np.trace(C) ** 2 - np.trace(C @ C)) / 2
        x = np.array([J ** (-2 / 3) * I1 - 3, (J ** (-4 / 3) * I2) ** 1.5 - 3**1.5, J - 1])
        expected = forward(arrays, x) - forward(arrays, np.zeros(3))
        expected -= (up - down) / (2 * slope) * (J - 1)
        expected += BULK * (J**2 - 1 - 2 * np.log(J)) / 4
        assert abs(energy - expected) < 1e-8 * expected


@pytest.mark.parametrize("size", [1e-10, 1e-5, 1e-2, 0.3])
def test_the_energy_is_the_one_that_papers_print(
    network: Material, formulas: Formulas, size: float
) -> None:
    H = size * np.random.default_rng(3).standard_normal((3, 3))
    assert network.textbook is not None
    with mpmath.workdps(DIGITS):
        exact = {name: mpmath.mpf(value[0]) for name, value in inputs(H[None]).items()}
        (found,) = evaluate_exactly(formulas.graph, [formulas.strain_energy], exact)
        F = np.array([[mpmath.mpf(x) for x in row] for row in H]) + np.eye(3, dtype=int)
        expected = network.textbook(F, bulk_modulus=mpmath.mpf(BULK))
        # Constants of the energy are doubles.
        assert abs(found - expected) < 1e-14 * expected


def test_moduli_at_rest(network: Material, formulas: Formulas) -> None:
    """A simple shear of 1e-6 is answered by the shear modulus."""
    H = np.zeros((1, 3, 3))
    H[0, 0, 1] = 1e-6
    (stress,) = evaluate(formulas.graph, [formulas.P[1]], inputs(H))
    modulus = shear_modulus(read_network(Path("net.npz"), npz(weights(4, 3))))
    assert stress[0] == pytest.approx(modulus * 1e-6, rel=1e-9)  # the next term is γ²
    assert network.examples[0] == {"bulk_modulus": pytest.approx(10 * modulus)}


def test_the_energy_is_positive_and_rank_one_convex(formulas: Formulas, large: Array) -> None:
    """Polyconvex energies are: a ⊗ b : dP[a ⊗ b] ≥ 0 for all a and b."""
    generator = np.random.default_rng(8)
    a, b = generator.standard_normal((2, len(large), 3))
    increment = a[:, :, None] * b[:, None, :]
    values = inputs(large)
    values |= {f"dH_{i}{j}": increment[:, i, j] for i in range(3) for j in range(3)}
    energy, *dP = evaluate(formulas.graph, [formulas.strain_energy, *formulas.dP], values)
    curvature = np.sum(np.array(dP) * increment.reshape(-1, 9).T, axis=0)
    assert energy.min() > 0.0
    assert curvature.min() > 0.0

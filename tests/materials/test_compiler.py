"""The compiler of energies: what it refuses, what its gate catches, what it writes."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pytest

pytest.importorskip("enzyme_ad", reason="needs pip install 'elastane[materials]'")
import jax
import jax.numpy as jnp

from elastane.materials import MODELS, Material
from elastane.materials import invariants as inv
from elastane.materials.compiler import build, check, lower, pipeline, refusals, split, stablehlo
from elastane.materials.compiler.enzyme import differentiate
from elastane.materials.compiler.errors import CheckError, UnsupportedError
from elastane.materials.compiler.evaluate import evaluate
from elastane.materials.compiler.formulas import Formulas, build_formulas
from elastane.materials.compiler.graph import Graph, log1p
from elastane.materials.kernels import GENERATED, read_kernels
from tests.materials.conftest import Array

NEO_HOOKEAN = MODELS["neo-hookean"]

Energy: TypeAlias = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
Change: TypeAlias = Callable[[Graph, int], int]
OwnMaterial: TypeAlias = Callable[[str, str], build.KernelSet]


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def with_energy(energy: Energy, measure: Literal["H", "E"] = "H") -> Material:
    """A material like neo-Hookean with another energy."""
    return replace(NEO_HOOKEAN, name="test", energy=energy, measure=measure)


def formulas_of(material: Material) -> tuple[Formulas, Formulas]:
    text = lower.lower(material, {})
    num_parameters = len(material.kernel_parameters)
    ours = build_formulas(material, {}, text, differentiate(text, num_parameters), seeded=True)
    theirs = build_formulas(
        material, {}, text, lower.lower_jax_derivatives(material, {}), seeded=False
    )
    return ours, theirs


@pytest.fixture(scope="module")
def neo_hookean() -> tuple[Formulas, Formulas]:
    return formulas_of(NEO_HOOKEAN)


# What is checked in ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chosen",
    [
        # Seconds each: one set of each model here, the others among the long tests.
        pytest.param(chosen, id=chosen.name, marks=[pytest.mark.long] if k else [])
        for name in MODELS
        for k, chosen in enumerate(build.find_kernel_sets(name))
    ],
)
def test_generated_c_is_what_the_energies_give(chosen: build.KernelSet, tmp_path: Path) -> None:
    """To accept a difference: python -m elastane.materials.compiler."""
    code, manifest = pipeline.compile_material(chosen.material, chosen.choices, tmp_path)
    made, kept = ((folder / code.name).read_bytes() for folder in (tmp_path, GENERATED))
    assert made.splitlines() == kept.splitlines()
    assert made == kept
    ours, theirs = (
        json.loads((x / manifest.name).read_text("utf-8")) for x in (tmp_path, GENERATED)
    )
    # Figures of the check and versions differ between machines; what a run reads does not.
    for name in ("checks", "derivatives"):
        del ours[name], theirs[name]
    assert ours == theirs


# What is refused ---------------------------------------------------------------------------------


@jax.custom_jvp
def with_own_rule(x: jax.Array) -> jax.Array:
    return x * x


with_own_rule.defjvp(lambda primals, tangents: (primals[0] ** 2, 3.0 * tangents[0]))

REFUSED: dict[str, Energy] = {
    "arctanh": lambda H, a, b: jnp.arctanh(H[0, 0]),
    "arccosh": lambda H, a, b: jnp.arccosh(2.0 + H[0, 0]),
    "stop_gradient": lambda H, a, b: jax.lax.stop_gradient(H[0, 0]) * H[0, 0],
    "custom_jvp": lambda H, a, b: with_own_rule(H[0, 0]),
    "softplus": lambda H, a, b: jax.nn.softplus(H[0, 0]),
    "sort": lambda H, a, b: jnp.sort(H[0])[0],
    "eigvalsh": lambda H, a, b: jnp.linalg.eigvalsh(H + H.T)[0],
    "inv": lambda H, a, b: jnp.linalg.inv(jnp.eye(3) + H)[0, 0],
    "svd": lambda H, a, b: jnp.linalg.svd(H, compute_uv=False)[0],
    "slogdet": lambda H, a, b: jnp.linalg.slogdet(jnp.eye(3) + H)[1],
    "cond": lambda H, a, b: jax.lax.cond(H[0, 0] > 0.0, jnp.square, jnp.negative, H[0, 0]),
    "single precision": lambda H, a, b: jnp.sin(H[0, 0].astype(jnp.float32)).astype(jnp.float64),
    "while": lambda H, a, b: jax.lax.while_loop(lambda x: x < a, lambda x: x * 2.0 + 1.0, H[0, 0]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_differentiated_wrongly_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"the energy .*[:;] (write|make|use|Enzyme|LAPACK)"):
        pipeline.compile_material(with_energy(REFUSED[name]), {}, tmp_path)
    assert not list(tmp_path.iterdir())


# What the gate catches ---------------------------------------------------------------------------


def shape_energy(H: jax.Array) -> jax.Array:
    return inv.inner(inv.green_lagrange(H), inv.green_lagrange(H))


def arctanh_in_plain_terms(graph: Graph, x: int) -> int:
    difference = graph.subtract(log1p(graph, x), log1p(graph, graph.negate(x)))
    return graph.multiply(graph.constant(0.5), difference)


def test_a_wrong_derivative_of_enzyme_is_caught(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """arctanh, let past all refusals: the installed Enzyme differentiates it wrongly."""
    monkeypatch.setattr(refusals, "REFUSED", {})
    monkeypatch.setitem(stablehlo.ELEMENTWISE, "atanh", arctanh_in_plain_terms)
    material = with_energy(lambda H, a, b: a * jnp.arctanh(0.01 * shape_energy(H)))
    with pytest.raises(CheckError, match="enzyme: Enzyme equals JAX"):
        pipeline.compile_material(material, {}, tmp_path)


def test_ignored_stop_gradient_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(refusals, "REFUSED", {})
    frozen = with_energy(lambda H, a, b: a * jax.lax.stop_gradient(inv.trace(H)) * inv.trace(H))
    with pytest.raises(CheckError, match="Enzyme equals JAX") as caught:
        pipeline.compile_material(replace(frozen, finite_strain=False), {}, tmp_path)
    assert f"H = {caught.value.grad_u.tolist()}" in str(caught.value)


BROKEN_ENERGIES: dict[str, tuple[Energy, str]] = {
    "rest stores no energy": (
        lambda H, a, b: a * (1.0 + shape_energy(H)),
        "rest stores no energy and no stress",
    ),
    "rest is free of stress": (
        lambda H, a, b: a * (inv.trace_green_lagrange(H) + shape_energy(H)),
        "rest stores no energy and no stress",
    ),
    "objective": (
        lambda H, a, b: a * inv.inner(inv.small_strain(H), inv.small_strain(H)),
        "rotations change nothing",
    ),
    "finite": (lambda H, a, b: a * jnp.sqrt(shape_energy(H)) ** 2, "Enzyme equals JAX .*error nan"),
    "digits": (
        lambda H, a, b: b * (inv.trace_green_lagrange(H) - inv.log_volume_ratio(H)),
        "doubles keep the digits",
    ),
}


@pytest.mark.parametrize("name", BROKEN_ENERGIES)
def test_a_broken_energy_is_caught(name: str, tmp_path: Path) -> None:
    energy, law = BROKEN_ENERGIES[name]
    with pytest.raises(CheckError, match=law) as caught:
        pipeline.compile_material(with_energy(energy), {}, tmp_path)
    assert "allowed" in str(caught.value)
    assert not list(tmp_path.iterdir())


def planted(
    formulas: Formulas, quantity: Literal["P", "dP"], component: int, change: Change
) -> Formulas:
    """The formulas with one component changed, as a compiler's mistake would."""
    nodes = list(formulas.P if quantity == "P" else formulas.dP)
    nodes[component] = change(formulas.graph, nodes[component])
    changed = tuple(nodes)
    return replace(formulas, P=changed) if quantity == "P" else replace(formulas, dP=changed)


MISTAKES: dict[str, Change] = {
    "sign": lambda graph, node: graph.negate(node),
    "factor": lambda graph, node: graph.multiply(node, graph.constant(1.0 + 1e-11)),
    "constant": lambda graph, node: graph.add(node, graph.constant(1e-10)),
    "not a number": lambda graph, node: graph.operation("log", graph.input("H_00")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("quantity", ["P", "dP"])
def test_a_mistake_in_any_component_is_caught(
    mistake: str, quantity: Literal["P", "dP"], neo_hookean: tuple[Formulas, Formulas]
) -> None:
    ours, theirs = neo_hookean
    for component in (0, 5):
        broken = planted(ours, quantity, component, MISTAKES[mistake])
        with pytest.raises(CheckError):
            check.check_derivatives(NEO_HOOKEAN, {}, broken, theirs)


@pytest.mark.parametrize("quantity", ["P", "dP"])
def test_a_mistake_is_caught_without_jax_too(
    quantity: Literal["P", "dP"], neo_hookean: tuple[Formulas, Formulas]
) -> None:
    """Where both derivatives share a mistake, Taylor's test remains."""
    ours, theirs = (planted(x, quantity, 4, MISTAKES["factor"]) for x in neo_hookean)
    with pytest.raises(CheckError, match="is the derivative of"):
        check.check_derivatives(NEO_HOOKEAN, {}, ours, theirs)


def test_a_split_that_stores_too_little_is_caught(neo_hookean: tuple[Formulas, Formulas]) -> None:
    ours, _ = neo_hookean
    good = split.split(ours)
    with pytest.raises(CheckError, match="split: storing enough"):
        check.check_split(NEO_HOOKEAN, {}, ours, replace(good, stored=good.stored[1:]))


def test_a_split_with_another_tangent_is_caught(neo_hookean: tuple[Formulas, Formulas]) -> None:
    ours, _ = neo_hookean
    good = split.split(ours)
    changed = (ours.graph.negate(good.dP[0]), *good.dP[1:])
    with pytest.raises(CheckError, match="split: the split tangent is the tangent"):
        check.check_split(NEO_HOOKEAN, {}, ours, replace(good, dP=changed))


# Energies of E, and constructs that models of one's own may use -----------------------------------


def st_venant_kirchhoff(E: jax.Array, lame_lambda: jax.Array, lame_mu: jax.Array) -> jax.Array:
    return 0.5 * lame_lambda * inv.trace(E) ** 2 + lame_mu * inv.inner(E, E)


def test_an_energy_of_green_lagrange_strain_equals_that_of_the_gradient(tmp_path: Path) -> None:
    of_E = with_energy(st_venant_kirchhoff, measure="E")
    of_H = with_energy(lambda H, a, b: st_venant_kirchhoff(inv.green_lagrange(H), a, b))
    pipeline.compile_material(of_E, {}, tmp_path)
    generator = np.random.default_rng(2)
    parameters = NEO_HOOKEAN.resolve(NEO_HOOKEAN.examples[0])
    inputs: dict[str, np.float64 | Array] = {k: np.float64(v) for k, v in parameters.items()}
    inputs |= {f"H_{i}{j}": 0.3 * generator.standard_normal(9) for i in range(3) for j in range(3)}
    inputs |= {f"dH_{i}{j}": generator.standard_normal(9) for i in range(3) for j in range(3)}
    values = []
    for material in (of_E, of_H):
        formulas, _ = formulas_of(material)
        outputs = [formulas.strain_energy, *formulas.P, *formulas.dP]
        values.append(evaluate(formulas.graph, outputs, inputs))
    np.testing.assert_allclose(values[0], values[1], rtol=1e-11, atol=1e-13)


CONSTRUCTS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda k, y: y * x + x, x),
    "where": lambda x: jnp.where(x > 0.0, x * x, x * x * x) * x,
    "maximum": lambda x: jnp.maximum(x, 0.0) ** 3 + x * x,
    "clip": lambda x: x * x + 0.1 * jnp.clip(x, -1.0, 2.0) ** 2,
    "power": lambda x: (1.0 + x * x) ** 1.3 - 1.0,
    "whole power": lambda x: x**2 + x**5,
    "tanh": lambda x: jnp.tanh(x) * x,
    "cbrt": lambda x: jnp.cbrt(1.0 + x * x) - 1.0,
    "trigonometric": lambda x: 1.0 - jnp.cos(x) + jnp.sin(x) * x + x * jnp.arctan(x),
    "matrix product": lambda x: (jnp.eye(3) * x @ (jnp.ones((3, 3)) * x))[0, 1],
    "sum over a reversed slice": lambda x: jnp.sum(jnp.arange(1.0, 4.0)[::-1] * x) * x,
    "truth as a number": lambda x: x * x * (1.0 + (x > 0.0)),
    "expm1": lambda x: jnp.expm1(x) * x,
}


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_ordinary_constructs_of_jax_compile(name: str) -> None:
    """Values and derivatives equal those that JAX computes."""
    construct = CONSTRUCTS[name]
    material = with_energy(lambda H, a, b: a * construct(inv.trace(inv.small_strain(H))))
    ours, _ = formulas_of(material)
    H, dH = 0.4 * np.random.default_rng(3).standard_normal((2, 3, 3))
    inputs = {"lame_lambda": np.float64(1.3), "lame_mu": np.float64(0.7)}
    inputs |= {f"H_{i}{j}": H[i, j] for i in range(3) for j in range(3)}
    inputs |= {f"dH_{i}{j}": dH[i, j] for i in range(3) for j in range(3)}
    computed = evaluate(ours.graph, [ours.strain_energy, *ours.P, *ours.dP], inputs)
    stress = jax.grad(lambda x: material.energy(x, 1.3, 0.7))
    P, dP = jax.jvp(stress, (H,), (dH,))
    expected = np.concatenate([[material.energy(H, 1.3, 0.7)], np.ravel(P), np.ravel(dP)])
    np.testing.assert_allclose(computed.ravel(), expected, rtol=1e-13, atol=1e-14)


# The graph ---------------------------------------------------------------------------------------


def test_equal_terms_are_one_node() -> None:
    graph = Graph()
    x, y = graph.input("x"), graph.input("y")
    assert graph.add(x, y) == graph.add(y, x)
    assert graph.divide(x, y) == graph.multiply(x, graph.divide(graph.constant(1.0), y))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda g, x: g.add(x, g.constant(0.0)), lambda g, x: x),
        (lambda g, x: g.subtract(x, x), lambda g, x: g.constant(0.0)),
        (lambda g, x: g.multiply(x, g.constant(0.0)), lambda g, x: g.constant(0.0)),
        (lambda g, x: g.negate(g.negate(x)), lambda g, x: x),
        (lambda g, x: g.add(x, x), lambda g, x: g.multiply(g.constant(2.0), x)),
        (
            lambda g, x: g.multiply(g.constant(3.0), g.multiply(x, g.constant(2.0))),
            lambda g, x: g.multiply(g.constant(6.0), x),
        ),
        (
            lambda g, x: g.operation("power", x, g.constant(3.0)),
            lambda g, x: g.multiply(x, g.multiply(x, x)),
        ),
        (
            lambda g, x: g.operation("power", x, g.constant(0.5)),
            lambda g, x: g.operation("sqrt", x),
        ),
        (
            lambda g, x: g.operation("sqrt", g.constant(4.0)),
            lambda g, x: g.constant(2.0),
        ),
    ],
)
def test_simple_equals_are_found(expression: Change, expected: Change) -> None:
    graph = Graph()
    x = graph.input("x")
    assert expression(graph, x) == expected(graph, x)


def test_sums_are_not_reordered() -> None:
    """(x + 1) - 1 is how rounding is measured in Kahan's logarithm; it must survive."""
    graph = Graph()
    x, one = graph.input("x"), graph.constant(1.0)
    assert graph.subtract(graph.add(x, one), one) != x


# The command -------------------------------------------------------------------------------------


def run_compiler(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "elastane.materials.compiler", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )


MY_MATERIAL = """
from dataclasses import replace
from elastane.materials.neo_hookean import NEO_HOOKEAN
{body}
MINE = replace(NEO_HOOKEAN, name="mine", energy=strain_energy)
"""

GOOD = """
def strain_energy(H, lame_lambda, lame_mu):
    return 0.7 * NEO_HOOKEAN.energy(H, lame_lambda, lame_mu)
"""

CRASHING = """
def strain_energy(H, lame_lambda, lame_mu):
    import os, signal
    os.kill(os.getpid(), signal.SIGSEGV)
"""

BROKEN = """
def strain_energy(H, lame_lambda, lame_mu):
    return lame_mu * (H * H).sum()
"""


@pytest.fixture
def own_material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnMaterial:
    """Return a function that writes a module with a material `MINE` and returns its kernel set."""
    monkeypatch.setenv("ELASTANE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(module: str, body: str) -> build.KernelSet:
        (tmp_path / f"{module}.py").write_text(MY_MATERIAL.format(body=body), encoding="utf-8")
        (found,) = build.find_kernel_sets(f"{module}:MINE")
        return found

    return write


def test_a_material_of_ones_own_is_compiled_once(
    own_material: OwnMaterial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = own_material("good_material", GOOD)
    folder = build.compile_apart(kernels)
    assert folder.is_relative_to(tmp_path / "cache")
    found = read_kernels(kernels.material, "mine", folder)
    assert found.parameters == ("lame_lambda", "lame_mu")
    monkeypatch.setattr(build, "_run", None)
    assert build.compile_apart(kernels) == folder


def test_a_crash_of_the_compiler_is_an_error_with_a_name(
    own_material: OwnMaterial, tmp_path: Path
) -> None:
    with pytest.raises(build.CompileError, match=r"mine: the compiler crashed \(SIGSEGV\)"):
        build.compile_apart(own_material("crashing_material", CRASHING))
    assert not list((tmp_path / "cache" / "kernels").iterdir())


def test_a_broken_energy_leaves_nothing_in_the_cache(
    own_material: OwnMaterial, tmp_path: Path
) -> None:
    with pytest.raises(build.CompileError, match="mine: enzyme: rotations change nothing fails"):
        build.compile_apart(own_material("broken_material", BROKEN))
    assert not list((tmp_path / "cache" / "kernels").iterdir())


def test_the_command_refuses_an_unknown_material(tmp_path: Path) -> None:
    answer = run_compiler(tmp_path, "neo-hokean")
    assert answer.returncode == 2
    assert answer.stderr == "unknown material 'neo-hokean'; did you mean 'neo-hookean'?\n"

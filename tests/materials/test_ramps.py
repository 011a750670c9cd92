"""Switches: sides, smoothness, digits, and no NaN from the branch that is not taken."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("enzyme_ad", reason="needs pip install 'elastane[materials]'")

from elastane.materials import MODELS  # noqa: E402
from elastane.materials.compiler.errors import CheckError  # noqa: E402
from elastane.materials.compiler.pipeline import compile_material  # noqa: E402
from elastane.materials.invariants import trace_green_lagrange  # noqa: E402
from elastane.materials.ramps import ramp, ramp_squared, smooth_ramp, soft_ramp  # noqa: E402

WIDTH = 0.01

#: Function -> value, slope and curvature at exactly 0.
AT_ZERO: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "ramp": (ramp, [0, 0, 0]),
    "ramp_squared": (ramp_squared, [0, 0, 0]),
    "smooth_ramp": (lambda x: smooth_ramp(x, WIDTH), [0, 0, 0]),
    "sharp smooth_ramp": (lambda x: smooth_ramp(x, 0.0), [0, 0, 0]),
    "soft_ramp": (
        lambda x: soft_ramp(x, WIDTH),
        [WIDTH * float(mpmath.log(2)), 0.5, 0.25 / WIDTH],
    ),
}


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def derivatives(function: Callable[[Any], Any], x: float) -> list[float]:
    """Return value, slope and curvature."""
    slope = jax.grad(function)
    return [float(f(x)) for f in (function, slope, jax.grad(slope))]


@pytest.mark.parametrize("name", AT_ZERO)
def test_the_side_at_zero_is_the_one_that_is_stated(name: str) -> None:
    function, expected = AT_ZERO[name]
    assert derivatives(function, 0.0) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("name", AT_ZERO)
@pytest.mark.parametrize("x", [-1e300, -1.0, -1e-300, 1e-300, 1.0, 1e300])
def test_the_branch_that_is_not_taken_leaves_no_nan(name: str, x: float) -> None:
    function, _ = AT_ZERO[name]
    assert np.isfinite(derivatives(function, x)[1:]).all()


@pytest.mark.parametrize(
    ("function", "first_jump"),
    [
        (ramp, 1),
        (ramp_squared, 2),
        (lambda x: smooth_ramp(x, WIDTH), 3),
        (lambda x: smooth_ramp(x - WIDTH, WIDTH), 3),
    ],
    ids=["ramp", "ramp_squared", "smooth_ramp", "end of smooth_ramp"],
)
def test_derivatives_are_continuous_as_far_as_stated(
    function: Callable[[Any], Any], first_jump: int
) -> None:
    """From both sides of 0, where all of them are switched."""
    tiny = 1e-12
    left, right = (derivatives(function, x) for x in (-tiny, tiny))
    jumps = [
        abs(a - b) > 1e-3 * max(abs(a), abs(b), 1e-3) for a, b in zip(left, right, strict=True)
    ]
    assert [*jumps, True].index(True) == first_jump


@pytest.mark.parametrize("x", [*np.linspace(-0.02, 0.03, 12), 1e-9, 1e-13])
def test_smooth_ramp_rises_as_stated(x: float) -> None:
    """Its slope is 3 t² - 2 t³ and its value the integral of it, to every digit."""
    t = min(max(x / WIDTH, 0.0), 1.0)
    value, slope, curvature = derivatives(lambda x: smooth_ramp(x, WIDTH), float(x))
    assert slope == pytest.approx(3 * t**2 - 2 * t**3, rel=1e-14)
    assert curvature == pytest.approx(6 * t * (1 - t) / WIDTH, rel=1e-14, abs=1e-12)
    exact = WIDTH * (t**3 - t**4 / 2) + max(x - WIDTH, 0.0)
    assert value == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("x", [-5.0, -0.1, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.1, 5.0])
def test_soft_ramp_keeps_its_digits(x: float) -> None:
    with mpmath.workdps(40):
        exponential = mpmath.exp(mpmath.mpf(x) / mpmath.mpf(WIDTH))
        logistic = exponential / (1 + exponential)
        exact = [
            WIDTH * mpmath.log1p(exponential),
            logistic,
            logistic / (1 + exponential) / mpmath.mpf(WIDTH),
        ]
    # eˣ of an exponent of up to 500, itself rounded, keeps 13 digits.
    assert derivatives(lambda x: soft_ramp(x, WIDTH), x) == pytest.approx(
        [float(value) for value in exact], rel=1e-13, abs=0
    )


def stiffened(function: Callable[[Any], Any]) -> Any:
    """Return a neo-Hookean material that stiffens where its volume grows."""
    plain = MODELS["neo-hookean"]

    def energy(H: Any, lame_lambda: Any, lame_mu: Any) -> Any:
        return plain.energy(H, lame_lambda, lame_mu) + function(trace_green_lagrange(H))

    return replace(plain, name="test", energy=energy)


def test_ramps_compile(tmp_path: Path) -> None:
    """Enzyme and JAX agree on all of them, on both sides and at rest, where all are switched."""
    material = stiffened(
        lambda x: (
            ramp(x) ** 2 + ramp_squared(x) + smooth_ramp(x, WIDTH) ** 2 + x * x * soft_ramp(x, 1.0)
        )
    )
    compile_material(material, {}, tmp_path)


def test_a_stress_that_jumps_is_refused(tmp_path: Path) -> None:
    """At rest it would be pulled at from one side."""
    with pytest.raises(CheckError, match="P is the derivative of the energy"):
        compile_material(stiffened(ramp), {}, tmp_path)

"""Stress-stretch curves: values in the literature, free sides, where they end, what is written."""

import csv
from pathlib import Path

import numpy as np
import pytest

from elastane.jobs.cli import main
from elastane.materials import MODELS
from elastane.materials.curves import LOADING_MODES, Curve, trace_curve, write_csv
from elastane.materials.points import PointKernels
from tests.materials.conftest import Compiled

NEO_HOOKEAN = {"youngs_modulus": 1.0, "poissons_ratio": 0.3}


def curve(model: str, mode: str, **given: float) -> Curve:
    kernels = PointKernels.of(MODELS[model], given, {})
    return trace_curve(kernels, LOADING_MODES[mode])


def at(found: Curve, value: float) -> int:
    """Return the point of a curve at a value."""
    (point,) = np.flatnonzero(np.isclose(found.values, value))
    return int(point)


# V06 and V07 of docs/verification.md: stretch, lateral stretch, nominal stress.
@pytest.mark.parametrize(
    ("mode", "stretch", "lateral", "P11"),
    [
        ("uniaxial", 1.5, 0.880174592, 0.378280176),
        ("uniaxial", 0.6, 1.15498215, -0.624348569),
        ("biaxial", 1.4, 0.710061923, 0.399948369),
    ],
)
def test_neo_hookean_curves_pass_through_known_points(
    mode: str, stretch: float, lateral: float, P11: float
) -> None:
    found = curve("neo-hookean", mode, **NEO_HOOKEAN)
    point = at(found, stretch)
    assert 1.0 + found.H[point, 2, 2] == pytest.approx(lateral, rel=1e-8)
    assert found.P[point, 0, 0] == pytest.approx(P11, rel=1e-8)


@pytest.mark.parametrize("mode", LOADING_MODES)
def test_free_sides_carry_no_stress(compiled: Compiled, mode: str) -> None:
    found = trace_curve(compiled, LOADING_MODES[mode])
    assert 0 < len(found.values) <= 121
    assert (np.diff(found.values) > 0).all()
    largest = np.abs(found.P).max()
    for i, j in LOADING_MODES[mode].free:
        # Rounding of a free stretch moves this stress by 1e-13 times the largest modulus.
        assert np.abs(found.P[:, i, j]).max() <= 1e-11 * largest


def test_stress_is_the_slope_of_the_energy(compiled: Compiled) -> None:
    """Along a curve dψ = P : dH, by the trapezoidal rule to second order."""
    found = trace_curve(compiled, LOADING_MODES["uniaxial"])
    work = np.einsum("kij,kij->k", 0.5 * (found.P[1:] + found.P[:-1]), np.diff(found.H, axis=0))
    gained = np.diff(found.strain_energy)
    # Steps of 1/60 of stretch, over which the stress of tissue grows by a third.
    assert np.abs(work - gained).max() < 0.1 * np.abs(gained).max()


def test_a_curve_ends_where_the_material_does() -> None:
    """Gent's chains cannot be stretched without limit; the curve says where they end."""
    found = curve("gent", "uniaxial", youngs_modulus=1.0, poissons_ratio=0.45, limit=0.2)
    least, most = found.ends
    assert (found.values[0], found.values[-1]) == (least, most)
    F = np.eye(3) + found.H
    stretched = np.linalg.det(F) ** (-2 / 3) * np.einsum("kij,kij->k", F, F) - 3.0
    # The chains are at their limit where Ī₁ - 3 is; the curve stops a step or two before.
    assert stretched.max() < 0.2
    assert min(stretched[0], stretched[-1]) > 0.15
    assert np.isfinite(found.P).all()


def test_csv_holds_the_curve(tmp_path: Path) -> None:
    found = curve("neo-hookean", "shear", **NEO_HOOKEAN)
    write_csv(found, tmp_path / "shear.csv")
    with (tmp_path / "shear.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:2] == ["amount_of_shear", "F11"]
    assert [float(row["sigma12"]) for row in rows] == found.sigma[:, 0, 1].tolist()


def test_the_command_writes_pictures_and_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["mu1=0.5", "mu2=0.2", "poissons_ratio=0.4", "--plot", str(tmp_path)]
    assert main(["materials", "show", "mooney-rivlin", *arguments]) == 0
    said = capsys.readouterr().out
    for name in ("mooney-rivlin.png", *(f"mooney-rivlin-{mode}.csv" for mode in LOADING_MODES)):
        assert (tmp_path / name).stat().st_size > 1000
        assert f"wrote {tmp_path / name}" in said


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("mu1", "KEY=VALUE is needed"),
        ("mu1=soft", "mu1 must be a number or a list of numbers, got 'soft'"),
        ("mu3=1", "mooney-rivlin has no parameter 'mu3'; did you mean"),
        ("mu1=-1", "mu1 must be at least 0, got -1.0"),
    ],
)
def test_a_wrong_entry_is_refused(
    entry: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["materials", "show", "mooney-rivlin", "mu2=0.5", "lame_lambda=1", entry]
    assert main(arguments) == 2
    assert words in capsys.readouterr().err

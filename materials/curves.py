"""Stress-stretch curves of a material: tension, equibiaxial tension and simple shear.

A test prescribes some components of the displacement gradient and leaves others free, whose stress
is zero: the sides of a bar in tension.  The free ones are found by Newton's method with the
compiled tangent, from one point of the curve to the next.  All other components are held at zero: a
material whose fibres run askew would also shear.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elastane.materials.compiler.cache import written_aside
from elastane.materials.points import PointKernels

Floats = NDArray[np.float64]
Component = tuple[int, int]


@dataclass(frozen=True)
class LoadingMode:
    """A homogeneous deformation, driven by one number.

    Attributes:
        title: What it is called.
        abscissa: What the number is.
        start: The number at rest.
        least: Where the curve begins.
        most: Where it ends.
        driven: Components of H that are the number less `start`.
        free: Components whose stress is zero.
        stress: Component of the stress that is shown.
    """

    title: str
    abscissa: str
    start: float
    least: float
    most: float
    driven: tuple[Component, ...]
    free: tuple[Component, ...]
    stress: Component


LOADING_MODES: Mapping[str, LoadingMode] = {
    "uniaxial": LoadingMode(
        "uniaxial tension", "stretch", 1.0, 0.5, 2.0, ((0, 0),), ((1, 1), (2, 2)), (0, 0)
    ),
    "biaxial": LoadingMode(
        "equibiaxial tension", "stretch", 1.0, 0.6, 1.6, ((0, 0), (1, 1)), ((2, 2),), (0, 0)
    ),
    "shear": LoadingMode("simple shear", "amount of shear", 0.0, -1.0, 1.0, ((0, 1),), (), (0, 1)),
}

#: Points on each side of rest.
NUM_STEPS = 60

#: Newton's method on at most two unknowns: more iterations than these never help.
MAX_ITERATIONS = 30

#: Of the stress on the free sides, relative to the largest stress so far: rounding and no more.
TOLERANCE = 1e-12

#: Where the stress is a small difference of large numbers, rounding moves a free stretch so much.
SMALLEST_CHANGE = 1e-13

#: A step that changes a free stretch by more than this has lost its way.
LARGEST_CHANGE = 0.5


@dataclass(frozen=True)
class Curve:
    """A stress-stretch curve.

    Attributes:
        mode: How the material is loaded.
        values: Stretches or amounts of shear, in rising order.
        H: Displacement gradient of each point, shape (points, 3, 3).
        P: First Piola-Kirchhoff (nominal) stress, Pa.
        strain_energy: J/m³.
        ends: Where the curve ends early since no equilibrium was found beyond: values.
    """

    mode: LoadingMode
    values: Floats
    H: Floats
    P: Floats
    strain_energy: Floats
    ends: tuple[float, ...]

    @property
    def sigma(self) -> Floats:
        """Return the Cauchy stress P Fᵀ / J in Pa."""
        F = self.H + np.eye(3)
        product: Floats = self.P @ F.transpose(0, 2, 1)
        return product / np.linalg.det(F)[:, None, None]


def trace_curve(kernels: PointKernels, mode: LoadingMode) -> Curve:
    """Return the curve of a material under a loading mode."""
    below, above = (
        list(_follow(kernels, mode, np.linspace(mode.start, end, NUM_STEPS + 1)))
        for end in (mode.least, mode.most)
    )
    ends = [side[-1][0] for side in (below, above) if len(side) <= NUM_STEPS]
    found = below[:0:-1] + above
    values, H = np.array([value for value, _ in found]), np.array([H for _, H in found])
    return Curve(mode, values, H, kernels.stress(H), kernels.energy(H), tuple(ends))


def _follow(
    kernels: PointKernels, mode: LoadingMode, values: Floats
) -> Iterator[tuple[float, Floats]]:
    """Yield (value, H) from rest on, up to the last value at which there is an equilibrium."""
    H = np.zeros((3, 3))
    scale = 0.0
    for value in values:
        for component in mode.driven:
            H[component] = value - mode.start
        found = _relax(kernels, mode, H.copy(), scale)
        if found is None:
            return
        H = found
        scale = max(scale, float(np.abs(kernels.stress(H[None])).max()))
        yield float(value), H.copy()


def _relax(kernels: PointKernels, mode: LoadingMode, H: Floats, scale: float) -> Floats | None:
    """Return H with its free components in equilibrium, None if none is found."""
    rows, columns = (
        (list(index) for index in zip(*mode.free, strict=True)) if mode.free else ([], [])
    )
    directions = np.zeros((len(mode.free), 3, 3))
    directions[range(len(mode.free)), rows, columns] = 1.0
    for _ in range(MAX_ITERATIONS):
        P, _, det_F = kernels.residual(H[None])
        if not (np.isfinite(P).all() and det_F[0] > 0.0):
            return None
        stress = P[0, rows, columns]
        if np.abs(stress).max(initial=0.0) <= TOLERANCE * max(scale, float(np.abs(P).max())):
            return H
        at = np.repeat(H[None], len(directions), axis=0)
        tangent = kernels.stress_increment(at, directions)[:, rows, columns].T
        change = np.linalg.lstsq(tangent, -stress, rcond=None)[0]
        if not np.abs(change).max() < LARGEST_CHANGE:
            return None
        H[rows, columns] += change
        if np.abs(change).max() < SMALLEST_CHANGE:
            return H
    return None


def write_csv(curve: Curve, path: Path) -> None:
    """Write a curve: driven value, diagonal of F, nominal and Cauchy stress, strain energy."""
    i, j = curve.mode.stress
    columns = {
        curve.mode.abscissa.replace(" ", "_"): curve.values,
        **{f"F{k}{k}": 1.0 + curve.H[:, k - 1, k - 1] for k in (1, 2, 3)},
        f"P{i + 1}{j + 1}": curve.P[:, i, j],
        f"sigma{i + 1}{j + 1}": curve.sigma[:, i, j],
        "strain_energy": curve.strain_energy,
    }
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))


def write_png(curves: Mapping[str, Curve], title: str, path: Path) -> None:
    """Draw nominal and Cauchy stress of the curves side by side.

    Raises:
        ModuleNotFoundError: If matplotlib is missing.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.0 * len(curves), 3.6), layout="constrained")
    for axes, curve in zip(figure.subplots(1, len(curves)), curves.values(), strict=True):
        i, j = curve.mode.stress
        axes.plot(curve.values, curve.P[:, i, j], label="nominal P")
        axes.plot(curve.values, curve.sigma[:, i, j], "--", label="Cauchy σ")
        axes.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        for end in curve.ends:
            axes.axvline(end, color="tab:red", linestyle=":", label="no equilibrium beyond")
        axes.set(title=curve.mode.title, xlabel=curve.mode.abscissa)
        axes.legend(frameon=False, fontsize="small")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("stress, in the units of the parameters")
    figure.suptitle(title)
    with written_aside(path) as aside:
        figure.savefig(aside, dpi=150)


def plot_material(kernels: PointKernels, title: str, folder: Path) -> tuple[list[Path], list[str]]:
    """Write NAME.png and a NAME-MODE.csv for each loading mode into a folder.

    Returns:
        The files written, and what is to be said of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = kernels.kernels.name
    curves = {mode: trace_curve(kernels, LOADING_MODES[mode]) for mode in LOADING_MODES}
    paths = [folder / f"{name}.png", *(folder / f"{name}-{mode}.csv" for mode in curves)]
    write_png(curves, title, paths[0])
    for curve, path in zip(curves.values(), paths[1:], strict=True):
        write_csv(curve, path)
    remarks = [
        f"{curve.mode.title}: no equilibrium beyond {curve.mode.abscissa} {end:.3g}"
        for curve in curves.values()
        for end in curve.ends
    ]
    return paths, remarks

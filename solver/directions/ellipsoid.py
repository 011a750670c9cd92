"""Fibres that wind through the wall between two ellipsoids of revolution, as in a ventricle.

The wall is a family of ellipsoids with semi-axes r_s (across) and r_l (along the axis), linear in
the transmural coordinate s, which is 0 inside and 1 outside:

    X = (r_s sin u cos v, r_s sin u sin v, r_l cos u),        u in (-π, 0),

    f = n(dX/du) sin α + n(dX/dv) cos α,        n(a) = a / |a|,        α linear in s.

With u below 0, as in the paper, n(dX/du) rises along the axis and n(dX/dv) runs right-handed
around it, so that a positive angle turns a fibre from around the axis to along it.

Reference: S. Land et al., Verification of cardiac mechanics software, Proc. R. Soc. A 471 (2015)
20150641, problem 3: semi-axes 7 and 17 inside, 10 and 20 outside, angles 90 and -90 degrees.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.solver.sources import Places

Floats = NDArray[np.float64]

#: How far beyond the wall, in its thickness, a point may lie; there the angle is that of the
#: nearest side.  Element maps leave a curved wall by much less, wrong lengths or origins by more.
_BEYOND = 0.5
#: Distance from the axis, in the outer short semi-axis, at which no direction is left around it.
_ON_AXIS = 1e-10
#: Newton's method for the ellipsoid through a point; it takes ten iterations for a thick wall.
_MAX_ITERATIONS = 100


@dataclass(frozen=True)
class EllipsoidFibres:
    """Directions on the ellipsoids of revolution of a wall.

    Attributes:
        inner: Semi-axes (r_s, r_l) of the inner ellipsoid, in the unit of length.
        outer: Those of the outer one, both larger.
        angles: Angle to the direction around the axis, inside and outside, in degrees.
        axis: Direction of the axis, of any length but zero.
        origin: Centre of the ellipsoids, in the unit of length.
    """

    inner: tuple[float, float]
    outer: tuple[float, float]
    angles: tuple[float, float]
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for (small, large), what in zip(
            zip(self.inner, self.outer, strict=True), ("short", "long"), strict=True
        ):
            if not 0.0 < small < large:
                raise ValueError(
                    f"the {what} semi-axis must be positive and grow from inner to outer, "
                    f"got {small:g} and {large:g}"
                )
        if not any(self.axis):
            raise ValueError("the axis (0, 0, 0) has no direction")

    @property
    def is_vector(self) -> bool:
        """Return True."""
        return True

    @property
    def uses_space(self) -> bool:
        """Return True."""
        return True

    @property
    def uses_time(self) -> bool:
        """Return False."""
        return False

    def at(self, places: Places) -> Floats:
        """Return unit vectors at the points, shape (3, num_points).

        On the axis, around which there is no direction, they are those of the half-plane v = 0.

        Raises:
            ValueError: If a point lies farther from the wall than half its thickness.
        """
        axis = np.asarray(self.axis) / np.linalg.norm(self.axis)
        arm = places.X - np.asarray(self.origin)
        height = arm @ axis
        across = arm - height[:, None] * axis
        radius = np.linalg.norm(across, axis=1)
        is_off_axis = (radius > _ON_AXIS * self.outer[0])[:, None]
        outwards = np.where(is_off_axis, across, _some_normal(axis))
        # Close to the axis little but rounding is left across it, some of it along the axis.
        for _ in range(2):
            outwards = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
            outwards = outwards - (outwards @ axis)[:, None] * axis
        around = np.cross(axis, outwards)
        depth = self._depth(radius, height, places.X)
        short, long = self._semi_axes(depth)
        # dX/du = (-r_s cos u, r_l |sin u|) outwards and along the axis.
        rise = np.stack([-height * short / long, radius * long / short])
        rise /= np.linalg.norm(rise, axis=0)
        upwards = rise[0][:, None] * outwards + rise[1][:, None] * axis
        inside, outside = np.deg2rad(self.angles)
        angle = (inside + (outside - inside) * np.clip(depth, 0.0, 1.0))[:, None]
        return (np.sin(angle) * upwards + np.cos(angle) * around).T

    def _semi_axes(self, depth: Floats) -> tuple[Floats, Floats]:
        """Return r_s and r_l at transmural coordinates."""
        short, long = (
            inner + (outer - inner) * depth
            for inner, outer in zip(self.inner, self.outer, strict=True)
        )
        return short, long

    def _depth(self, radius: Floats, height: Floats, X: Floats) -> Floats:
        """Return the transmural coordinate s of points: (radius / r_s)² + (height / r_l)² = 1.

        The left side falls with s and is convex, so that Newton's method from below does not
        overshoot.
        """
        growth = [outer - inner for inner, outer in zip(self.inner, self.outer, strict=True)]
        # Semi-axes must stay positive, however thick the wall is.
        lowest = max(-_BEYOND, *(-0.9 * a / g for a, g in zip(self.inner, growth, strict=True)))
        depth = np.full(len(radius), lowest)
        excess = np.zeros(len(radius))
        for iteration in range(_MAX_ITERATIONS):
            short, long = self._semi_axes(depth)
            squares = (radius / short) ** 2, (height / long) ** 2
            excess = squares[0] + squares[1] - 1.0
            if iteration == 0 and (excess < 0.0).any():
                self._refuse(X[int(np.argmin(excess))], "inside")
            slope = -2.0 * (squares[0] * growth[0] / short + squares[1] * growth[1] / long)
            step = -excess / slope
            depth = depth + step
            if np.abs(step).max(initial=0.0) < 1e-14:
                break
        if depth.max(initial=0.0) > 1.0 + _BEYOND:
            self._refuse(X[int(np.argmax(depth))], "outside")
        return depth

    def _refuse(self, point: Floats, where: str) -> None:
        place = ", ".join(f"{x:.6g}" for x in point)
        raise ValueError(
            f"the point ({place}) lies {where} the wall between the ellipsoids with semi-axes "
            f"{list(self.inner)} and {list(self.outer)} around {list(self.origin)}, by more than "
            "half its thickness: check semi-axes, axis, origin and the unit of length"
        )


def _some_normal(axis: Floats) -> Floats:
    """Return a unit vector across an axis: x for z, y for x, z for y."""
    following = np.roll(np.eye(3), -1, axis=0)[int(np.argmax(np.abs(axis)))]
    across = following - (following @ axis) * axis
    return np.asarray(across / np.linalg.norm(across))

"""Prescribed rigid rotation of a surface."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.solver.formula import Formula


@dataclass(frozen=True)
class Rotation:
    """Rotation of a surface about an axis; all three components are prescribed.

    Attributes:
        surface: Name of the surface.
        axis: Direction of the axis, of any length but zero.
        origin: A point on the axis, in the initial configuration.
        angle: Angle in degrees, right-handed about the axis; scaled by the load fraction unless
            its formula names t.
    """

    surface: str
    axis: tuple[float, float, float]
    origin: tuple[float, float, float]
    angle: Formula

    @property
    def constrained(self) -> tuple[bool, bool, bool]:
        """Return which components are prescribed: all."""
        return True, True, True

    def values(self, X: NDArray[np.float64], load_fraction: float) -> NDArray[np.float64]:
        """Return the displacement (R - I)(X - origin) at initial points X of shape (n, 3).

        R is the rotation matrix of Rodrigues' formula.  1 - cos is written with the half angle,
        which keeps every digit at small angles.
        """
        axis = np.asarray(self.axis) / np.linalg.norm(self.axis)
        angle = np.deg2rad(self.angle.load(X, load_fraction))[:, None]
        arm = X - np.asarray(self.origin)
        across = np.cross(axis, arm)
        return np.sin(angle) * across + 2.0 * np.sin(angle / 2.0) ** 2 * np.cross(axis, across)

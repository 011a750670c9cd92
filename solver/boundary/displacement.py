"""Prescribed displacement, component by component.

A clamp is the displacement (0, 0, 0); a symmetry plane prescribes one component.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.solver.formula import Formula


@dataclass(frozen=True)
class Displacement:
    """Displacement of a surface.

    Attributes:
        surface: Name of the surface.
        components: Formula of each component in units of length; None leaves it free.
    """

    surface: str
    components: tuple[Formula | None, Formula | None, Formula | None]

    @property
    def constrained(self) -> tuple[bool, bool, bool]:
        """Return which components are prescribed."""
        x, y, z = (component is not None for component in self.components)
        return x, y, z

    def values(self, X: NDArray[np.float64], load_fraction: float) -> NDArray[np.float64]:
        """Return the displacement at initial points X of shape (n, 3); free components are 0."""
        u = np.zeros_like(X)
        for i, component in enumerate(self.components):
            if component is not None:
                u[:, i] = component.load(X, load_fraction)
        return u

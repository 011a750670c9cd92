"""The fields that a run can write, and what follows from others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Field:
    """A field at the nodes.

    Attributes:
        components: Names of the components, in the order in which they are stored.
        meaning: What it is, and its unit.
    """

    components: tuple[str, ...]
    meaning: str


#: VTK's order of the components of a symmetric tensor.
SYMMETRIC = ("xx", "yy", "zz", "xy", "yz", "xz")

FIELDS = {
    "displacement": Field(("x", "y", "z"), "displacement u, in the unit of length"),
    "cauchy_stress": Field(SYMMETRIC, "Cauchy stress σ, force per current area"),
    "von_mises_stress": Field(("",), "von Mises stress of σ, force per current area"),
    "J": Field(("",), "volume ratio det F, dimensionless"),
    "strain_energy_density": Field(("",), "strain energy ψ per initial volume"),
}


def von_mises_stress(cauchy_stress: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return √(3/2 s:s), s the deviator of σ, of shape (n, 1) for σ of shape (n, 6).

    It is taken from σ as it is written, so that the two agree in the picture:

    >>> von_mises_stress(np.array([[7.0, 7.0, 9.0, 0.0, 0.0, 0.0]]))
    array([[2.]])
    """
    normal, shear = cauchy_stress[:, :3], cauchy_stress[:, 3:]
    deviator = normal - normal.mean(axis=1, keepdims=True)
    squares = (deviator**2).sum(axis=1, keepdims=True) + 2 * (shear**2).sum(axis=1, keepdims=True)
    return np.sqrt(1.5 * squares)

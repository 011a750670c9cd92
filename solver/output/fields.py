"""The fields that a run can write, and what follows from others."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.materials.model import Choices, Material, Parameter


@dataclass(frozen=True)
class Field:
    """A field at the nodes.

    Attributes:
        components: Names of the components, in the order in which they are stored.
        meaning: What it is, and its unit.
        dimension: Dimension of the values, a name in `Output.units`; empty for a ratio.
    """

    components: tuple[str, ...]
    meaning: str
    dimension: str = ""


#: VTK's order of the components of a symmetric tensor.
SYMMETRIC = ("xx", "yy", "zz", "xy", "yz", "xz")

FIELDS = {
    "displacement": Field(("x", "y", "z"), "displacement u, in the unit of length", "length"),
    "cauchy_stress": Field(SYMMETRIC, "Cauchy stress σ, force per current area", "stress"),
    "von_mises_stress": Field(("",), "von Mises stress of σ, force per current area", "stress"),
    "J": Field(("",), "volume ratio det F, dimensionless"),
    "strain_energy_density": Field(("",), "strain energy ψ per initial volume", "stress"),
}

#: Names that stand for arrays of the materials, one or more for each of the parameters chosen.
MATERIAL_FIELDS: Mapping[str, tuple[str, Callable[[Parameter], bool]]] = {
    "fibres": (
        "unit vectors of all directions of the materials in the initial configuration, e.g. "
        "`fibre`, or `fibres_0`, `fibres_1` of two families",
        lambda parameter: parameter.direction,
    ),
    "parameters": (
        "all other parameters of the energies, e.g. `lame_mu`, or `mu_0`, `mu_1` of two terms",
        lambda parameter: not parameter.direction,
    ),
}

#: All names of the job file.
OUTPUT_FIELDS = (*FIELDS, *MATERIAL_FIELDS)


def material_arrays(
    names: Collection[str], materials: Iterable[tuple[Material, Choices]]
) -> dict[str, tuple[str, ...]]:
    """Return the arrays that names of MATERIAL_FIELDS stand for.

    Args:
        names: Names of the job file.
        materials: The models with their options and sizes.

    Returns:
        For each array the scalar names of the kernel parameters that are its components: one, or
        three of a direction.
    """
    chosen = [belongs for name, (_, belongs) in MATERIAL_FIELDS.items() if name in names]
    arrays = {}
    for model, choices in materials:
        for parameter in model.kernel_parameters:
            if not any(belongs(parameter) for belongs in chosen):
                continue
            scalars = parameter.scalar_names(choices)
            width = 3 if parameter.direction else 1
            for first in range(0, len(scalars), width):
                entry = scalars[first].removesuffix("_0") if width == 3 else scalars[first]
                # A field of a run keeps its name, whatever parameters are called.
                array = f"{entry}_parameter" if entry in FIELDS else entry
                arrays[array] = scalars[first : first + width]
    return arrays


def component_names(name: str, num_components: int) -> tuple[str, ...]:
    """Return the names of the components of a field."""
    if name in FIELDS:
        return FIELDS[name].components
    return ("x", "y", "z") if num_components == 3 else ("",)


def unit_of(name: str, units: Mapping[str, str]) -> str:
    """Return the symbol of the unit of a field, given those of dimensions; empty if unknown."""
    return units.get(FIELDS[name].dimension, "") if name in FIELDS else ""


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

"""The built-in materials.

A new material is one new file and one line in `MODELS`.  Importing this package needs numpy only.
"""

from elastane.materials.linear import LINEAR
from elastane.materials.model import Material, Parameter, ParameterError, nearest
from elastane.materials.mooney_rivlin import MOONEY_RIVLIN
from elastane.materials.neo_hookean import NEO_HOOKEAN
from elastane.materials.neo_hookean_isochoric import NEO_HOOKEAN_ISOCHORIC
from elastane.materials.neo_hookean_j2 import NEO_HOOKEAN_J2

__all__ = ["MODELS", "Material", "Parameter", "ParameterError", "find_model"]

MODELS: dict[str, Material] = {
    "linear": LINEAR,
    "neo-hookean": NEO_HOOKEAN,
    "neo-hookean-j2": NEO_HOOKEAN_J2,
    "neo-hookean-isochoric": NEO_HOOKEAN_ISOCHORIC,
    "mooney-rivlin": MOONEY_RIVLIN,
}


def find_model(name: str) -> Material:
    """Return the material of that name.

    Raises:
        ValueError: If there is none; the message gives the nearest name or lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise ValueError(f"unknown material {name!r}{nearest(name, MODELS)}") from None

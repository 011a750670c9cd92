"""The materials: built-in ones, and kinds that are read from a file of the user's.

A new material is one new file and one line in `MODELS`; a new kind of file is one line in
`FILE_MODELS`.  Importing this package needs numpy only.
"""

from collections.abc import Callable
from pathlib import Path

from elastane.materials.linear import LINEAR
from elastane.materials.model import Material, Parameter, ParameterError, nearest
from elastane.materials.mooney_rivlin import MOONEY_RIVLIN
from elastane.materials.neo_hookean import NEO_HOOKEAN
from elastane.materials.neo_hookean_isochoric import NEO_HOOKEAN_ISOCHORIC
from elastane.materials.neo_hookean_j2 import NEO_HOOKEAN_J2

__all__ = [
    "FILE_MODELS",
    "MODELS",
    "Material",
    "Parameter",
    "ParameterError",
    "find_model",
    "load_model",
]

MODELS: dict[str, Material] = {
    "linear": LINEAR,
    "neo-hookean": NEO_HOOKEAN,
    "neo-hookean-j2": NEO_HOOKEAN_J2,
    "neo-hookean-isochoric": NEO_HOOKEAN_ISOCHORIC,
    "mooney-rivlin": MOONEY_RIVLIN,
}


#: Kinds of materials that a file defines -> (key of the file in a job, function that reads it).
FILE_MODELS: dict[str, tuple[str, Callable[[Path], Material]]] = {}


def find_model(name: str) -> Material:
    """Return the built-in material of that name.

    Raises:
        ValueError: If there is none; the message gives the nearest name or lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        raise ValueError(f"unknown material {name!r}{nearest(name, MODELS)}") from None


def load_model(name: str, file: Path) -> Material:
    """Return the material that a file defines.

    Raises:
        ValueError: If there is no such kind of material, or the file does not define one.
    """
    if name not in FILE_MODELS:
        raise ValueError(f"unknown kind of material {name!r}{nearest(name, FILE_MODELS)}")
    return FILE_MODELS[name][1](file)

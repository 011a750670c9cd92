"""The materials: built-in ones, and kinds that are read from a file of the user's.

A new material is one new file and one line in `MODELS`; a new kind of file is one line in
`FILE_MODELS`.  Importing this package needs numpy only.
"""

from pathlib import Path

from elastane.materials.arruda_boyce import ARRUDA_BOYCE
from elastane.materials.blatz_ko import BLATZ_KO
from elastane.materials.files import FileModel
from elastane.materials.gent import GENT
from elastane.materials.guccione import GUCCIONE
from elastane.materials.hencky import HENCKY
from elastane.materials.holzapfel_gasser_ogden import HOLZAPFEL_GASSER_OGDEN
from elastane.materials.linear import LINEAR
from elastane.materials.model import Material, Parameter, ParameterError, nearest
from elastane.materials.mooney_rivlin import MOONEY_RIVLIN
from elastane.materials.mooney_rivlin_isochoric import MOONEY_RIVLIN_ISOCHORIC
from elastane.materials.neo_hookean import NEO_HOOKEAN
from elastane.materials.neo_hookean_isochoric import NEO_HOOKEAN_ISOCHORIC
from elastane.materials.neo_hookean_j2 import NEO_HOOKEAN_J2
from elastane.materials.neural_network import NEURAL_NETWORK
from elastane.materials.ogden import OGDEN
from elastane.materials.saint_venant_kirchhoff import SAINT_VENANT_KIRCHHOFF
from elastane.materials.transversely_isotropic import TRANSVERSELY_ISOTROPIC
from elastane.materials.user import USER
from elastane.materials.yeoh import YEOH

__all__ = [
    "FILE_MODELS",
    "MODELS",
    "FileModel",
    "Material",
    "Parameter",
    "ParameterError",
    "file_model",
    "find_model",
    "find_or_load",
]

MODELS: dict[str, Material] = {
    "linear": LINEAR,
    "neo-hookean": NEO_HOOKEAN,
    "neo-hookean-j2": NEO_HOOKEAN_J2,
    "neo-hookean-isochoric": NEO_HOOKEAN_ISOCHORIC,
    "mooney-rivlin": MOONEY_RIVLIN,
    "saint-venant-kirchhoff": SAINT_VENANT_KIRCHHOFF,
    "mooney-rivlin-isochoric": MOONEY_RIVLIN_ISOCHORIC,
    "yeoh": YEOH,
    "gent": GENT,
    "arruda-boyce": ARRUDA_BOYCE,
    "blatz-ko": BLATZ_KO,
    "holzapfel-gasser-ogden": HOLZAPFEL_GASSER_OGDEN,
    "ogden": OGDEN,
    "hencky": HENCKY,
    "guccione": GUCCIONE,
    "transversely-isotropic": TRANSVERSELY_ISOTROPIC,
}


#: Kinds of materials that a file defines, by the name of the model in a job.
FILE_MODELS: dict[str, FileModel] = {
    "user": USER,
    "neural-network": NEURAL_NETWORK,
}


def find_model(name: str) -> Material:
    """Return the built-in material of that name.

    Raises:
        ValueError: If there is none; the message gives the nearest name or lists those there are.
    """
    try:
        return MODELS[name]
    except KeyError:
        names = [*MODELS, *FILE_MODELS]
        raise ValueError(f"unknown material {name!r}{nearest(name, names)}") from None


def file_model(path: Path) -> FileModel | None:
    """Return the kind of material that a file of this name defines, None if it defines none."""
    return next((kind for kind in FILE_MODELS.values() if path.suffix in kind.suffixes), None)


def find_or_load(name: str) -> Material:
    """Return the material that a name or the path of a file stands for.

    Raises:
        ValueError: If there is none; the message says what there is.
    """
    kind = file_model(Path(name))
    return kind.load(Path(name)) if kind is not None else find_model(name)

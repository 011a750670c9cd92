"""Files that define materials: the kinds there are, and how they are read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elastane.materials.model import Material


class MaterialFileError(ValueError):
    """A file does not define a material; the message names the file and, where it can, the line."""


@dataclass(frozen=True)
class FileModel:
    """A kind of material that a file defines.

    Attributes:
        key: Key of the file in a material section of a job.
        suffixes: How its files end, the usual one first.
        load: Returns the material of a file; runs nothing of what the file holds.
        read_in_process: The same with an energy that can be called: runs what the file holds, and
            belongs into the compiler's process only.
    """

    key: str
    suffixes: tuple[str, ...]
    load: "Callable[[Path], Material]"
    read_in_process: "Callable[[Path], Material]"


def read_bytes(path: Path, suffixes: tuple[str, ...], largest: int) -> bytes:
    """Return what a file holds.

    Raises:
        MaterialFileError: If there is none of that name, if it ends otherwise than it must, is too
            large or cannot be read.
    """
    if path.suffix not in suffixes:
        raise MaterialFileError(
            f"{path} must end in {' or '.join(suffixes)}, as its content is told by its name"
        )
    if path.is_dir():
        raise MaterialFileError(f"{path} is a folder, not a file")
    try:
        with path.open("rb") as stream:
            content = stream.read(largest + 1)
    except FileNotFoundError:
        raise MaterialFileError(f"there is no file {path}") from None
    except OSError as error:
        raise MaterialFileError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > largest:
        raise MaterialFileError(f"{path} is larger than {largest:,} bytes, the most allowed")
    return content


def hash_of(content: bytes) -> str:
    """Return a hash of what a file holds."""
    return sha256(content).hexdigest()


def name_of(path: Path) -> str:
    """Return the name of the material that a file defines: its stem, safe in names of files."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip(".-")[:64] or "material"

"""The manifest of a checkpoint: what it is of, how far it came, and hashes of its file.

The manifest is written last, and makes the checkpoint: without one the file does not count.  At its
end stands a hash of the rest.
"""

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from elastane.solver.stepping import Progress

#: Version of the format.
VERSION = 1
#: What to call a difference of contents, by attribute; other differences follow from these.
DIFFERENCES = {
    "version": "written in another version of the format",
    "identity": "of another job",
    "mesh": "of another mesh",
}


class CheckpointError(ValueError):
    """A checkpoint that cannot be used.

    Attributes:
        path: The file at fault.
        why: What is wrong with it.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class ForeignCheckpointError(CheckpointError):
    """A whole checkpoint, but of something else."""


@dataclass(frozen=True)
class Piece:
    """A part of the file.

    Attributes:
        offset: Where it begins.
        size: Its bytes.
        hash: Their BLAKE2b hash.
    """

    offset: int
    size: int
    hash: str


@dataclass(frozen=True)
class Contents:
    """What the records of a checkpoint are of; it fits a solve that has the same.

    Attributes:
        version: Version of the format.
        identity: Hash of the job.
        mesh: Hash of the mesh.
        cells: Cells of the whole mesh.
        degree: Degree of the displacement.
        points: Quadrature points of a cell.
        history: Numbers that the materials remember at a point, the most of all regions.
        record_doubles: Numbers of a record.
    """

    version: int
    identity: str
    mesh: str
    cells: int
    degree: int
    points: int
    history: int
    record_doubles: int

    def differs_by(self, other: "Contents") -> str:
        """Return in words what tells two contents apart, nothing if they are equal."""
        for name, words in DIFFERENCES.items():
            if getattr(self, name) != getattr(other, name):
                return words
        return "" if self == other else "of another discretisation"


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself.

    Attributes:
        contents: What the records are of.
        progress: How far the load steps had come.
        pieces: The file, without gaps.
    """

    contents: Contents
    progress: Progress
    pieces: tuple[Piece, ...]

    @property
    def num_bytes(self) -> int:
        """Return the size of the file."""
        return sum(piece.size for piece in self.pieces)

    def text(self) -> str:
        """Return the JSON, with a hash of the rest in its last line."""
        return sealed({
            **asdict(self.contents),
            "progress": asdict(self.progress),
            "file_bytes": self.num_bytes,
            "pieces": [asdict(piece) for piece in self.pieces],
        })  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Return a manifest.

        Raises:
            CheckpointError: If it is not whole, or of a version that this one does not know.
        """
        try:
            text = path.read_text(encoding="utf-8")
            entries = json.loads(text)
            del entries["checksum"]
            whole = sealed(entries) == text
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(path, f"not readable ({error})") from None
        if not whole:
            raise CheckpointError(path, "its checksum is wrong")
        if entries["version"] != VERSION:
            raise ForeignCheckpointError(path, DIFFERENCES["version"])
        manifest = cls(
            contents=Contents(**{name: entries[name] for name in Contents.__dataclass_fields__}),
            progress=Progress(**entries["progress"]),
            pieces=tuple(Piece(**piece) for piece in entries["pieces"]),
        )
        if path != manifest_path(path.parent, manifest.progress.step):
            raise CheckpointError(path, f"holds step {manifest.progress.step}")
        return manifest


def manifest_path(folder: Path, step: int) -> Path:
    """Return the manifest of the checkpoint after a load step."""
    return folder / f"step-{step:04d}.json"


def records_path(manifest: Path) -> Path:
    """Return the file with the records that a manifest speaks of."""
    return manifest.with_suffix(".bin")


def sealed(entries: dict[str, Any]) -> str:
    """Return entries in JSON with a hash of them; every other text is refused, even if alike."""
    checksum = digest(json.dumps(entries).encode())
    return json.dumps({**entries, "checksum": checksum}, indent=1) + "\n"


def digest(content: bytes | memoryview) -> str:
    """Return the BLAKE2b hash of bytes."""
    return blake2b(content, digest_size=16).hexdigest()

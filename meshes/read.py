"""Meshes from files, whatever is in them: read in a process with limits, then checked here."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from elastane.meshes.assemble import assemble
from elastane.meshes.file_mesh import FileMesh, MeshError
from elastane.meshes.mesh import Ints, Mesh
from elastane.meshes.names import unknown_name
from elastane.meshes.reading_process import READERS

#: What any file may take: the interpreter, its libraries and a small mesh.
_MEMORY_BYTES, _CPU_SECONDS = 2 << 30, 10
#: What it may take beyond, per byte of the file.
_MEMORY_PER_BYTE, _CPU_SECONDS_PER_BYTE = 100, 2e-6
#: Threads of the linear algebra library would count against the memory.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
#: A busy machine may need this much longer than the CPU time.
_WALL_PER_CPU = 4


@dataclass(frozen=True)
class ReadMesh:
    """A mesh from a file, and what identifies the file.

    Attributes:
        mesh: The mesh, checked.
        element_numbers: The file's own number of each cell, shape (num_cells,).
        sha256: Digest of the file, in hexadecimal.
        warnings: What is suspicious about the file.
    """

    mesh: Mesh
    element_numbers: Ints
    sha256: str
    warnings: tuple[str, ...]


def read_mesh(path: Path) -> ReadMesh:
    """Return the mesh in a file.

    Raises:
        MeshError: If the file cannot be read or no computation on it can be right; the message
            begins with the path.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise MeshError(f"{path}: {error.strerror}") from None
    if not path.is_file():
        raise MeshError(f"{path}: not a file")
    if path.suffix.lower() not in READERS:
        raise MeshError(f"{path}: {unknown_name('ending', path.suffix, READERS)}")
    return _read(path.resolve(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, modified: int, size: int) -> ReadMesh:
    """Read the file; time of modification and size stand for its content in the cache."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        assembly = assemble(_read_apart(path, size))
    except MeshError as error:
        raise MeshError(f"{path}: {error}") from None
    except OSError as error:
        raise MeshError(f"{path}: {error.strerror}") from None
    return ReadMesh(assembly.mesh, assembly.element_numbers, sha256, assembly.warnings)


def _read_apart(path: Path, size: int) -> FileMesh:
    memory_bytes = _MEMORY_BYTES + _MEMORY_PER_BYTE * size
    cpu_seconds = _CPU_SECONDS + int(_CPU_SECONDS_PER_BYTE * size)
    with tempfile.TemporaryDirectory(prefix="elastane-") as folder:
        result = Path(folder, "mesh.npz")
        # -P keeps modules of the working directory from being imported.
        command = [sys.executable, "-P", "-m", "elastane.meshes.reading_process"]
        try:
            done = subprocess.run(
                [*command, str(path), str(result), str(memory_bytes), str(cpu_seconds)],
                env={**os.environ, **_ONE_THREAD, "TMPDIR": folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_WALL_PER_CPU * cpu_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            raise MeshError(f"not read within {expired.timeout:.0f} s; is it damaged?") from None
        if done.returncode == 1 and result.exists():
            raise MeshError(result.read_text(encoding="utf-8"))
        if done.returncode != 0:
            raise MeshError(
                f"the reading process ended with {done.returncode} after at most {cpu_seconds} s "
                f"of CPU time and {memory_bytes >> 20} MiB of memory; is the file damaged?"
            )
        try:
            return FileMesh.load(result)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            raise MeshError("the reading process left no mesh; is the disk full?") from None

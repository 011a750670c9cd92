"""The process in which a mesh file is read: whatever it does there, its parent goes on.

Libraries that read files raise every kind of exception, end the process, or ask for as much memory
as a damaged header claims.  So the reading happens in a process with limits of its own:

    python -m elastane.meshes.reading_process FILE RESULT MEMORY_BYTES CPU_SECONDS

It leaves arrays in RESULT and ends with 0, or leaves one line of text there and ends with 1.
"""

import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from elastane.meshes.abaqus import read_abaqus
from elastane.meshes.exodus import read_exodus
from elastane.meshes.file_mesh import FileMesh, MeshError
from elastane.meshes.gmsh import read_gmsh
from elastane.meshes.through_meshio import read_medit, read_nastran, read_vtk, read_vtu

#: Readers by the ending of the file name.
READERS: Mapping[str, Callable[[Path], FileMesh]] = {
    ".msh": read_gmsh,
    ".inp": read_abaqus,
    ".exo": read_exodus,
    ".e": read_exodus,
    ".ex2": read_exodus,
    ".vtu": read_vtu,
    ".vtk": read_vtk,
    ".mesh": read_medit,
    ".bdf": read_nastran,
    ".nas": read_nastran,
}


def main(arguments: list[str]) -> int:
    """Read a file and return the exit code."""
    path, result = Path(arguments[0]), Path(arguments[1])
    memory_bytes, cpu_seconds = int(arguments[2]), int(arguments[3])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    try:
        READERS[path.suffix.lower()](path).save(result)
    except MeshError as error:
        return _fail(result, str(error))
    except MemoryError:
        return _fail(result, "reading it takes more memory than its size allows; is it damaged?")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # meshio ends the process on some damaged files
        text = " ".join(str(error).split())[:200]
        return _fail(
            result,
            f"it cannot be read ({type(error).__name__}: {text}); is it damaged? "
            "Gmsh reads and writes many formats, and its own .msh always works here",
        )
    return 0


def _fail(result: Path, message: str) -> int:
    result.write_text(message, encoding="utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Where a run comes from: provenance.json, and the identity of what it computes.

provenance.json is begun where the job is submitted (versions, git, options, hashes of the inputs)
and completed where it runs (hosts, modules, environment, hashes of its kernels).
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elastane.jobs.paths import RunFolder
from elastane.jobs.result import write_text
from elastane.jobs.versions import versions
from elastane.materials import FILE_MODELS

if TYPE_CHECKING:
    from elastane.jobs.job import Job

VERSION = 1
SOURCES = Path(__file__).resolve().parent.parent
#: Variables of the environment that a run is told by or that change how it runs.
ENVIRONMENT = (
    "SLURM_", "OMPI_", "OMP_", "PMIX_", "MPICH_GPU", "ELASTANE_", "CUDA_VISIBLE", "HIP_VISIBLE",
    "ROCR_VISIBLE",
)  # fmt: skip
#: Sections of a job file that its solution depends on.
SOLUTION = (
    "version", "units", "mesh", "degree", "quadrature_extra", "materials", "boundary",
    "body_force", "loading",
)  # fmt: skip


def identity(job: "Job") -> str:
    """Return a hash of all that the solution of a job depends on.

    Solver, backend, output and resources may change between two attempts at a run; files count
    with their content wherever they lie.

    Raises:
        OSError: If a file of the job cannot be read.
    """
    content = job.file.model_dump(mode="json", exclude_none=True, include=set(SOLUTION))
    if "file" in content["mesh"]:
        content["mesh"]["file"] = file_hash(Path(content["mesh"]["file"]))
    for material in content["materials"].values():
        if material["model"] in FILE_MODELS:
            key = FILE_MODELS[material["model"]].key
            material[key] = file_hash(Path(material[key]))
    return _hash(json.dumps(content, sort_keys=True).encode())


def write_provenance(folder: RunFolder, job: "Job", argv: Sequence[str]) -> None:
    """Write where a run comes from, as far as it is known before it starts.

    Args:
        folder: The run folder, with its job file.
        job: The job.
        argv: The command that was given.

    Raises:
        OSError: If a file of the job cannot be read or provenance.json cannot be written.
    """
    content = {
        "version": VERSION,
        "written": time.time(),
        "host": platform.node(),
        "argv": list(argv),
        "versions": versions(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "git": _git(),
        "identity": identity(job),
        "inputs": {
            folder.job.name: file_hash(folder.job),
            **{str(path): file_hash(path) for path in _files(job)},
        },
        "attempts": [],
        "kernels": {},
    }
    _write(folder, content)


def add_attempt(folder: RunFolder, generation: int, environment: Mapping[str, str]) -> None:
    """Add where and in which surroundings an attempt runs."""
    content = read_provenance(folder)
    content.setdefault("attempts", []).append(
        {
            "generation": generation,
            "time": time.time(),
            "hosts": hosts(environment),
            "system": platform.platform(),
            "versions": versions(),
            "modules": [name for name in environment.get("LOADEDMODULES", "").split(":") if name],
            "environment": {
                name: value for name, value in environment.items() if name.startswith(ENVIRONMENT)
            },
        }
    )
    _write(folder, content)


def add_kernels(folder: RunFolder) -> None:
    """Add the hashes of the kernels that an attempt compiled."""
    content = read_provenance(folder)
    content["kernels"] = {path.stem: file_hash(path) for path in folder.generated.glob("*.c")}
    _write(folder, content)


def read_provenance(folder: RunFolder) -> dict[str, Any]:
    """Return the content of provenance.json, nearly nothing if it cannot be read."""
    try:
        content = json.loads(folder.provenance.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    return content if isinstance(content, dict) else {"version": VERSION}


def hosts(environment: Mapping[str, str]) -> str:
    """Return the hosts of an attempt, in the scheduler's short form if it is one's job."""
    return environment.get("SLURM_JOB_NODELIST") or platform.node()


def file_hash(path: Path) -> str:
    """Return the hash of the content of a file.

    Raises:
        OSError: If it cannot be read.
    """
    digest = blake2b(digest_size=16)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _files(job: "Job") -> list[Path]:
    """Return the files that a job reads."""
    found = [] if job.file.mesh.file is None else [Path(job.file.mesh.file)]
    for section in job.file.materials.values():
        if section.model in FILE_MODELS:
            found.append(Path(section.entries()[FILE_MODELS[section.model].key]))
    return found


def _git() -> dict[str, Any]:
    """Return the commit of our sources and whether they differ from it; {} if not from git."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}

    def ask(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(SOURCES), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout.strip()

    try:
        # An installation may lie in a checkout of something else.
        if Path(ask("rev-parse", "--show-toplevel")).resolve() != SOURCES:
            return {}
        changes = ask("status", "--porcelain", "--untracked-files=no")
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(changes)}
    except (OSError, subprocess.SubprocessError):
        return {}


def _write(folder: RunFolder, content: Mapping[str, Any]) -> None:
    write_text(folder.provenance, json.dumps(content, indent=1) + "\n")

"""result.json: what a run found, written so that a reader never sees half of it."""

import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from elastane.jobs.states import Status
from elastane.solver.report import Report


def write_text(path: Path, text: str) -> None:
    """Write a file aside and rename it, so that readers see the old text or the new one."""
    with _written_aside(path, text) as aside:
        aside.replace(path)


def create_text(path: Path, text: str) -> bool:
    """Make a file with its text at once; return whether the name was free."""
    with _written_aside(path, text) as aside:
        try:
            os.link(aside, path)
        except FileExistsError:
            # NFS may have linked and lost the answer; then the file has two names.
            return aside.stat().st_nlink == 2
        return True


@contextmanager
def _written_aside(path: Path, text: str) -> Iterator[Path]:
    """Yield a file beside the given one that holds a text and has reached the disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o666 & ~umask)  # mkstemp lets nobody else read
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write result.json."""
    write_text(path, json.dumps(plain(result), indent=1, allow_nan=False) + "\n")


def read_result(path: Path) -> dict[str, Any]:
    """Return the content of result.json.

    Raises:
        ValueError: If it is not one.
        OSError: If it cannot be read.
    """
    result = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(result, dict) or "status" not in result:
        raise ValueError(f"{path} is not the result of a run")
    return result


def empty_result(name: str, degree: int, backend: str, ranks: int) -> dict[str, Any]:
    """Return the result of a run that has only begun."""
    return {
        "name": name,
        "status": Status.RUNNING.value,
        "message": "",
        "dofs": 0,
        "cells": 0,
        "degree": degree,
        "ranks": ranks,
        "backend": backend,
        "strain_energy": 0.0,
        "max_displacement": 0.0,
        "level_dofs": [],
        "steps": [],
        "timings": {"setup": 0.0, "solve": 0.0, "output": 0.0},
        "memory_bytes": 0,
        "preconditioner": {},
        "versions": {},
        "warnings": [],
    }


def step_result(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of a converged step, given as the fields of a `StepReport`."""
    newton = step["newton"]
    return {
        "step": step["step"],
        "load": step["load"],
        "newton_iterations": len(newton["krylov_iterations"]),
        "krylov_iterations": newton["krylov_iterations"],
        "residual_norms": newton["residual_norms"],
        "reason": newton["reason"],
        "strain_energy": step["strain_energy"],
        "max_displacement": step["max_displacement"],
        "min_J": step["min_J"],
        "surfaces": step["surfaces"],
        "probes": {name: {"displacement": u} for name, u in step["probes"].items()},
        "seconds": step["seconds"],
    }


def add_step(result: dict[str, Any], step: Mapping[str, Any]) -> None:
    """Add a converged step to a result."""
    entry = step_result(step)
    result["steps"].append(entry)
    result["strain_energy"] = entry["strain_energy"]
    result["max_displacement"] = entry["max_displacement"]


def add_report(result: dict[str, Any], report: Report) -> None:
    """Complete a result by the report of the whole run; the steps are in it already."""
    result.update(
        status=Status(report.status).value,
        message=report.message,
        dofs=report.dofs,
        cells=report.cells,
        ranks=report.ranks,
        backend=report.backend,
        level_dofs=report.level_dofs,
        timings=dict(report.timings),
        memory_bytes=report.memory_bytes,
        preconditioner=dict(report.preconditioner),
        warnings=list(report.warnings),
    )


def end_result(path: Path, status: Status, message: str) -> None:
    """Mark a result as ended from outside the solve; its steps stay.

    A result that is final already is left as it is.
    """
    try:
        result = read_result(path)
    except FileNotFoundError:
        result = empty_result(path.parent.name, degree=0, backend="", ranks=0)
    if result["status"] == Status.RUNNING.value:
        result.update(status=status.value, message=message)
        write_result(path, result)


def reopen_result(path: Path) -> None:
    """Mark a result as that of a run that goes on; its steps stay.  Without one there is nothing.

    Raises:
        OSError: If it cannot be written.
    """
    try:
        result = read_result(path)
    except (OSError, ValueError):
        return
    if result["status"] != Status.RUNNING.value:
        write_result(path, {**result, "status": Status.RUNNING.value, "message": ""})


def add_warnings(path: Path, warnings: Sequence[str]) -> None:
    """Put warnings that were known before the solve in front of those in a result."""
    if warnings:
        result = read_result(path)
        result["warnings"] = [*warnings, *result["warnings"]]
        write_result(path, result)


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: no numpy scalars, no tuples, no NaN (null instead)."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

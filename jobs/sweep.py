"""Sweeps: a job file with lists of values becomes a job file for each combination of them.

    sweep: {materials.all.youngs_modulus: [1, 2, 5], degree: [2, 3]}

makes six jobs, the last key varying fastest.  A key is a path in the job file: names between dots,
numbers for the entries of a list (`boundary.1.traction`).
"""

import copy
import itertools
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from elastane.jobs.check import Checked, check_job
from elastane.jobs.faults import Fault, JobFileError, KeyPath, nearest
from elastane.jobs.index import record
from elastane.jobs.paths import RunFolder, RunFolderError, new_run_folder
from elastane.jobs.results_table import note_point
from elastane.jobs.submission import SubmitOptions, submit_array
from elastane.jobs.yaml_reader import Document, read_document
from elastane.jobs.yaml_writer import write_yaml
from elastane.materials import FILE_MODELS

MAX_JOBS = 1000


@dataclass(frozen=True)
class SweptJob:
    """One job of a sweep.

    Attributes:
        point: What was put in for each key.
        text: Its job file.
    """

    point: Mapping[str, Any]
    text: str


def submit_sweep(path: Path, options: SubmitOptions, stream: TextIO) -> list[RunFolder]:
    """Submit all jobs of a sweep, as an array where the executor has such; return their folders.

    Raises:
        JobFileError: If the sweep or one of its jobs is not sound; nothing is written then.
        RunFolderError: If the folder that was named is not empty.
        RejectedError: If the executor will never run them.
        SilentError: If it does not answer.
    """
    checked = check_sweep(path)
    warnings = dict.fromkeys(warning for _, job in checked for warning in job.warnings)
    stream.writelines(f"warning: {warning}\n" for warning in warnings)
    name = _name(read_document(path))
    root = _new_root(options.output, name)
    runs = submit_array(
        name,
        [job.job for _, job in checked],
        root,
        replace(options, output=None),
        stream,
    )
    folders = [RunFolder(run.request.folder) for run in runs]
    for folder, (swept, _) in zip(folders, checked, strict=True):
        note_point(folder, swept.point)
    record(folder.root for folder in folders)
    stream.write(f"{len(runs)} runs in {root}; when they have ended: elastane report {root}\n")
    return folders


def list_sweep(path: Path) -> str:
    """Return the jobs of a sweep, a line each; nothing is written.

    Raises:
        JobFileError: If the sweep or one of its jobs is not sound.
    """
    return "\n".join(
        f"{checked.job.name}: {_shown(swept.point)}; {checked.sizes.dofs:,} unknowns"
        for swept, checked in check_sweep(path)
    )


def check_sweep(path: Path) -> list[tuple[SweptJob, Checked]]:
    """Return the jobs of a sweep, checked.

    Raises:
        JobFileError: If it has no sound `sweep`.
        ValueError: If one of its jobs is not sound; the message says for which values.
    """
    checked = []
    with tempfile.TemporaryDirectory() as aside:
        job = Path(aside) / path.name
        for swept in expand(path):
            job.write_text(swept.text, encoding="utf-8")
            try:
                checked.append((swept, check_job(job)))
            except JobFileError as error:
                shown = str(error).replace(str(job), str(path))
                raise ValueError(f"with {_shown(swept.point)}:\n{shown}") from error
    return checked


def expand(path: Path) -> list[SweptJob]:
    """Return the jobs of a sweep; only the sweep itself is checked.

    Raises:
        JobFileError: If it is not sound.
    """
    document = read_document(path)
    keys = _keys(document)
    points = list(itertools.product(*(values for _, _, values in keys)))
    digits = max(4, len(str(len(points))))
    name = _name(document)[: 64 - digits - 1]
    jobs = []
    for number, values in enumerate(points, 1):
        data = copy.deepcopy(document.data)
        del data["sweep"]
        data["name"] = f"{name}-{number:0{digits}}"
        for (_, place, _), value in zip(keys, values, strict=True):
            _put(data, place, value)
        _make_paths_absolute(data, path.resolve().parent)
        point = {key: value for (key, _, _), value in zip(keys, values, strict=True)}
        jobs.append(SweptJob(point, write_yaml(data)))
    return jobs


def _name(document: Document) -> str:
    """Return the name of the swept job, that of the file without one."""
    name = document.data.get("name") if isinstance(document.data, dict) else None
    text = name if isinstance(name, str) and name else Path(document.file).stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).lstrip(".-")[:50] or "job"


def _new_root(wanted: Path | None, name: str) -> Path:
    """Return an empty folder for the runs.

    Raises:
        RunFolderError: If the one that was named is not empty.
    """
    if wanted is None:
        return new_run_folder(f"{name}-sweep").root
    wanted.mkdir(parents=True, exist_ok=True)
    if any(wanted.iterdir()):
        raise RunFolderError(f"{wanted} is not empty; name another folder")
    return wanted


def _keys(document: Document) -> list[tuple[str, KeyPath, list[Any]]]:
    """Return name, place and values of each key of a sweep."""
    faults = list(document.faults)
    keys: list[tuple[str, KeyPath, list[Any]]] = []
    sweep = document.value(("sweep",))
    if not isinstance(sweep, dict) or not sweep:
        faults.append(_fault(document, (), "a sweep needs a key `sweep` with lists of values, "
                             "such as sweep: {degree: [2, 3]}"))  # fmt: skip
        sweep = {}
    size = 1
    for name, values in sweep.items():
        if not isinstance(values, list) or not values:
            message = f"a list of values is needed, got {values!r}"
            faults.append(_fault(document, ("sweep", name), message))
            continue
        size *= len(values)
        try:
            keys.append((name, _place(document.data, name), values))
        except ValueError as error:
            faults.append(_fault(document, ("sweep", name), str(error)))
    if size > MAX_JOBS:
        faults.append(
            _fault(document, ("sweep",), f"{size:,} jobs; at most {MAX_JOBS:,} at once are made")
        )
    if faults:
        raise JobFileError(document.file, document.lines, faults)
    return keys


def _fault(document: Document, path: KeyPath, message: str) -> Fault:
    return Fault(document.key_position(path), path, message)


def _place(data: Any, name: str) -> KeyPath:
    """Return the place that a dotted key names; only its last part may be new.

    Raises:
        ValueError: If it names none.
    """
    parts = name.split(".")
    place: list[str | int] = []
    for position, part in enumerate(parts):
        is_last = position == len(parts) - 1
        if isinstance(data, list):
            if not (part.isdecimal() and int(part) < len(data)):
                raise ValueError(f"{part!r} is no entry of a list of {len(data)}, from 0")
            place.append(int(part))
            data = data[int(part)]
        elif isinstance(data, dict):
            if part not in data and not is_last:
                raise ValueError(f"the job has no {part!r} here; {nearest(part, data)}")
            if position == 0 and part in ("name", "sweep", "version"):
                raise ValueError(f"{part!r} cannot be varied")
            place.append(part)
            data = data.get(part)
        else:
            raise ValueError(f"there is nothing below {'.'.join(parts[:position])!r}")
    return tuple(place)


def _put(data: Any, place: KeyPath, value: Any) -> None:
    for key in place[:-1]:
        data = data[key]
    data[place[-1]] = value


def _make_paths_absolute(data: Mapping[str, Any], folder: Path) -> None:
    """Let paths that are relative to the job file hold where its variants lie."""
    mesh = data.get("mesh")
    if isinstance(mesh, dict) and isinstance(mesh.get("file"), str):
        mesh["file"] = str(folder / mesh["file"])
    materials = data.get("materials")
    for section in materials.values() if isinstance(materials, dict) else ():
        model = section.get("model") if isinstance(section, dict) else None
        kind = FILE_MODELS.get(model) if isinstance(model, str) else None
        if kind is not None and isinstance(section.get(kind.key), str):
            section[kind.key] = str(folder / section[kind.key])


def _shown(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {json.dumps(value)}" for name, value in point.items())

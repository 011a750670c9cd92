"""Checkpoints at work: when a solve saves its state, what it keeps, and where it resumes.

The displacement, the history, and what decides about the next step are saved; energies then agree
with those of a solve that was never interrupted as far as they do between two numbers of ranks.
What only saves time is not: preconditioners are built anew at the state.
"""

import contextlib
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.cell_state import history_size, record_size, records, restore
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.checkpoint_file import read_records, write_records
from elastane.solver.checkpoint_manifest import (
    VERSION,
    CheckpointError,
    Contents,
    ForeignCheckpointError,
    Manifest,
    manifest_path,
    records_path,
)
from elastane.solver.collective import from_root
from elastane.solver.discretisation import Discretisation
from elastane.solver.journal import Journal
from elastane.solver.output.parallel_file import write_together
from elastane.solver.stepping import Progress

Floats = NDArray[np.float64]


class Checkpoints:
    """The checkpoints of a solve.

    Args:
        plan: Where and how often.
        journal: Told of them.
        discrete: What is saved and restored.
    """

    def __init__(self, plan: CheckpointPlan, journal: Journal, discrete: Discretisation) -> None:
        self._plan = plan
        self._journal = journal
        self._mechanics = mechanics = discrete.mechanics
        self._cell_numbers = discrete.topology.cell_numbers
        self._comm: MPI.Intracomm = mechanics.space.dm.comm.tompi4py()
        degree, points = mechanics.space.degree, len(discrete.body.points) ** 3
        history = history_size(discrete.body)
        self._contents = Contents(
            version=VERSION,
            identity=plan.identity,
            mesh=discrete.mesh_hash,
            cells=discrete.topology.num_global_cells,
            degree=degree,
            points=points,
            history=history,
            record_doubles=record_size(degree, points, history),
        )
        # Those known to be sound: at most as many as are kept.
        self._sound: list[Progress] = []
        self._last_time = time.monotonic()

    @property
    def newest(self) -> Progress | None:
        """Return what the newest checkpoint is of that is known to be sound."""
        return self._sound[-1] if self._sound else None

    def has(self, step: int) -> bool:
        """Return whether there is a sound checkpoint of a load step."""
        return any(progress.step == step for progress in self._sound)

    def is_due(self) -> bool:
        """Return whether the last one is old enough for another; collective."""
        age = time.monotonic() - self._last_time
        return bool(self._comm.bcast(age >= self._plan.every_seconds))

    def save(self, progress: Progress) -> None:
        """Save the displacement of the last residual and the history; collective.

        A full disk is no reason for a solve to stop: a warning says so, and the earlier checkpoints
        are intact.
        """
        started = time.perf_counter()
        path = manifest_path(self._plan.folder, progress.step)
        told = {"step": progress.step, "load": progress.load}
        try:
            with self._journal.timed("checkpoints"):
                num_bytes = self._write(path, progress)
        except OSError as error:
            self._journal.event("checkpoint_failed", **told, why=f"{error}")
            self._journal.warn_once(
                "a checkpoint could not be written", f" ({error}); the solve goes on without"
            )
        else:
            seconds = time.perf_counter() - started
            self._journal.event(
                "checkpoint", **told, path=_name(path), bytes=num_bytes, seconds=seconds
            )
        self._last_time = time.monotonic()

    def _write(self, path: Path, progress: Progress) -> int:
        """Write a checkpoint, delete what it replaces, and return its size.

        Raises:
            OSError: On all ranks, if it could not be written.
        """
        pieces = write_records(
            records_path(path), self._comm, self._cell_numbers, records(self._mechanics)
        )
        manifest = Manifest(self._contents, progress, pieces)
        text = manifest.text().encode() if self._comm.rank == 0 else b""
        write_together(path, self._comm, [(0, memoryview(text))])
        self._sound = [*self._sound, progress][-self._plan.keep :]
        if self._comm.rank == 0:
            # What cannot be deleted is only in the way.
            with contextlib.suppress(OSError):
                _sync(self._plan.folder)
                self._delete_others()
        return manifest.num_bytes

    def _delete_others(self) -> None:
        """Delete all but the last sound ones, manifests first: a file without one is nothing."""
        folder = self._plan.folder
        manifests = {manifest_path(folder, progress.step) for progress in self._sound}
        kept = manifests | {records_path(path) for path in manifests}
        found = {*folder.glob("step-*"), *folder.glob(".step-*.part")}
        for path in sorted(found - kept, key=lambda path: path.suffix != ".json"):
            path.unlink(missing_ok=True)

    def resume(self, u: PETSc.Vec) -> Progress | None:
        """Go to the newest sound checkpoint, where the plan says so; collective.

        Returns:
            How far it had come, None if there is none; u and the mechanics are there.

        Raises:
            ForeignCheckpointError: On all ranks, if there are none but of another job or mesh.
        """
        if not self._plan.resume:
            return None
        refused: list[CheckpointError] = []
        found = self._newest_sound(refused)
        for fault in refused:
            self._journal.event("checkpoint_refused", path=_name(fault.path), why=fault.why)
        foreign = [fault for fault in refused if isinstance(fault, ForeignCheckpointError)]
        if found is None and foreign:
            raise foreign[0]
        told: dict[str, Any] = {"step": 0, "load": 0.0, "path": None}
        where = "the start"
        if found is not None:
            manifest, cells = found
            done = manifest.progress
            restore(self._mechanics, u, cells, done.load)
            self._sound = [done]
            path = manifest_path(self._plan.folder, done.step)
            told = {"step": done.step, "load": done.load, "path": _name(path)}
            where = f"load {done.load:.6g} of 1"
        if refused:
            faults = "; ".join(f"{_name(fault.path)}: {fault.why}" for fault in refused)
            self._journal.warn(f"checkpoints refused ({faults}): the solve resumes from {where}")
        self._journal.event("resumed", **told)
        return self.newest

    def _newest_sound(self, refused: list[CheckpointError]) -> tuple[Manifest, Floats] | None:
        """Return the newest sound checkpoint, and note why newer ones are refused; collective."""
        for path in from_root(self._comm, self._manifests):
            try:
                manifest = from_root(self._comm, partial(self._read, path))
                return manifest, read_records(
                    records_path(path), self._comm, manifest, self._cell_numbers
                )
            except CheckpointError as fault:
                refused.append(fault)
        return None

    def _manifests(self) -> list[Path]:
        """Return the manifests there are, the newest first."""
        return sorted(self._plan.folder.glob("step-*.json"), key=_step, reverse=True)

    def _read(self, path: Path) -> Manifest:
        """Return a manifest that fits this solve.

        Raises:
            CheckpointError: If it does not, or is broken.
        """
        manifest = Manifest.read(path)
        difference = manifest.contents.differs_by(self._contents)
        if difference:
            advice = "go on with what it is of, or delete the folder to begin afresh"
            raise ForeignCheckpointError(path, f"{difference}: {advice}")
        return manifest


def _name(path: Path) -> str:
    """Return the path of a checkpoint relative to the run folder."""
    return f"{path.parent.name}/{path.name}"


def _step(path: Path) -> int:
    """Return the number in the name of a manifest, -1 if it is none of ours."""
    number = path.stem.removeprefix("step-")
    return int(number) if number.isdecimal() else -1


def _sync(folder: Path) -> None:
    """Wait until the disk has taken the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

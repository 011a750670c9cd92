"""A problem with the checkpoints of two steps, to be broken and to be resumed from."""

import shutil
from pathlib import Path

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.checkpointing import Checkpoints
from elastane.solver.discretisation import discretise
from elastane.solver.journal import Journal
from elastane.solver.problem import Loading, Problem
from elastane.solver.stepping import Progress
from tests.verification.cases import Listener, clamp, displacement, problem, renumbered
from tests.verification.test_viscoelastic import viscoelastic

Floats = NDArray[np.float64]

MESH = renumbered(Box(cells=(3, 2, 2)).build(1, 0), seed=5)
STEPS = (3, 4)


def relaxing() -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), displacement("x-max", 0.4, None, None)]
    return problem(MESH, 2, loads, viscoelastic(), loading=Loading(steps=10))


class Saved:
    """A discrete problem with the checkpoints of two steps, the states of which are made up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkpoints"
        self.discrete = discretise(
            relaxing(), Journal(Listener(), MPI.COMM_SELF), MPI.COMM_SELF, with_hash=True
        )
        checkpoints, _ = self.open(resume=False)
        for step in STEPS:
            self.set_state(step)
            checkpoints.save(progress_at(step))
        self.originals = {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def open(self, resume: bool = True) -> tuple[Checkpoints, Listener]:
        listener = Listener()
        plan = CheckpointPlan(self.folder, "a job", resume=resume)
        return Checkpoints(plan, Journal(listener, MPI.COMM_SELF), self.discrete), listener

    def set_state(self, step: int) -> None:
        generator = np.random.default_rng(step)
        mechanics, body = self.discrete.mechanics, self.discrete.body
        mechanics.u.array[:] = generator.standard_normal(mechanics.u.array.shape)
        for part in body.parts:
            part.history[:] = generator.standard_normal(part.history.shape)
        mechanics.set_load(0.1 * step)
        # Supports are not part of a state: they follow from the load.
        mechanics.move_supports(0.1 * step)

    def state(self) -> Floats:
        """Return displacement and history of all elements, in one."""
        parts = self.discrete.body.parts
        histories = [p.values("history", slice(0, len(p.elements))).ravel() for p in parts]
        return np.concatenate([self.discrete.mechanics.u.array.ravel(), *histories])

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for name, content in self.originals.items():
            (self.folder / name).write_bytes(content)

    def resume(self) -> tuple[int, list[str]]:
        """Return the step that a solve would resume from, 0 for none, and what was refused."""
        checkpoints, listener = self.open()
        u = self.discrete.mechanics.space.dm.createGlobalVec()
        found = checkpoints.resume(u)
        if found:
            restored = self.state()
            self.set_state(found.step)
            np.testing.assert_array_equal(restored, self.state())
        refused = [event["path"] for event in listener.of_kind("checkpoint_refused")]
        assert len(listener.of_kind("warning")) == (1 if refused else 0)
        return found.step if found else 0, refused


def progress_at(step: int) -> Progress:
    return Progress(step, 0.1 * step, 0.1, step)

"""A worker whose solve is an actor: python -m mpi4py fake_worker.py RUN ACT [RANK].

The act `steps` does ten load steps of 0.1 s, or $STEP_SECONDS, with a checkpoint after each, which
it resumes from.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpi4py import MPI

from elastane.jobs.paths import RunFolder
from elastane.jobs.worker import RankObserver, run
from elastane.meshes.file_mesh import MeshError
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.observer import Observer, Request
from elastane.solver.problem import Problem
from elastane.solver.report import Report

STEP = {
    "step": 1,
    "load": 0.5,
    "newton": {"krylov_iterations": (3,), "residual_norms": (1.0, 1e-9), "reason": "fine"},
    "strain_energy": 0.25,
    "max_displacement": 0.5,
    "min_J": 0.9,
    "surfaces": {"x-max": {"area": 1.0, "force": (0, 0, 1), "displacement": (0, 0, 0)}},
    "probes": {"tip": (0, 0, 0)},
    "seconds": 0.1,
}
ERRORS = {
    "bug": RuntimeError("out of luck"),
    "mesh": MeshError("element 4711 is inside out"),
    "memory": MemoryError("8 GB wanted"),
    "disk": OSError(28, "No space left on device"),
    "import": ImportError("libpetsc.so.3: cannot open shared object file"),
}


def play(
    problem: Problem,
    run_folder: Path,
    observer: Observer,
    comm: MPI.Intracomm,
    plan: CheckpointPlan,
) -> Report:
    act = sys.argv[2]
    if act == "steps":
        return play_steps(observer, comm, plan)
    if comm.rank == 0:
        observer.event("problem", dofs=300, cells=8, level_degrees=(1, 2), level_dofs=(54, 300),
                       ranks=comm.size, backend="/fake", memory_bytes=1)  # fmt: skip
        observer.event("step_converged", **STEP)
    comm.barrier()
    if act in ERRORS:
        if comm.rank == int(sys.argv[3]):
            raise ERRORS[act]
        comm.barrier()  # the others wait for ever
    if act == "wait":
        while not comm.allreduce(observer.request(), op=MPI.MAX):
            time.sleep(0.02)
        return report("interrupted", "stopped as asked", comm)
    return report(act, "" if act == "converged" else "as far as load 0.5", comm)


def play_steps(observer: Observer, comm: MPI.Intracomm, plan: CheckpointPlan) -> Report:
    def tell(kind: str, **values: Any) -> None:
        if comm.rank == 0:
            observer.event(kind, **values)

    manifests = sorted(plan.folder.glob("step-*.json"))
    done = int(manifests[-1].stem[-4:]) if manifests else 0
    comm.barrier()
    tell("problem", dofs=300, cells=8, level_degrees=(1, 2), level_dofs=(54, 300),
         ranks=comm.size, backend="/fake", memory_bytes=1)  # fmt: skip
    tell("resumed", step=done, load=done / 10, path=None)
    for step in range(done + 1, 11):
        tell("step_started", step=step, attempt=1, load=step / 10, increment=0.1)
        time.sleep(float(os.environ.get("STEP_SECONDS", "0.1")))
        request = comm.allreduce(observer.request(), op=MPI.MAX)
        if request > Request.GO_ON:
            resumable = request == Request.CHECKPOINT
            return replace(report("interrupted", "as asked", comm), resumable=resumable)
        tell("step_converged", **{**STEP, "step": step, "load": step / 10, "strain_energy": step})
        if comm.rank == 0 and step < 10:
            plan.folder.mkdir(exist_ok=True)
            (plan.folder / f"step-{step:04}.json").write_text("{}")
            tell("checkpoint", step=step, load=step / 10, path="", bytes=2, seconds=0.0)
    return replace(report("converged", "", comm), resumed_from=done / 10)


def report(status: str, message: str, comm: MPI.Intracomm) -> Report:
    timings: dict[str, Any] = {"setup": 0.0, "solve": 0.0, "output": 0.0}
    return Report(status, message, 300, 8, (54, 300), comm.size, "/fake", (), timings, 1)


if __name__ == "__main__":
    observer = RankObserver()
    observer.listen()
    sys.exit(run(RunFolder(Path(sys.argv[1])), play, MPI.COMM_WORLD, observer))

"""The solve: from a problem to converged load steps.

    build the mesh -> distribute -> spaces, operators, multigrid -> load steps -> reports, fields

A load step that fails (no convergence, or det F <= 0 at a quadrature point) is cut in half and
tried again from the last converged state; after three easy steps the increment grows again.  With a
plan for checkpoints, converged states are saved, and the solve begins at one.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from elastane.solver import log
from elastane.solver.advice import give_up
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.checkpointing import Checkpoints
from elastane.solver.device.body import DeviceBody
from elastane.solver.device.multigrid import DeviceMultigrid
from elastane.solver.discretisation import discretise
from elastane.solver.field_output import FieldOutput
from elastane.solver.journal import Journal
from elastane.solver.multigrid import Multigrid
from elastane.solver.newton import Newton
from elastane.solver.observer import Observer, Request, StopRequest
from elastane.solver.probes import Probes
from elastane.solver.problem import Problem
from elastane.solver.report import NewtonReport, Report, StepReport
from elastane.solver.stepping import Progress
from elastane.solver.surface_reports import SurfaceReports
from elastane.solver.worst_points import leave_worst_points

#: A residual above this part of the loads and reactions is no equilibrium.
LOOSE_END = 1e-6


def solve(
    problem: Problem,
    run_folder: Path,
    observer: Observer,
    comm: MPI.Intracomm,
    plan: CheckpointPlan | None = None,
) -> Report:
    """Solve a problem; collective.

    Args:
        problem: What to solve.
        run_folder: Where the fields go.
        observer: Told of everything on rank 0.
        comm: The ranks that solve it.
        plan: Where states are saved, and whether to begin at one; without it nothing is saved.

    Returns:
        The report; a solve that did not converge says so there and keeps its converged steps.

    Raises:
        ValueError: On all ranks, if the input is wrong in a way that only now shows: a broken mesh
            file, an option that nothing used, a probe outside the body, checkpoints of another
            job or mesh.
        OSError: On all ranks, if fields could not be written.
        RuntimeError: On all ranks, if libCEED cannot run on the backend, or there is no compiler.
    """
    try:
        run = Run(problem, run_folder, observer, comm, plan)
    except StopRequest as stop:
        return _stopped_early(stop.request, comm, plan)
    return run.solve()


def _stopped_early(request: Request, comm: MPI.Intracomm, plan: CheckpointPlan | None) -> Report:
    """Return the report of a solve that was asked to stop during its set-up."""
    return Report(
        status="interrupted",
        message="stopped during the set-up as asked",
        dofs=0,
        cells=0,
        level_dofs=(),
        ranks=comm.size,
        backend="",
        steps=(),
        timings={"setup": 0.0, "solve": 0.0, "output": 0.0},
        memory_bytes=0,
        resumable=plan is not None and request is Request.CHECKPOINT,
    )


class Run:
    """A solve under way on one rank.

    Args: see `solve`.
    """

    def __init__(
        self,
        problem: Problem,
        run_folder: Path,
        observer: Observer,
        comm: MPI.Intracomm,
        plan: CheckpointPlan | None = None,
    ) -> None:
        self.problem = problem
        self.comm = comm
        self._run_folder = run_folder
        self._journal = Journal(observer, comm)
        self._steps: list[StepReport] = []
        self._progress = Progress.start(problem.loading)
        self._resumed_from = 0.0
        self._is_written = False
        self._checkpoints: Checkpoints | None = None
        PETSc.Log.begin()
        self._seconds_before = log.seconds()
        with self._journal.timed("setup"):
            self._set_up(plan)

    def _set_up(self, plan: CheckpointPlan | None) -> None:
        problem, journal = self.problem, self._journal
        discrete = discretise(problem, journal, self.comm, with_hash=plan is not None)
        self.topology, self.spaces = discrete.topology, discrete.spaces
        self.ceed, self.body = discrete.body.ceed, discrete.body
        self.mechanics = discrete.mechanics
        self._reports = SurfaceReports(
            self.topology, self.mechanics, problem.boundary, problem.output.surfaces
        )
        self._probes = Probes(self.topology, self.spaces[-1], problem.output.probes)
        with journal.phase("preconditioner"):
            loads = [load for _, load in self.mechanics.pressures]
            level_settings = loads, self.spaces, problem.solver.multigrid
            self.multigrid = (
                DeviceMultigrid(self.body, *level_settings)
                if isinstance(self.body, DeviceBody)
                else Multigrid(self.body, *level_settings)
            )
            self.newton = Newton(self.mechanics, self.multigrid, problem.solver)
            self.u = self.multigrid.jacobian.createVecRight()
            if plan:
                self._checkpoints = Checkpoints(plan, journal, discrete)
                # Before the preconditioner, which is that of the state to begin at.
                self._progress = self._checkpoints.resume(self.u) or self._progress
            self._resumed_from = self._progress.load
            self.newton.set_up(self.u)
        with journal.phase("output"):
            self._output = FieldOutput(
                problem.output,
                self._run_folder,
                self.topology,
                self.mechanics,
                resume=self._progress.step > 0,
            )
        journal.event(
            "problem",
            dofs=self.spaces[-1].num_dofs,
            cells=self.topology.num_global_cells,
            level_degrees=tuple(space.degree for space in self.spaces),
            level_dofs=self._level_dofs,
            ranks=self.comm.size,
            backend=self._backend,
            memory_bytes=log.memory_bytes(self.comm),
        )

    @property
    def timings(self) -> dict[str, float]:
        """Return the seconds of each phase so far."""
        return self._journal.timings

    @property
    def _backend(self) -> str:
        """Return where operators are applied: a device of rank 0, or libCEED's resource."""
        if isinstance(self.body, DeviceBody):
            device = self.body.memory.device
            return f"{device.name} ({device.description})"
        return str(self.ceed.get_resource())

    @property
    def _level_dofs(self) -> tuple[int, ...]:
        return tuple(space.num_dofs for space in self.spaces)

    def solve(self) -> Report:
        """Run the load steps; collective."""
        self._converged = self.u.copy()
        resumable = False
        try:
            status, message = "converged", self._run_steps()
        except StopRequest as stop:
            status, message = "interrupted", self._stop(stop.request)
            resumable = bool(self._checkpoints) and stop.request is Request.CHECKPOINT
        if message and status == "converged":
            status = "diverged"
        if status != "converged" and not (resumable or self._is_written) and self._progress.step:
            # Whatever the job says of the fields, the last converged state is not lost.
            self.mechanics.return_to(self._converged, self._progress.load)
            self._write_fields()
        return self._report(status, message, resumable)

    def _run_steps(self) -> str:
        """Step until load 1; return in words why not, if it does not get there.

        Raises:
            StopRequest: On all ranks, between two iterations or steps.
        """
        loading, journal, attempt = self.problem.loading, self._journal, 1
        while self._progress.load < 1.0:
            before = self._progress
            step, target = before.step + 1, before.target
            journal.event(
                "step_started",
                step=step,
                attempt=attempt,
                load=target,
                increment=target - before.load,
            )
            started = time.perf_counter()
            with journal.timed("solve"):
                newton = self.newton.solve(self.u, target, self._newton_monitor(step))
            if newton.converged:
                self._progress = before.after_success(len(newton.krylov_iterations), loading)
                attempt = 1
                self._accept(newton, time.perf_counter() - started)
                continue
            self._progress = before.after_failure()
            retried = loading.adaptive and self._progress.increment >= loading.min_step
            journal.event(
                "step_failed",
                step=step,
                attempt=attempt,
                load=target,
                reason=newton.reason,
                message=newton.message
                + ("; no harm so far: half the increment is tried next" if retried else ""),
            )
            leave_worst_points(self._run_folder, self.mechanics, self.topology, journal)
            attempt += 1
            if not retried:
                self.mechanics.return_to(self._converged, before.load)
                return give_up(self.problem, self.mechanics, before.load, target, newton)
            self._converged.copy(self.u)
            self.mechanics.return_to(self.u, before.load)
        return ""

    def _stop(self, request: Request) -> str:
        """Save the last converged state if asked to; return in words where the solve stopped."""
        done = self._progress
        self._journal.event(
            "stop_requested", request=request.name.lower(), step=done.step, load=done.load
        )
        message = f"stopped at load {done.load:.6g} of 1 as asked"
        if not self._checkpoints or request is not Request.CHECKPOINT:
            return message
        if done.step and not self._checkpoints.has(done.step):
            # The iteration under way has changed loads and supports, but no history.
            self.mechanics.return_to(self._converged, done.load)
            self._checkpoints.save(done)
        saved = self._checkpoints.newest
        if saved is None:
            return f"{message}, with no state to resume from"
        return f"{message}, to be resumed from load {saved.load:.6g}"

    def _accept(self, newton: NewtonReport, seconds: float) -> None:
        """Report a converged step, write its fields and save it if that is due.

        Raises:
            StopRequest: On all ranks, if one of them was asked to stop.
        """
        mechanics, step, load = self.mechanics, self._progress.step, self._progress.load
        self.u.copy(self._converged)
        with self._journal.timed("output"):
            min_J = mechanics.evaluate(self.u, self.newton.work)
            largest = np.linalg.norm(mechanics.u.array, axis=1).max(initial=0.0)
            report = StepReport(
                step=step,
                load=load,
                newton=newton,
                strain_energy=mechanics.strain_energy(),
                max_displacement=float(self.comm.allreduce(largest, op=MPI.MAX)),
                min_J=min_J,
                surfaces=self._reports.evaluate(),
                probes=self._probes.displacements(mechanics.u.array),
                seconds=seconds,
            )
            self._steps.append(report)
            self._warn_of_loose_end(report)
            self._journal.event("step_converged", **asdict(report))
            every = self.problem.output.every
            self._is_written = load >= 1.0 or (every > 0 and step % every == 0)
            if self._is_written:
                self._write_fields()
            # Last, since all of the above is of the step that starts from the old history.
            mechanics.commit()
        if load < 1.0:
            self._journal.obey()
            if self._checkpoints and self._checkpoints.is_due():
                self._checkpoints.save(self._progress)

    def _warn_of_loose_end(self, report: StepReport) -> None:
        """Warn where the absolute bound ended a step long before forces were in balance."""
        newton = self.problem.solver.newton
        left, forces = report.newton.residual_norms[-1], self.mechanics.force_norm()
        if left > max(newton.rtol, LOOSE_END) * forces:
            self._journal.warn(
                f"step {report.step} ended because the residual ({left:.3g}) fell below "
                f"solver.newton.atol, while loads and reactions are as small as {forces:.3g}: "
                "lower atol, or choose units in which forces are larger"
            )

    def _write_fields(self) -> None:
        done, started = self._progress, time.perf_counter()
        path = self._output.write(done.step, done.load)
        self._journal.event(
            "fields",
            step=done.step,
            load=done.load,
            path=str(path.relative_to(self._run_folder)),
            seconds=time.perf_counter() - started,
        )

    def _newton_monitor(self, step: int) -> Callable[[int, float, int, float], None]:
        def monitor(iteration: int, residual: float, krylov_iterations: int, min_J: float) -> None:
            self._journal.event(
                "newton",
                step=step,
                iteration=iteration,
                residual=residual,
                krylov_iterations=krylov_iterations,
                min_J=min_J,
            )
            self._journal.obey()

        return monitor

    def _report(self, status: str, message: str, resumable: bool) -> Report:
        return Report(
            status=status,
            message=message,
            dofs=self.spaces[-1].num_dofs,
            cells=self.topology.num_global_cells,
            level_dofs=self._level_dofs,
            ranks=self.comm.size,
            backend=self._backend,
            steps=tuple(self._steps),
            timings={**self.timings, **log.seconds_since(self._seconds_before, self.comm)},
            memory_bytes=log.memory_bytes(self.comm),
            preconditioner=self.multigrid.statistics(),
            warnings=tuple(self._journal.warnings),
            resumable=resumable,
            resumed_from=self._resumed_from,
        )

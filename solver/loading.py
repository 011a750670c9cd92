"""The solve: from a problem to converged load steps.

    build the mesh -> distribute -> spaces, operators, multigrid -> load steps -> reports, fields

A load step that fails (no convergence, or det F <= 0 at a quadrature point) is cut in half and
tried again from the last converged state; after three easy steps the increment grows again.
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import libceed
import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.meshes.mesh import Mesh
from elastane.meshes.names import unknown_name
from elastane.meshes.topology import Topology, distribute
from elastane.solver import log
from elastane.solver.backends import BACKENDS, find_backend
from elastane.solver.ceed import Points, check_resource
from elastane.solver.collective import on_root
from elastane.solver.field_output import FieldOutput
from elastane.solver.kernel_sources import (
    build_fused_kernels,
    build_kernels,
    fused_kernels,
    fused_sources,
)
from elastane.solver.levels import multigrid_degrees
from elastane.solver.mechanics import Mechanics, prescribed_points
from elastane.solver.multigrid import Multigrid
from elastane.solver.newton import Newton, StopRequest
from elastane.solver.observer import Observer, Request
from elastane.solver.operators import Body
from elastane.solver.probes import Probes
from elastane.solver.problem import Problem, RegionMaterial
from elastane.solver.report import NewtonReport, Report, StepReport
from elastane.solver.space import build_space
from elastane.solver.surface_reports import SurfaceReports

#: A step is easy if Newton needs at most this many iterations ...
EASY_ITERATIONS = 8
#: ... and after so many easy ones the increment doubles, up to that of the job.
EASY_STEPS = 3

#: A residual above this part of the loads and reactions is no equilibrium.
LOOSE_END = 1e-6

Ints = NDArray[np.int64]


def solve(problem: Problem, run_folder: Path, observer: Observer, comm: MPI.Intracomm) -> Report:
    """Solve a problem; collective.

    Args:
        problem: What to solve.
        run_folder: Where the fields go.
        observer: Told of everything on rank 0.
        comm: The ranks that solve it.

    Returns:
        The report; a solve that did not converge says so there and keeps its converged steps.

    Raises:
        ValueError: On all ranks, if the input is wrong in a way that only now shows: a broken mesh
            file, an option that nothing used, a probe outside the body.
        OSError: On all ranks, if fields could not be written.
        RuntimeError: On all ranks, if libCEED cannot run on the backend, or there is no compiler.
    """
    return Run(problem, run_folder, observer, comm).solve()


class Run:
    """A solve under way on one rank.

    Args: see `solve`.

    Attributes:
        timings: Seconds of each phase so far.
    """

    def __init__(
        self, problem: Problem, run_folder: Path, observer: Observer, comm: MPI.Intracomm
    ) -> None:
        self.problem = problem
        self.comm = comm
        self._observer = observer
        self.timings: dict[str, float] = {"setup": 0.0, "solve": 0.0, "output": 0.0}
        self._warnings: list[str] = []
        self._steps: list[StepReport] = []
        self._is_written = False
        PETSc.Log.begin()
        self._seconds_before = log.seconds()
        with self._timed("setup"):
            self._set_up(run_folder)

    def _set_up(self, run_folder: Path) -> None:
        problem, comm = self.problem, self.comm
        backend = find_backend(problem.backend)
        if backend != BACKENDS["cpu"]:
            on_root(comm, lambda: check_resource(backend.resource))
        with self._phase("kernels"):
            # One compiler for all ranks: the others find its work in the cache.
            on_root(comm, lambda: build_kernels(problem.materials.values()))
        with self._phase("mesh"):
            mesh = on_root(comm, lambda: _build_mesh(problem))
        with self._phase("distribution"):
            self.topology = distribute(mesh, comm)
            del mesh
            if self.topology.partitioner == "simple":
                self._warn(
                    "PETSc has no graph partitioner (PT-Scotch or ParMETIS): cells are split in "
                    "the order of the mesh, which costs communication"
                )
        degrees = multigrid_degrees(problem.degree, problem.solver.multigrid.levels)
        if backend.fused:
            with self._phase("fused kernels"):
                kernels = fused_kernels(problem, degrees, self.topology.geometry_degree)
                on_root(comm, lambda: build_fused_kernels(kernels))
            self._event("fused_kernels", sources=fused_sources(kernels))
        with self._phase("operators"):
            self.ceed = libceed.Ceed(backend.resource)
            prescribed = prescribed_points(self.topology, problem.boundary)
            self.spaces = [build_space(self.topology, p, prescribed) for p in degrees]
            self.body = Body(
                self.ceed,
                self.topology.coordinates,
                self.topology.geometry_degree,
                Points.gauss(problem.num_points_1d),
                _materials(problem, self.topology),
                self.topology.fields,
                problem.loading.duration,
                fused=backend.fused,
            )
            self.mechanics = Mechanics(
                self.ceed,
                self.topology,
                self.spaces[-1],
                self.body,
                problem.boundary,
                problem.body_force,
            )
            self._reports = SurfaceReports(
                self.topology, self.mechanics, problem.boundary, problem.output.surfaces
            )
            self._probes = Probes(self.topology, self.spaces[-1], problem.output.probes)
        with self._phase("preconditioner"):
            loads = [load for _, load in self.mechanics.pressures]
            self.multigrid = Multigrid(
                self.body, loads, self.spaces, backend.mat_type, problem.solver.multigrid
            )
            self.newton = Newton(self.mechanics, self.multigrid, problem.solver)
            self.u = self.multigrid.jacobian.createVecRight()
            self.newton.set_up(self.u)
        with self._phase("output"):
            self._output = FieldOutput(problem.output, run_folder, self.topology, self.mechanics)
        self._run_folder = run_folder
        self._event(
            "problem",
            dofs=self.spaces[-1].num_dofs,
            cells=self.topology.num_global_cells,
            level_degrees=degrees,
            level_dofs=self._level_dofs,
            ranks=comm.size,
            backend=self.ceed.get_resource(),
            memory_bytes=self._memory_bytes(),
        )

    @property
    def _level_dofs(self) -> tuple[int, ...]:
        return tuple(space.num_dofs for space in self.spaces)

    def solve(self) -> Report:
        """Run the load steps; collective."""
        loading = self.problem.loading
        load, increment = 0.0, 1.0 / loading.steps
        step, attempt, easy = 1, 1, 0
        converged = self.u.copy()
        status, message = "converged", ""
        while load < 1.0:
            # Land on 1 rather than short of it by rounding.
            target = 1.0 if load + increment > 1.0 - 1e-9 else load + increment
            self._event(
                "step_started", step=step, attempt=attempt, load=target, increment=target - load
            )
            started = time.perf_counter()
            try:
                with self._timed("solve"):
                    newton = self.newton.solve(self.u, target, self._newton_monitor(step))
            except StopRequest:
                status, message = "interrupted", f"stopped at load {load:.6g} of 1 as asked"
                break
            if newton.converged:
                load = target
                self.u.copy(converged)
                self._accept(step, load, newton, time.perf_counter() - started)
                step, attempt = step + 1, 1
                easy = easy + 1 if len(newton.krylov_iterations) <= EASY_ITERATIONS else 0
                if loading.adaptive and easy >= EASY_STEPS and increment < 1.0 / loading.steps:
                    increment, easy = min(2.0 * increment, 1.0 / loading.steps), 0
                continue
            self._event(
                "step_failed",
                step=step,
                attempt=attempt,
                load=target,
                reason=newton.reason,
                message=newton.message,
            )
            converged.copy(self.u)
            self.mechanics.return_to(self.u, load)
            increment, easy = 0.5 * (target - load), 0
            attempt += 1
            if not loading.adaptive or increment < loading.min_step:
                status, message = "diverged", self._give_up(load, target, newton)
                break
        if status != "converged" and self._steps and not self._is_written:
            # Whatever the job says of the fields, the last converged state is not lost.
            self.mechanics.return_to(converged, load)
            self._write_fields(self._steps[-1])
        return self._report(status, message)

    def _accept(self, step: int, load: float, newton: NewtonReport, seconds: float) -> None:
        """Report a converged step and write its fields."""
        mechanics = self.mechanics
        with self._timed("output"):
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
            self._event("step_converged", **asdict(report))
            every = self.problem.output.every
            self._is_written = load >= 1.0 or (every > 0 and step % every == 0)
            if self._is_written:
                self._write_fields(report)
            # Last, since all of the above is of the step that starts from the old history.
            mechanics.commit()

    def _warn_of_loose_end(self, report: StepReport) -> None:
        """Warn where the absolute bound ended a step long before forces were in balance."""
        newton = self.problem.solver.newton
        left, forces = report.newton.residual_norms[-1], self.mechanics.force_norm()
        if left > max(newton.rtol, LOOSE_END) * forces:
            self._warn(
                f"step {report.step} ended because the residual ({left:.3g}) fell below "
                f"solver.newton.atol, while loads and reactions are as small as {forces:.3g}: "
                "lower atol, or choose units in which forces are larger"
            )

    def _write_fields(self, report: StepReport) -> None:
        started = time.perf_counter()
        path = self._output.write(report.step, report.load)
        self._event(
            "fields",
            step=report.step,
            load=report.load,
            path=str(path.relative_to(self._run_folder)),
            seconds=time.perf_counter() - started,
        )

    def _newton_monitor(self, step: int) -> Callable[[int, float, int, float], None]:
        def monitor(iteration: int, residual: float, krylov_iterations: int, min_J: float) -> None:
            self._event(
                "newton",
                step=step,
                iteration=iteration,
                residual=residual,
                krylov_iterations=krylov_iterations,
                min_J=min_J,
            )
            if self.comm.allreduce(self._observer.request(), op=MPI.MAX) > Request.GO_ON:
                raise StopRequest

        return monitor

    def _give_up(self, load: float, target: float, newton: NewtonReport) -> str:
        """Return in words how far the solve came, why it ended and what to try."""
        loading = self.problem.loading
        if not loading.adaptive:
            advice = "set loading.adaptive or more loading.steps"
        elif load > 0.0 and self._is_limit_load():
            advice = (
                f"this looks like a limit load near {load:.4g} of 1: no equilibrium beyond it; "
                "prescribe displacements instead of loads to follow the path"
            )
        else:
            advice = (
                "check loads, supports and units, refine the mesh where elements distort, or lower "
                "loading.min_step"
            )
        return (
            f"stopped at load {load:.6g} of 1; the step to {target:.6g} failed: {newton.message}. "
            f"Try: {advice}."
        )

    def _is_limit_load(self) -> bool:
        """Return whether only loads drive the body, so that equilibrium may cease to exist."""
        prescribed = self.mechanics.prescribed_displacement(1.0)
        moved = self.comm.allreduce(float(np.abs(prescribed).max(initial=0.0)), op=MPI.MAX)
        return moved == 0.0

    def _report(self, status: str, message: str) -> Report:
        return Report(
            status=status,
            message=message,
            dofs=self.spaces[-1].num_dofs,
            cells=self.topology.num_global_cells,
            level_dofs=self._level_dofs,
            ranks=self.comm.size,
            backend=self.ceed.get_resource(),
            steps=tuple(self._steps),
            timings={**self.timings, **self._logged_seconds()},
            memory_bytes=self._memory_bytes(),
            preconditioner=self.multigrid.statistics(),
            warnings=tuple(self._warnings),
        )

    def _logged_seconds(self) -> dict[str, float]:
        """Return the seconds of each logged event in this solve, the largest of all ranks."""
        return {
            name: self.comm.allreduce(after - self._seconds_before[name], op=MPI.MAX)
            for name, after in log.seconds().items()
        }

    def _memory_bytes(self) -> int:
        """Return the largest resident memory so far, summed over ranks."""
        kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(self.comm.allreduce(1024 * kibibytes))

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        self._event("warning", message=message)

    def _event(self, kind: str, **values: Any) -> None:
        if self.comm.rank == 0:
            self._observer.event(kind, **values)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - started

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Time a phase of the set-up and tell of it."""
        started = time.perf_counter()
        with self._timed(f"setup: {name}"):
            yield
        self._event("phase", name=name, seconds=time.perf_counter() - started)


def _build_mesh(problem: Problem) -> Mesh:
    """Return the mesh with those fields that the materials need."""
    mesh = problem.mesh.build(problem.degree)
    needed = {name for material in problem.materials.values() for name in material.fields}
    for name in needed - set(mesh.fields):
        raise ValueError(unknown_name("field of the mesh", name, mesh.fields))
    return replace(mesh, fields={name: mesh.fields[name] for name in sorted(needed)})


def _materials(problem: Problem, topology: Topology) -> list[tuple[RegionMaterial, Ints]]:
    """Return the pairs of material and elements; regions of one material are one part."""
    materials = problem.materials
    of_region = [
        materials[name] if name in materials else materials["all"] for name in topology.regions
    ]
    distinct = list({id(material): material for material in of_region}.values())
    return [
        (
            material,
            np.flatnonzero(
                np.isin(
                    topology.cell_regions,
                    [r for r, other in enumerate(of_region) if other is material],
                )
            ),
        )
        for material in distinct
    ]

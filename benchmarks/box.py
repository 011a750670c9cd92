"""One load step of a box with a million unknowns: where time and memory go.

Memory is what a process holds, read from the operating system between phases, after freed memory
was handed back; summed over ranks.  What the coarse matrix and its algebraic multigrid take is
what goes when they are destroyed.

    mpiexec -n 2 python -m mpi4py -m elastane.benchmarks.box
"""

import argparse
import ctypes
import gc
import time
from typing import Any

from mpi4py import MPI
from petsc4py import PETSc

from elastane.benchmarks.machine import resident_bytes, write_results
from elastane.benchmarks.problems import Listener, common_folder, cube
from elastane.solver.loading import Run

#: Bytes per unknown beside the coarse matrix that a run may hold.
GOAL = 700


def main() -> None:
    """Solve; rank 0 prints a table and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--degree", type=int, default=2)
    parser.add_argument("--cells", type=int, default=34, help="along each edge")
    parser.add_argument("--name", default="box", help="of the file of results")
    options = parser.parse_args()
    comm = MPI.COMM_WORLD
    result = measure(options.degree, options.cells, comm)
    if comm.rank == 0:
        print(table(result))  # noqa: T201
        write_results(options.name, result)


def measure(degree: int, num_cells_1d: int, comm: MPI.Intracomm) -> dict[str, Any]:
    """Return times and memory of one load step."""
    listener = Listener()
    held = {"libraries": held_bytes(comm)}
    with common_folder(comm) as folder:
        started = time.perf_counter()
        run = Run(cube(degree, num_cells_1d), folder, listener, comm)
        held["after set-up"] = held_bytes(comm)
        report = run.solve()
        seconds = time.perf_counter() - started
    held["after the solve"] = held_bytes(comm)
    destroy_coarse(run)
    held["without coarse matrix and AMG"] = held_bytes(comm)
    newton = report.steps[0].newton
    return {
        "degree": degree,
        "unknowns": report.dofs,
        "coarse_unknowns": report.level_dofs[0],
        "ranks": report.ranks,
        "backend": report.backend,
        "status": report.status,
        "strain_energy": report.steps[0].strain_energy,
        "residual_norms": newton.residual_norms,
        "krylov_iterations": newton.krylov_iterations,
        "seconds": seconds,
        "timings": {**report.timings, "fields": listener.fields_seconds},
        "held_bytes": held,
        "peak_bytes": report.memory_bytes,
        "jacobian_applies": run.multigrid.jacobian.getPythonContext().num_applies,
        "bytes_per_unknown": {
            "beside the coarse matrix": (held["without coarse matrix and AMG"] - held["libraries"])
            / report.dofs,
            "coarse matrix and AMG": (
                held["after the solve"] - held["without coarse matrix and AMG"]
            )
            / report.dofs,
            "peak": (report.memory_bytes - held["libraries"]) / report.dofs,
        },
    }


def held_bytes(comm: MPI.Intracomm) -> int:
    """Return the memory that all ranks hold, once freed memory is handed back."""
    gc.collect()
    PETSc.garbage_cleanup()
    ctypes.CDLL(None).malloc_trim(0)
    return int(comm.allreduce(resident_bytes()))


def destroy_coarse(run: Run) -> None:
    """Destroy the assembled matrix and the solver that belongs to it."""
    multigrid = run.newton.snes.getKSP().getPC()
    multigrid.getMGCoarseSolve().getPC().getPythonContext().inner.destroy()
    run.multigrid.coarse_matrix.padded.destroy()


def table(result: dict[str, Any]) -> str:
    """Return the results as Markdown tables."""
    krylov = result["krylov_iterations"]
    apply_seconds = result["timings"]["jacobian"] / result["jacobian_applies"]
    lines = [
        f"{result['unknowns']:,} unknowns (p = 1: {result['coarse_unknowns']:,}), "
        f"{result['ranks']} ranks, {result['seconds']:.0f} s; {len(krylov)} Newton iterations, "
        f"{sum(krylov)} CG iterations ({', '.join(map(str, krylov))}), "
        f"{result['jacobian_applies']} applies of the Jacobian, {1e3 * apply_seconds:.0f} ms each: "
        f"{result['unknowns'] / apply_seconds / 1e6:.1f} MDoF/s.",
        "",
        "| phase | s |",
        "|---|---|",
        *(f"| {name} | {seconds:.1f} |" for name, seconds in result["timings"].items()),
        "",
        f"| memory | bytes per unknown (goal beside the coarse matrix: {GOAL}) |",
        "|---|---|",
        *(f"| {name} | {value:.0f} |" for name, value in result["bytes_per_unknown"].items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

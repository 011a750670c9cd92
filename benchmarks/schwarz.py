"""CG iterations of one load step of the Schwarz-P shell, against those that are published.

J. Brown et al., arXiv:2204.01722, give the iterations to 1e-3 of p = 2 at thickness 0.2: 19 with
BoomerAMG, 12 with GAMG, 8 with an exact coarse solve.

    mpiexec -n 2 python -m mpi4py -m elastane.benchmarks.schwarz
"""

import argparse
import itertools
from typing import Any

from mpi4py import MPI

from elastane.benchmarks.machine import write_results
from elastane.benchmarks.problems import Listener, common_folder, schwarz_shell
from elastane.solver.loading import Run
from elastane.solver.problem import LinearSettings, MultigridSettings

#: Iterations to 1e-3 at p = 2 and thickness 0.2.
PUBLISHED = {"boomeramg": 19, "gamg": 12, "direct": 8}


def main() -> None:
    """Solve all shells; rank 0 prints a table and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--degrees", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--extents", type=int, nargs="+", default=[1, 2], help="unit cells")
    parser.add_argument("--coarse", nargs="+", default=["boomeramg", "gamg"])
    parser.add_argument("--thickness", type=float, default=0.2)
    parser.add_argument("--name", default="schwarz", help="of the file of results")
    options = parser.parse_args()
    rows = []
    for choice in itertools.product(options.extents, options.degrees, options.coarse):
        rows.append(measure(*choice, options.thickness))
        if MPI.COMM_WORLD.rank == 0:
            print(table(rows[-1:]).splitlines()[-1], flush=True)  # noqa: T201
    if MPI.COMM_WORLD.rank == 0:
        write_results(options.name, {"thickness": options.thickness, "rows": rows})


def measure(extent: int, degree: int, coarse: str, thickness: float) -> dict[str, Any]:
    """Return the measurement of one shell."""
    problem = schwarz_shell(
        degree,
        extent,
        thickness,
        linear=LinearSettings(rtol=1e-3),
        multigrid=MultigridSettings(coarse=coarse),
    )
    with common_folder(MPI.COMM_WORLD) as folder:
        report = Run(problem, folder, Listener(verbose=False), MPI.COMM_WORLD).solve()
    krylov = report.steps[0].newton.krylov_iterations if report.steps else ()
    return {
        "extent": extent,
        "degree": degree,
        "coarse": coarse,
        "unknowns": report.dofs,
        "ranks": report.ranks,
        "status": report.status,
        "load_steps": len(report.steps),
        "krylov_iterations": krylov,
        "strain_energy": report.steps[-1].strain_energy if report.steps else None,
        "timings": dict(report.timings),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| cells | p | unknowns | coarse solver | Newton | CG per Newton: mean | max | published "
        "| set-up [s] | solve [s] |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        krylov = row["krylov_iterations"] or [0]
        published = PUBLISHED[row["coarse"]] if row["degree"] == 2 else ""
        lines.append(
            f"| {row['extent']}³ | {row['degree']} | {row['unknowns']:,} | {row['coarse']} "
            f"| {len(row['krylov_iterations'])} | {sum(krylov) / len(krylov):.1f} | {max(krylov)} "
            f"| {published} "
            f"| {row['timings']['setup']:.1f} | {row['timings']['solve']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

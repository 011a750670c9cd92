"""Solvers of the p = 1 problem at the bottom of p-multigrid: one file per kind, all plain options.

They apply to the assembled p = 1 matrix, which keeps three components per node.
"""

from elastane.solver.preconditioners import boomeramg, direct, gamg

#: PETSc options of each coarse solver, by the name in the job file.
COARSE = {
    "boomeramg": boomeramg.OPTIONS,
    "gamg": gamg.OPTIONS,
    "direct": direct.OPTIONS,
}

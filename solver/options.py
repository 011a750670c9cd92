"""PETSc's options of a solve: ours and the user's, all under one prefix."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from petsc4py import PETSc

from elastane.solver.petsc_c import option_was_used
from elastane.solver.preconditioners import COARSE
from elastane.solver.problem import SolverSettings

#: Prefix of all our PETSc options; users' `petsc_options` go under it.
PREFIX = "elastane_"

#: Prefix of the solver of the p = 1 problem.
COARSE_PREFIX = f"{PREFIX}coarse_"

#: Krylov methods that PETSc lets measure the residual in the energy norm.
CG_FAMILY = ("cg", "fcg", "pipecg", "groppcg", "cr")


def insert_options(settings: SolverSettings, follower: bool) -> None:
    """Put our defaults and the user's options into PETSc's database, under our prefix.

    Args:
        settings: Settings of the user.
        follower: Whether there are follower loads.
    """
    options = {
        # The tangent of a follower load on part of a surface is not symmetric.
        # GMRES takes the preconditioner for the same matrix every time, which single precision is
        # not quite; the flexible one does not, and saves up to two iterations of fifteen.
        "ksp_type": "fgmres" if follower else "cg",
        "ksp_rtol": str(settings.linear.rtol or 1e-3),
        "ksp_max_it": str(settings.linear.max_iterations),
        "snes_linesearch_type": settings.newton.line_search,
        # PETSc's cp line search calls a step converged below this times the norm of the last one.
        "snes_linesearch_atol": "0",
        "snes_rtol": str(settings.newton.rtol),
        "snes_atol": str(settings.newton.atol),
        "snes_stol": "0",
        "snes_max_it": str(settings.newton.max_iterations),
        **{f"coarse_{name}": value for name, value in COARSE[settings.multigrid.coarse].items()},
        **{name.lstrip("-"): str(value) for name, value in settings.petsc_options.items()},
    }
    if options["ksp_type"].endswith("gmres"):
        options.setdefault("ksp_pc_side", "right")
        options.setdefault("ksp_norm_type", "unpreconditioned")
    if options["ksp_type"] in CG_FAMILY:
        # The energy norm is what CG minimises; it costs no further inner product.
        options.setdefault("ksp_norm_type", "natural")
    # Options of an earlier solve in this process are none of ours.
    _delete(lambda name: True)
    database = PETSc.Options()
    for name, value in options.items():
        database.setValue(PREFIX + name, value)


def unused(settings: SolverSettings) -> list[str]:
    """Return those of the user's options that PETSc never asked for."""
    return [x for x in settings.petsc_options if not option_was_used(PREFIX + x.lstrip("-"))]


def delete_unused() -> None:
    """Delete all options that PETSc never asked for."""
    _delete(lambda name: not option_was_used(name))


def _delete(chosen: Callable[[str], bool]) -> None:
    """Delete options under our prefix, chosen by their full names."""
    database = PETSc.Options()
    for name in database.getAll():
        if name.startswith(PREFIX) and chosen(name):
            database.delValue(name)


@contextmanager
def refused_options(settings: SolverSettings) -> Iterator[None]:
    """Turn PETSc's refusal of a user's option into a message about it."""
    try:
        yield
    except PETSc.Error as error:
        if not settings.petsc_options:
            raise
        given = ", ".join(f"{name}: {value}" for name, value in settings.petsc_options.items())
        raise ValueError(
            f"petsc_options: PETSc refuses them ({given}), error {error.ierr}"
        ) from error

"""Events of PETSc's log, so that -log_view and the report show where the time went; and memory."""

import resource
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from mpi4py import MPI
from petsc4py import PETSc

F = TypeVar("F", bound=Callable[..., Any])

#: The events, by what they time.
EVENTS: Mapping[str, PETSc.Log.Event] = {
    name: PETSc.Log.Event(f"Elastane {name}")
    for name in (
        "residual",
        "jacobian",
        "level update",
        "diagonal",
        "eigenvalue",
        "fast diagonalisation",
        "level apply",
        "exchange",
        "transfer",
        "cycle",
        "coarse assembly",
        "coarse solve",
    )
}

#: PETSc's own events that the report names.
PETSC_EVENTS = {"newton": "SNESSolve", "krylov": "KSPSolve", "preconditioner setup": "PCSetUp"}


def logged(event: str) -> Callable[[F], F]:
    """Return the decorator that logs each call of a function as an event."""

    def decorate(function: F) -> F:
        @wraps(function)
        def call(*arguments: Any) -> Any:
            with EVENTS[event]:
                return function(*arguments)

        return cast("F", call)

    return decorate


def seconds() -> dict[str, float]:
    """Return the seconds spent in each event so far on this rank, outer events included."""
    events = {
        **EVENTS,
        **{name: PETSc.Log.Event(petsc_name) for name, petsc_name in PETSC_EVENTS.items()},
    }
    return {name: float(event.getPerfInfo()["time"]) for name, event in events.items()}


def seconds_since(before: Mapping[str, float], comm: MPI.Comm) -> dict[str, float]:
    """Return the seconds in each event since what `seconds` returned, the largest of all ranks."""
    return {
        name: comm.allreduce(after - before[name], op=MPI.MAX) for name, after in seconds().items()
    }


def memory_bytes(comm: MPI.Comm) -> int:
    """Return the largest resident memory so far, summed over ranks."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(comm.allreduce(1024 * kibibytes))

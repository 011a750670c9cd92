"""Events of PETSc's log, so that -log_view and the report show where the time went."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

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

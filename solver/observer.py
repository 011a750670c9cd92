"""Who listens to a solve.

The solver knows neither terminals nor run folders: it tells an `Observer` what happens.
"""

from enum import IntEnum
from typing import Any, Protocol


class Request(IntEnum):
    """What a solve is asked for between two iterations; the largest of all ranks counts.

    CHECKPOINT asks it to save the last converged state and to end, since it will be resumed.
    """

    GO_ON = 0
    CHECKPOINT = 1
    STOP = 2


class Observer(Protocol):
    """Listener of a solve.

    The kinds of event and their values, all JSON numbers, texts, lists and objects:

    =============== ================================================================================
    phase           name (set-up phases in words), seconds
    problem         dofs, cells, level_degrees, level_dofs, ranks, backend, memory_bytes
    step_started    step, attempt (from 1), load (the target), increment
    newton          step, iteration (from 0), residual, krylov_iterations (of this iteration), min_J
    step_failed     step, attempt, load, reason, message
    step_converged  the fields of `elastane.solver.report.StepReport`, as nested objects
    fields          step, load, path (relative to the run folder), seconds
    warning         message
    =============== ================================================================================
    """

    def event(self, kind: str, **values: Any) -> None:
        """Take note of an event; called on rank 0 only."""

    def request(self) -> Request:
        """Return what this rank was asked for; called on every rank between iterations."""

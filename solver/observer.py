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


class StopRequest(Exception):  # noqa: N818 (not an error)
    """Somebody asked the solve to stop between two iterations.

    Attributes:
        request: How.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.request = request


class Observer(Protocol):
    """Listener of a solve.

    The kinds of event and their values, all JSON numbers, texts, lists and objects:

    ================== =============================================================================
    phase              name (set-up phases in words), seconds
    problem            dofs, cells, level_degrees, level_dofs, ranks, backend, memory_bytes
    resumed            step, load, path (of the checkpoint; null and 0 where there was none)
    step_started       step, attempt (from 1), load (the target), increment
    newton             step, iteration (from 0), residual, krylov_iterations (of this iteration),
                       min_J
    step_failed        step, attempt, load, reason, message
    worst_points       load, path, count, min_J (the points of a step that failed)
    step_converged     the fields of `elastane.solver.report.StepReport`, as nested objects
    fields             step, load, path, seconds
    checkpoint         step, load, path, bytes, seconds
    checkpoint_failed  step, load, why (it could not be written)
    checkpoint_refused path, why (the run resumes from an older one, or from the start)
    stop_requested     request ("checkpoint" or "stop"), step (of those converged), load
    warning            message
    ================== =============================================================================

    Paths are relative to the run folder where they lie in it.
    """

    def event(self, kind: str, **values: Any) -> None:
        """Take note of an event; called on rank 0 only."""

    def request(self) -> Request:
        """Return what this rank was asked for.

        Called on every rank between iterations, before a checkpoint and between phases of the
        set-up.
        """

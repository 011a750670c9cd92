"""How long a run will still take, from the load steps that have converged."""

from collections.abc import Mapping
from typing import Any


class Pace:
    """Follows the events of an attempt.

    The rest is expected to go as the attempt went so far: its steps, failed tries included, took
    so long for so much load.
    """

    def __init__(self) -> None:
        self._begin: tuple[float, float] | None = None

    def rest(self, event: Mapping[str, Any]) -> float | None:
        """Take note of an event; return the seconds left if it is a converged step that tells."""
        kind = event["event"]
        if kind == "attempt_started":
            self._begin = None
        elif kind == "step_started" and self._begin is None:
            self._begin = event["time"], event["load"] - event["increment"]
        elif kind == "step_converged" and self._begin is not None:
            time, load = self._begin
            if event["load"] > load:
                per_load = (event["time"] - time) / (event["load"] - load)
                return max(0.0, per_load * (1.0 - event["load"]))
        return None

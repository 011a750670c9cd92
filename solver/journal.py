"""What a solve tells on the way: events, warnings, and the seconds of its phases."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mpi4py import MPI

from elastane.solver.observer import Observer, Request, StopRequest


class Journal:
    """The journal of a solve on one rank; rank 0 tells the observer.

    Args:
        observer: Who listens, and may ask for a stop.
        comm: The ranks of the solve.

    Attributes:
        timings: Seconds of each phase so far.
        warnings: What was warned of.
    """

    def __init__(self, observer: Observer, comm: MPI.Intracomm) -> None:
        self._observer = observer
        self._comm = comm
        self.timings: dict[str, float] = {"setup": 0.0, "solve": 0.0, "output": 0.0}
        self.warnings: list[str] = []

    def event(self, kind: str, **values: Any) -> None:
        """Tell of an event."""
        if self._comm.rank == 0:
            self._observer.event(kind, **values)

    def warn(self, message: str) -> None:
        """Tell of something that the user should know even if all goes well."""
        self.warnings.append(message)
        self.event("warning", message=message)

    def warn_once(self, message: str, details: str) -> None:
        """Warn of something unless the same has been said before, perhaps with other details."""
        if not any(warning.startswith(message) for warning in self.warnings):
            self.warn(message + details)

    def obey(self) -> None:
        """Stop if a rank was asked to; collective.

        Raises:
            StopRequest: On all ranks, with the largest request of any.
        """
        request = Request(self._comm.allreduce(int(self._observer.request()), op=MPI.MAX))
        if request > Request.GO_ON:
            raise StopRequest(request)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds of the body to those of a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - started

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase of the set-up and tell of it; collective.

        Raises:
            StopRequest: On all ranks, at its end, if one was asked to stop.
        """
        started = time.perf_counter()
        with self.timed(f"setup: {name}"):
            yield
        self.event("phase", name=name, seconds=time.perf_counter() - started)
        self.obey()

"""Shows a run while it goes on: a line that renews itself on a terminal, else a line per step."""

import shutil
import time
from collections.abc import Mapping
from typing import Any, TextIO

from elastane.jobs.pace import Pace

CLEAR_LINE = "\r\x1b[2K"


class Progress:
    """Turns events into lines.

    Args:
        stream: Where the lines go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._started = time.monotonic()
        self._step: Mapping[str, Any] = {}
        self._pace = Pace()
        self._rest: float | None = None
        self._first_residual = 0.0
        self._krylov_iterations = 0
        self._state = "starting"
        self._handlers = {
            "phase": self._phase,
            "problem": self._problem,
            "step_started": self._step_started,
            "newton": self._newton,
            "step_failed": self._step_failed,
            "step_converged": self._step_converged,
            "warning": self._warning,
            "resumed": self._resumed,
            "checkpoint_refused": self._checkpoint_refused,
        }

    def show(self, event: Mapping[str, Any]) -> None:
        """Take note of an event."""
        handler = self._handlers.get(event["event"])
        self._rest = self._pace.rest(event)
        if handler is not None:
            handler(event)

    def refresh(self) -> None:
        """Draw the live line again, so that its clock runs."""
        if self._live:
            seconds = time.monotonic() - self._started
            width = shutil.get_terminal_size().columns - 1
            line = f"{in_time(seconds)} · {self._state}"
            self._stream.write(CLEAR_LINE + line[:width])
            self._stream.flush()

    def clear(self) -> None:
        """Remove the live line."""
        if self._live:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()

    def _say(self, line: str) -> None:
        self.clear()
        self._stream.write(line + "\n")
        self._stream.flush()

    def _phase(self, event: Mapping[str, Any]) -> None:
        self._state = f"set-up: {event['name']} done"

    def _problem(self, event: Mapping[str, Any]) -> None:
        levels = " → ".join(f"{dofs:,}" for dofs in event["level_dofs"])
        ranks = f"{event['ranks']} rank{'s' if event['ranks'] > 1 else ''}"
        self._say(
            f"{event['dofs']:,} unknowns in {event['cells']:,} cells (levels {levels}) "
            f"on {ranks}, {event['backend']}"
        )

    def _step_started(self, event: Mapping[str, Any]) -> None:
        self._step, self._first_residual, self._krylov_iterations = event, 0.0, 0
        self._state = self._step_text()

    def _step_text(self) -> str:
        step = self._step
        attempt = f", attempt {step['attempt']}" if step["attempt"] > 1 else ""
        return f"step {step['step']}{attempt} → load {step['load']:.4g}"

    def _newton(self, event: Mapping[str, Any]) -> None:
        residual = event["residual"] or 0.0
        if event["iteration"] == 0:
            self._first_residual = residual
        self._krylov_iterations += event["krylov_iterations"]
        relative = residual / self._first_residual if self._first_residual else 0.0
        self._state = (
            f"{self._step_text()} · Newton {event['iteration']} · residual {residual:.1e} "
            f"({relative:.0e}) · Krylov {self._krylov_iterations}"
        )

    def _step_failed(self, event: Mapping[str, Any]) -> None:
        self._say(f"{self._step_text()} failed: {event['message'] or event['reason']}")

    def _step_converged(self, event: Mapping[str, Any]) -> None:
        newton = event["newton"]
        krylov = newton["krylov_iterations"]
        attempt = f", attempt {self._step['attempt']}" if self._step.get("attempt", 1) > 1 else ""
        rest = "" if self._rest is None or event["load"] >= 1.0 else f", {in_time(self._rest)} left"
        self._say(
            f"step {event['step']}{attempt} · load {event['load']:.4g} · {len(krylov)} Newton, "
            f"{sum(krylov)} Krylov iterations · residual {newton['residual_norms'][-1]:.1e} · "
            f"min J {event['min_J']:.3g} · energy {event['strain_energy']:.9g} · "
            f"{in_time(event['seconds'])}{rest}"
        )

    def _warning(self, event: Mapping[str, Any]) -> None:
        self._say(f"warning: {event['message']}")

    def _resumed(self, event: Mapping[str, Any]) -> None:
        if event["step"] > 0:
            self._say(f"resumed after step {event['step']} at load {event['load']:.4g}")

    def _checkpoint_refused(self, event: Mapping[str, Any]) -> None:
        self._say(f"warning: a checkpoint is not used: {event['why']}")


def in_time(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"

"""status.json: how a run stands with its executor, replaced as a whole by one writer at a time."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from elastane.jobs.pace import Pace
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import write_text
from elastane.jobs.states import RunState

VERSION = 1


@dataclass(frozen=True)
class RunStatus:
    """How a run stands.

    Attributes:
        run: Name of the run folder.
        name: Name of the job.
        state: See `RunState`; never unknown.
        message: In words, where there is something to say.
        executor: Name in `executors.EXECUTORS`, "" where `elastane run` solves.
        job_id: What the executor calls it.
        generation: Number of the claim that writes, from 1; 0 before the first.
        restarts: How often it was resumed.
        beat: Time of the last sign of life, seconds since the epoch.
        host: Where it runs.
        step, attempt: Load step under way, from 1.
        load: Load fraction that has converged.
        newton: Newton iteration under way.
        krylov: Krylov iterations of the last one.
        residual: Norm of the last residual.
        min_J: Smallest det F at a quadrature point.
        eta_seconds: Expected rest of the run.
        ranks: Number of MPI ranks.
        checkpoint: The last one: {"step": 6, "load": 0.3}; empty without one.
        started, ended: Seconds since the epoch.
    """

    run: str
    name: str
    state: RunState
    message: str = ""
    executor: str = ""
    job_id: str | None = None
    generation: int = 0
    restarts: int = 0
    beat: float = 0.0
    host: str = ""
    step: int = 0
    attempt: int = 0
    load: float = 0.0
    newton: int = 0
    krylov: int = 0
    residual: float | None = None
    min_J: float | None = None
    eta_seconds: float | None = None
    ranks: int = 0
    checkpoint: Mapping[str, float] | None = None
    started: float | None = None
    ended: float | None = None


def write_status(folder: RunFolder, status: RunStatus) -> None:
    """Replace status.json.

    Raises:
        OSError: If it cannot be written; the old one stays.
    """
    content = {"version": VERSION, **asdict(status)}
    write_text(folder.status, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_status(folder: RunFolder) -> RunStatus | None:
    """Return the content of status.json, None if there is none that can be read."""
    try:
        content = json.loads(folder.status.read_text(encoding="utf-8"))
        return _status(content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _status(content: dict[str, Any]) -> RunStatus:
    known = {field.name for field in fields(RunStatus)}
    status = RunStatus(**{name: value for name, value in content.items() if name in known})
    return replace(status, state=RunState(status.state))


def status_of(folder: RunFolder) -> RunStatus:
    """Return the content of status.json, that of a run of which nothing is known without one."""
    status = read_status(folder)
    if status is not None:
        return status
    name = folder.root.resolve().name
    return RunStatus(run=name, name=name, state=RunState.PREPARED)


class LiveStatus:
    """A status that follows the events of an attempt.

    Args:
        status: How the run stands before.

    Attributes:
        status: How it stands now.
    """

    def __init__(self, status: RunStatus) -> None:
        self.status = status
        self._pace = Pace()

    def note(self, event: Mapping[str, Any]) -> None:
        """Take note of an event; what another version wrote is passed over."""
        try:
            news = self._news(event)
        except (KeyError, TypeError):
            return
        if news:
            self.status = replace(self.status, **news)

    def _news(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that an event changes."""
        rest = self._pace.rest(event)
        match event["event"]:
            case "problem":
                return {"ranks": event["ranks"]}
            case "step_started":
                return {"step": event["step"], "attempt": event["attempt"], "newton": 0}
            case "newton":
                return {
                    "newton": event["iteration"],
                    "krylov": event["krylov_iterations"],
                    "residual": event["residual"],
                    "min_J": event["min_J"],
                }
            case "step_converged":
                return {"load": event["load"], "min_J": event["min_J"], "eta_seconds": rest}
            case "checkpoint":
                return {"checkpoint": {"step": event["step"], "load": event["load"]}}
            case "resumed":
                return {"step": event["step"], "load": event["load"]}
        return {}

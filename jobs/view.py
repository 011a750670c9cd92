"""How runs stand: what their folders and their executors say, as a table and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from elastane.jobs.executors.base import JobView
from elastane.jobs.paths import RunFolder
from elastane.jobs.progress import in_time
from elastane.jobs.result import read_result
from elastane.jobs.states import FINAL, RunState, Status
from elastane.jobs.status_file import RunStatus, read_status

#: A run whose last sign of life is older says so: the heartbeat comes every 10 s.
SILENCE_SECONDS = 120.0
COLUMNS = ("RUN", "STATE", "STEP", "LOAD", "NEWTON", "KRYLOV", "ETA", "NODES", "JOB", "WHY")
WHY_WIDTH = 60


@dataclass(frozen=True)
class RunView:
    """How a run stands, as a user is told.

    Attributes:
        folder: The run folder.
        state: A `RunState`; `unknown` if the executor's answer says nothing.
        why: In words, why it is in that state.
        status: What status.json says.
        nodes: Where it runs.
        eta_seconds: Expected rest, None if it cannot be told.
    """

    folder: str
    state: RunState
    why: str
    status: RunStatus
    nodes: str = ""
    eta_seconds: float | None = None

    @property
    def standing(self) -> str:
        """Return in one line how the run stands."""
        on = f" on {self.nodes}" if self.nodes else ""
        return f"{self.state.value}{on}" + (f": {self.why}" if self.why else "")


def stored_status(folder: RunFolder) -> RunStatus:
    """Return what the folder says: status.json, or else result.json of a run without service."""
    status = read_status(folder)
    if status is not None:
        return status
    run = folder.root.resolve().name
    try:
        result = read_result(folder.result)
        state = RunState(Status(result["status"]).value)
        steps = result.get("steps") or [{}]
        last = steps[-1]
        krylov = last.get("krylov_iterations") or [0]
        return RunStatus(
            run, str(result.get("name", run)), state, str(result.get("message", "")),
            step=int(last.get("step", len(steps))), load=float(last.get("load", 0.0)),
            newton=len(krylov), krylov=int(krylov[-1]), ranks=int(result.get("ranks", 0)),
            beat=folder.result.stat().st_mtime,
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return RunStatus(run, run, RunState.FAILED, "neither status.json nor result.json is sound")


def view(status: RunStatus, folder: Path, said: JobView | None, now: float) -> RunView:
    """Return how a run stands.

    Args:
        status: What its folder says.
        folder: The folder.
        said: What its executor says; None if it knows nothing of it, or was not asked.
        now: Seconds since the epoch.
    """
    state, why, nodes = status.state, status.message, status.host
    if said is not None and said.job_id:  # status.json learns it when the job begins
        status = replace(status, job_id=said.job_id)
    if status.state in FINAL or said is None:
        pass
    elif said.state is RunState.UNKNOWN:
        state = RunState.UNKNOWN
        answer = f"says {said.word!r}" if said.word else said.reason or "no answer"
        why = f"last known: {status.state}; {answer}"
    elif said.state is RunState.RUNNING:
        nodes = said.nodes or nodes
        if status.state is not RunState.RUNNING:
            state, why = RunState.RUNNING, "its node starts it"
    elif said.state in (RunState.SUBMITTED, RunState.HELD):
        requeued = status.state in (RunState.RUNNING, RunState.REQUEUED)
        state = RunState.REQUEUED if requeued and said.state is not RunState.HELD else said.state
        why, nodes = said.reason or why, ""
    if state is RunState.RUNNING and not why and now - status.beat > SILENCE_SECONDS:
        why = f"no sign of life for {in_time(now - status.beat)}" if status.beat else ""
    if state is not RunState.RUNNING:
        return RunView(str(folder), state, why, status, nodes if state in FINAL else "")
    eta = status.eta_seconds
    if eta is not None:
        eta = max(eta - max(now - status.beat, 0.0), 0.0)
    return RunView(str(folder), state, why, status, nodes, eta)


def table(views: Sequence[RunView], root: Path | None = None) -> str:
    """Return runs as a table, a line each; folders are shown relative to `root`."""
    if not views:
        return "no runs: `elastane submit JOB.yml` makes one"
    rows = [COLUMNS, *(_row(run, root or Path.cwd()) for run in views)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


def _row(run: RunView, root: Path) -> tuple[str, ...]:
    status = run.status
    begun = bool(status.step)
    attempt = f" (try {status.attempt})" if status.attempt > 1 else ""
    restarts = f", restart {status.restarts}" if status.restarts else ""
    why = " ".join(run.why.split())
    return (
        _printable(shown_path(Path(run.folder), root)),
        run.state.value,
        f"{status.step}{attempt}" if begun else "-",
        f"{status.load:.4g}" if begun else "-",
        str(status.newton) if begun else "-",
        str(status.krylov) if begun else "-",
        in_time(run.eta_seconds) if run.eta_seconds is not None else "-",
        _printable(run.nodes) or "-",
        _printable(f"{status.executor} {status.job_id}{restarts}") if status.job_id else "-",
        _printable(why if len(why) <= WHY_WIDTH else why[: WHY_WIDTH - 1] + "…"),
    )


def _printable(text: str) -> str:
    """Return a text that a terminal shows as it is, without control sequences."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def shown_path(path: Path, root: Path) -> str:
    """Return a path as short as it can be named from `root`."""
    resolved = path.resolve()
    return str(resolved.relative_to(root)) if resolved.is_relative_to(root) else str(resolved)


def as_json(views: Sequence[RunView]) -> str:
    """Return runs as a JSON list."""
    return json.dumps([_entry(run) for run in views], indent=1, allow_nan=False)


def _entry(run: RunView) -> Mapping[str, object]:
    told = replace(run.status, state=run.state, message=run.why, eta_seconds=run.eta_seconds)
    return {"folder": run.folder, **asdict(told), "nodes": run.nodes}

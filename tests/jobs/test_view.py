import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs.executors.base import JobView
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import empty_result, write_result
from elastane.jobs.states import FINAL, RunState
from elastane.jobs.status_file import RunStatus
from elastane.jobs.view import RunView, as_json, stored_status, table, view

NOW = 1_800_000_000.0
RUNNING = RunStatus(
    "beam-1", "beam", RunState.RUNNING, executor="slurm", job_id="4711", generation=1,
    beat=NOW - 4.0, host="n1", step=7, attempt=2, load=0.35, newton=3, krylov=41, residual=1e-5,
    min_J=0.81, eta_seconds=310.0, ranks=4, started=NOW - 100.0,
)  # fmt: skip


def run(status: RunStatus, said: JobView | None = None) -> RunView:
    return view(status, Path("/scratch/runs") / status.run, said, NOW)


def said(state: RunState, **values: str) -> JobView:
    return JobView("4711", state, **values)  # type: ignore[arg-type]


def test_table(golden: Callable[[str, str], None]) -> None:
    waiting = replace(RUNNING, run="long", state=RunState.SUBMITTED, step=0, job_id=None)
    views = [
        run(RUNNING),
        run(replace(RUNNING, run="restarted", restarts=2, attempt=1)),
        run(waiting, said(RunState.SUBMITTED, reason="waits for nodes")),
        run(replace(waiting, run="held"), said(RunState.HELD, reason="held by its user")),
        run(RUNNING, said(RunState.UNKNOWN, word="REVOKED_X")),
        run(RUNNING, said(RunState.UNKNOWN)),
        run(replace(RUNNING, run="silent", beat=NOW - 700.0)),
        run(replace(RUNNING, run="done", state=RunState.CONVERGED, step=9, load=1.0)),
        run(replace(RUNNING, run="bad", state=RunState.DIVERGED, message="Newton\nfailed: " * 9)),
    ]
    golden("status.txt", table(views, Path("/scratch")) + "\n")


@pytest.mark.parametrize("state", sorted(FINAL))
@pytest.mark.parametrize("answer", [None, RunState.UNKNOWN, RunState.RUNNING, RunState.SUBMITTED])
def test_a_final_state_stays(state: RunState, answer: RunState | None) -> None:
    answered = None if answer is None else said(answer)
    assert run(replace(RUNNING, state=state), answered).state is state


@pytest.mark.parametrize("state", sorted(set(RunState) - FINAL - {RunState.UNKNOWN}))
def test_an_unknown_answer_is_unknown_and_never_an_end(state: RunState) -> None:
    shown = run(replace(RUNNING, state=state), said(RunState.UNKNOWN))
    assert shown.state is RunState.UNKNOWN
    assert f"last known: {state.value}" in shown.why


@pytest.mark.parametrize(
    ("stored", "answer", "shown"),
    [
        (RunState.SUBMITTED, RunState.SUBMITTED, RunState.SUBMITTED),
        (RunState.SUBMITTED, RunState.HELD, RunState.HELD),
        (RunState.HELD, RunState.SUBMITTED, RunState.SUBMITTED),
        (RunState.SUBMITTED, RunState.RUNNING, RunState.RUNNING),
        (RunState.RUNNING, RunState.RUNNING, RunState.RUNNING),
        (RunState.RUNNING, RunState.SUBMITTED, RunState.REQUEUED),
        (RunState.REQUEUED, RunState.SUBMITTED, RunState.REQUEUED),
        (RunState.RUNNING, RunState.HELD, RunState.HELD),
    ],
)
def test_the_executor_knows_better_where_an_open_run_stands(
    stored: RunState, answer: RunState, shown: RunState
) -> None:
    assert run(replace(RUNNING, state=stored), said(answer)).state is shown


def test_the_rest_of_a_run_goes_down_with_the_clock() -> None:
    assert run(RUNNING).eta_seconds == 306.0  # 310 s, told 4 s ago
    assert run(replace(RUNNING, beat=NOW - 400.0)).eta_seconds == 0.0
    assert run(replace(RUNNING, state=RunState.SUBMITTED)).eta_seconds is None


def test_json_holds_all_fields_of_the_status() -> None:
    (entry,) = json.loads(as_json([run(RUNNING)]))
    assert {"folder", "nodes", "message", "step", "load", "min_J", "job_id"} <= {*entry}
    assert (entry["state"], entry["krylov"], entry["eta_seconds"]) == ("running", 41, 306.0)


def test_nothing_in_a_folder_reaches_the_terminal_as_a_command() -> None:
    hostile = replace(RUNNING, run="\x1b[2Jrun", message="\x1b]0;title\x07", host="\x9bn1")
    text = table([run(hostile), run(replace(hostile, state=RunState.FAILED))])
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_a_run_without_status_file_is_read_from_its_result(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    assert stored_status(folder).state is RunState.FAILED
    write_result(folder.result, {**empty_result("beam", 2, "cpu", 3), "status": "diverged"})
    status = stored_status(folder)
    assert (status.name, status.state, status.ranks) == ("beam", RunState.DIVERGED, 3)
    for text in ("{}", '{"status": "running", "steps": 7}', '{"status": []}', "[1]", "nul"):
        folder.result.write_text(text)
        assert stored_status(folder).state is RunState.FAILED

"""Attempts at a run, played: who begins, signs of life, how they end, what is continued."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs import attempt, claims, heartbeat
from elastane.jobs.attempt import BeginCode
from elastane.jobs.claims import RunningElsewhereError
from elastane.jobs.event_log import append_event, read_events
from elastane.jobs.executors import slurm_nudge
from elastane.jobs.executors.base import JobRequest
from elastane.jobs.executors.slurm_commands import Answer
from elastane.jobs.paths import RunFolder
from elastane.jobs.provenance import read_provenance
from elastane.jobs.result import empty_result, read_result, write_result
from elastane.jobs.states import ExitCode, RunState, Status
from elastane.jobs.status_file import RunStatus, read_status
from elastane.jobs.submission_file import Submission, write_submission

SLURM = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "n[1-2]", "HOME": "/home/ada"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    folder.job.write_text("# not read here\n")
    set_result(folder, Status.RUNNING)
    return folder


def set_result(folder: RunFolder, status: Status, message: str = "") -> None:
    result = empty_result("cantilever", 2, "cpu", 2)
    write_result(folder.result, result | {"status": status.value, "message": message})


def begin(folder: RunFolder, **environment: str) -> int:
    return attempt.begin(folder, os.getpid(), environment)


def checkpoint(folder: RunFolder, step: int) -> None:
    folder.checkpoints.mkdir(exist_ok=True)
    (folder.checkpoints / f"step-{step:04}.json").write_text("{}")


def status_of(folder: RunFolder) -> RunStatus:
    status = read_status(folder)
    assert status is not None
    return status


def test_an_attempt_says_where_it_runs(folder: RunFolder) -> None:
    assert begin(folder, **SLURM) == 1
    status = status_of(folder)
    assert (status.state, status.executor, status.job_id) == (RunState.RUNNING, "slurm", "4711")
    assert (status.generation, status.restarts, status.host) == (1, 0, "n[1-2]")
    (event,) = read_events(folder.events)
    assert (event["event"], event["job_id"], event["resumed_step"]) == (
        "attempt_started",
        "4711",
        0,
    )
    (where,) = read_provenance(folder)["attempts"]
    assert where["hosts"] == "n[1-2]"
    assert where["environment"] == {name: SLURM[name] for name in SLURM if name != "HOME"}


def test_a_task_of_an_array_has_the_id_that_the_queue_shows(folder: RunFolder) -> None:
    begin(folder, **SLURM, SLURM_ARRAY_JOB_ID="4700", SLURM_ARRAY_TASK_ID="3")
    assert status_of(folder).job_id == "4700_3"


def test_a_second_copy_does_not_begin(folder: RunFolder) -> None:
    begin(folder)
    with pytest.raises(RunningElsewhereError) as caught:
        begin(folder)
    assert caught.value.certain


def test_a_requeued_job_takes_over_from_its_lost_copy(folder: RunFolder) -> None:
    lost = begin(folder, **SLURM)
    checkpoint(folder, 3)
    again = begin(folder, **SLURM, SLURM_RESTART_COUNT="1")
    assert (lost, again) == (1, 2)
    assert status_of(folder).restarts == 1
    # The lost copy goes on living on its node.
    set_result(folder, Status.RUNNING)
    code = attempt.end(folder, lost, 0, SLURM)
    assert code is ExitCode.INTERRUPTED
    assert status_of(folder).state is RunState.RUNNING
    assert read_result(folder.result)["status"] == "running"
    assert claims.still_ours(folder, again)


@pytest.mark.parametrize(
    ("result", "returncode", "state", "code", "words"),
    [
        (Status.CONVERGED, 0, RunState.CONVERGED, 0, ""),
        (Status.DIVERGED, 3, RunState.DIVERGED, 3, "said"),
        (Status.FAILED, 4, RunState.FAILED, 4, "said"),
        (Status.FAILED, 2, RunState.FAILED, 2, "said"),
        (Status.INTERRUPTED, 130, RunState.INTERRUPTED, 130, "said"),
        (Status.INTERRUPTED, 85, RunState.REQUEUED, 85, "to be continued"),
        (Status.RUNNING, 137, RunState.FAILED, 4, "SIGKILL"),
        (Status.RUNNING, 139, RunState.FAILED, 4, "SIGSEGV"),
        (Status.RUNNING, 1, RunState.FAILED, 4, "code 1"),
        (Status.RUNNING, 0, RunState.FAILED, 4, "without a result"),
        (Status.RUNNING, 128 + signal.SIGUSR1, RunState.REQUEUED, 85, "to be continued"),
    ],
)
def test_each_end_has_its_state(
    folder: RunFolder, result: Status, returncode: int, state: RunState, code: int, words: str
) -> None:
    generation = begin(folder)
    set_result(folder, result, "" if result in (Status.CONVERGED, Status.RUNNING) else "said")
    assert attempt.end(folder, generation, returncode, {}) == code
    status = status_of(folder)
    assert (status.state, status.ended is None) == (state, state is RunState.REQUEUED)
    assert words in status.message
    final = read_result(folder.result)
    assert final["status"] != "running"
    if result is Status.RUNNING:
        assert words in final["message"]
    assert claims.owner(folder) is None
    events = list(read_events(folder.events))
    assert (events[-1]["event"], events[-1]["code"]) == ("attempt_ended", returncode)


@pytest.mark.parametrize("variable", ["SLURM_JOB_END_TIME", "ELASTANE_END_TIME"])
def test_a_step_that_dies_at_the_time_limit_is_timed_out(folder: RunFolder, variable: str) -> None:
    generation = begin(folder)
    now = time.time()
    assert attempt.end(folder, generation, 143, {variable: str(now - 1.0)}) == 130
    assert status_of(folder).state is RunState.TIMEOUT
    generation = begin(folder)
    attempt.end(folder, generation, 143, {variable: str(now + 3600.0)})
    assert status_of(folder).state is RunState.FAILED


def test_what_the_user_cancelled_is_cancelled_and_may_begin_again(folder: RunFolder) -> None:
    generation = begin(folder)
    folder.cancelled.write_text("{}")
    set_result(folder, Status.INTERRUPTED, "stopped as asked")
    assert attempt.end(folder, generation, 130, {}) == 130
    assert status_of(folder).state is RunState.CANCELLED
    # A copy that still waited in a queue does not take it up, `elastane resume` does.
    assert attempt.main(["begin", str(folder.root), "--pid", str(os.getpid())]) == 75
    assert status_of(folder).state is RunState.CANCELLED
    folder.cancelled.unlink()
    generation = begin(folder)
    assert read_result(folder.result)["status"] == "running"
    attempt.end(folder, generation, 137, {})
    assert status_of(folder).state is RunState.FAILED


def continue_once(folder: RunFolder, step: int, max_restarts: int = 20) -> ExitCode:
    """Begin, come as far as a checkpoint of a step, and be asked to end."""
    generation = begin(folder, ELASTANE_EXECUTOR="local", ELASTANE_JOB_ID="7")
    if step:
        checkpoint(folder, step)
    set_result(folder, Status.INTERRUPTED, "stopped as asked")
    return attempt.end(folder, generation, ExitCode.REQUEUE, {}, max_restarts)


def test_a_run_is_continued_while_it_gets_on(folder: RunFolder) -> None:
    # The first attempt may have spent its time on the set-up; of later ones two in a row may not.
    assert [continue_once(folder, step) for step in (0, 2, 5, 5, 6, 6)] == [85] * 6
    assert continue_once(folder, 6) is ExitCode.INTERRUPTED
    status = status_of(folder)
    assert status.state is RunState.TIMEOUT
    assert "one load step does not fit the time limit" in status.message


def test_restarts_are_counted_for_each_job(folder: RunFolder) -> None:
    codes = [continue_once(folder, step, max_restarts=2) for step in (1, 2, 3)]
    assert codes == [ExitCode.REQUEUE, ExitCode.REQUEUE, ExitCode.INTERRUPTED]
    assert "2 times, which is the limit" in status_of(folder).message
    # `elastane resume` submits another job.
    generation = begin(folder, ELASTANE_EXECUTOR="local", ELASTANE_JOB_ID="8")
    checkpoint(folder, 4)
    assert attempt.end(folder, generation, 85, {}, 2) is ExitCode.REQUEUE


def test_a_run_that_has_converged_has_nothing_to_do(folder: RunFolder) -> None:
    set_result(folder, Status.CONVERGED)
    assert attempt.main(["begin", str(folder.root), "--pid", str(os.getpid())]) == 75
    assert claims.owner(folder) is None
    assert read_result(folder.result)["status"] == "converged"


@pytest.mark.parametrize(
    ("before", "code"),
    [(Status.CONVERGED, 0), (Status.DIVERGED, 3), (Status.FAILED, 3), (Status.RUNNING, 3)],
)
def test_a_run_waits_for_those_before_it(
    folder: RunFolder, tmp_path: Path, before: Status, code: int
) -> None:
    first = RunFolder(tmp_path / "first")
    first.root.mkdir()
    set_result(first, before)
    request = JobRequest(folder.root, "second", "key", 1, 1, after=(first.root,))
    write_submission(folder, Submission(request, "slurm"))
    assert attempt.main(["begin", str(folder.root), "--pid", str(os.getpid())]) == code
    if code:
        assert str(first.root) in status_of(folder).message
        assert claims.owner(folder) is None


@pytest.mark.parametrize("job", ["", "folder"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, job: str) -> None:
    if job:
        (tmp_path / "job.yml").mkdir()
    assert attempt.main(["begin", str(tmp_path), "--pid", str(os.getpid())]) == 4


COMMAND = [sys.executable, "-m", "elastane.jobs.attempt"]


def shell(script: str, folder: RunFolder) -> "subprocess.Popen[str]":
    """Start a script as a scheduler does."""
    return subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder.root,
        env={**os.environ, "PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


SCRIPT = """
generation=$("$PYTHON" -m elastane.jobs.attempt begin . --pid $$) || exit $?
sleep 100 & step=$!
echo $step > step.new; mv step.new step  # whole when it is seen
"$PYTHON" -m elastane.jobs.attempt beat . "$generation" "$step" & beat=$!
wait "$step"; code=$?
kill "$beat"; wait "$beat"
"$PYTHON" -m elastane.jobs.attempt end . "$generation" "$code"
"""


def wait_until(condition: "Sequence[object] | object", what: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def beats(folder: RunFolder, after: float = 0.0) -> bool:
    status = read_status(folder)
    return status is not None and status.beat > after


def test_a_script_gives_signs_of_life(folder: RunFolder) -> None:
    process = shell(SCRIPT, folder)
    wait_until(lambda: (folder.root / "step").exists(), "the script did not begin")
    before = status_of(folder).beat
    append_event(folder.events, "step_started", {"step": 3, "attempt": 2, "load": 0.5,
                                                 "increment": 0.1})  # fmt: skip
    wait_until(lambda: beats(folder, before) and status_of(folder).step == 3, "no sign of life")
    os.kill(int((folder.root / "step").read_text()), signal.SIGKILL)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 4, said
    assert "died of SIGKILL" in said
    assert status_of(folder).state is RunState.FAILED


@pytest.mark.parametrize("reason", ["another copy", "no shell"])
def test_a_step_that_has_lost_its_run_is_ended(folder: RunFolder, reason: str) -> None:
    process = shell(SCRIPT, folder)
    wait_until(lambda: (folder.root / "step").exists(), "the script did not begin")
    step = int((folder.root / "step").read_text())
    before = status_of(folder).beat
    wait_until(lambda: beats(folder, before), "no sign of life")
    if reason == "no shell":
        process.kill()
    else:
        holder = claims.owner(folder)
        assert holder is not None
        claims.take(folder, replace(holder, job_id="other"), lambda claim: True)
        append_event(folder.events, "step_started", {"step": 9, "attempt": 1, "load": 0.5,
                                                     "increment": 0.1})  # fmt: skip
    wait_until(lambda: not Path(f"/proc/{step}").exists(), "the step lives on")
    said = process.communicate(timeout=120)[0]
    assert status_of(folder).step != 9  # its status.json is that of the other copy
    if reason == "another copy":
        assert "another copy has taken" in said
        assert process.returncode == 130


def test_a_step_whose_shell_died_before_the_first_beat_is_ended(folder: RunFolder) -> None:
    dead, step = (subprocess.Popen(["sleep", "600"]) for _ in range(2))
    generation = attempt.begin(folder, dead.pid, {})
    dead.kill()
    dead.wait()
    heartbeat.beat(folder, generation, step.pid)
    assert step.wait(120) == -signal.SIGTERM


def test_a_full_disk_does_not_stop_the_heart(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = heartbeat.Heartbeat(folder, begin(folder))

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(heartbeat, "write_status", full)
    assert heart.beat()


def test_a_requeued_job_is_told_to_start_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    states = ["RUNNING|None", "COMPLETING|None", "PENDING|BeginTime", "PENDING|BeginTime"]
    told: list[list[str]] = []

    def tool(command: Sequence[str], seconds: float) -> Answer:
        if command[0] == "squeue":
            return Answer(0, (states.pop(0) if states else "RUNNING|None") + "\n", "")
        told.append(list(command))
        return Answer(len(told) % 2, "", "")  # refused the first time

    monkeypatch.setattr(slurm_nudge, "run_tool", tool)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert attempt.nudge("4711")
    assert told == [["scontrol", "update", "JobId=4711", "StartTime=now"]] * 2


def test_the_service_beside_a_solve_loads_neither_mpi_nor_petsc() -> None:
    code = "import sys, json, elastane.jobs.attempt; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"petsc4py", "mpi4py", "libceed", "jax", "pydantic", "ruamel"}


def test_begin_prints_the_generation_alone(folder: RunFolder) -> None:
    done = subprocess.run(
        [*COMMAND, "begin", str(folder.root), "--pid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (BeginCode.TAKEN, "1\n")

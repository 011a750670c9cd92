"""What may be resumed, and what a refusal leaves behind; the executor is a stand-in."""

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs import claims, executors
from elastane.jobs.executors.base import (
    Executor,
    JobRequest,
    JobView,
    RejectedError,
    SilentError,
)
from elastane.jobs.job import load_job
from elastane.jobs.paths import RunFolder, RunFolderError, claim_run_folder
from elastane.jobs.result import end_result, read_result
from elastane.jobs.resume import resume
from elastane.jobs.states import RunState, Status
from elastane.jobs.status_file import RunStatus, read_status, write_status
from elastane.jobs.submission import SubmitOptions, preview, submit, submit_array
from elastane.jobs.submission_file import SendState, read_submission, write_submission


class StandIn(Executor):
    """Takes every job and says of all that they stand as `state` says.

    Attributes:
        sent: The jobs that it took.
        state: Of every job; None: it does not know it.
        wrong: What it finds wrong with every request.
        refusal: What it says of every job it is sent.
    """

    name = "slurm"

    def __init__(self) -> None:
        self.sent: list[JobRequest] = []
        self.state: RunState | None = RunState.SUBMITTED
        self.wrong: list[str] = []
        self.refusal = ""

    def check(self, request: JobRequest) -> list[str]:
        return self.wrong

    def script(self, request: JobRequest) -> str:
        return f"#!/bin/bash\n# {request.key}\n"

    def send(self, request: JobRequest) -> str:
        if self.refusal:
            raise RejectedError(self.refusal)
        self.sent.append(request)
        return str(len(self.sent))

    def find(self, key: str, folder: Path) -> list[JobView]:
        return []

    def query(self, job_ids: Sequence[str]) -> Mapping[str, JobView]:
        return {} if self.state is None else {i: JobView(i, self.state) for i in job_ids}

    def cancel(self, job_id: str) -> None:
        return

    def release(self, job_id: str) -> None:
        return


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(executors.EXECUTORS, "slurm", lambda: stand_in)
    monkeypatch.chdir(tmp_path)
    return stand_in


@pytest.fixture
def ended(slurm: StandIn, sound_job: Path) -> RunFolder:
    """Return a run that was submitted and has failed."""
    folder = RunFolder(submit(sound_job, SubmitOptions(executor="slurm"), io.StringIO()).folder)
    end_result(folder.result, Status.FAILED, "the node burnt down")
    status = read_status(folder)
    assert status is not None
    write_status(folder, replace(status, state=RunState.FAILED))
    slurm.state = None
    return folder


def test_a_submitted_run_has_all_its_files(slurm: StandIn, sound_job: Path) -> None:
    stream = io.StringIO()
    submission = submit(sound_job, SubmitOptions(executor="slurm", hold=True), stream)
    folder = RunFolder(submission.folder)
    assert stream.getvalue().splitlines()[-2:] == [
        "job 1", f"folder {folder.root.relative_to(Path.cwd())}",
    ]  # fmt: skip
    for path in (folder.job, folder.batch_script, folder.submission, folder.provenance):
        assert path.is_file()
    status = read_status(folder)
    assert status is not None
    assert (status.state, status.executor) == (RunState.HELD, "slurm")
    assert read_result(folder.result)["status"] == "running"


def test_a_run_that_is_alive_is_not_replaced(slurm: StandIn, sound_job: Path) -> None:
    options = SubmitOptions(executor="slurm", output=Path("run"), force=True)
    folder = RunFolder(submit(sound_job, options, io.StringIO()).folder)
    folder.claims.mkdir()
    claim = claims.Claim(1, "slurm", "1", 0, "n1", 1, "", 0, 0.0)
    (folder.claims / "0001.json").write_text(json.dumps(vars(claim)))
    slurm.state = RunState.RUNNING
    with pytest.raises(claims.RunningElsewhereError, match="as job 1"):
        submit(sound_job, options, io.StringIO())
    assert claims.still_ours(folder, 1)
    slurm.state = None
    assert submit(sound_job, options, io.StringIO()).job_id == "2"


def test_of_two_commands_that_submit_into_a_folder_one_does(
    slurm: StandIn, sound_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SubmitOptions(executor="slurm", output=Path("run"))

    def claim_early(root: Path, name: str, force: bool) -> RunFolder:
        folder = claim_run_folder(root, name, force)
        monkeypatch.setattr("elastane.jobs.submission.claim_run_folder", claim_run_folder)
        submit(sound_job, options, io.StringIO())
        return folder

    monkeypatch.setattr("elastane.jobs.submission.claim_run_folder", claim_early)
    with pytest.raises(RunFolderError, match="another command uses"):
        submit(sound_job, options, io.StringIO())
    assert len(slurm.sent) == 1


def test_a_dry_run_writes_nothing(slurm: StandIn, sound_job: Path) -> None:
    before = sorted(Path.cwd().rglob("*"))
    assert "KEY" in preview(sound_job, SubmitOptions(executor="slurm"), io.StringIO())
    assert sorted(Path.cwd().rglob("*")) == before


def test_what_never_starts_leaves_no_folder(slurm: StandIn, sound_job: Path) -> None:
    slurm.wrong = ["too large", "too long"]
    with pytest.raises(RejectedError, match="too large\ntoo long"):
        submit(sound_job, SubmitOptions(executor="slurm"), io.StringIO())
    assert not Path("runs").exists()


@pytest.mark.parametrize("chosen", [None, "slurm"])
def test_a_scheduler_that_was_not_asked_for_and_is_silent_says_what_else_there_is(
    slurm: StandIn, sound_job: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    """Where SLURM is installed and not set up, say; nothing is left behind."""

    def check(request: JobRequest) -> list[str]:
        raise SilentError("sinfo failed")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(slurm, "check", check)
    with pytest.raises(SilentError, match="sinfo failed") as raised:
        submit(sound_job, SubmitOptions(executor=chosen), io.StringIO())
    assert ("--executor local" in str(raised.value)) == (chosen is None)
    assert not Path("runs").exists()


def test_a_refused_run_says_why(slurm: StandIn, sound_job: Path) -> None:
    slurm.refusal = "no such account"
    with pytest.raises(RejectedError, match="no such account"):
        submit(sound_job, SubmitOptions(executor="slurm", output=Path("run")), io.StringIO())
    folder = RunFolder(Path("run"))
    status = read_status(folder)
    assert status is not None
    assert (status.state, status.message) == (RunState.REJECTED, "no such account")
    assert read_result(folder.result)["status"] == "failed"


def test_a_run_is_resumed_under_a_key_of_its_own(slurm: StandIn, ended: RunFolder) -> None:
    submission = resume(ended, None, None, io.StringIO())
    assert (submission.number, submission.job_id) == (2, "2")
    assert slurm.sent[0].key != slurm.sent[1].key
    assert read_result(ended.result)["status"] == "running"
    status = read_status(ended)
    assert status is not None
    assert status.state is RunState.SUBMITTED
    assert submission.key in ended.batch_script.read_text()
    assert ended.submission.exists()  # the first record stays


def test_other_ranks_are_asked_for(slurm: StandIn, ended: RunFolder) -> None:
    resume(ended, 3, None, io.StringIO())
    assert (slurm.sent[-1].nodes, slurm.sent[-1].ranks_per_node) == (1, 3)
    assert load_job(ended.job).resources.ranks_per_node == 3


def test_ranks_that_do_not_spread_over_the_nodes_are_refused(
    slurm: StandIn, ended: RunFolder
) -> None:
    text = ended.job.read_text().replace("nodes: 1", "nodes: 2")
    ended.job.write_text(text)
    with pytest.raises(RejectedError, match="do not spread evenly over 2 nodes"):
        resume(ended, 3, None, io.StringIO())


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.SUBMITTED, RunState.HELD])
def test_a_run_that_is_alive_is_not_resumed(
    slurm: StandIn, ended: RunFolder, state: RunState
) -> None:
    slurm.state = state
    with pytest.raises(RejectedError, match=f"is {state.value} as job 1"):
        resume(ended, None, None, io.StringIO())
    assert len(slurm.sent) == 1


def test_a_job_of_the_same_number_elsewhere_does_not_count(
    slurm: StandIn, ended: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query(job_ids: Sequence[str]) -> Mapping[str, JobView]:
        return {i: JobView(i, RunState.RUNNING, comment="elastane-another-key") for i in job_ids}

    monkeypatch.setattr(slurm, "query", query)
    assert resume(ended, None, None, io.StringIO()).number == 2


def test_nothing_is_resumed_while_the_executor_is_silent(slurm: StandIn, ended: RunFolder) -> None:
    slurm.state = RunState.UNKNOWN
    with pytest.raises(SilentError, match="does not say how job 1 stands"):
        resume(ended, None, None, io.StringIO())
    assert len(slurm.sent) == 1


def test_a_converged_run_is_not_resumed(slurm: StandIn, ended: RunFolder) -> None:
    result = json.loads(ended.result.read_text())
    ended.result.write_text(json.dumps({**result, "status": "converged"}))
    with pytest.raises(RejectedError, match="there is nothing to resume"):
        resume(ended, None, None, io.StringIO())


def test_a_run_whose_answer_was_lost_is_sought_first(slurm: StandIn, ended: RunFolder) -> None:
    submission = read_submission(ended)
    assert submission is not None
    write_submission(ended, replace(submission, state=SendState.SENDING, job_id=None))
    with pytest.raises(RejectedError, match="submit --again"):
        resume(ended, None, None, io.StringIO())


def test_of_two_commands_that_resume_a_run_one_does(
    slurm: StandIn, ended: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = slurm.check

    def check_late(request: JobRequest) -> list[str]:
        monkeypatch.setattr(slurm, "check", check)
        resume(ended, None, None, io.StringIO())
        return []

    monkeypatch.setattr(slurm, "check", check_late)
    with pytest.raises(RejectedError, match="another command resumes"):
        resume(ended, None, None, io.StringIO())
    assert len(slurm.sent) == 2


def test_a_run_that_converges_while_it_is_looked_at_is_waited_for(
    slurm: StandIn, ended: RunFolder, sound_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SubmitOptions(executor="slurm", after=(ended.root,))
    with pytest.raises(RejectedError, match="it has ended as failed"):
        submit(sound_job, options, io.StringIO())

    def read_late(folder: RunFolder) -> RunStatus | None:
        result = json.loads(ended.result.read_text())
        ended.result.write_text(json.dumps({**result, "status": "converged"}))
        return read_status(folder)

    monkeypatch.setattr("elastane.jobs.submission.read_status", read_late)
    assert submit(sound_job, options, io.StringIO()).job_id == "2"


def test_claims_of_earlier_submissions_do_not_count(slurm: StandIn, ended: RunFolder) -> None:
    ended.claims.mkdir()
    claim = claims.Claim(1, "slurm", "1", 0, "n1", 1, "", 0, 0.0)
    (ended.claims / "0001.json").write_text(json.dumps(vars(claim)))
    claims.release(ended, 1)
    assert resume(ended, None, None, io.StringIO()).claims_before == 1


def test_jobs_of_an_array_are_one_job(slurm: StandIn, sound_job: Path) -> None:
    root = Path("sweep")
    root.mkdir()
    job = load_job(sound_job)
    sent = submit_array("sweep", [job] * 3, root, SubmitOptions(executor="slurm"), io.StringIO())
    assert [request.tasks for request in slurm.sent] == [3]
    assert [each.job_id for each in sent] == ["1_1", "1_2", "1_3"]
    assert [each.folder.name for each in sent] == ["0001", "0002", "0003"]

"""Jobs on a real SLURM of two emulated nodes."""

import io
import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs.claims import history
from elastane.jobs.executors.base import JobRequest, RejectedError, SilentError
from elastane.jobs.executors.slurm import Slurm
from elastane.jobs.job import load_job
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.resume import resume
from elastane.jobs.sending import Patience, ensure_sent
from elastane.jobs.settle import settle
from elastane.jobs.states import RunState
from elastane.jobs.status_file import read_status
from elastane.jobs.submission import SubmitOptions, submit, submit_again, submit_array
from elastane.jobs.submission_file import Submission, new_key, read_submission, write_submission
from tests.slurm.cluster import Cluster, wait_until

JOB = """\
name: beam
mesh: {{box: {{size: [1, 1, 1], cells: [2, 2, 2]}}}}
degree: 1
materials:
  all: {{model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4}}
boundary:
  - {{surface: x-min, displacement: [0, 0, 0]}}
  - {{surface: x-max, traction: [0, 0, -0.1]}}
loading: {{steps: {steps}}}
output: {{checkpoint_minutes: 0, every: {steps}}}
resources: {{nodes: {nodes}, ranks_per_node: {ranks}, time: "{time}"}}
"""
SLURM = SubmitOptions(executor="slurm")


def write_job(
    folder: Path, steps: int = 2, nodes: int = 1, ranks: int = 1, time: str = "00:05:00"
) -> Path:
    path = folder / "job.yml"
    path.write_text(JOB.format(steps=steps, nodes=nodes, ranks=ranks, time=time))
    return path


def submitted(job: Path, options: SubmitOptions = SLURM) -> RunFolder:
    return RunFolder(submit(job, options, io.StringIO()).folder)


def job_id(folder: RunFolder) -> str:
    submission = read_submission(folder)
    assert submission is not None
    assert submission.job_id is not None
    return submission.job_id


def state(folder: RunFolder) -> RunState:
    status = read_status(folder)
    assert status is not None
    return status.state


def wait_for(folder: RunFolder, wanted: RunState, seconds: float = 90.0) -> None:
    wait_until(lambda: state(folder) == wanted, seconds, f"{wanted.value}: {folder.root}")


def at_step(folder: RunFolder, step: int) -> bool:
    try:
        return len(read_result(folder.result)["steps"]) >= step
    except (OSError, ValueError):
        return False


def test_a_real_solve_on_two_nodes_converges(cluster: Cluster, tmp_path: Path) -> None:
    folder = submitted(write_job(tmp_path, nodes=2))
    assert state(folder) in (RunState.SUBMITTED, RunState.RUNNING)
    wait_for(folder, RunState.CONVERGED)
    status = read_status(folder)
    assert status is not None
    assert (status.executor, status.job_id, status.ranks) == ("slurm", job_id(folder), 2)
    assert status.host == "n[1-2]"
    result = read_result(folder.result)
    assert (result["status"], result["ranks"], len(result["steps"])) == ("converged", 2, 2)


def test_a_warned_run_requeues_itself_and_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    folder = submitted(write_job(tmp_path, steps=12, ranks=2))
    wait_until(lambda: at_step(folder, 2), 90.0, "two load steps")
    # What SLURM sends at the time that --signal=B:USR1@N names.
    cluster.tool("scancel", "--batch", "--signal=USR1", job_id(folder))
    # Without the nudge it would wait for two minutes.
    wait_for(folder, RunState.CONVERGED, 120.0)
    first, second = history(folder)
    assert (first.job_id, first.restart) == (second.job_id, second.restart - 1)
    assert second.step >= 2
    steps = [step["step"] for step in read_result(folder.result)["steps"]]
    assert steps == list(range(1, 13))


@pytest.mark.usefixtures("played")
def test_an_array_runs_each_of_its_jobs(cluster: Cluster, tmp_path: Path) -> None:
    job = load_job(write_job(tmp_path))
    root = tmp_path / "sweep of three"
    root.mkdir()
    sent = submit_array("sweep", [job] * 3, root, SLURM, io.StringIO())
    whole = job_id(RunFolder(root))
    assert [each.job_id for each in sent] == [f"{whole}_{task}" for task in (1, 2, 3)]
    assert set(Slurm().query([str(each.job_id) for each in sent])) == {each.job_id for each in sent}
    members = [RunFolder(each.folder) for each in sent]
    for member in members:
        wait_for(member, RunState.CONVERGED)
        assert [claim.job_id for claim in history(member)] == [job_id(member)]


@pytest.mark.usefixtures("played")
def test_a_run_waits_for_another(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = write_job(tmp_path)
    first = submitted(job, replace(SLURM, hold=True))
    assert state(first) == RunState.HELD
    second = submitted(job, replace(SLURM, after=(first.root,)))
    views = Slurm().query([job_id(first), job_id(second)])
    assert views[job_id(first)].state == RunState.HELD
    assert views[job_id(second)].state == RunState.SUBMITTED
    assert not list(history(second))
    Slurm().release(job_id(first))
    wait_for(first, RunState.CONVERGED)
    wait_for(second, RunState.CONVERGED)
    third = submitted(job, replace(SLURM, after=(first.root,), hold=True))
    details = cluster.tool("scontrol", "show", "job", job_id(third)).stdout
    assert "Dependency=(null)" in details  # there is nothing to wait for
    monkeypatch.setenv("FAKE_ACT", "diverged")
    bad = submitted(job)
    wait_for(bad, RunState.DIVERGED)
    with pytest.raises(RejectedError, match="it has ended as diverged"):
        submitted(job, replace(SLURM, after=(bad.root,)))


@pytest.mark.usefixtures("played")
def test_a_cancelled_run_ends_as_cancelled(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ACT", "wait")
    folder = submitted(write_job(tmp_path))
    wait_until(lambda: at_step(folder, 1), 90.0, "the first step")
    waiting = submitted(write_job(tmp_path), replace(SLURM, hold=True))
    slurm = Slurm()
    for each in (folder, waiting):
        slurm.cancel(job_id(each))
        slurm.cancel(job_id(each))  # as patient users do
    slurm.cancel("4711000")
    ids = [job_id(folder), job_id(waiting)]
    wait_until(
        lambda: all(view.state == RunState.CANCELLED for view in slurm.query(ids).values()),
        30.0,
        "both to be cancelled",
    )
    for each in (folder, waiting):
        settle(each, slurm.query(ids)[job_id(each)])
        assert state(each) == RunState.CANCELLED


@pytest.mark.usefixtures("played")
def test_an_error_of_one_rank_ends_the_run_with_its_words(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ACT", "bug 1")  # while rank 0 waits in a barrier for ever
    folder = submitted(write_job(tmp_path, nodes=2))
    wait_for(folder, RunState.FAILED)
    status = read_status(folder)
    assert status is not None
    assert "rank 1 of 2: RuntimeError: out of luck" in status.message


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"nodes": 3}, "gives 2 such nodes"),
        ({"ranks_per_node": 3}, "has 2 CPUs"),
        ({"gpus_per_node": 3}, "has 2 GPUs"),
        ({"site": "short", "time": 600}, "allows 00:05:00, resources.time is 00:10:00"),
        ({"site": "short", "nodes": 2}, "gives 1 such nodes"),
        ({"site": "nowhere"}, "no partition 'nowhere'; the partitions are main, short"),
        ({"site": "hungry"}, "SLURM refuses it: "),
    ],
    ids=str,
)
def test_what_would_never_start_is_refused(
    cluster: Cluster, tmp_path: Path, wish: dict[str, object], words: str
) -> None:
    sites = tmp_path / "config" / "elastane" / "sites"
    sites.mkdir(parents=True)
    for name, line in {
        "short": "partition: short",
        "nowhere": "partition: nowhere",
        "hungry": "options: [--mem=1T]",
    }.items():
        (sites / f"{name}.yaml").write_text(f"name: {name}\n{line}\n")
    sound = JobRequest(tmp_path, "beam", "key", 1, 1, time=60)
    assert Slurm().check(sound) == []
    (sentence,) = Slurm().check(replace(sound, **wish))  # type: ignore[arg-type]
    assert words in sentence
    assert cluster.tool("squeue", "-h", "-t", "pending").stdout == ""


def test_gpus_are_asked_for_by_node(cluster: Cluster, tmp_path: Path) -> None:
    request = JobRequest(tmp_path, "beam", new_key("beam"), 2, 1, gpus_per_node=2, hold=True)
    RunFolder(tmp_path).batch_script.write_text(Slurm().script(request))
    sent = Slurm().send(request)
    assert "TresPerNode=gres:gpu:2" in cluster.tool("scontrol", "show", "job", sent).stdout


def test_what_slurm_does_not_know_is_told_from_no_answer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "disabled" in cluster.tool("sacct").stderr  # as on many clusters
    assert Slurm().query(["4711000"]) == {}
    assert Slurm().query(["4711000", "4712000"]) == {}
    assert Slurm().find("elastane-none", Path("/tmp")) == []
    monkeypatch.setenv("SLURM_CONF", "/nowhere/slurm.conf")
    silent = Slurm(tool_seconds=1.0)
    assert silent.query(["4711000"])["4711000"].state == RunState.UNKNOWN
    with pytest.raises(SilentError):
        silent.find("elastane-none", Path("/tmp"))


@pytest.mark.usefixtures("played")
def test_a_run_folder_may_have_any_name(cluster: Cluster, tmp_path: Path) -> None:
    names = ["ü and ∂Ω", "$(touch x) `touch y`", "-n", "it's"]
    job = write_job(tmp_path)
    folders = [submitted(job, replace(SLURM, output=Path(name))) for name in names]
    for folder in folders:
        wait_for(folder, RunState.CONVERGED)
    assert {path.name for path in tmp_path.iterdir()} == {"job.yml", "python", *names}


def test_a_lost_answer_is_looked_up(cluster: Cluster, tmp_path: Path) -> None:
    key = new_key("beam")
    request = JobRequest(tmp_path, "beam", key, 1, 1, time=60, hold=True)
    folder = RunFolder(tmp_path)
    folder.batch_script.write_text(Slurm().script(request))
    write_submission(folder, Submission(request, "slurm"))
    os.kill(cluster.controller, signal.SIGSTOP)  # it hears, and does not answer in time
    try:
        slurm = Slurm(tool_seconds=1.0)
        with pytest.raises(SilentError):
            ensure_sent(folder, slurm, Patience(1.0, 1.0, 0.1))
        assert slurm.query(["1"])["1"].state == RunState.UNKNOWN
    finally:
        os.kill(cluster.controller, signal.SIGCONT)
    submission = submit_again(folder, io.StringIO())
    assert submission.job_id is not None
    jobs = cluster.tool("squeue", "-h", "-o", "%i|%k").stdout.split()
    assert jobs == [f"{submission.job_id}|{key}"]


@pytest.mark.usefixtures("played")
def test_the_script_works_by_hand_and_runs_once(cluster: Cluster, tmp_path: Path) -> None:
    folder = submitted(write_job(tmp_path))
    wait_until(lambda: at_step(folder, 1), 90.0, "the first step")
    by_hand = cluster.tool("sbatch", "--parsable", f"--chdir={folder.root}",
                           str(folder.batch_script)).stdout.strip()  # fmt: skip
    wait_for(folder, RunState.CONVERGED)
    wait_until(lambda: cluster.state(by_hand)[0] == "COMPLETED", 90.0, "the copy to give up")
    events = [json.loads(line) for line in folder.events.read_text().splitlines()]
    started = [event["job_id"] for event in events if event["event"] == "attempt_started"]
    assert started == [job_id(folder)]


@pytest.mark.long
def test_a_run_outlives_its_node(cluster: Cluster, tmp_path: Path) -> None:
    folder = submitted(write_job(tmp_path, steps=60))
    wait_until(lambda: at_step(folder, 2), 120.0, "two load steps")
    node = cluster.tool("squeue", "-h", "-j", job_id(folder), "-o", "%N").stdout.strip()
    cluster.kill_node(node)
    try:
        # slurmctld gives a silent node up after SlurmdTimeout, then requeues the job.
        wait_until(
            lambda: cluster.state(job_id(folder))[0] == "PENDING", 90.0, "the job to be requeued"
        )
        cluster.tool("scontrol", "update", f"JobId={job_id(folder)}", "StartTime=now")
        wait_for(folder, RunState.CONVERGED, 240.0)
    finally:
        cluster.start_node(node)
        wait_until(cluster.is_idle, 60.0, "the node to come back")
    first, second = history(folder)
    assert first.host == second.host  # both nodes are this machine
    assert second.step >= 2


@pytest.mark.long
def test_the_time_limit_is_survived(cluster: Cluster, tmp_path: Path) -> None:
    job = write_job(tmp_path, steps=4000, time="00:01:00")
    folder = submitted(job)
    wait_until(lambda: len(list(history(folder))) == 2, 150.0, "the second attempt")
    first, second = history(folder)
    assert second.restart == first.restart + 1
    assert second.step >= 1
    Slurm().cancel(job_id(folder))
    wait_until(lambda: cluster.state(job_id(folder))[0] == "CANCELLED", 40.0, "its end")
    said = Slurm().query([job_id(folder)])[job_id(folder)]
    wait_until(lambda: settle(folder, said).state == RunState.CANCELLED, 40.0, "cancelled")
    cancelled = len(read_result(folder.result)["steps"])
    resume(folder, 2, None, io.StringIO())
    wait_until(lambda: at_step(folder, cancelled + 2), 120.0, "two further steps on 2 ranks")
    events = [json.loads(line) for line in folder.events.read_text().splitlines()]
    assert [event["step"] >= 1 for event in events if event["event"] == "resumed"][-1]


def test_many_at_once_send_a_submission_just_once(cluster: Cluster, tmp_path: Path) -> None:
    request = JobRequest(tmp_path, "beam", new_key("beam"), 1, 1, time=60, hold=True)
    folder = RunFolder(tmp_path)
    folder.batch_script.write_text(Slurm().script(request))
    write_submission(folder, Submission(request, "slurm"))
    ids: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: ids.append(ensure_sent(folder, Slurm(), Patience(5.0, 1.0, 0.2)))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert len(cluster.tool("squeue", "-h").stdout.splitlines()) == 1

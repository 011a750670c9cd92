"""What SLURM's answers mean; all that says nothing is `unknown`."""

from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs.executors import slurm as slurm_module
from elastane.jobs.executors.base import JobRequest, SilentError
from elastane.jobs.executors.slurm import SLURM_STATES, Slurm, exceeded
from elastane.jobs.executors.slurm_commands import (
    Answer,
    Partition,
    parse_jobs,
    parse_partitions,
    parse_time,
    tool_environment,
)
from elastane.jobs.states import FINAL, RunState

HEADING = "JOBID|STATE|REASON|NODELIST|COMMENT|WORK_DIR\n"
#: Answers to `squeue` from which nothing follows.
SILENCE = {
    "nothing": Answer(0, "", ""),
    "an empty line": Answer(0, "\n", ""),
    "another heading": Answer(0, "JOBID PARTITION NAME\n", ""),
    "no heading": Answer(0, "7|RUNNING|None|n1|key|/run\n", ""),
    "a banner": Answer(0, "Maintenance on Monday\n" + HEADING, ""),
    "half a heading": Answer(0, HEADING[:20], ""),
    "a heading without an end": Answer(0, HEADING.strip(), ""),
    "half a line": Answer(0, HEADING + "7|RUNNING|No\n", ""),
    "a line without an end": Answer(0, HEADING + "7|RUNNING|None|n1|key|/r", ""),
    "no id": Answer(0, HEADING + "seven|RUNNING|None|n1|key|/run\n", ""),
    "an empty id": Answer(0, HEADING + "|RUNNING|None|n1|key|/run\n", ""),
    "an empty row": Answer(0, HEADING + "\n", ""),
    "an error as table": Answer(0, HEADING + "slurm_load_jobs error: timed out\n", ""),
    "JSON": Answer(0, '{"jobs": []}\n', ""),
    "HTML": Answer(0, "<html><body>502 Bad Gateway</body></html>\n", ""),
    "zeros": Answer(0, "\0" * 100, ""),
    "no bytes of ours": Answer(0, "\ufffd\ufffd", ""),
    "a time-out": Answer(1, "", "squeue: error: Socket timed out on send/recv operation"),
    "no controller": Answer(1, "", "squeue: error: Unable to contact slurm controller"),
    "a table and an error": Answer(1, HEADING, "slurm_load_jobs error: Unexpected message"),
    "a crash": Answer(-11, HEADING, ""),
    "no permission": Answer(126, "", "squeue: Permission denied"),
}


class Played(Slurm):
    """Gives one answer to every question to squeue; its accounting is off."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def _run(self, *command: str) -> Answer:
        return self._answer if command[0] == "squeue" else Answer(1, "", "storage is disabled")


def row(state: str, reason: str = "None") -> Answer:
    return Answer(0, f"{HEADING}7|{state}|{reason}|n1|key|/a|folder\n", "")


@pytest.mark.parametrize("kind", SILENCE)
def test_an_answer_that_says_nothing_is_unknown(kind: str) -> None:
    (view,) = Played(SILENCE[kind]).query(["7"]).values()
    assert view.state is RunState.UNKNOWN
    assert view.reason
    with pytest.raises(SilentError):
        Played(SILENCE[kind]).find("key", Path("/run"))


def test_there_are_24_states() -> None:
    assert len(SLURM_STATES) == 24
    assert RunState.CONVERGED not in SLURM_STATES.values()


@pytest.mark.parametrize("word", SLURM_STATES)
def test_every_state_has_its_meaning(word: str) -> None:
    (view,) = Played(row(word)).query(["7"]).values()
    assert (view.state, view.word) == (SLURM_STATES[word], word)
    assert (view.nodes, view.comment, view.folder) == ("n1", "key", "/a|folder")


@pytest.mark.parametrize("word", ["REVOKED_X", "", "running", "42", "RUNNING|x"])
def test_an_unknown_state_is_kept_by_its_word(word: str) -> None:
    (view,) = Played(row(word)).query(["7"]).values()
    assert view.state in (RunState.UNKNOWN, RunState.RUNNING)
    assert view.state is RunState.UNKNOWN or word.startswith("RUNNING")
    assert view.state not in FINAL


def test_a_job_that_waits_tells_why() -> None:
    (view,) = Played(row("PENDING", "Priority")).query(["7"]).values()
    assert (view.state, view.reason) == (RunState.SUBMITTED, "others are ahead of it")
    (view,) = Played(row("PENDING", "JobHeldUser")).query(["7"]).values()
    assert view.state is RunState.HELD
    (view,) = Played(row("PENDING", "ReqNodeNotAvail, UnavailableNodes:n1")).query(["7"]).values()
    assert view.reason == "nodes that it needs are down or reserved"
    (view,) = Played(row("PENDING", "NewReasonOfSlurm99")).query(["7"]).values()
    assert view.reason == "NewReasonOfSlurm99"


def test_a_job_that_slurm_does_not_know_is_left_out() -> None:
    assert Played(Answer(0, HEADING, "")).query(["7", "8"]) == {}
    unknown = Answer(1, "", "slurm_load_jobs error: Invalid job id specified")
    assert Played(unknown).query(["7"]) == {}
    assert Played(unknown).query(["7", "8"]) == {}


def test_a_refused_job_in_the_queue_is_not_found() -> None:
    assert Played(row("FAILED", "BadConstraints")).find("key", Path("/run")) == []
    assert [view.job_id for view in Played(row("FAILED")).find("key", Path("/run"))] == ["7"]
    assert Played(row("RUNNING")).find("another key", Path("/run")) == []


def test_times_of_slurm() -> None:
    assert parse_time("5:00") == 300
    assert parse_time("90") == 90 * 60
    assert parse_time("01:00:00") == 3600
    assert parse_time("2-00:00:00") == 2 * 86400
    assert parse_time("1-12") == 36 * 3600
    assert parse_time("infinite") == float("inf")


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [("(null)", 0), ("gpu:4", 4), ("gpu:a100:4(S:0-1)", 4), ("gpu", 1), ("gpu:h200", 1),
     ("shard:8,gpu:a100:2,gpu:v100:1", 3), ("craynetwork:4", 0)],
)  # fmt: skip
def test_gpus_of_a_node(gres: str, gpus: int) -> None:
    text = f"PARTITION|AVAIL|TIMELIMIT|NODES|CPUS|GRES|JOB_SIZE\nmain*|up|1:00|2|8+|{gres}|1-2\n"
    (partition,) = parse_partitions(Answer(0, text, ""))
    assert partition == Partition("main", True, True, 60.0, 2, 8, gpus, 2.0)


@pytest.mark.parametrize("text", ["", "PARTITION\n", "main*|up|1:00|2|8|(null)|1-2\n"])
def test_a_bad_answer_of_sinfo_says_nothing(text: str) -> None:
    with pytest.raises(SilentError):
        parse_partitions(Answer(0, text, ""))


def test_limits_of_the_right_partition_count() -> None:
    request = JobRequest(Path("/run"), "beam", "key", 2, 4, time=7200)
    thin = Partition("main", True, True, 3600.0, 4, 8, 0, float("inf"))
    fat = Partition("fat", False, True, float("inf"), 1, 64, 8, float("inf"))
    assert len(exceeded(request, [thin, fat], None)) == 1
    assert len(exceeded(request, [thin, fat], "fat")) == 1
    assert exceeded(replace(request, nodes=1), [thin, fat], "fat") == []
    assert exceeded(request, [thin, fat], "main,fat") == []  # each limit is met by one of them
    assert "is down" in exceeded(
        replace(request, time=60), [replace(thin, is_up=False)], None
    )[0]  # fmt: skip
    assert "no default partition" in exceeded(request, [fat], None)[0]


def test_settings_that_change_answers_are_kept_from_the_tools() -> None:
    environment = {
        "SQUEUE_FORMAT": "%i", "SBATCH_COMMENT": "mine", "SLURM_JOB_ID": "7", "SCANCEL_STATE": "x",
        "SLURM_CONF": "/etc/slurm.conf", "SBATCH_ACCOUNT": "project", "PATH": "/bin", "LANG": "de",
    }  # fmt: skip
    assert tool_environment(environment) == {
        "SLURM_CONF": "/etc/slurm.conf", "SBATCH_ACCOUNT": "project", "PATH": "/bin", "LANG": "de",
        "LC_ALL": "C.UTF-8", "SLURM_TIME_FORMAT": "standard",
    }  # fmt: skip


@pytest.mark.parametrize(
    "complaint",
    [
        "sbatch: error: Batch job submission failed: Invalid partition name specified",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        "sbatch: error: Batch job submission failed: Invalid account or account/partition "
        "combination specified",
        "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or "
        "exceeds some limit)",
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job "
        "submit limit, user's size and/or time limits)",
        "sbatch: error: Memory specification can not be satisfied",
        "sbatch: unrecognized option '--gpu-per-nod=1'",
        "sbatch: error: Unable to open file batch.sh",
    ],
)
def test_a_refusal_is_final(complaint: str) -> None:
    assert slurm_module.REFUSALS.search(Answer(1, "", complaint).complaint)


@pytest.mark.parametrize(
    "complaint",
    [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect "
        "failure)",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sbatch: error: Batch job submission failed: Unexpected message received",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Protocol authentication error",
        "",
    ],
)
def test_all_else_leaves_it_open(complaint: str) -> None:
    assert not slurm_module.REFUSALS.search(Answer(1, "", complaint).complaint)


def test_a_table_is_parsed() -> None:
    (job,) = parse_jobs(row("RUNNING"))
    assert (job.job_id, job.folder) == ("7", "/a|folder")

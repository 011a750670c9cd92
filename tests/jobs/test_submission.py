"""A submission reaches SLURM just once, whatever its tools answer."""

import json
import multiprocessing
import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs import sending
from elastane.jobs.batch_script import check_folder
from elastane.jobs.executors import find_executor
from elastane.jobs.executors.base import JobRequest, JobView, RejectedError, SilentError
from elastane.jobs.executors.slurm import Slurm
from elastane.jobs.paths import RunFolder
from elastane.jobs.sending import Patience, ensure_sent
from elastane.jobs.submission_file import (
    SendState,
    Submission,
    create_submission,
    new_key,
    read_submission,
    submission_path,
    write_submission,
)
from tests.jobs import fake_slurm
from tests.jobs.fake_slurm import FORGETS, SENDS
from tests.jobs.hostile import hostile

#: Longer than a job that arrives late is not seen; no more than a tool takes to start.
PATIENCE = Patience(send=2.0, arrival=2 * FORGETS, retry=0.05)
TOOL_SECONDS = 1.5
#: How often a user tries, whose cluster answers wrong a third of the time.
TRIES = 20


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the jobs of a played SLURM, whose tools are on the path."""
    programs = tmp_path / "programs"
    jobs = tmp_path / "jobs"
    programs.mkdir()
    jobs.mkdir()
    source = Path(fake_slurm.__file__).read_text(encoding="utf-8")
    for tool in ("sbatch", "squeue", "sacct", "scancel"):
        program = programs / tool
        program.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(jobs))
    return jobs


def prepared(root: Path) -> RunFolder:
    root.mkdir(parents=True)
    folder = RunFolder(root)
    folder.batch_script.write_text("#!/bin/bash\n")
    write_submission(folder, Submission(JobRequest(root, "beam", new_key("beam"), 1, 1), "slurm"))
    return folder


def persist(folder: RunFolder, tool_seconds: float) -> str:
    """Return the id of the job, or "rejected", as a user gets it who tries again and again."""
    for _ in range(TRIES):
        try:
            return ensure_sent(folder, Slurm(tool_seconds), PATIENCE)
        except RejectedError:
            return "rejected"
        except SilentError:
            continue
    return "unknown"


def jobs_of(jobs: Path) -> Counter[str]:
    """Return how many jobs there are by key, without those that were cancelled."""
    entries = [json.loads(path.read_text()) for path in jobs.glob("[0-9]*")]
    return Counter(entry["comment"] for entry in entries if entry["state"] != "CANCELLED")


def submit_all(arguments: tuple[Path, int, int, float]) -> list[tuple[str, str]]:
    """Submit several jobs one after the other; return the key and the answer of each."""
    root, process, count, tool_seconds = arguments
    answers = []
    for number in range(count):
        folder = prepared(root / f"{process}-{number}")
        answer = persist(folder, tool_seconds)
        submission = read_submission(folder)
        assert submission is not None
        answers.append((submission.key, answer))
    return answers


def submit_in_parallel(
    root: Path, jobs: Path, processes: int, count: int, tool_seconds: float
) -> Sequence[tuple[str, str]]:
    """Submit from several processes at once; check that nothing is lost and nothing is double."""
    tasks = [(root, process, count, tool_seconds) for process in range(processes)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        answers = [answer for part in pool.map(submit_all, tasks) for answer in part]
    found = jobs_of(jobs)
    for key, answer in answers:
        assert found[key] == (0 if answer == "rejected" else 1), f"{key}: {answer}"
        if answer != "rejected":
            assert json.loads((jobs / answer).read_text())["comment"] == key
    sends = Counter(path.name.split("-")[0] for path in jobs.glob(".send-*"))
    sys.stdout.write(
        f"{len(answers)} submissions, {sum(sends.values())} sends, "
        f"{sum(answer == 'rejected' for _, answer in answers)} refused, 0 lost, 0 doubled\n"
    )
    return answers


def test_50_submissions_with_faults_arrive_once(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTS", "0.5")
    monkeypatch.setenv("SEED", "1")
    assert len(submit_in_parallel(tmp_path / "runs", slurm, 10, 5, TOOL_SECONDS)) == 50


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_1000_submissions_with_faults_arrive_once(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAULTS", "0.3")
    monkeypatch.setenv("SEED", "2")
    # 50 tools at once on few cores take seconds; time-outs beyond those that are meant would
    # make them more.
    assert len(submit_in_parallel(tmp_path / "runs", slurm, 50, 20, 20.0)) == 1000


@pytest.mark.parametrize("kind", SENDS)
def test_a_send_that_goes_wrong_is_settled_by_the_key(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = prepared(tmp_path / "run")
    submission = read_submission(folder)
    assert submission is not None
    arrives = SENDS[kind][0]
    monkeypatch.setenv("SEND", kind)
    if arrives:
        # Only who hangs is waited for in vain; the others may be slow on a busy machine.
        seconds = 4.0 if "hangs" in kind else 60.0
        assert ensure_sent(folder, Slurm(seconds), PATIENCE) == "1"
    elif kind == "refused":
        with pytest.raises(RejectedError, match="Invalid partition name"):
            ensure_sent(folder, Slurm(60.0), PATIENCE)
        with pytest.raises(RejectedError, match="Invalid partition name"):
            ensure_sent(folder, Slurm(60.0), PATIENCE)
    else:
        with pytest.raises(SilentError):
            ensure_sent(folder, Slurm(0.3 if "hangs" in kind else 60.0), PATIENCE)
        monkeypatch.setenv("SEND", "fine")
        assert ensure_sent(folder, Slurm(60.0), PATIENCE) == "1"
    assert jobs_of(slurm)[submission.key] == (0 if kind == "refused" else 1)


@pytest.mark.parametrize("question", ["no answer", "empty", "half", "nonsense"])
def test_nothing_is_sent_again_while_slurm_is_silent(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    folder = prepared(tmp_path / "run")
    monkeypatch.setenv("SEND", "lost reply")
    monkeypatch.setenv("QUESTION", question)
    for _ in range(3):
        with pytest.raises(SilentError):
            ensure_sent(folder, Slurm(60.0), PATIENCE)
    submission = read_submission(folder)
    assert submission is not None
    assert submission.state is SendState.SENDING
    assert jobs_of(slurm)[submission.key] == 1
    monkeypatch.setenv("QUESTION", "fine")
    assert ensure_sent(folder, Slurm(60.0), PATIENCE) == "1"


def test_a_command_that_died_while_it_sent_is_not_repeated(slurm: Path, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "run")
    before = read_submission(folder)
    assert before is not None
    assert ensure_sent(folder, Slurm(60.0), PATIENCE) == "1"
    write_submission(folder, replace(before, state=SendState.SENDING))  # as it left it
    assert ensure_sent(folder, Slurm(60.0), PATIENCE) == "1"
    assert jobs_of(slurm)[before.key] == 1


class Rival(Slurm):
    """SLURM, while another command sends the same submission; each send gets an id of its own.

    Args:
        rival: What the other command does, before this one sends or while it sends.
    """

    def __init__(self, rival: Callable[[], object]) -> None:
        super().__init__(TOOL_SECONDS)
        self.sent = 0
        self._rival = rival

    def send(self, request: JobRequest) -> str:
        self.sent += 1
        rival, self._rival = self._rival, lambda: None
        rival()
        return str(self.sent)

    def find(self, key: str, folder: Path) -> list[JobView]:
        return []


@pytest.mark.parametrize("earlier", [0, 1])
def test_of_two_commands_at_once_one_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: int
) -> None:
    """The other command sends between this one's look at the sends and its own send."""
    folder = prepared(tmp_path / "run")
    patience = Patience(send=0.0, arrival=0.0, retry=0.0)
    sends = sending._Sends(folder, str(getattr(read_submission(folder), "key", "")))
    executor = Rival(lambda: None)
    if earlier:
        assert sends.begin(1)
    begin = sending._Sends.begin

    def begin_late(own: sending._Sends, number: int) -> bool:
        monkeypatch.setattr(sending._Sends, "begin", begin)
        assert ensure_sent(folder, executor, patience) == "1"
        return begin(own, number)

    monkeypatch.setattr(sending._Sends, "begin", begin_late)
    assert ensure_sent(folder, executor, patience) == "1"
    assert (executor.sent, sends.count()) == (1, 1 + earlier)


def test_the_end_of_a_send_is_not_that_of_a_later_one(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "run")
    sends = sending._Sends(folder, str(getattr(read_submission(folder), "key", "")))

    def send_again() -> None:
        assert sends.begin(2)
        raise SilentError("no answer")

    long = Patience(send=1000.0, arrival=0.0, retry=0.0, sleep=lambda seconds: give_up())

    def give_up() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):  # it waits for the one that is under way
        ensure_sent(folder, Rival(send_again), long)
    assert sends.quiet_from(2, long) > time.time() + 900.0


def test_a_job_that_ran_and_is_forgotten_is_known_by_its_claim(slurm: Path, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "run")
    before = read_submission(folder)
    assert before is not None
    assert ensure_sent(folder, Slurm(60.0), PATIENCE) == "1"
    write_submission(folder, replace(before, state=SendState.SENDING))
    (slurm / "1").unlink()
    folder.claims.mkdir()
    claim = {
        "generation": 1, "executor": "slurm", "job_id": "1", "restart": 0, "host": "n1", "pid": 1,
        "process": "", "step": 0, "time": 0.0,
    }  # fmt: skip
    (folder.claims / "0001.json").write_text(json.dumps(claim))
    assert ensure_sent(folder, Slurm(60.0), PATIENCE) == "1"
    assert not jobs_of(slurm)


def send_from_folders(names: Sequence[str], jobs: Path, root: Path) -> tuple[int, int]:
    """Send from folders of these names; return how many were sent and how many refused."""
    sent = refused = 0
    for number, name in enumerate(names):
        path = root / str(number) / name.lstrip("/")
        try:
            check_folder(str(path))
            path = path.resolve()
            folder = prepared(path)
        except (ValueError, OSError):  # a file system refuses some as well
            refused += 1
            continue
        job_id = ensure_sent(folder, Slurm(10 * TOOL_SECONDS), PATIENCE)
        job = json.loads((jobs / job_id).read_text())
        assert job["folder"] == str(path)
        assert job["arguments"][-1] == str(folder.batch_script)
        sent += 1
    return sent, refused


def test_folders_of_30_hostile_names_reach_sbatch_as_they_are(slurm: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs" / "deep" / "enough"
    sent, refused = send_from_folders(list(hostile(30)), slurm, root)
    assert (sent > 10, sent + refused) == (True, 30)
    assert not list(tmp_path.rglob("CANARY"))


@pytest.mark.long
def test_folders_of_300_hostile_names_reach_sbatch_as_they_are(slurm: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs" / "deep" / "enough"
    sent, refused = send_from_folders(list(hostile(300)), slurm, root)
    assert not list(tmp_path.rglob("CANARY"))
    sys.stdout.write(f"300 hostile folders: {sent} sent as they are, {refused} refused\n")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    request = JobRequest(
        tmp_path, "beam", "key", 2, 3, 4, 3600, "generic", (tmp_path / "ü",), hold=True, tasks=5
    )
    submission = Submission(request, "slurm", SendState.ACCEPTED, "6_1", "", 7, 8, 1, 2)
    write_submission(RunFolder(tmp_path), submission)
    assert read_submission(RunFolder(tmp_path)) == submission


def test_a_second_submission_has_a_record_of_its_own(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = Submission(JobRequest(tmp_path, "beam", "first", 1, 1), "slurm")
    second = replace(first, request=replace(first.request, key="second"), number=2)
    write_submission(folder, first)
    assert create_submission(folder, second)
    assert not create_submission(folder, second)
    assert read_submission(folder) == second
    submission_path(folder, 2).write_text('{"version": 1')
    with pytest.raises(ValueError, match=r"submission-2\.json is not the record"):
        read_submission(folder)


def test_keys_of_one_job_differ() -> None:
    assert len({new_key("beam") for _ in range(1000)}) == 1000


def test_an_unknown_executor_is_refused() -> None:
    with pytest.raises(ValueError, match="the executors are local, slurm"):
        find_executor("pbs")

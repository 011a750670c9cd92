"""Real solves on two ranks, killed at random moments in every way, end as if nothing happened."""

import csv
import importlib.util
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs import attempt, claims
from elastane.jobs.event_log import EventTail
from elastane.jobs.launchers import launch_worker
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.states import ExitCode, RunState
from elastane.jobs.status_file import read_status

pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("petsc4py", "mpi4py", "libceed"))
        or shutil.which("mpiexec") is None,
        reason="needs the run-time of a solve and mpiexec",
    ),
]

STEPS = 12
JOB = f"""\
mesh: {{box: {{size: [1, 1, 1], cells: [2, 2, 2]}}}}
materials:
  all:
    model: neo-hookean
    youngs_modulus: 2.8
    poissons_ratio: 0.4
boundary:
  - {{surface: x-min, displacement: [0, 0, 0]}}
  - {{surface: x-max, traction: [0, 0, -0.2]}}
loading: {{steps: {STEPS}}}
output: {{checkpoint_minutes: 0, surfaces: [x-max], probes: {{tip: [1, 1, 1]}}}}
"""

#: Depends on its history: a state that is lost or counted twice shows in the energy.  Its kernels
#: take a while to compile.
JOB_WITH_HISTORY = JOB.replace(
    "poissons_ratio: 0.4",
    "poissons_ratio: 0.4\n    viscoelastic: {fractions: [0.3], relaxation_times: [0.2]}",
)

#: What is done to a run.
WAYS = ("SIGKILL of a rank", "SIGKILL of all", "SIGKILL of mpiexec", "SIGTERM", "SIGUSR1")


class Attempt:
    """An attempt under way."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.generation = attempt.begin(folder, os.getpid(), {})
        launch = launch_worker(folder.root, 2)
        self._tail = EventTail(folder.events)
        list(self._tail.new_events())
        self._events: Iterator[dict[str, Any]] = iter(())
        with folder.log.open("ab") as log:
            self._process = subprocess.Popen(
                launch.command,
                env={**launch.environment, claims.GENERATION: str(self.generation)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for(self, kind: str) -> None:
        """Wait until it tells of an event or has ended."""
        deadline = time.monotonic() + 120.0
        while self._process.poll() is None and time.monotonic() < deadline:
            for event in self._events:
                if event["event"] == kind:
                    return
            self._events = self._tail.new_events()
            time.sleep(0.01)

    def ranks(self) -> list[int]:
        """Return the processes of the ranks that there are."""
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            return [int(pid) for pid in path.read_text().split()]
        except OSError:
            return []

    def strike(self, way: str, chance: random.Random) -> bool:
        """Do one of WAYS to it; return whether there was anything to strike."""
        mpiexec, ranks = self._process.pid, self.ranks()
        match way:
            case "SIGKILL of a rank":
                struck, number = ranks and [chance.choice(ranks)], signal.SIGKILL
            case "SIGKILL of all":
                struck, number = [mpiexec, *ranks], signal.SIGKILL
            case "SIGKILL of mpiexec":
                struck, number = [mpiexec], signal.SIGKILL
            case _:
                struck, number = [mpiexec], signal.Signals[way]
        if self._process.poll() is not None:
            return False
        for pid in struck:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(struck)

    def end(self) -> tuple[int, ExitCode]:
        """Wait for its end; return the code of the worker and that of the attempt."""
        returncode = self._process.wait(120)
        code = returncode if returncode >= 0 else 128 - returncode
        return code, attempt.end(self.folder, self.generation, code, {}, max_restarts=10_000)


def new_run(root: Path, job: str) -> RunFolder:
    folder = RunFolder(root)
    root.mkdir()
    folder.job.write_text(job)
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> RunFolder:
    """Return a run of a job that nobody disturbed."""
    folder = new_run(tmp_path_factory.mktemp("undisturbed") / "run", request.param)
    assert Attempt(folder).end() == (0, ExitCode.CONVERGED)
    return folder


def check_whole(folder: RunFolder, undisturbed: RunFolder) -> None:
    """Compare all that a run leaves with the same of one that nobody disturbed."""
    result, expected = read_result(folder.result), read_result(undisturbed.result)
    assert result["status"] == "converged"
    assert [step["step"] for step in result["steps"]] == list(range(1, STEPS + 1))
    for step, other in zip(result["steps"], expected["steps"], strict=True):
        assert step["load"] == other["load"]
        assert step["strain_energy"] == pytest.approx(other["strain_energy"], rel=1e-10, abs=0)
    with folder.history.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
    assert all(None not in row.values() and "" not in row.values() for row in rows)
    times = re.findall(r'timestep="([^"]+)"', folder.series("vtu").read_text())
    assert [float(time) for time in times] == [step["load"] for step in result["steps"]]
    assert len(list(folder.checkpoints.glob("step-*.json"))) <= 2
    status = read_status(folder)
    assert status is not None
    assert (status.state, status.load) == (RunState.CONVERGED, 1.0)


def kill_until_done(
    root: Path, undisturbed: RunFolder, num_kills: int, chance: random.Random
) -> "Counter[str]":
    """Kill runs a number of times in all; return how often in which way."""
    done: Counter[str] = Counter()
    run = 0
    while done.total() < num_kills:
        run += 1
        folder = new_run(root / f"run-{run}", undisturbed.job.read_text())
        code = ExitCode.REQUEUE
        while code is not ExitCode.CONVERGED:
            under_way = Attempt(folder)
            way = WAYS[done.total() % len(WAYS)] if done.total() < num_kills else ""
            if way:
                # One in four strikes the start, the others a load step or what is written after it.
                if chance.random() < 0.25:
                    time.sleep(chance.uniform(0.0, 2.0))
                else:
                    for _ in range(chance.randint(0, 4)):
                        under_way.wait_for("step_converged")
                    under_way.wait_for("step_started")
                    time.sleep(chance.uniform(0.0, 0.2))
                done[way] += under_way.strike(way, chance)
            returncode, code = under_way.end()
            said = folder.log.read_text(errors="replace")[-2000:]
            assert way or code is ExitCode.CONVERGED, (returncode, code, said)
            if code is ExitCode.CONVERGED:
                break
            assert code in (ExitCode.REQUEUE, ExitCode.ENVIRONMENT, ExitCode.INTERRUPTED), said
        check_whole(folder, undisturbed)
    return done


@pytest.mark.parametrize("undisturbed", [JOB], ids=["elastic"], indirect=True)
def test_killed_runs_end_as_if_nothing_happened(tmp_path: Path, undisturbed: RunFolder) -> None:
    """Kill once in each way; the long tests do it 300 times."""
    done = kill_until_done(tmp_path, undisturbed, len(WAYS), random.Random(1))
    assert done == dict.fromkeys(WAYS, 1)


#: In parts, each shorter than the time limit of a test.
PARTS = 20
KILLS_IN_PART = 15


@pytest.mark.long
@pytest.mark.parametrize("undisturbed", [JOB_WITH_HISTORY], ids=["viscoelastic"], indirect=True)
@pytest.mark.parametrize("part", range(PARTS))
def test_300_killed_runs_end_as_if_nothing_happened(
    tmp_path: Path, undisturbed: RunFolder, capsys: pytest.CaptureFixture[str], part: int
) -> None:
    chance = random.Random(100 + part)
    done = kill_until_done(tmp_path, undisturbed, KILLS_IN_PART, chance)
    with capsys.disabled():
        counts = ", ".join(f"{count} x {way}" for way, count in sorted(done.items()))
        print(f"\nkills, part {part + 1} of {PARTS}: {counts}; all ended as if undisturbed")  # noqa: T201

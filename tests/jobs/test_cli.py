"""The command line, through real processes: exit codes, messages, what is written."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs.templates import KINDS

needs_solver = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("petsc4py", "mpi4py", "libceed")),
    reason="needs the run-time of a solve",
)
CLI = [sys.executable, "-m", "elastane.jobs.cli"]

#: Many small steps: one is done soon, all take minutes.
LONG_JOB = """\
mesh: {box: {size: [1, 1, 1], cells: [3, 3, 3]}}
degree: 2
materials: {all: {model: neo-hookean, youngs_modulus: 1, poissons_ratio: 0.3}}
boundary:
  - {surface: x-min, displacement: [0, 0, 0]}
  - {surface: x-max, rotation: {axis: [1, 0, 0], origin: [0, 0.5, 0.5], angle: 60}}
loading: {steps: 3000}
output: {every: 0}
"""

#: Crushes the cube through itself.
HOPELESS_JOB = """\
mesh: {box: {size: [1, 1, 1], cells: [1, 1, 1]}}
materials: {all: {model: neo-hookean, youngs_modulus: 1, poissons_ratio: 0.3}}
boundary:
  - {surface: x-min, displacement: [0, 0, 0]}
  - {surface: x-max, displacement: [-1.5, 0, 0]}
loading: {steps: 4, min_step: 0.1}
"""


def elastane(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*CLI, *map(str, arguments)],
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_bad_input_ends_with_code_2_and_no_traceback() -> None:
    Path("job.yml").write_text("degre: 2\n")
    for command in ("check", "run"):
        done = elastane(command, "job.yml")
        assert done.returncode == 2
        assert "job.yml:1:1: degre: unknown key 'degre'; did you mean 'degree'?" in done.stderr
        assert "faults found" in done.stderr
        assert "Traceback" not in done.stderr
    assert not Path("runs").exists()
    assert "Traceback" in elastane("check", "job.yml", "--debug").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("solve", "job.yml"),
        ("check",),
        ("check", "none.yml"),
        ("run", "none.yml"),
        ("run", "job.yml", "-n", "0"),
        ("run", "job.yml", "-n", "two"),
        ("init", "bridge"),
        ("materials", "show", "neo-hookan"),
        ("materials", "code", "neo-hookean-isochoric", "volumetric=cubic"),
        ("mesh", "info", "none.msh"),
        ("mesh",),
    ],
)
def test_wrong_arguments_end_with_code_2(arguments: tuple[str, ...]) -> None:
    done = elastane(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_every_kind_of_job_that_init_writes_is_sound() -> None:
    for kind, (job, *_) in KINDS.items():
        assert elastane("init", kind).returncode == 0
        done = elastane("check", job)
        assert done.returncode == 0
        assert done.stdout.startswith(f"{Path(job).stem} is sound")


def test_init_overwrites_nothing() -> None:
    Path("cantilever.yml").write_text("mine")
    Path("bimaterial.msh").write_text("mine")
    for kind in ("cantilever", "bimaterial"):
        done = elastane("init", kind)
        assert done.returncode == 2
        assert "exists already" in done.stderr
    assert Path("cantilever.yml").read_text() == "mine"
    assert not Path("bimaterial.yml").exists()


def test_materials_are_listed_shown_and_printed() -> None:
    assert "mooney-rivlin" in elastane("materials").stdout
    assert elastane("materials").stdout == elastane("materials", "list").stdout
    assert "poissons_ratio" in elastane("materials", "show", "neo-hookean").stdout
    assert "CEED_QFUNCTION" in elastane("materials", "code", "neo-hookean").stdout


def test_mesh_info_tells_regions_and_surfaces() -> None:
    elastane("init", "bimaterial")
    text = elastane("mesh", "info", "bimaterial.msh").stdout
    for words in ("32 hexahedra", "degree 2", "  fiber ", "  x-max ", "worst element"):
        assert words in text


def test_a_pipe_that_closes_early_is_no_error() -> None:
    done = subprocess.run(
        f"{' '.join(CLI)} schema | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_without_unicode_is_served() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    Path("job.yml").write_text("ü: 1\n", encoding="utf-8")
    for arguments, code in ((["materials", "show", "neo-hookean"], 0), (["check", "job.yml"], 2)):
        done = subprocess.run([*CLI, *arguments], env=environment, capture_output=True, check=False)
        assert done.returncode == code
        assert b"Traceback" not in done.stderr


def test_version_is_shown() -> None:
    assert elastane("--version").stdout.startswith("elastane ")


COMMANDS = (
    "run", "init", "check", "schema", "materials", "mesh", "doctor",
    "submit", "status", "watch", "logs", "cancel", "resume", "sweep", "report",
)  # fmt: skip


def test_every_command_of_the_contract_is_there() -> None:
    told = elastane("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^ +{command}\b", told, re.MULTILINE), command


@needs_solver
def test_a_run_leaves_what_the_contract_says() -> None:
    elastane("init", "cantilever")
    done = elastane("run", "cantilever.yml", "-o", "out dir/ü")
    assert done.returncode == 0, done.stderr
    folder = Path("out dir/ü")
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "converged"
    # V01, computed independently; the solver's tolerance allows 1e-8
    assert abs(result["strain_energy"] - 0.2124627912745) < 1e-8 * 0.2124627912745
    assert result["dofs"] == 300
    assert set(result["steps"][0]["probes"]) == {"tip"}
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "job.yml",
        "result.json",
        "history.csv",
        "fields.pvd",
        "fields",
        "events.jsonl",
    }
    assert "fields for ParaView: out dir/ü/fields.pvd" in done.stdout
    assert "time: setup" in done.stdout

    again = elastane("run", "cantilever.yml", "-o", "out dir/ü")
    assert again.returncode == 2
    assert "--force" in again.stderr

    repeated = elastane("run", folder / "job.yml", "-o", "again")
    assert repeated.returncode == 0, repeated.stderr
    assert Path("again/job.yml").read_text() == (folder / "job.yml").read_text()
    energy = json.loads(Path("again/result.json").read_text())["strain_energy"]
    assert abs(energy - result["strain_energy"]) < 1e-12


@needs_solver
def test_a_run_that_does_not_converge_ends_with_code_3() -> None:
    Path("job.yml").write_text(HOPELESS_JOB)
    done = elastane("run", "job.yml", "-o", "run")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    result = json.loads(Path("run/result.json").read_text())
    assert result["status"] == "diverged"
    assert result["message"] in done.stderr
    assert result["steps"]


def start_long_run(*options: str) -> "subprocess.Popen[str]":
    """Start a run and wait until its first step has converged."""
    Path("job.yml").write_text(LONG_JOB)
    process = subprocess.Popen(
        [*CLI, "run", "job.yml", "-o", "run", *options],
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    events = Path("run/events.jsonl")
    for _ in range(4800):
        if events.exists() and "step_converged" in events.read_text():
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError("no step converged within four minutes")


@needs_solver
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_keeps_its_steps(number: int) -> None:
    process = start_long_run()
    again = elastane("run", "job.yml", "-o", "run", "--force")
    assert again.returncode == 4
    assert "run runs already on" in again.stderr
    process.send_signal(number)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "interrupted" in stderr
    result = json.loads(Path("run/result.json").read_text())
    assert result["status"] == "interrupted"
    assert result["steps"]


@needs_solver
def test_a_worker_that_is_killed_is_reported_as_failed() -> None:
    process = start_long_run()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    _, stderr = process.communicate(timeout=240)
    assert process.returncode == 4
    assert "died of SIGKILL" in stderr
    result = json.loads(Path("run/result.json").read_text())
    assert result["status"] == "failed"
    assert result["steps"]


@needs_solver
def test_a_worker_does_not_outlive_the_command_that_was_killed() -> None:
    process = start_long_run()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.communicate(timeout=240)
    for _ in range(2400):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the worker lives on")
    assert json.loads(Path("run/result.json").read_text())["status"] == "interrupted"


@needs_solver
@pytest.mark.mpi
@pytest.mark.skipif(shutil.which("mpiexec") is None, reason="needs mpiexec")
def test_two_ranks_find_the_same_energy() -> None:
    elastane("init", "cantilever")
    done = elastane("run", "cantilever.yml", "-n", "2", "-o", "run")
    assert done.returncode == 0, done.stderr
    result = json.loads(Path("run/result.json").read_text())
    assert result["ranks"] == 2
    assert abs(result["strain_energy"] - 0.2124627912745) < 1e-8 * 0.2124627912745

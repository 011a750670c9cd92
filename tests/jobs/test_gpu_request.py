"""Jobs on GPUs: what they must ask for, and how they end where there is no GPU."""

import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from elastane.jobs import gpu_doctor
from elastane.jobs.check import check_job, summary
from elastane.jobs.cli import main
from elastane.jobs.executors.base import RejectedError
from elastane.jobs.gpu_request import gpu_fault, gpu_warnings, require_gpus
from elastane.jobs.job import load_job
from elastane.jobs.launchers import MissingDependencyError
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.schema import JobFile
from elastane.jobs.worker import explain
from elastane.solver.backends import VISIBLE
from elastane.solver.device import DeviceError
from tests.jobs.conftest import SOUND_JOB

WriteJob = Callable[[str], Path]

NO_CUPY = (
    '{"what": "CuPy", "state": "missing", "text": "not here: pip install \'elastane[cuda]\'"}\n'
)


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trial find no CuPy, whatever there is on this machine."""
    monkeypatch.setattr(gpu_doctor, "run", lambda command, seconds: (True, NO_CUPY, ""))


def text(backend: str, ranks: int = 1, gpus: int = 0) -> str:
    resources = f"{{ranks_per_node: {ranks}, gpus_per_node: {gpus}}}"
    return f"{SOUND_JOB}backend: {backend}\nresources: {resources}\n"


@pytest.fixture
def file(write_job: WriteJob) -> Callable[..., JobFile]:
    return lambda backend, ranks=1, gpus=0: load_job(write_job(text(backend, ranks, gpus))).file


@pytest.mark.parametrize(
    ("backend", "ranks", "gpus", "fault", "warning"),
    [
        ("cuda", 4, 4, False, ""),
        ("hip", 1, 0, True, ""),
        ("/gpu/cuda/gen", 1, 0, True, ""),
        ("cuda", 2, 4, False, "so 2 would idle; write ranks_per_node: 4"),
        ("cuda", 8, 4, False, "ranks would share GPUs"),
        ("cpu", 4, 4, False, "backend cpu uses no GPU"),
        ("cpu", 4, 0, False, ""),
        ("simulated", 2, 0, False, ""),
        ("simulated", 2, 2, False, ""),
    ],
)
def test_a_rank_drives_a_gpu(
    file: Callable[..., JobFile], backend: str, ranks: int, gpus: int, fault: bool, warning: str
) -> None:
    asked = file(backend, ranks, gpus)
    assert (gpu_fault(asked) is not None) is fault
    told = list(gpu_warnings(asked))
    assert len(told) == bool(warning)
    assert warning in "".join(told)


def test_check_says_what_a_cluster_would_make_of_it(write_job: WriteJob) -> None:
    checked = check_job(write_job(text("cuda", 4)))
    assert checked.warnings == ()  # on a machine of one's own nobody hands out GPUs
    assert "SLURM would give it no GPU: resources.gpus_per_node is 0" in summary(checked)
    assert "SLURM" not in summary(check_job(write_job(text("cuda", 4, 4))))
    assert "ranks would share GPUs" in summary(check_job(write_job(text("cuda", 5, 4))))


def test_a_login_node_without_gpu_submits(
    file: Callable[..., JobFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    told = io.StringIO()
    require_gpus(file("cuda", 4, 4), "slurm", told)
    assert told.getvalue() == ""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    require_gpus(file("cuda", 4, 4), "slurm", told)
    assert f"CuPy is not installed for {sys.executable}" in told.getvalue()
    require_gpus(file("cpu"), "slurm", told)
    with pytest.raises(RejectedError, match="one rank drives one GPU"):
        require_gpus(file("cuda", 4, 0), "slurm", told)


@pytest.mark.usefixtures("_no_gpu")
def test_the_queue_of_this_machine_needs_a_gpu_here(file: Callable[..., JobFile]) -> None:
    require_gpus(file("cpu"), "local", io.StringIO())
    with pytest.raises(MissingDependencyError, match="pip install 'elastane"):
        require_gpus(file("cuda", 1, 1), "local", io.StringIO())


@pytest.mark.usefixtures("_no_gpu")
@pytest.mark.parametrize("command", ["run", "submit --executor local"])
@pytest.mark.parametrize("backend", ["cuda", "hip"])
def test_a_job_on_gpus_never_runs_on_the_cpu_in_silence(
    command: str,
    backend: str,
    write_job: WriteJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    job = write_job(text(backend, 1, 1))
    assert main([*command.split(), str(job), "-o", "run"]) == 4
    said = capsys.readouterr().err
    assert f"backend {backend} does not work here" in said
    assert "pip install 'elastane[cuda]'" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["job.yml"]


def test_a_dry_run_shows_the_gpus_or_why_there_would_be_none(
    write_job: WriteJob, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["submit", "--dry-run", "--executor", "slurm", "--site", "example-nvidia"]
    assert main([*command, str(write_job(text("cuda", 4, 4)))]) == 0
    assert "#SBATCH --gpus-per-node=4\n" in capsys.readouterr().out
    assert main([*command, str(write_job(text("cuda", 4)))]) == 2
    assert "resources.gpus_per_node is 0" in capsys.readouterr().err


def test_a_device_that_fails_in_a_run_is_its_surroundings_fault() -> None:
    code, message = explain(DeviceError("no GPU 3: the driver sees 2"))
    assert (code, message) == (4, "no GPU 3: the driver sees 2")


@pytest.mark.mpi
def test_a_worker_without_gpu_ends_all_ranks_and_solves_nothing(
    write_job: WriteJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("petsc4py")
    two = "".join(f'{{"what": "GPU {n}", "state": "ok", "text": "played"}}\n' for n in range(2))
    monkeypatch.setattr(gpu_doctor, "run", lambda command, seconds: (True, two, ""))
    for name in VISIBLE:
        monkeypatch.setenv(name, "-1")
    folder = RunFolder(tmp_path / "run")
    assert main(["run", str(write_job(text("cuda"))), "-n", "3", "-o", str(folder.root)]) == 4
    told = capsys.readouterr()
    assert "warning: 3 ranks share fewer GPUs" in told.out
    result = read_result(folder.result)
    assert (result["status"], result["steps"]) == ("failed", [])
    assert "backend cuda" in result["message"]
    assert "Traceback" not in told.err + folder.log.read_text()

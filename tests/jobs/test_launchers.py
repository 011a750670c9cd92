import os
import sys
from pathlib import Path

import pytest

from elastane.jobs import launchers
from elastane.jobs.launchers import MissingDependencyError, is_open_mpi, launch_worker

RUN = Path("runs/a b; rm -rf")
WORKER = (sys.executable, "-m", "mpi4py", "-m", "elastane.jobs.worker", str(RUN))


def fake_mpiexec(folder: Path, version: str) -> Path:
    path = folder / "mpiexec"
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launchers, "RUN_TIME", {"numpy": "always there"})
    monkeypatch.setattr(launchers, "num_cores", lambda: 4)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name in ("SLURM_JOB_ID", "OMP_NUM_THREADS", "OMPI_ALLOW_RUN_AS_ROOT"):
        monkeypatch.delenv(name, raising=False)


def test_one_rank_needs_no_mpiexec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    launch = launch_worker(RUN, 1)
    assert launch.command == WORKER
    assert launch.environment["OMP_NUM_THREADS"] == "1"
    assert launch_worker(RUN, 1, debug=True).command == (*WORKER, "--debug")


@pytest.mark.parametrize(
    ("version", "ranks", "options"),
    [
        ("mpiexec (OpenRTE) 4.1.4", 4, ()),
        ("mpiexec (OpenRTE) 4.1.4", 5, ("--oversubscribe",)),
        ("mpirun (Open MPI) 5.0.3", 5, ("--oversubscribe",)),
        ("HYDRA build details: Version: 4.1", 5, ()),
        ("Intel(R) MPI Library for Linux* OS", 5, ()),
    ],
)
def test_several_ranks_start_under_mpiexec(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    ranks: int,
    options: tuple[str, ...],
) -> None:
    mpiexec = fake_mpiexec(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    launch = launch_worker(RUN, ranks)
    assert launch.command == (str(mpiexec), "-n", str(ranks), *options, *WORKER)
    assert "OMPI_ALLOW_RUN_AS_ROOT" not in launch.environment


def test_root_is_allowed_only_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_mpiexec(tmp_path, "mpiexec (OpenRTE) 4.1.4")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    environment = launch_worker(RUN, 2).environment
    assert environment["OMPI_ALLOW_RUN_AS_ROOT"] == "1"
    assert environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"


def test_a_scheduler_knows_the_slots_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_mpiexec(tmp_path, "mpiexec (OpenRTE) 4.1.4")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert "--oversubscribe" not in launch_worker(RUN, 99).command


def test_the_users_threads_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert launch_worker(RUN, 1).environment["OMP_NUM_THREADS"] == "3"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="2 ranks need mpiexec"):
        launch_worker(RUN, 2)
    monkeypatch.setattr(launchers, "RUN_TIME", {"petsc_for_nobody": "PETSc for nobody"})
    with pytest.raises(MissingDependencyError, match=r"petsc_for_nobody \(PETSc for nobody\)"):
        launch_worker(RUN, 1)


def test_a_broken_mpiexec_is_no_open_mpi(tmp_path: Path) -> None:
    assert not is_open_mpi(str(tmp_path / "none"))
    broken = tmp_path / "mpiexec"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    assert not is_open_mpi(str(broken))

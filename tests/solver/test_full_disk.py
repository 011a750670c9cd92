"""Disks that are full: what lies there stays, and the solve goes on without what does not fit."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from elastane.jobs.result import write_result
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.loading import solve
from elastane.solver.output import FORMATS
from elastane.solver.output.pvd import PvdSeries
from elastane.solver.problem import Loading
from elastane.solver.worst_points import write_worst_points
from tests.solver.saved_checkpoints import Saved, progress_at, relaxing
from tests.solver.test_output import block, polynomials
from tests.verification.cases import Listener


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let writes beyond a size fail in this process, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def fill_disk_at(saved: Saved, sizes: list[int]) -> None:
    """Fail to save a third checkpoint at each size; the two that are there stay."""
    for size in sizes:
        saved.restore()
        checkpoints, listener = saved.open(resume=True)
        checkpoints.resume(saved.discrete.mechanics.space.dm.createGlobalVec())
        saved.set_state(5)
        with largest_file(size):
            checkpoints.save(progress_at(5))
        (failed,) = listener.of_kind("checkpoint_failed")
        assert os.strerror(errno.EFBIG) in failed["why"]
        assert not list(saved.folder.glob("*.part")) + list(saved.folder.glob(".*.part"))
        assert not (saved.folder / "step-0005.json").exists()
        assert saved.resume() == (4, [])


def sizes_up_to(end: int, count: int) -> list[int]:
    return [int(size) for size in np.linspace(0, end - 1, count)]


def test_full_disk_leaves_earlier_checkpoints_intact(saved: Saved) -> None:
    fill_disk_at(saved, sizes_up_to(len(saved.originals["step-0004.bin"]), 4))


def test_disk_that_holds_the_records_but_not_the_manifest_has_no_checkpoint(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest file is that of the records: here, the disk fills up between the two."""
    checkpoints, listener = saved.open()
    checkpoints.resume(saved.discrete.mechanics.space.dm.createGlobalVec())
    pwrite, calls = os.pwrite, []

    def fails_at_last(file: int, content: bytes, place: int) -> int:
        calls.append(place)
        if len(calls) > 3:  # header, numbers, records
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(file, content, place)

    monkeypatch.setattr(os, "pwrite", fails_at_last)
    checkpoints.save(progress_at(5))
    assert listener.of_kind("checkpoint_failed")
    assert (saved.folder / "step-0005.bin").exists()
    assert saved.resume() == (4, [])


# Writers of one more file or step into a folder, which has one already.


def write_fields(kind: str, folder: Path, step: int) -> None:
    mesh, parameters = block(2, MPI.COMM_SELF)
    output = FORMATS[kind](folder, MPI.COMM_SELF, mesh, step > 1)
    output.write(step, 0.5 * step, polynomials(parameters, 2, 0.5 * step))


def write_series(folder: Path, step: int) -> None:
    series = PvdSeries(folder / "fields.pvd", MPI.COMM_SELF, resume=step > 1)
    series.add(0.5 * step, folder / f"step-{step:04d}.vtu")


def write_worst(folder: Path, step: int) -> None:
    rows = np.random.default_rng(step).standard_normal((20, 5))
    write_worst_points(folder / "worst.vtu", MPI.COMM_SELF, rows)


def write_json(folder: Path, step: int) -> None:
    write_result(folder / "result.json", {"status": "running", "steps": [step] * 100})


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "vtu": partial(write_fields, "vtu"),
    "vtkhdf": partial(write_fields, "vtkhdf"),
    "pvd": write_series,
    "worst points": write_worst,
    "result": write_json,
}


@pytest.mark.long
def test_20_sizes_of_disk_for_each_writer(
    saved: Saved, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_disk_at(saved, sizes_up_to(len(saved.originals["step-0004.bin"]), 20))
    for name, write in WRITERS.items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder, 1)
        before = contents(folder)
        # Numbers have more digits or fewer: the second step may be a little smaller.
        largest = int(0.9 * max(len(content) for content in before.values()))
        for size in sizes_up_to(largest, 20):
            with largest_file(size), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
                write(folder, 2)
            assert contents(folder) == before
    with capsys.disabled():
        sys.stdout.write(f"\nfull disks: 20 sizes for each of {1 + len(WRITERS)} writers\n")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system for two checkpoints, and not three."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("NOT TESTED: checkpoints on a full disk; only root can mount a small one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_solve_on_a_disk_that_fills_up_keeps_its_last_checkpoints(
    saved: Saved, small_disk: Path, tmp_path: Path
) -> None:
    """It needs room for a third before it deletes the first; it goes on without."""
    room = 256 * 1024 - 2 * (len(saved.originals["step-0004.bin"]) + 8192)
    (small_disk / "other").write_bytes(bytes(room))
    plan = CheckpointPlan(small_disk / "checkpoints", "a job", resume=True)
    listener = Listener()
    chosen = replace(relaxing(), loading=Loading(steps=4))
    report = solve(chosen, tmp_path, listener, MPI.COMM_SELF, plan)
    assert report.status == "converged"
    assert [event["step"] for event in listener.of_kind("checkpoint")] == [1, 2]
    assert [event["step"] for event in listener.of_kind("checkpoint_failed")] == [3]
    again = solve(chosen, tmp_path, Listener(), MPI.COMM_SELF, plan)
    assert again.resumed_from == 0.5
    energy = report.steps[-1].strain_energy
    assert again.steps[-1].strain_energy == pytest.approx(energy, rel=1e-10)

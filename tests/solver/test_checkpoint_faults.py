"""Checkpoints that are broken, of something else, or do not fit on the disk."""

import errno
import json
import os
import resource
import shutil
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
from numpy.typing import NDArray

from elastane.jobs.result import write_result
from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.checkpoint_manifest import ForeignCheckpointError, sealed
from elastane.solver.checkpointing import Checkpoints
from elastane.solver.discretisation import discretise
from elastane.solver.journal import Journal
from elastane.solver.loading import solve
from elastane.solver.output import FORMATS
from elastane.solver.output.pvd import PvdSeries
from elastane.solver.problem import Loading, Problem
from elastane.solver.stepping import Progress
from elastane.solver.worst_points import write_worst_points
from tests.solver.test_output import block, polynomials
from tests.verification.cases import Listener, clamp, displacement, problem, renumbered
from tests.verification.ranks import call_on_ranks
from tests.verification.test_viscoelastic import viscoelastic

Floats = NDArray[np.float64]

MESH = renumbered(Box(cells=(3, 2, 2)).build(1, 0), seed=5)
STEPS = (3, 4)


def relaxing() -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), displacement("x-max", 0.4, None, None)]
    return problem(MESH, 2, loads, viscoelastic(), loading=Loading(steps=10))


class Saved:
    """A discrete problem with the checkpoints of two steps, the states of which are made up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkpoints"
        self.discrete = discretise(
            relaxing(), Journal(Listener(), MPI.COMM_SELF), MPI.COMM_SELF, with_hash=True
        )
        checkpoints, _ = self.open(resume=False)
        for step in STEPS:
            self.set_state(step)
            checkpoints.save(progress_at(step))
        self.originals = {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def open(self, resume: bool = True) -> tuple[Checkpoints, Listener]:
        listener = Listener()
        plan = CheckpointPlan(self.folder, "a job", resume=resume)
        return Checkpoints(plan, Journal(listener, MPI.COMM_SELF), self.discrete), listener

    def set_state(self, step: int) -> None:
        generator = np.random.default_rng(step)
        mechanics, body = self.discrete.mechanics, self.discrete.body
        mechanics.u.array[:] = generator.standard_normal(mechanics.u.array.shape)
        for part in body.parts:
            part.history[:] = generator.standard_normal(part.history.shape)
        mechanics.set_load(0.1 * step)
        # Supports are not part of a state: they follow from the load.
        mechanics.move_supports(0.1 * step)

    def state(self) -> Floats:
        """Return displacement and history of all elements, in one."""
        parts = self.discrete.body.parts
        histories = [p.values("history", slice(0, len(p.elements))).ravel() for p in parts]
        return np.concatenate([self.discrete.mechanics.u.array.ravel(), *histories])

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for name, content in self.originals.items():
            (self.folder / name).write_bytes(content)

    def resume(self) -> tuple[int, list[str]]:
        """Return the step that a solve would resume from, 0 for none, and what was refused."""
        checkpoints, listener = self.open()
        u = self.discrete.mechanics.space.dm.createGlobalVec()
        found = checkpoints.resume(u)
        if found:
            restored = self.state()
            self.set_state(found.step)
            np.testing.assert_array_equal(restored, self.state())
        refused = [event["path"] for event in listener.of_kind("checkpoint_refused")]
        assert len(listener.of_kind("warning")) == (1 if refused else 0)
        return found.step if found else 0, refused


def progress_at(step: int) -> Progress:
    return Progress(step, 0.1 * step, 0.1, step)


@pytest.fixture(scope="module")
def module_saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return Saved(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def saved(module_saved: Saved) -> Saved:
    module_saved.restore()
    return module_saved


def test_state_is_restored_to_the_last_bit(saved: Saved) -> None:
    assert saved.resume() == (4, [])


# Ways to break a file.

Random = np.random.Generator


def flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    changed[random.integers(len(content))] ^= 1 << random.integers(8)
    return bytes(changed)


def truncate(content: bytes, random: Random) -> bytes:
    return content[: random.integers(len(content))]


def append(content: bytes, random: Random) -> bytes:
    return content + random.bytes(int(random.integers(1, 100)))


def blank(content: bytes, random: Random) -> bytes:
    """A hole, as a file system leaves where it lost a block."""
    start = int(random.integers(len(content)))
    end = start + int(random.integers(1, 4096))
    hole = bytes(len(content[start:end]))
    return content[:start] + hole + content[end:]


def swap(content: bytes, random: Random) -> bytes:
    """Two pieces that changed places."""
    size = int(random.integers(1, len(content) // 3))
    start = int(random.integers(len(content) - 2 * size))
    first, second = content[start : start + size], content[start + size : start + 2 * size]
    return content[:start] + second + first + content[start + 2 * size :]


def noise(content: bytes, random: Random) -> bytes:
    return random.bytes(len(content))


DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    flip, flip, flip, truncate, append, blank, swap, noise
)  # fmt: skip


def damage(saved: Saved, step: int, random: Random) -> None:
    """Break one of the two files of a checkpoint, or both."""
    ends = [(".bin",), (".json",), (".bin", ".json")][random.choice(3, p=(0.45, 0.45, 0.1))]
    for end in ends:
        name = f"step-{step:04d}{end}"
        path, content = saved.folder / name, saved.originals[name]
        kind = random.integers(len(DAMAGES) + 2)
        if kind == len(DAMAGES):
            path.unlink()
            continue
        if kind > len(DAMAGES):  # the file of the other checkpoint
            other = STEPS[0] + STEPS[1] - step
            broken = saved.originals[f"step-{other:04d}{end}"]
        else:
            broken = DAMAGES[kind](content, random)
        if broken == content:  # a hole in zeros, or two equal pieces
            broken = content[:-1]
        path.write_bytes(broken)


def fall_back(saved: Saved, count: int) -> tuple[int, int]:
    """Break checkpoints at random; return how often one of two was, and how often both."""
    one, both = 0, 0
    for seed in range(count):
        random = np.random.default_rng(seed)
        saved.restore()
        damage(saved, 4, random)
        broken = [4]
        if random.random() < 0.2:
            damage(saved, 3, random)
            broken.append(3)
        step, refused = saved.resume()
        assert step == (3 if broken == [4] else 0), seed
        # One without a manifest is none, and nobody speaks of it.
        there = [s for s in broken if (saved.folder / f"step-{s:04d}.json").exists()]
        assert len(refused) == len(there), seed
        one, both = one + (len(broken) == 1), both + (len(broken) == 2)
    return one, both


def test_broken_checkpoints_are_refused_and_older_ones_taken(saved: Saved) -> None:
    one, both = fall_back(saved, 40)
    assert one + both == 40
    assert both > 0


@pytest.mark.long
def test_500_broken_checkpoints_are_refused(
    saved: Saved, capsys: pytest.CaptureFixture[str]
) -> None:
    one, both = fall_back(saved, 500)
    with capsys.disabled():
        sys.stdout.write(f"\n500 broken checkpoints: {one} fell back, {both} from the start\n")


def test_every_bit_of_a_manifest_counts(saved: Saved) -> None:
    """Also where JSON would read the same."""
    path = saved.folder / "step-0004.json"
    whole = path.read_bytes()
    for byte in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[byte] ^= 1
        path.write_bytes(changed)
        assert saved.resume()[0] == 3, byte


def test_refused_checkpoints_make_room_for_sound_ones(saved: Saved) -> None:
    """The sound one stays until there are as many sound ones as are kept."""
    (saved.folder / "step-0004.bin").write_bytes(b"")
    checkpoints, _ = saved.open()
    u = saved.discrete.mechanics.space.dm.createGlobalVec()
    assert checkpoints.resume(u) == progress_at(3)
    (saved.folder / ".step-0004.bin.part").write_bytes(b"left by a kill")
    saved.set_state(5)
    checkpoints.save(progress_at(5))
    left = sorted(path.name for path in saved.folder.iterdir())
    assert left == [f"step-000{step}.{end}" for step in (3, 5) for end in ("bin", "json")]


# Of something else.


def resealed(saved: Saved, **changes: object) -> None:
    """Write other entries into both manifests, with checksums that are right."""
    for step in STEPS:
        path = saved.folder / f"step-{step:04d}.json"
        entries = json.loads(path.read_text()) | changes
        del entries["checksum"]
        path.write_text(sealed(entries))


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("identity", "another", "of another job"),
        ("mesh", "another", "of another mesh"),
        ("version", 2, "another version"),
        ("degree", 3, "another discretisation"),
        ("cells", 13, "another discretisation"),
    ],
)
def test_checkpoints_of_something_else_are_no_reason_to_begin_anew(
    saved: Saved, entry: str, value: object, said: str
) -> None:
    resealed(saved, **{entry: value})
    with pytest.raises(ForeignCheckpointError, match=said):
        saved.resume()


def test_checkpoint_of_something_else_is_passed_over_for_one_that_fits(saved: Saved) -> None:
    resealed(saved, identity="another")
    name = "step-0003.json"
    (saved.folder / name).write_bytes(saved.originals[name])
    assert saved.resume()[0] == 3


def moved(mesh_problem: Problem) -> Problem:
    coordinates = MESH.coordinates.copy()
    coordinates[MESH.coordinates == 1.0] = 1.1
    loads = mesh_problem.boundary
    return problem(replace(MESH, coordinates=coordinates), 2, loads, viscoelastic())


OTHERS: dict[str, tuple[Callable[[Problem], Problem], str]] = {
    "mesh": (moved, "of another mesh"),
    "degree": (lambda p: replace(p, degree=3, num_points_1d=4), "of another discretisation"),
    "points": (lambda p: replace(p, num_points_1d=4), "of another discretisation"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_solve_refuses_checkpoints_of_another_problem(saved: Saved, other: str) -> None:
    change, said = OTHERS[other]
    plan = CheckpointPlan(saved.folder, "a job", resume=True)
    with pytest.raises(ValueError, match=said):
        solve(change(relaxing()), saved.folder.parent, Listener(), MPI.COMM_SELF, plan)


@pytest.mark.mpi
def test_all_ranks_refuse_and_fall_back_alike(saved: Saved, run_ranks: Callable[..., str]) -> None:
    """One of them finds the fault: the pieces are shared out."""
    found = call_on_ranks(run_ranks, 2, resumed_steps, str(saved.folder))
    assert found == [[3, 3]] * len(PLACES) + [["of another job"] * 2]


#: In the header, the cell numbers and the records.
PLACES = (10, 100, -1)


def resumed_steps(folder: str) -> list[list[int | str]]:
    """Return for each fault what each rank makes of it; the last is a checkpoint of another job."""
    comm = MPI.COMM_WORLD
    discrete = discretise(relaxing(), Journal(Listener(), comm), comm, with_hash=True)
    path = Path(folder) / "step-0004.bin"
    whole = path.read_bytes()
    found = []
    for place, identity in (*((place, "a job") for place in PLACES), (0, "other")):
        comm.Barrier()
        if comm.rank == 0:
            changed = bytearray(whole)
            changed[place] ^= 4
            path.write_bytes(changed)
        comm.Barrier()
        plan = CheckpointPlan(Path(folder), identity, resume=True)
        checkpoints = Checkpoints(plan, Journal(Listener(), comm), discrete)
        said: int | str
        try:
            progress = checkpoints.resume(discrete.mechanics.space.dm.createGlobalVec())
            said = progress.step if progress else 0
        except ForeignCheckpointError as error:
            said = error.why.partition(":")[0]
        found.append(comm.allgather(said))
    return found


# A full disk.


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

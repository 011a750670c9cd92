"""Checkpoints that are broken, or of something else."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.checkpoint_manifest import ForeignCheckpointError, sealed
from elastane.solver.checkpointing import Checkpoints
from elastane.solver.discretisation import discretise
from elastane.solver.journal import Journal
from elastane.solver.loading import solve
from elastane.solver.problem import Problem
from tests.solver.saved_checkpoints import MESH, STEPS, Saved, progress_at, relaxing
from tests.verification.cases import Listener, problem
from tests.verification.ranks import call_on_ranks
from tests.verification.test_viscoelastic import viscoelastic


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

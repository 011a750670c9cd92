"""A solve that is interrupted and resumed, on any number of ranks, ends as one that is not."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.checkpoint import CheckpointPlan
from elastane.solver.loading import solve
from elastane.solver.observer import Request
from elastane.solver.problem import Loading, NewtonSettings, Problem
from elastane.solver.report import Report
from tests.verification.cases import (
    Listener,
    clamp,
    displacement,
    material,
    problem,
    renumbered,
    traction,
)
from tests.verification.ranks import call_on_ranks
from tests.verification.test_viscoelastic import viscoelastic

#: What a user has who asks for nothing else, and what is promised then.
DEFAULT = NewtonSettings()
SAME_ENERGY = 1e-10

#: Twelve cells, each turned otherwise and numbered at random.
MESH = renumbered(Box(cells=(3, 2, 2)).build(1, 0), seed=5)


@dataclass
class Asking(Listener):
    """Asks for a checkpoint and the end when so many events of a kind have come."""

    kind: str = ""
    count: int = 0
    asked: Request = Request.CHECKPOINT

    def request(self) -> Request:
        return self.asked if 0 < self.count <= len(self.of_kind(self.kind)) else Request.GO_ON


def elastic() -> Problem:
    """Bent, and twisted by a support that moves."""
    loads: list[BoundaryCondition] = [
        clamp("x-min"),
        displacement("x-max", None, "0.2*t*(z-0.5)", "-0.2*t*(y-0.5)"),
        traction("x-max", 0.05, 0.0, 0.0),
    ]
    return problem(MESH, 2, loads, loading=Loading(steps=5), newton=DEFAULT)


def relaxing() -> Problem:
    """Pulled at once and held: a viscoelastic region whose times vary, beside an elastic one."""
    two = replace(MESH, regions=("left", "right"), cell_regions=np.arange(12) % 2)
    materials = {
        "left": viscoelastic(times=["0.1 + 0.1*x", 1.0]),
        "right": material("neo-hookean", youngs_modulus=2.0, poissons_ratio=0.3),
    }
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", "0.4*min(4*t, 1)", 0, 0)]
    return problem(two, 2, loads, materials=materials, loading=Loading(steps=6), newton=DEFAULT)


def cut() -> Problem:
    """Loaded so much that the first steps fail; increments grow again later."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -2.0)]
    return problem(MESH, 2, loads, loading=Loading(steps=4), newton=DEFAULT)


def single() -> Problem:
    """Fewer cells than ranks."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.2, 0.0, 0.0)]
    one = Box(cells=(1, 1, 1))
    return problem(one, 2, loads, viscoelastic(), loading=Loading(steps=4), newton=DEFAULT)


PROBLEMS = {"elastic": elastic, "relaxing": relaxing, "cut": cut, "single": single}
#: When each of them is asked to end at first: within a step and after one.
ENDS = {
    "elastic": ("newton", 8),
    "relaxing": ("step_converged", 2),
    "cut": ("step_converged", 2),
    "single": ("step_converged", 1),
}


def go_on(name: str, folder: Path, listener: Listener | None = None, **changes: object) -> Report:
    """Solve a problem from its newest checkpoint in a folder."""
    plan = CheckpointPlan(folder / "checkpoints", identity=name, resume=True)
    chosen = replace(PROBLEMS[name](), **changes)  # type: ignore[arg-type]
    return solve(chosen, folder, listener or Listener(), MPI.COMM_WORLD, plan)


@pytest.fixture(scope="module")
def energies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Return the final strain energy of each problem, solved without a pause."""
    found = {}
    for name, chosen in PROBLEMS.items():
        folder = tmp_path_factory.mktemp(name)
        report = solve(chosen(), folder, Listener(), MPI.COMM_WORLD)
        assert report.status == "converged"
        found[name] = report.steps[-1].strain_energy
    return found


def interrupt(name: str, folder: Path) -> Report:
    kind, count = ENDS[name]
    report = go_on(name, folder, Asking(kind=kind, count=count))
    assert report.status == "interrupted"
    assert report.resumable
    return report


@pytest.mark.parametrize("name", PROBLEMS)
def test_resumed_solve_ends_with_the_same_energy(
    name: str, energies: dict[str, float], tmp_path: Path
) -> None:
    first = interrupt(name, tmp_path)
    listener = Listener()
    second = go_on(name, tmp_path, listener)
    assert second.status == "converged"
    assert second.steps[-1].strain_energy == pytest.approx(energies[name], rel=SAME_ENERGY)
    (resumed,) = listener.of_kind("resumed")
    assert resumed["step"] == first.steps[-1].step > 0
    assert second.resumed_from == resumed["load"] == first.steps[-1].load
    assert [step.step for step in (*first.steps, *second.steps)] == list(
        range(1, second.steps[-1].step + 1)
    )


@pytest.mark.parametrize("backends", [("simulated", "cpu"), ("cpu", "simulated")])
def test_a_solve_goes_on_where_another_device_left_it(
    backends: tuple[str, str], energies: dict[str, float], tmp_path: Path
) -> None:
    """What materials remember and the parameters that vary go to the device and come back."""
    kind, count = ENDS["relaxing"]
    asking = Asking(kind=kind, count=count)
    assert go_on("relaxing", tmp_path, asking, backend=backends[0]).resumable
    report = go_on("relaxing", tmp_path, backend=backends[1])
    assert report.status == "converged"
    assert report.resumed_from > 0.0
    assert report.steps[-1].strain_energy == pytest.approx(energies["relaxing"], rel=SAME_ENERGY)


@pytest.mark.mpi
def test_resumed_solve_ends_with_the_same_energy_on_other_numbers_of_ranks(
    run_ranks: Callable[..., str], energies: dict[str, float], tmp_path: Path
) -> None:
    """From one rank to two, one more step, and on to the end on three."""
    for name in PROBLEMS:
        interrupt(name, tmp_path / name)
    call_on_ranks(run_ranks, 2, one_more_step, str(tmp_path))
    found = call_on_ranks(run_ranks, 3, to_the_end, str(tmp_path))
    assert set(found) == set(PROBLEMS)
    for name, (energy, resumed_from) in found.items():
        assert energy == pytest.approx(energies[name], rel=SAME_ENERGY)
        assert resumed_from > 0.0


def one_more_step(folder: str) -> None:
    for name in PROBLEMS:
        report = go_on(name, Path(folder) / name, Asking(kind="step_converged", count=1))
        assert (report.status, report.resumable) == ("interrupted", True)


def to_the_end(folder: str) -> dict[str, tuple[float, float]]:
    reports = {name: go_on(name, Path(folder) / name) for name in PROBLEMS}
    return {n: (r.steps[-1].strain_energy, r.resumed_from) for n, r in reports.items()}


def test_resumed_solve_takes_the_steps_that_it_would_have_taken(tmp_path: Path) -> None:
    """Increments were cut before, and grow after as many easy steps as if nothing had happened."""
    whole = go_on("cut", tmp_path / "whole")
    first, second = interrupt("cut", tmp_path), go_on("cut", tmp_path)
    loads = [step.load for step in (*first.steps, *second.steps)]
    assert loads == [step.load for step in whole.steps]
    increments = np.diff([0.0, *loads])
    assert increments[0] < 0.25
    assert increments.max() > increments[0]


def test_killed_solve_resumes_from_the_last_step_that_was_saved(
    energies: dict[str, float], tmp_path: Path
) -> None:
    """Nothing is saved when it ends; what is there was saved on the way."""
    first = go_on("relaxing", tmp_path, Asking(kind="step_converged", count=4, asked=Request.STOP))
    assert not first.resumable
    # Asked between the end of step 4 and its checkpoint.
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == [f"step-000{step}.{end}" for step in (2, 3) for end in ("bin", "json")]
    second = go_on("relaxing", tmp_path)
    assert second.steps[0].step == 4
    assert second.steps[-1].strain_energy == pytest.approx(energies["relaxing"], rel=SAME_ENERGY)


def test_checkpoint_of_fused_kernels_is_one_of_libceed_alone(
    energies: dict[str, float], tmp_path: Path
) -> None:
    interrupt("relaxing", tmp_path)
    second = go_on("relaxing", tmp_path, backend="/cpu/self/opt/blocked")
    assert second.resumed_from > 0.0
    assert second.steps[-1].strain_energy == pytest.approx(energies["relaxing"], rel=SAME_ENERGY)


def test_resumed_solve_keeps_the_fields_of_earlier_steps(tmp_path: Path) -> None:
    output = replace(elastic().output, every=1)
    first = go_on("elastic", tmp_path, Asking(kind="step_converged", count=2), output=output)
    assert len(first.steps) == 2
    go_on("elastic", tmp_path, output=output)
    series = (tmp_path / "fields.pvd").read_text()
    assert [f"step-000{step}.vtu" in series for step in range(1, 6)] == [True] * 5


def test_checkpoints_wait_until_the_last_one_is_old_enough(tmp_path: Path) -> None:
    listener = Listener()
    plan = CheckpointPlan(tmp_path / "checkpoints", "x", every_seconds=1e6)
    solve(elastic(), tmp_path, listener, MPI.COMM_WORLD, plan)
    assert not listener.of_kind("checkpoint")
    assert not plan.folder.exists()


def test_request_saves_the_last_state_however_young_the_last_checkpoint_is(tmp_path: Path) -> None:
    listener = Asking(kind="newton", count=9)
    plan = CheckpointPlan(tmp_path / "checkpoints", "x", every_seconds=1e6)
    report = solve(elastic(), tmp_path, listener, MPI.COMM_WORLD, plan)
    (saved,) = listener.of_kind("checkpoint")
    assert saved["step"] == report.steps[-1].step
    assert saved["path"] == f"checkpoints/step-{saved['step']:04d}.json"
    assert f"to be resumed from load {saved['load']:.6g}" in report.message


def test_request_before_the_first_step_leaves_nothing_to_resume_from(tmp_path: Path) -> None:
    report = go_on("elastic", tmp_path, Asking(kind="newton", count=1))
    assert report.resumable
    assert "no state to resume from" in report.message


def test_request_is_heard_during_the_set_up(tmp_path: Path) -> None:
    listener = Asking(kind="phase", count=2)
    report = go_on("elastic", tmp_path, listener)
    assert (report.status, report.resumable, report.steps) == ("interrupted", True, ())
    assert len(listener.of_kind("phase")) == 2


def test_request_without_a_plan_just_stops(tmp_path: Path) -> None:
    listener = Asking(kind="step_converged", count=1)
    report = solve(elastic(), tmp_path, listener, MPI.COMM_WORLD)
    assert (report.status, report.resumable) == ("interrupted", False)


def test_solve_goes_on_where_no_checkpoint_can_be_written(
    energies: dict[str, float], tmp_path: Path
) -> None:
    (tmp_path / "checkpoints").write_text("no folder")
    plan = CheckpointPlan(tmp_path / "checkpoints", "x")
    listener = Listener()
    report = solve(elastic(), tmp_path, listener, MPI.COMM_WORLD, plan)
    assert report.status == "converged"
    assert report.steps[-1].strain_energy == energies["elastic"]
    assert len(listener.of_kind("checkpoint_failed")) == 4
    assert len(report.warnings) == 1
    assert "a checkpoint could not be written" in report.warnings[0]


def test_manifest_says_what_is_saved(tmp_path: Path) -> None:
    interrupt("relaxing", tmp_path)
    manifest = json.loads((tmp_path / "checkpoints" / "step-0002.json").read_text())
    # Two branches of six numbers and the relaxing stress, at 27 points, beside 27 nodes.
    assert (manifest["cells"], manifest["degree"], manifest["points"]) == (12, 2, 27)
    assert manifest["record_doubles"] == 81 + 27 * manifest["history"]
    assert manifest["progress"] == {
        "step": 2, "load": 2.0 / 6.0, "increment": 1.0 / 6.0, "easy": 2
    }  # fmt: skip
    size = (tmp_path / "checkpoints" / "step-0002.bin").stat().st_size
    assert manifest["file_bytes"] == size == 64 + 12 * 8 * (1 + manifest["record_doubles"])

"""The problem on aggregates on a device: the same matrices as PETSc's, and as good a solve."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from petsc4py import PETSc

from elastane.meshes.box import Box
from elastane.solver.aggregates import Aggregates
from elastane.solver.device.block_matrix import BlockMatrix, Entries
from elastane.solver.device.coarse import DeviceAggregateSolver
from elastane.solver.device.hierarchy import Hierarchy, Inverse
from elastane.solver.device.memory import DeviceMemory
from elastane.solver.device.simulated import SimulatedDevice
from elastane.solver.preconditioners import gamg
from elastane.solver.problem import NewtonSettings, Problem
from tests.verification.cases import clamp, problem, start, traction
from tests.verification.ranks import call_on_ranks

#: A matrix beyond is not inverted here.
FEW = 100


def bent_plate() -> Problem:
    return problem(
        Box(size=(2.0, 2.0, 0.3), cells=(12, 12, 2)),
        1,
        [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.001)],
        newton=NewtonSettings(),
    )


@pytest.fixture(scope="module")
def aggregates() -> Aggregates:
    found = start(bent_plate()).multigrid.coarse.aggregates  # type: ignore[attr-defined]
    assert isinstance(found, Aggregates)
    return found


@pytest.fixture(scope="module")
def memory() -> DeviceMemory:
    return DeviceMemory(SimulatedDevice())


def smoothed_aggregation(matrix: PETSc.Mat) -> PETSc.PC:
    """Return PETSc's preconditioner with several levels."""
    pc = PETSc.PC().create()
    pc.setOptionsPrefix("several_levels_")
    database = PETSc.Options("several_levels_")
    options = {**gamg.SMOOTHED_AGGREGATION, "pc_gamg_coarse_eq_limit": FEW}
    for name, value in options.items():
        database.setValue(name, value)
    pc.setOperators(matrix)
    pc.setFromOptions()
    pc.setUp()
    for name in options:
        database.delValue(name)
    assert pc.getMGLevels() > 1
    return pc


def random(size: int) -> np.ndarray:
    return np.random.default_rng(2).standard_normal(size)


@pytest.mark.parametrize("transposed", [False, True])
def test_blocks_multiply_as_petsc_does(
    aggregates: Aggregates, memory: DeviceMemory, transposed: bool
) -> None:
    """The matrix itself and an interpolation, which is not square; sums in another order."""
    for matrix in (
        aggregates.matrix,
        smoothed_aggregation(aggregates.matrix).getMGInterpolation(1),
    ):
        if transposed:
            matrix = matrix.transpose(PETSc.Mat())
        x, y = matrix.createVecs()
        x.array[:], y.array[:] = random(x.size), 0.5
        ours = memory.take(y.array.copy())
        BlockMatrix(Entries.of(matrix), memory).apply(memory.take(x.array), ours)
        matrix.multAdd(x, y, y)
        size = np.abs(y.array).max()
        np.testing.assert_allclose(memory.read(ours), y.array, rtol=0.0, atol=1e-13 * size)


def test_a_small_matrix_is_inverted(aggregates: Aggregates, memory: DeviceMemory) -> None:
    """Its condition is some thousand, without the motions that move nothing."""
    inverse, x = Inverse(Entries.of(aggregates.matrix), memory), aggregates.matrix.createVecLeft()
    x.array[:] = random(x.size)
    b = aggregates.matrix * x
    memory.write(b.array, inverse.b)
    inverse.cycle()
    x.array[:] = memory.read(inverse.x)
    assert (b - aggregates.matrix * x).norm() < 1e-8 * b.norm()


def test_a_solve_on_several_levels_is_as_good_as_petscs(
    aggregates: Aggregates, memory: DeviceMemory
) -> None:
    """By the error in the energy norm for a random solution; bounds of smoothers differ a bit."""
    matrix = aggregates.matrix
    pc = smoothed_aggregation(matrix)
    exact, b = matrix.createVecs()
    exact.array[:] = random(exact.size)
    # No motion that moves nothing.
    b = matrix * exact
    theirs, ours = matrix.createVecRight(), matrix.createVecRight()
    pc.apply(b, theirs)
    target = memory.zeros(b.size, np.float64)
    Hierarchy(pc, memory).solve(memory.take(b.array), target)
    ours.array[:] = memory.read(target)

    def error(x: PETSc.Vec) -> float:
        left = exact - x
        return float(np.sqrt(left.dot(matrix * left) / exact.dot(b)))

    assert error(theirs) < 0.2
    assert error(ours) < 1.3 * error(theirs)


def test_a_solve_is_symmetric(aggregates: Aggregates, memory: DeviceMemory) -> None:
    """As conjugate gradients want it, for forces on motions that move something.

    Blocks of motions that move nothing are 1e-12 of the others: rounding there counts that much.
    """
    matrix = aggregates.matrix
    levels = Hierarchy(smoothed_aggregation(matrix), memory)
    forces, solutions = [], []
    for seed in (3, 4):
        motions, force = matrix.createVecs()
        motions.array[:] = np.random.default_rng(seed).standard_normal(motions.size)
        matrix.mult(motions, force)
        x = memory.zeros(force.size, np.float64)
        levels.solve(memory.take(force.array), x)
        forces.append(force.array)
        solutions.append(memory.read(x))
    assert forces[0] @ solutions[1] == pytest.approx(forces[1] @ solutions[0], rel=1e-7)


def iterations(backend: str) -> tuple[int, dict[str, int] | None]:
    """Return Krylov iterations of a solve with several levels, and what crossed the bus there."""
    with pytest.MonkeyPatch.context() as patch:
        few = {**gamg.SMOOTHED_AGGREGATION, "pc_gamg_coarse_eq_limit": str(FEW)}
        patch.setattr(DeviceAggregateSolver, "most_factorised", FEW)
        patch.setattr(DeviceAggregateSolver, "smoothed_aggregation", few)
        report = start(replace(bent_plate(), backend=backend)).solve()
    total = sum(report.steps[0].newton.krylov_iterations)
    return total, report.preconditioner.get("device", {}).get("in_krylov")


def test_levels_on_the_device_cost_no_iteration() -> None:
    """Beside the host, which factorises a matrix of this size."""
    total, crossed = iterations("simulated")
    assert total <= iterations("cpu")[0] + 2
    assert crossed is not None
    assert crossed["uploads"] == 0
    assert crossed["bytes_down"] == 8 * crossed["downloads"]


@pytest.mark.mpi
def test_ranks_solve_on_several_levels_as_one(run_ranks: Callable[..., str]) -> None:
    """Aggregates end at the border of a rank: a tenth more or less."""
    total, _ = call_on_ranks(run_ranks, 2, iterations, "simulated")
    assert total == pytest.approx(iterations("cpu")[0], rel=0.1)

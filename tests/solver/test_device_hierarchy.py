"""The problem on aggregates on a device: the same matrices as PETSc's, and as good a solve."""

from dataclasses import replace

import numpy as np
import pytest
from petsc4py import PETSc

from elastane.meshes.box import Box
from elastane.solver.aggregates import Aggregates
from elastane.solver.device import hierarchy
from elastane.solver.device.coarse import DeviceAggregateSolver
from elastane.solver.device.hierarchy import BlockMatrix, Hierarchy, Inverse
from elastane.solver.device.memory import DeviceMemory
from elastane.solver.device.simulated import SimulatedDevice
from elastane.solver.loading import Run
from elastane.solver.preconditioners import gamg
from elastane.solver.problem import Problem
from tests.verification.cases import clamp, problem, start, traction

#: A matrix beyond is not inverted here.
FEW = 100


def bent_plate() -> Problem:
    return problem(
        Box(size=(2.0, 2.0, 0.3), cells=(16, 16, 3)),
        1,
        [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.001)],
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
        x, y = matrix.createVecs() if not transposed else matrix.createVecs()[::-1]
        x.array[:], y.array[:] = random(x.size), 0.5
        ours = memory.take(y.array.copy())
        BlockMatrix(matrix, memory, transposed=transposed).apply(memory.take(x.array), ours)
        multiply = matrix.multTransposeAdd if transposed else matrix.multAdd
        multiply(x, y, y)
        size = np.abs(y.array).max()
        np.testing.assert_allclose(memory.read(ours), y.array, rtol=0.0, atol=1e-13 * size)


def test_a_small_matrix_is_inverted(aggregates: Aggregates, memory: DeviceMemory) -> None:
    """Its condition is some thousand, without the motions that move nothing."""
    inverse, x = Inverse(aggregates.matrix, memory), aggregates.matrix.createVecLeft()
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


def test_levels_on_the_device_cost_no_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the host, which factorises a matrix of this size; nothing crosses the bus."""
    monkeypatch.setattr(DeviceAggregateSolver, "most_factorised", FEW)
    monkeypatch.setattr(
        DeviceAggregateSolver,
        "smoothed_aggregation",
        {**gamg.SMOOTHED_AGGREGATION, "pc_gamg_coarse_eq_limit": str(FEW)},
    )
    monkeypatch.setattr(hierarchy, "MOST_INVERTED", FEW)
    counts = []
    for backend in ("cpu", "simulated"):
        run: Run = start(replace(bent_plate(), backend=backend))
        report = run.solve()
        counts.append(sum(report.steps[0].newton.krylov_iterations))
    assert counts[1] <= counts[0] + 2
    in_krylov = report.preconditioner["device"]["in_krylov"]
    assert in_krylov["uploads"] == 0
    assert in_krylov["bytes_down"] == 8 * in_krylov["downloads"]

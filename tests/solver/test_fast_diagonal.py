"""Elements solved by fast diagonalisation: what a smoother and a reader of its formula rely on."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from mpi4py import MPI

from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.schwarz import SchwarzP
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.exchange import Exchange, find_sharing
from elastane.solver.fast_diagonal import LANES, RATIO, FastDiagonal, element_flops, one_dimensional
from elastane.solver.loading import Run
from elastane.solver.problem import LinearSettings, MultigridSettings
from tests.solver.fused.test_counts import COMPILER
from tests.verification.cases import Floats, clamp, problem, start, traction
from tests.verification.ranks import call_on_ranks

COMM = MPI.COMM_WORLD

BODIES: dict[str, Body] = {
    "brick": Box(size=(2.0, 1.0, 0.5), cells=(1, 1, 1)),
    "box": Box(size=(1.0, 1.0, 0.1), cells=(3, 2, 1)),
    "sphere": SphereShell(cells=(2, 1)),
}

each_degree = pytest.mark.parametrize("degree", [2, 3, 4])


def preconditioner(run: Run, dtype: Any = np.float64) -> FastDiagonal:
    space = run.spaces[-1]
    return FastDiagonal(space, Exchange(space, dtype, find_sharing(space)))


def dense(elements: FastDiagonal, size: int) -> Floats:
    columns = []
    for unit in np.eye(size, dtype=elements.W.dtype):
        z = np.empty_like(unit)
        elements.precondition(unit, z)
        columns.append(z)
    return np.stack(columns, axis=1)


@each_degree
@pytest.mark.parametrize("body", BODIES)
def test_preconditioner_is_symmetric_and_positive(body: str, degree: int) -> None:
    """Sums in another order differ by rounding, times the condition of a free element."""
    run = start(problem(BODIES[body], degree, []))
    elements = preconditioner(run)
    size = 3 * run.spaces[-1].num_nodes
    elements.update(np.ones(size))
    matrix = dense(elements, size)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9 * np.abs(matrix).max())
    assert np.linalg.eigvalsh(0.5 * (matrix + matrix.T))[0] > 0.0


@each_degree
def test_a_brick_is_solved_by_itself(degree: int) -> None:
    """One element without neighbours, whose inverse diagonal is that of its own model: M A = 1.

    Up to the shift of eigenvalues by 1e-6, which rigid motions alone feel, and they not at all.
    """
    run = start(problem(BODIES["brick"], degree, []))
    elements = preconditioner(run)
    A = brick(degree, (2.0, 1.0, 0.5))
    x = np.random.default_rng(1).standard_normal(len(A))
    # Tensor order of the element, in which its nodes are numbered in the L-vector.
    order = (3 * run.spaces[-1].nodes[0][:, None] + np.arange(3)).reshape(-1)
    b, z = np.zeros((2, len(A)))
    b[order] = A @ x
    inverse_diagonal = np.zeros(len(A))
    inverse_diagonal[order] = 1.0 / np.diag(A)
    elements.update(inverse_diagonal)
    elements.precondition(b, z)
    np.testing.assert_allclose(A @ z[order], b[order], atol=1e-4 * np.abs(b).max())


def brick(degree: int, lengths: tuple[float, float, float]) -> Floats:
    """Return A of a brick along the axes, index 3 node + component."""
    K, M = one_dimensional(degree)
    stiffness = [K * 2.0 / h for h in lengths]
    mass = [M * h / 2.0 for h in lengths]
    n = len(K) ** 3
    A = np.zeros((n, 3, n, 3))
    for component in range(3):
        for direction in range(3):
            ratio = RATIO if direction == component else 1.0
            x, y, z = (stiffness[d] if d == direction else mass[d] for d in range(3))
            A[:, component, :, component] += ratio * np.kron(z, np.kron(y, x))
    return A.reshape(3 * n, 3 * n)


@each_degree
def test_single_precision_is_double_to_rounding(degree: int) -> None:
    run = start(problem(BODIES["sphere"], degree, [clamp("x-min")]))
    single, double = (preconditioner(run, dtype) for dtype in (np.float32, np.float64))
    results = []
    for elements in (single, double):
        size = len(elements.W)
        free = ~run.spaces[-1].prescribed.reshape(-1)
        elements.update(free.astype(elements.W.dtype))
        r = np.random.default_rng(2).standard_normal(size).astype(elements.W.dtype)
        z = np.empty_like(r)
        elements.precondition(r, z)
        assert not z[~free].any()
        results.append(z)
    np.testing.assert_allclose(results[0], results[1], atol=1e-4 * np.abs(results[1]).max())


@pytest.mark.mpi
def test_ranks_apply_the_same_preconditioner(run_ranks: Callable[..., str]) -> None:
    """Sums over ranks come in another order."""
    norms = [call_on_ranks(run_ranks, ranks, norm_of_a_product) for ranks in (1, 2, 3)]
    np.testing.assert_allclose(norms, norms[0], rtol=1e-10)


def norm_of_a_product() -> float:
    """Return Xᵀ M X for the initial positions X."""
    run = start(problem(Box(cells=(4, 2, 2)), 2, [clamp("x-min")]), comm=COMM)
    space = run.spaces[-1]
    elements = preconditioner(run)
    elements.update(np.ones(3 * space.num_nodes))
    X = space.X.reshape(-1).copy()
    z = np.empty_like(X)
    elements.precondition(X, z)
    owned = np.repeat(space.owned, 3)
    return float(COMM.allreduce(float(X[owned] @ z[owned])))


def test_thin_walls_need_few_iterations() -> None:
    """Flat elements, a twentieth as thick as wide; with Jacobi some 80 of them (published: 50)."""
    run = start(
        problem(
            SchwarzP(extent=(1, 1, 1), thickness=0.05, refine=2, layers=1),
            3,
            [clamp("x-min"), traction("x-max", -0.001, 0.0, 0.0)],
            linear=LinearSettings(rtol=1e-3),
            multigrid=MultigridSettings(smoother_degree=2),
        )
    )
    (step,) = run.solve().steps
    assert max(step.newton.krylov_iterations) < 40


#: C++ around fast_diagonal.c, which then runs on numbers that count, for one element.
NUMBERS = (Path(__file__).parent / "fused" / "counting.h").read_text(encoding="utf-8")
NUMBERS += "static vec &operator/=(vec &a, vec b) { return a = {{a[0] / b[0]}}; }\n"
MAIN = """
int main() {
  static real u[3 * NODES], modes[3 * N * N], eigenvalues[3 * N], axes[9];
  static int offsets[NODES];
  for (int n = 0; n < NODES; n++) offsets[n] = 3 * n;
  const Elements elements = {1, offsets, modes, eigenvalues, axes};
  fast_diagonal(&elements, u, u);
  std::printf("%ld", operations + quotients);
}
"""


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("degree", [2, 3, 5])
def test_operations_are_those_of_the_c(degree: int, tmp_path: Path) -> None:
    lanes = re.sub(r"typedef real vec .*;", "", LANES.read_text(encoding="utf-8"))
    loop = LANES.parents[1] / "fast_diagonal.c"
    settings = f"#define NODES_1D {degree + 1}\n#define LANES 1\n#define RATIO {RATIO}\n"
    path = tmp_path / "counting.cpp"
    text = "\n".join([NUMBERS, settings, lanes, loop.read_text(encoding="utf-8"), MAIN])
    path.write_text(text, encoding="utf-8")
    program = path.with_suffix("")
    flags = ["-Drestrict=__restrict", "-w", "-O0"]
    subprocess.run([str(COMPILER), *flags, str(path), "-o", str(program)], check=True)
    found = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    assert int(found) == element_flops(degree)


@pytest.mark.parametrize("smoother_degree", [1, 2, 3])
def test_a_cycle_solves_elements_as_often_as_it_applies_the_jacobian(
    smoother_degree: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one count is both."""
    settings = MultigridSettings(smoother_degree=smoother_degree)
    run = start(problem(Box(cells=(2, 1, 1)), 3, [clamp("x-min")], multigrid=settings))
    level = run.multigrid.smoothed[-1]
    apply = Mock(wraps=level.elements.apply)  # type: ignore[union-attr]
    monkeypatch.setattr(level.elements, "apply", apply)
    before = level.jacobian.num_applies
    level.cycle()
    assert level.jacobian.num_applies - before == apply.call_count == 2 * smoother_degree


def test_counts_are_those_of_the_arrays() -> None:
    """45 numbers of each element at p = 2 and its node numbers, in blocks without idle lanes."""
    run = start(problem(Box(cells=(4, 2, 2)), 2, []))
    elements = preconditioner(run, np.float32)
    assert elements.bytes == 16 * (4 * 45 + 4 * 27)
    assert elements.flops == 16 * element_flops(2)

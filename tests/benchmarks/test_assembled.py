"""The rivals are what they claim to be: the same matrix, the same pattern, real limits."""

import numpy as np
import pytest

from elastane.benchmarks.assembled import AssembledJacobian, box_matrix, bytes_of_box
from elastane.benchmarks.lattice import Solid, fused
from elastane.benchmarks.limits import Limits
from elastane.benchmarks.problems import inclusion
from elastane.benchmarks.solves import started
from elastane.benchmarks.subjects import Cube, by_libceed, check_equal
from elastane.materials import find_model


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_assembled_matrix_is_what_the_solver_applies(degree: int) -> None:
    """To rounding, with two materials and prescribed components."""
    run, _ = started(inclusion(degree, 4))
    u, y = run.u.duplicate(), run.u.duplicate()
    u.setRandom()
    u.scale(1e-3)
    run.mechanics.evaluate(u, y)
    jacobian = AssembledJacobian(run)
    baij, aij = jacobian.assemble()
    x = run.u.duplicate()
    x.setRandom()
    run.multigrid.jacobian.mult(x, y)
    padded, result = baij.createVecs()
    padded.array[jacobian.free] = x.array_r
    for matrix in (baij, aij):
        matrix.mult(padded, result)
        np.testing.assert_allclose(
            result.array_r[jacobian.free], y.array_r, atol=1e-12 * np.abs(y.array_r).max()
        )


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_pattern_of_a_box_couples_the_nodes_of_each_element(degree: int) -> None:
    """The neighbours of node i along an axis are those of its one or two elements."""
    cells = 3
    matrix = box_matrix(degree, cells)
    starts, columns = matrix.getRowIJ()
    num_nodes = degree * cells + 1
    assert len(starts) == 3 * num_nodes**3 + 1
    # Blocks of nine numbers and a column.
    assert bytes_of_box(degree, cells) == (9 * 8 + 4) * len(columns) // 9
    corner, middle = 0, degree * (1 + num_nodes + num_nodes**2)
    for node, couples in ((corner, (degree + 1) ** 3), (middle, (2 * degree + 1) ** 3)):
        assert starts[3 * node + 1] - starts[3 * node] == 3 * couples


@pytest.mark.parametrize("variant", ["cofactor", "inverse"])
def test_fused_kernels_written_by_hand_generated_and_libceed_agree(variant: str) -> None:
    """But for the rounding of the state to single precision, which each stores in its own form."""
    solid, cube = Solid.example(find_model("neo-hookean")), Cube(2, 3)
    generated = fused(cube, solid, "jacobian")
    stored = {"cofactor": 11, "inverse": 10}[variant]
    check_equal(generated, fused(cube, solid.by_hand(variant, stored), "jacobian"), 2e-7)
    check_equal(generated, by_libceed(cube, solid, "jacobian", "/cpu/self/ref/serial"), 2e-7)


def test_the_slower_of_bytes_and_operations_bounds_an_apply() -> None:
    limits = Limits(bandwidth=10.0, peak=100.0)
    assert limits.seconds(20.0, 100.0) == 2.0
    assert limits.seconds(20.0, 400.0) == 4.0
    assert limits.seconds(20.0, 400.0, single=True) == 2.0

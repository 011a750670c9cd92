"""What is counted is no more than it was: a time may vary with the machine, a count may not.

ACCEPT=1 pytest tests/benchmarks/test_counts.py renews benchmarks/counts.json.
"""

import os
from typing import Any

import numpy as np
import pytest

from elastane.benchmarks.communication import bisect, grid_centres, grid_nodes, sharing
from elastane.benchmarks.counts import (
    PROBLEMS,
    accept,
    accepted,
    communication_counts,
    kernel_counts,
    solve_counts,
)

ADVICE = "to accept: ACCEPT=1 pytest tests/benchmarks/test_counts.py"


def expected(section: str, name: str, found: Any) -> Any:
    """Return what was accepted, or accept what is found."""
    if os.environ.get("ACCEPT"):
        accept(section, name, found)
    return accepted()[section][name]


def test_kernels_need_the_operations_and_bytes_that_were_accepted() -> None:
    found = kernel_counts()
    assert found == expected("kernels", "neo-hookean", found), ADVICE


@pytest.mark.parametrize("name", PROBLEMS)
def test_solves_need_no_more_iterations_than_were_accepted(name: str) -> None:
    """One CG iteration more in each Newton iteration is allowed: compilers round differently."""
    found = solve_counts(name)
    before = expected("solves", name, found)
    slack = before["newton_iterations"]
    assert found["newton_iterations"] <= before["newton_iterations"], ADVICE
    assert found["krylov_iterations"] <= before["krylov_iterations"] + slack, ADVICE
    assert found["residuals"] <= before["residuals"] + slack, ADVICE
    for name, count in before.items():
        if name.startswith(("applies", "work")):
            allowed = count + slack * count / before["krylov_iterations"]
            assert found[name] <= allowed, ADVICE


def test_parts_of_a_cube_share_what_was_accepted() -> None:
    found = communication_counts()
    assert found == expected("communication", "64 parts of a cube, p = 2", found), ADVICE


def test_eight_octants_share_the_planes_between_them() -> None:
    """Of 4³ cells of degree 2: three faces of 5² nodes, three edges of 5, and one node."""
    parts = bisect(grid_centres(4), 8)
    shared = sharing(grid_nodes(4, 2), parts, 8)
    np.testing.assert_array_equal(np.bincount(parts), 8)
    np.testing.assert_array_equal(shared.neighbours, 7)
    np.testing.assert_array_equal(shared.nodes, 3 * 25 + 3 * 5 + 1)

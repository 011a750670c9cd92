"""When the preconditioner is rebuilt, and that a stale one does no harm."""

import pytest

from elastane.meshes.box import Box
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.cycle import SAFETY, Level
from elastane.solver.problem import LinearSettings, Loading, NewtonSettings
from elastane.solver.rebuild import FAILED, FAR, FIRST, GREW, MANY, MOVED, SLOW, RebuildRule
from tests.verification.cases import clamp, displacement, problem, solve, start, traction


def in_use(iterations: int, digits: float, *, may_raise: bool = False) -> RebuildRule:
    """Return a rule after the first rebuild and a linear solve."""
    rule = RebuildRule(may_raise=may_raise)
    assert rule.reason(0.0) == FIRST
    rule.rebuilt(FIRST)
    rule.solved(iterations, digits)
    return rule


def test_nothing_is_rebuilt_without_a_reason() -> None:
    """A third more, or two more, iterations at the same gain are none."""
    for first, later in ((3, 5), (12, 16)):
        rule = in_use(first, 3.0)
        rule.kept()
        rule.solved(later, 3.0)
        assert rule.reason(0.9 * FAR) == ""


def test_a_state_far_away_is_a_reason() -> None:
    rule = in_use(10, 3.0)
    assert rule.reason(1.1 * FAR) == MOVED
    assert rule.reason(float("nan")) == MOVED


def test_more_iterations_are_a_reason_at_an_equal_gain() -> None:
    """Twice the digits may take twice the iterations."""
    rule = in_use(10, 3.0)
    rule.kept()
    rule.solved(20, 6.0)
    assert rule.reason(0.0) == ""
    rule.solved(20, 3.0)
    assert rule.reason(0.0) == GREW


def test_no_rebuild_helps_where_one_has_just_been() -> None:
    rule = in_use(10, 3.0)
    rule.solved(40, 3.0)
    assert rule.reason(0.0) == ""
    assert not rule.failed()


def test_a_failed_solve_with_what_was_kept_is_a_reason() -> None:
    rule = in_use(10, 3.0)
    rule.kept()
    assert rule.failed()
    assert rule.reason(0.0) == FAILED


@pytest.mark.parametrize("digits", [2.0, 5.0])
def test_many_iterations_per_digit_raise_the_degree_once(digits: float) -> None:
    few, many = int(0.9 * SLOW * digits), int(1.2 * SLOW * digits)
    assert in_use(few, digits, may_raise=True).reason(0.0) == ""
    assert in_use(many, digits, may_raise=False).reason(0.0) == ""
    rule = in_use(many, digits, may_raise=True)
    assert rule.reason(0.0) == MANY
    rule.rebuilt(MANY)
    rule.solved(many, digits)
    assert rule.reason(0.0) == ""


def test_a_rebuild_is_tried_before_the_degree_is_raised() -> None:
    """What is stale may be all that is wrong."""
    rule = in_use(10, 3.0, may_raise=True)
    rule.kept()
    rule.solved(60, 3.0)
    assert rule.reason(0.0) == GREW
    rule.rebuilt(GREW)
    rule.solved(60, 3.0)
    assert rule.reason(0.0) == MANY


def test_a_failed_solve_is_tried_again_with_a_higher_degree() -> None:
    """If it ran out of iterations at a rate that is slow."""
    rule = in_use(60, 1.0, may_raise=True)
    assert rule.failed()
    rule.rebuilt(MANY)
    rule.solved(60, 1.0)
    assert not rule.failed()


def test_small_steps_keep_the_preconditioner() -> None:
    """Ten steps of one tenth of a load that hardly bends the beam."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -1e-3)]
    report = solve(problem(Box(cells=(4, 2, 2)), 2, loads, loading=Loading(steps=10))).report
    assert report.preconditioner["rebuilds"] == {FIRST: 1}


@pytest.mark.parametrize("moved", [False, True])
def test_a_stale_preconditioner_that_fails_is_rebuilt(
    moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of iterations lets only a fresh one pass; by loads and by moved supports."""
    end = displacement("x-max", 0.1, 0.0, 0.0) if moved else traction("x-max", 0.05, 0.0, 0.0)
    run = start(
        problem(
            Box(cells=(4, 2, 2)),
            2,
            [clamp("x-min"), end],
            linear=LinearSettings(rtol=1e-3, max_iterations=8),
            newton=NewtonSettings(),
        )
    )
    monkeypatch.setattr(Level, "follow", lambda level: None)
    for level in run.multigrid.smoothed:
        # Below the largest eigenvalue, where a polynomial grows without bound.
        level.smoother.bound *= 0.01
    report = run.solve()
    assert report.status == "converged"
    assert report.preconditioner["rebuilds"] == {FIRST: 1, FAILED: 1}


def test_bounds_follow_the_state() -> None:
    """A body squeezed by a third is stiffer than the old diagonal says."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 1e-3, 0.0, 0.0)]
    run = start(problem(Box(cells=(4, 2, 2)), 2, loads))
    before = [level.smoother.bound for level in run.multigrid.smoothed]
    mechanics = run.mechanics
    u = mechanics.u.array
    u[:, 1:] = -0.3 * mechanics.space.X[:, 1:]
    mechanics.body.add_residual(mechanics.space, mechanics.u.ceed, mechanics.R.ceed)
    for level in run.multigrid.smoothed:
        level.jacobian.operator.update(u)
        level.follow()
    for level, bound in zip(run.multigrid.smoothed, before, strict=True):
        assert level.smoother.bound == SAFETY * level.eigenvalue > 1.2 * bound

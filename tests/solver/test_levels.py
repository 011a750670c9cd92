import pytest

from elastane.solver.levels import multigrid_degrees


@pytest.mark.parametrize(
    ("degree", "levels", "degrees"),
    [
        (1, "logarithmic", (1,)),
        (2, "logarithmic", (1, 2)),
        (3, "logarithmic", (1, 2, 3)),
        (4, "logarithmic", (1, 2, 4)),
        (5, "logarithmic", (1, 2, 3, 5)),
        (7, "logarithmic", (1, 2, 4, 7)),
        (8, "logarithmic", (1, 2, 4, 8)),
        (4, "uniform", (1, 2, 3, 4)),
        (6, (1, 3, 6), (1, 3, 6)),
    ],
)
def test_levels_rise_from_one_to_the_degree(
    degree: int, levels: str | tuple[int, ...], degrees: tuple[int, ...]
) -> None:
    assert multigrid_degrees(degree, levels) == degrees


@pytest.mark.parametrize("levels", [(), (1,), (2, 4), (1, 2), (1, 4, 2), (1, 1, 4), "halving"])
def test_other_levels_are_refused(levels: str | tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"levels must rise|unknown rule"):
        multigrid_degrees(4, levels)

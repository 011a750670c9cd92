"""The degrees of the p-multigrid levels, from coarse to fine."""

import itertools

#: How levels may be chosen by name.
LEVEL_RULES = ("logarithmic", "uniform")


def multigrid_degrees(degree: int, levels: str | tuple[int, ...]) -> tuple[int, ...]:
    """Return the degree of each level; the coarsest is 1 and the finest `degree`.

    Args:
        degree: Degree of the displacement.
        levels: "logarithmic" halves the degree, rounded up, from level to level: 7 gives 1, 2, 4,
            7.  "uniform" takes every degree.  A tuple gives the degrees themselves.

    Raises:
        ValueError: If the degrees given do not rise from 1 to `degree`.
    """
    if levels == "uniform":
        return tuple(range(1, degree + 1))
    if levels == "logarithmic":
        degrees = [degree]
        while degrees[-1] > 1:
            degrees.append((degrees[-1] + 1) // 2)
        return tuple(reversed(degrees))
    if isinstance(levels, str):
        raise ValueError(f"unknown rule {levels!r}; the rules are {', '.join(LEVEL_RULES)}")
    rising = all(coarse < fine for coarse, fine in itertools.pairwise(levels))
    if not levels or levels[0] != 1 or levels[-1] != degree or not rising:
        raise ValueError(
            f"the degrees of the levels must rise from 1 to the degree {degree}, got {list(levels)}"
        )
    return levels

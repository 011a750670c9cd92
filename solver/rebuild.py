"""When the preconditioner is built anew.

The levels follow every state; diagonals, bounds of the smoothers and the hierarchy of the p = 1
problem are kept, since a preconditioner need not know the tangent exactly.  They are rebuilt at the
first use, when the state has moved far from that of the last rebuild, when a linear solve needed
clearly more iterations than the first one after it, and when a linear solve failed.

Where the degree of the smoothers is left to the rule, it is raised once, with a rebuild, when a
linear solve was slow and its iterations had not grown since the last rebuild.
"""

from collections import Counter

#: Relative change of an entry of the p = 1 diagonal from which on the state has moved far.
FAR = 0.5

#: Iterations have grown if there are more by this factor and by so many ...
GROWTH, SLACK = 4.0 / 3.0, 2.0

#: Iterations per decimal digit from which on a linear solve is slow.  Below are compact bodies (1
#: to 9) and thin shells at p = 3 (11), where a higher degree of the smoothers costs more than it
#: saves; above are thin shells at p = 2 (14 to 17) and punches with ν = 0.495 (15) and 0.499 (28).
SLOW = 12.0

FIRST = "first use"
MOVED = "the state moved"
GREW = "iterations grew"
MANY = "a linear solve was slow"
FAILED = "a linear solve failed"


class RebuildRule:
    """Decides on rebuilds and counts them.

    Args:
        may_raise: Whether a slow solve raises the degree of the smoothers, for the reason MANY.

    Attributes:
        counts: Rebuilds so far, by reason.
        stale: Whether a linear solve since the last rebuild was one at another state.
    """

    def __init__(self, *, may_raise: bool = False) -> None:
        self._may_raise = may_raise
        self.counts: Counter[str] = Counter()
        self.stale = False
        self._due = FIRST
        self._rate: float | None = None

    def reason(self, change: float) -> str:
        """Return why a rebuild is due at the present state, "" if it is not.

        Args:
            change: Largest relative change of the p = 1 diagonal since the last rebuild.
        """
        # A comparison that is false for NaN.
        return self._due if self._due or change <= FAR else MOVED

    def rebuilt(self, reason: str) -> None:
        """Take note of a rebuild."""
        self.counts[reason] += 1
        self._due, self._rate, self.stale = "", None, False
        self._may_raise &= reason != MANY

    def kept(self) -> None:
        """Take note of a new state without a rebuild."""
        self.stale = True

    def solved(self, iterations: int, digits: float) -> None:
        """Take note of a linear solve that gained so many decimal digits."""
        if digits <= 0.0:
            return
        rate = iterations / digits
        if self._rate is None:
            self._rate = rate
        elif iterations > max(GROWTH * self._rate * digits, self._rate * digits + SLACK):
            self._due = GREW if self.stale else ""
        if self._may_raise and not self._due and rate > SLOW:
            self._due = MANY

    def failed(self) -> bool:
        """Take note of a failed linear solve; return whether a rebuild is due, which may help."""
        # A raised degree comes with a rebuild.
        if self.stale and self._due != MANY:
            self._due = FAILED
        return bool(self._due)

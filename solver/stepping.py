"""How the load goes from 0 to 1: increments that are cut in failure and grow again."""

from dataclasses import dataclass, replace

from elastane.solver.problem import Loading

#: A step is easy if Newton needs at most this many iterations ...
EASY_ITERATIONS = 8
#: ... and after so many easy ones the increment doubles, up to that of the job.
EASY_STEPS = 3


@dataclass(frozen=True)
class Progress:
    """How far the load steps have come: all that decides about the next one.

    Attributes:
        step: Converged load steps.
        load: Load fraction reached.
        increment: What the next step adds to it.
        easy: Easy steps since the increment last changed.
    """

    step: int
    load: float
    increment: float
    easy: int

    @classmethod
    def start(cls, loading: Loading) -> "Progress":
        """Return where a solve begins."""
        return cls(step=0, load=0.0, increment=1.0 / loading.steps, easy=0)

    @property
    def target(self) -> float:
        """Return the load fraction of the next step."""
        target = self.load + self.increment
        # Land on 1 rather than short of it by rounding.
        return 1.0 if target > 1.0 - 1e-9 else target

    def after_success(self, iterations: int, loading: Loading) -> "Progress":
        """Return the progress when the next step has converged in so many Newton iterations."""
        increment, largest = self.increment, 1.0 / loading.steps
        easy = self.easy + 1 if iterations <= EASY_ITERATIONS else 0
        if loading.adaptive and easy >= EASY_STEPS and increment < largest:
            increment, easy = min(2.0 * increment, largest), 0
        return Progress(self.step + 1, self.target, increment, easy)

    def after_failure(self) -> "Progress":
        """Return the progress with half the increment."""
        return replace(self, increment=0.5 * (self.target - self.load), easy=0)

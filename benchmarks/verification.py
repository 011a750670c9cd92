"""How far the tests in tests/verification are from their references, as docs/verification.md says.

Runs them, and writes down what every comparison finds.  Arguments go to pytest.

    python -m elastane.benchmarks.verification
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elastane.benchmarks.machine import write_results

FOLDER = "tests/verification"


def main() -> int:
    """Run the tests and write the results; return pytest's exit code."""
    recorder = Recorder()
    code = pytest.main(["-q", "-p", "no:cacheprovider", FOLDER, *sys.argv[1:]], plugins=[recorder])
    write_results("verification", {"tests": list(recorder.tests.values())})
    return int(code)


class Recorder:
    """A pytest plugin that keeps the differences which `approx` and `assert_allclose` see.

    Attributes:
        tests: What was found, by the name of the test function.
    """

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self._now: dict[str, Any] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Any:
        """Watch one test."""
        name = item.originalname
        self._now = self.tests.setdefault(
            name,
            {
                "test": name,
                "file": item.path.name,
                "says": (item.function.__doc__ or "").strip().split("\n")[0],
                "cases": 0,
                "failed": 0,
                "seconds": 0.0,
                "relative_difference": 0.0,
                "share_of_tolerance": 0.0,
                "comparisons": 0,
            },
        )
        self._now["cases"] += 1
        started = time.perf_counter()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pytest, "approx", self._approx(pytest.approx))
            patch.setattr(np.testing, "assert_allclose", self._allclose(np.testing.assert_allclose))
            try:
                return (yield)
            except BaseException:
                self._now["failed"] += 1
                raise
            finally:
                self._now["seconds"] += time.perf_counter() - started

    def _approx(self, approx: Callable[..., Any]) -> Callable[..., Any]:
        def recording(expected: Any, **tolerance: float) -> Any:
            return _Watched(self, approx(expected, **tolerance), expected, tolerance)

        return recording

    def _allclose(self, allclose: Callable[..., None]) -> Callable[..., None]:
        def recording(found: Any, expected: Any, **tolerance: Any) -> None:
            relative, absolute = tolerance.get("rtol", 1e-7), tolerance.get("atol", 0.0)
            self.note(found, expected, absolute + relative * np.abs(expected))
            allclose(found, expected, **tolerance)

        return recording

    def note(self, found: Any, expected: Any, allowed: Any) -> None:
        """Keep the largest difference, relative to the largest expected number, and its share."""
        difference = np.abs(np.subtract(found, expected, dtype=float))
        scale = float(np.max(np.abs(expected)))
        worst = {
            "relative_difference": float(np.max(difference)) / scale if scale else 0.0,
            "share_of_tolerance": float(np.max(difference / allowed)),
        }
        for name, value in worst.items():
            self._now[name] = max(self._now[name], value)
        self._now["comparisons"] += 1


class _Watched:
    """What `approx` gave, telling the recorder of every comparison."""

    def __init__(
        self, recorder: Recorder, inner: Any, expected: Any, tolerance: dict[str, float]
    ) -> None:
        self._recorder, self._inner = recorder, inner
        self._expected, self._tolerance = expected, tolerance

    def __eq__(self, found: object) -> bool:
        given = self._tolerance
        # As pytest has it: the larger of the two, 1e-6 relative and 1e-12 absolute by default.
        relative = given.get("rel", 0.0 if "abs" in given else 1e-6)
        allowed = np.maximum(given.get("abs", 1e-12), relative * np.abs(self._expected))
        self._recorder.note(found, self._expected, allowed)
        return bool(found == self._inner)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._inner)


def table(content: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    lines = [
        "| test | problem and accuracy of the reference | cases | worst relative difference "
        "| of the tolerance |",
        "|---|---|---|---|---|",
    ]
    for test in sorted(content["tests"], key=lambda test: (test["file"], test["says"])):
        title = test["test"].removeprefix("test_").replace("_", " ")
        says = " ".join(test["says"].replace("|", "&#124;").split())
        if test["comparisons"]:
            found = f"{test['relative_difference']:.0e} | {test['share_of_tolerance']:.0%}"
        else:
            found = " | "
        failed = f", {test['failed']} failed" if test["failed"] else ""
        lines.append(f"| {title} | {says} | {test['cases']}{failed} | {found} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

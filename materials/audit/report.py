"""An audit as text for a terminal and as JSON."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elastane.materials.audit.findings import Finding, Status, worst_status

#: Widest line of a terminal.
WIDTH = 100

#: Entries of H below which F alone does not hold them to many digits.
SMALL = 1e-3

BAD = (Status.FAIL, Status.WARN)


@dataclass(frozen=True)
class Report:
    """What an audit found.

    Attributes:
        name: Name of the kernel set.
        findings: What each test says.
        seconds: How long it took.
        files: Pictures that were drawn.
    """

    name: str
    findings: tuple[Finding, ...]
    seconds: float
    files: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """Return the verdict: the worst that any test says."""
        return worst_status(self.findings)

    @property
    def bad(self) -> tuple[Finding, ...]:
        """Return the findings that are not good."""
        return tuple(finding for finding in self.findings if finding.status in BAD)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON knows it."""
        return {
            "name": self.name,
            "verdict": self.status.value,
            "seconds": round(self.seconds, 2),
            "findings": [finding.as_json() for finding in self.findings],
            "files": list(self.files),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Report":
        """Return the report that `as_json` wrote."""
        return cls(
            entry["name"],
            tuple(map(Finding.from_json, entry["findings"])),
            entry["seconds"],
            tuple(entry["files"]),
        )

    def as_text(self) -> str:
        """Return a table of the tests, how to reproduce what is bad, and the verdict."""
        lines = [*_table(self.findings), ""]
        for finding in self.bad:
            lines += [*_details(finding), ""]
        lines += [f"drew {file}" for file in self.files]
        counts = {status: 0 for status in BAD}
        for finding in self.bad:
            counts[finding.status] += 1
        said = ", ".join(f"{n} {status}" for status, n in counts.items() if n) or "nothing found"
        num_tests = len({finding.test for finding in self.findings})
        lines += [
            f"{self.name}: {self.status.value} ({said}; {num_tests} tests in {self.seconds:.1f} s)"
        ]
        return "\n".join(lines)


def _table(findings: tuple[Finding, ...]) -> Iterator[str]:
    """Yield a line for each finding: test, status, figure, sentence or kind of defect."""
    width = max(len(finding.test) for finding in findings)
    for finding in findings:
        what = finding.category.value if finding.category else finding.sentence
        figure = f" ({finding.figure})" if finding.figure else ""
        yield f"  {finding.test:{width}}  {finding.status.value:4}  {what}{figure}"


def _details(finding: Finding) -> Iterator[str]:
    """Yield what is wrong, where, and what reproduces it."""
    head = f"{finding.status.value} {finding.test}: {finding.sentence}"
    yield from textwrap.wrap(head, WIDTH, subsequent_indent="    ", break_long_words=False)
    if finding.F is not None and finding.H is not None:
        yield f"    F = {_matrix(finding.F)}"
        if 0.0 < max(abs(x) for row in finding.H for x in row) < SMALL:
            yield f"    F - I = {_matrix(finding.H)}"
    if finding.parameters:
        values = ", ".join(f"{name}={value!r}" for name, value in finding.parameters.items())
        yield f"    at {values}"


def _matrix(rows: tuple[tuple[float, ...], ...]) -> str:
    return "[" + ", ".join("[" + ", ".join(map(repr, row)) + "]" for row in rows) + "]"

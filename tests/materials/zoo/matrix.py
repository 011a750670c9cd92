"""Which test catches which defect, as a table for the documentation."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from elastane.materials.audit.findings import Status
from elastane.materials.audit.tests import TESTS, audit
from tests.materials.zoo.defects import DEFECTS, Defect

#: The page that shows the table, between two marks.
PAGE = Path(__file__).parents[3] / "docs" / "materials-check.md"
MARKS = "<!-- matrix -->\n", "<!-- end of matrix -->\n"

SIGNS = {Status.FAIL: "F", Status.WARN: "w"}

COLUMNS = ("compiler", *TESTS)


def without_textbook(defect: Defect) -> Defect:
    return replace(defect, material=replace(defect.material, textbook=None))


def catches() -> dict[str, dict[str, Status]]:
    """Return for each defect the tests that say something bad, and how bad."""
    found: dict[str, dict[str, Status]] = {}
    for name, defect in DEFECTS.items():
        report, _ = audit(defect.material, {})
        found[name] = {}
        for finding in report.bad:
            found[name].setdefault(finding.test, finding.status)
    return found


def matrix_text(found: Mapping[str, Mapping[str, Status]]) -> str:
    """Return the table in Markdown; with ACCEPT=1 it is also written into the page."""
    used = [test for test in COLUMNS if any(test in row for row in found.values())]
    lines = [
        "| defect | named | " + " | ".join(used) + " |",
        "|---|---|" + "---|" * len(used),
    ]
    for name, row in found.items():
        marks = [SIGNS[row[test]] if test in row else "" for test in used]
        lines.append(f"| {name} | {DEFECTS[name].category} | " + " | ".join(marks) + " |")
    alone = [name for name, row in found.items() if set(row) == {"textbook"}]
    lines += ["", f"Only the textbook catches: {', '.join(alone)}.", ""]
    text = "\n".join(lines)
    if os.environ.get("ACCEPT"):
        before, _, after = split_page()
        PAGE.write_text("".join([before, MARKS[0], text, MARKS[1], after]), encoding="utf-8")
    return text


def split_page() -> tuple[str, str, str]:
    """Return the page before the table, the table, and the page after it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    table, _, after = rest.partition(MARKS[1])
    return before, table, after

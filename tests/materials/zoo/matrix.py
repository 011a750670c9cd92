"""Which test catches which defect, as a table for the documentation."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from elastane.materials.audit.findings import Status
from elastane.materials.audit.tests import TESTS, audit
from tests.materials.zoo.defects import DEFECTS, Defect

#: The table, checked in; `docs/materials-check.md` shows it.
MATRIX = Path(__file__).parents[3] / "docs" / "materials-check-matrix.md"

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
    """Return the table in Markdown; with ACCEPT=1 it is also written."""
    used = [test for test in COLUMNS if any(test in row for row in found.values())]
    lines = [
        "| defect | named as | " + " | ".join(used) + " |",
        "|---|---|" + "---|" * len(used),
    ]
    for name, row in found.items():
        marks = [SIGNS[row[test]] if test in row else "" for test in used]
        lines.append(f"| {name} | {DEFECTS[name].category} | " + " | ".join(marks) + " |")
    alone = [name for name, row in found.items() if set(row) == {"textbook"}]
    lines += ["", "Only the textbook catches: " + ", ".join(alone) + ".", ""]
    text = "\n".join(lines)
    if os.environ.get("ACCEPT"):
        MATRIX.write_text(text, encoding="utf-8")
    return text

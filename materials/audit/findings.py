"""What an audit finds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Status(StrEnum):
    """How a test ended; NOT_APPLICABLE is neither good nor bad."""

    FAIL = "FAIL"
    WARN = "WARN"
    PASS = "PASS"
    NOT_APPLICABLE = "-"


#: From bad to good.
SEVERITY = tuple(Status)


class Category(StrEnum):
    """What kind of defect a finding is."""

    REFUSED = "refused by the compiler"
    LOST_RULE = "derivative rule lost"
    WRONG_DERIVATIVE = "wrong derivative"
    WRONG_FORMULA = "wrong formula"
    WRONG_CODE = "wrong code"
    UNSTABLE_DIGITS = "unstable digits"
    SINGLE_PRECISION = "single precision"
    NOT_FINITE = "not finite"
    OVERFLOW = "overflow"
    NOT_OBJECTIVE = "not objective"
    NOT_SYMMETRIC = "not symmetric"
    MATERIAL_SYMMETRY = "material symmetry"
    NOT_AT_REST = "not at rest"
    NEGATIVE_ENERGY = "negative energy"
    NO_GROWTH = "no growth"
    UNSTABLE = "unstable"
    KINK = "kink"
    NO_CONVERGENCE = "no convergence"


@dataclass(frozen=True)
class Finding:
    """What a test says.

    Attributes:
        test: Name of the test.
        status: How it ended.
        sentence: What was found, and where it is bad what to do.
        category: Kind of defect; None where there is none.
        figure: The number that decided, as text.
        H: Displacement gradient to reproduce it with, rows of doubles; None if there is none.
        parameters: Kernel parameters to reproduce it with.
    """

    test: str
    status: Status
    sentence: str
    category: Category | None = None
    figure: str = ""
    H: tuple[tuple[float, ...], ...] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def F(self) -> tuple[tuple[float, ...], ...] | None:
        """Return the deformation gradient I + H; a strain below 1e-16 is lost in it."""
        return None if self.H is None else rows_of(np.asarray(self.H) + np.eye(3))

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON knows it."""
        entries = asdict(self) | {"F": self.F}
        return {key: value for key, value in entries.items() if value not in (None, {})}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Finding":
        """Return the finding that `as_json` wrote."""
        H = entry.get("H")
        return cls(
            test=entry["test"],
            status=Status(entry["status"]),
            sentence=entry["sentence"],
            category=Category(entry["category"]) if "category" in entry else None,
            figure=entry.get("figure", ""),
            H=tuple(tuple(row) for row in H) if H else None,
            parameters=entry.get("parameters", {}),
        )


def rows_of(tensor: NDArray[Any]) -> tuple[tuple[float, ...], ...]:
    """Return a tensor as rows of floats."""
    return tuple(tuple(map(float, row)) for row in tensor)


def worst_status(findings: "list[Finding] | tuple[Finding, ...]") -> Status:
    """Return the worst status of findings, PASS if there is none."""
    found = {finding.status for finding in findings} - {Status.NOT_APPLICABLE}
    return min(found, key=SEVERITY.index, default=Status.PASS)

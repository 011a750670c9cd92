"""What the folder of a run says, as a page about runs needs it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elastane.jobs.paths import RunFolder
from elastane.jobs.report.curves import Units
from elastane.jobs.report.html import shown
from elastane.jobs.results_table import point_of, read_sound_result
from elastane.jobs.status_file import RunStatus
from elastane.jobs.view import stored_status


@dataclass(frozen=True)
class Run:
    """What the folder of a run says.

    Attributes:
        folder: The folder.
        status: How it stands.
        result: Content of result.json, empty if there is none.
        point: What it varied in a sweep.
        job: Text of the effective job file.
        provenance: Content of provenance.json, empty if there is none.
    """

    folder: RunFolder
    status: RunStatus
    result: Mapping[str, Any]
    point: Mapping[str, Any]
    job: str
    provenance: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the name of the folder."""
        return self.folder.root.resolve().name

    @property
    def units(self) -> Units:
        """Return the units of its numbers."""
        return self.result.get("units", {})

    @property
    def steps(self) -> Sequence[Mapping[str, Any]]:
        """Return the converged load steps."""
        return self.result.get("steps", [])

    @property
    def point_shown(self) -> str:
        """Return in words what it varied in a sweep."""
        return ", ".join(f"{key} = {shown(value)}" for key, value in self.point.items())


def read_run(folder: RunFolder) -> Run:
    """Return what the folder of a run says; what cannot be read is left out."""
    job = _text(folder.job)
    try:
        provenance = json.loads(_text(folder.provenance))
    except ValueError:
        provenance = {}
    return Run(
        folder,
        stored_status(folder),
        read_sound_result(folder),
        point_of(folder),
        job,
        provenance if isinstance(provenance, dict) else {},
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

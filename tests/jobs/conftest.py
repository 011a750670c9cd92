from collections.abc import Callable
from pathlib import Path

import pytest

WriteJob = Callable[[str], Path]

SOUND_JOB = """\
mesh: {box: {size: [1, 1, 1], cells: [2, 2, 2]}}
materials:
  all: {model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4}
boundary:
  - {surface: x-min, displacement: [0, 0, 0]}
  - {surface: x-max, traction: [0, 0, -0.5]}
"""


@pytest.fixture
def write_job(tmp_path: Path) -> WriteJob:
    """Return a function that writes a job file and returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "job.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def sound_job(write_job: WriteJob) -> Path:
    """Return the path of a job file without faults."""
    return write_job(SOUND_JOB)

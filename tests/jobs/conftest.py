import difflib
import os
import subprocess
import sys
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
output: {surfaces: [x-max], probes: {tip: [1, 1, 1]}}
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


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Return a function that compares a text with a stored one."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if os.environ.get("ACCEPT"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        stored = path.read_text(encoding="utf-8") if path.exists() else ""
        difference = "\n".join(
            difflib.unified_diff(stored.splitlines(), text.splitlines(), "stored", "now", n=1)
        )
        assert not difference, f"{difference}\nto accept: ACCEPT=1 pytest {Path(__file__).parent}"

    return compare


@pytest.fixture
def run_python() -> Callable[[str], str]:
    """Return a function that runs Python code in a process of its own: what it printed."""

    def run(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout

    return run

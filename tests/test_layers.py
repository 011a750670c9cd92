"""Imports point downwards, and who only checks a job loads no library of a run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_import_contracts_hold() -> None:
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize(
    "module",
    [
        "elastane.jobs.cli",
        "elastane.jobs.schema",
        "elastane.solver.problem",
        "elastane.solver.output",
    ],
)
def test_login_nodes_load_no_library_of_a_run(module: str) -> None:
    program = (
        f"import sys, {module}; "
        "print(*{'petsc4py', 'mpi4py', 'libceed', 'jax', 'h5py'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.split() == []

"""What all tests share: one thread per process, and how several ranks start on few cores."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Set before numpy is imported, and for every process that a test starts.
os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    OMPI_ALLOW_RUN_AS_ROOT="1",
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
    OMPI_MCA_rmaps_base_oversubscribe="1",
)


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the list of runs and the queue of this machine out of the tests' way."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


RunRanks = Callable[..., str]


@pytest.fixture(scope="session")
def run_ranks() -> RunRanks:
    """Return a function that runs a Python program on several ranks and returns what it printed."""

    def run(num_ranks: int, program: Path, *arguments: object) -> str:
        command = ["mpiexec", "-n", str(num_ranks), sys.executable, "-m", "mpi4py"]
        return subprocess.run(
            [*command, str(program), *map(str, arguments)],
            # Without what MPI has put into the C environment of this process, if it runs here too.
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    return run

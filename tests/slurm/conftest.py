import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing_daemons

FAKE_WORKER = Path(__file__).parent.parent / "jobs" / "fake_worker.py"

#: Stands in for Python in a batch script: plays a solve of ten steps, does all else in earnest.
STAND_IN = """\
#!/bin/bash
if [[ "$*" == "-m mpi4py -m elastane.jobs.worker ." ]]; then
    exec '{python}' -m mpi4py '{worker}' . $FAKE_ACT
fi
exec '{python}' "$@"
"""


@pytest.fixture(scope="session")
def _cluster() -> Iterator[Cluster]:
    missing = missing_daemons()
    if missing:
        pytest.skip(f"NO TEST ON A REAL SLURM: {', '.join(missing)} not installed; `make setup` as "
                    "root installs them")  # fmt: skip
    host = socket.gethostname().split(".")[0]
    try:
        socket.gethostbyname(host)
    except OSError as error:
        pytest.skip(f"NO TEST ON A REAL SLURM: the host name {host} has no address: {error}")
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(
    _cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """Return a private SLURM that this process talks to, without jobs."""
    monkeypatch.setenv("SLURM_CONF", _cluster.environment["SLURM_CONF"])
    # Two emulated nodes have one host name and would talk through shared memory.
    monkeypatch.setenv("OMPI_MCA_btl", "self,tcp")
    monkeypatch.setenv("OMPI_MCA_pml", "ob1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ELASTANE_SITES", raising=False)
    monkeypatch.chdir(tmp_path)
    yield _cluster
    _cluster.cancel_all()


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batch scripts play the solve that FAKE_ACT names when they are submitted."""
    stand_in = tmp_path / "python"
    stand_in.write_text(STAND_IN.format(python=sys.executable, worker=FAKE_WORKER))
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    monkeypatch.setenv("FAKE_ACT", "steps")

"""Jobs on the GPUs of a real SLURM of two emulated nodes; the GPUs are simulated by their ranks."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.states import FINAL
from elastane.jobs.status_file import read_status
from elastane.jobs.submission import SubmitOptions, submit
from tests.slurm.cluster import Cluster, wait_until

PROGRAM = Path(__file__).parent / "rank_device.py"

JOB = """\
name: beam
mesh: {box: {size: [2, 1, 1], cells: [2, 2, 1]}}
degree: 1
materials: {all: {model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4}}
boundary:
  - {surface: x-min, displacement: [0, 0, 0]}
  - {surface: x-max, traction: [0, 0, -0.01]}
backend: simulated
output: {every: 0}
resources: {nodes: 2, ranks_per_node: 2, gpus_per_node: 2, time: "00:05:00"}
"""


# Each says in its own way which GPUs a rank may use: by a list, by their number, by a list of one.
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("binding", ["", "--gpu-bind=none", "--gpu-bind=single:1"])
def test_each_rank_takes_a_gpu_of_its_own(binding: str) -> None:
    options = ["--mpi=pmix", "--kill-on-bad-exit=1", "--nodes=2", "--ntasks-per-node=2"]
    program = [sys.executable, "-m", "mpi4py", str(PROGRAM)]
    done = subprocess.run(
        ["srun", *options, "--gpus-per-node=2", *binding.split(), *program],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = sorted(json.loads(line) for line in done.stdout.splitlines())
    assert told == [[0, 0, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]]


@pytest.mark.long
def test_a_solve_on_two_nodes_says_which_rank_had_which_gpu(
    cluster: Cluster, tmp_path: Path
) -> None:
    sites = tmp_path / "config/elastane/sites"
    sites.mkdir(parents=True)
    (sites / "gpus.yaml").write_text(
        "name: gpus\nlauncher_options: [--mpi=pmix]\nbinding: [--gpu-bind=none]\n"
    )
    (tmp_path / "job.yml").write_text(JOB)
    options = SubmitOptions(executor="slurm", site="gpus")
    folder = RunFolder(submit(tmp_path / "job.yml", options, io.StringIO()).folder)

    def has_ended() -> bool:
        status = read_status(folder)
        return status is not None and status.state in FINAL

    wait_until(has_ended, 120.0, f"the end of {folder.root}")
    assert read_result(folder.result)["status"] == "converged", folder.log.read_text()
    events = [json.loads(line) for line in folder.events.read_text().splitlines()]
    (event,) = [event for event in events if event["event"] == "devices"]
    assert [(each["local_rank"], each["number"]) for each in event["devices"]] == [
        (0, 0), (1, 1), (0, 0), (1, 1),
    ]  # fmt: skip

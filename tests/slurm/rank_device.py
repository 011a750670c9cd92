"""Takes devices as a solve does; each rank prints [node, local rank, GPU] as SLURM numbers them."""

import json
import os
import sys
from typing import Any

from mpi4py import MPI

from elastane.solver.discretisation import _local_rank, _open_device
from elastane.solver.journal import Journal
from elastane.solver.observer import Request


class Silent:
    """An observer that says nothing."""

    def event(self, kind: str, **values: Any) -> None: ...

    def request(self) -> Request:
        return Request.GO_ON


comm = MPI.COMM_WORLD
device = _open_device("simulated", Journal(Silent(), comm), comm).device
every = map(str, range(int(os.environ["SLURM_GPUS_ON_NODE"])))
visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(every)).split(",")
told = [int(os.environ["SLURM_NODEID"]), _local_rank(comm), int(visible[device.number])]
sys.stdout.write(json.dumps(told) + "\n")

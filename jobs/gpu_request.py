"""What a job on GPUs must ask for, and what the machine that starts it must have."""

import importlib.util
import sys
from collections.abc import Iterator
from typing import TextIO

from elastane.jobs.executors.base import RejectedError
from elastane.jobs.gpu_doctor import require_gpu
from elastane.jobs.gpu_driver import DRIVERS
from elastane.jobs.schema import JobFile
from elastane.solver.backends import find_backend


def gpu_fault(file: JobFile) -> str | None:
    """Return why a cluster would give a job no GPU; None if it would, or the job needs none."""
    if not is_on_gpu(file.backend) or file.resources.gpus_per_node:
        return None
    return (
        f"resources.gpus_per_node is 0 and backend {file.backend} needs GPUs: write how many of a "
        "node the job takes, and as many resources.ranks_per_node: one rank drives one GPU"
    )


def gpu_warnings(file: JobFile) -> Iterator[str]:
    """Yield what a job asks of the GPUs of a node that looks like a mistake."""
    ranks, gpus = file.resources.ranks_per_node, file.resources.gpus_per_node
    if not gpus:
        return
    device = find_backend(file.backend).device
    if device is None and not is_on_gpu(file.backend):
        yield f"resources.gpus_per_node is {gpus}, and backend {file.backend} uses no GPU"
    elif ranks < gpus:
        yield (
            f"resources: {ranks} ranks and {gpus} GPUs on each node: one rank drives one GPU, so "
            f"{gpus - ranks} would idle; write ranks_per_node: {gpus}, or ask for fewer GPUs"
        )
    elif ranks > gpus:
        yield (
            f"resources: {ranks} ranks and {gpus} GPUs on each node: ranks would share GPUs and "
            f"wait for each other; write ranks_per_node: {gpus}"
        )


def is_on_gpu(backend: str) -> bool:
    """Return whether a backend needs GPUs; the simulated device does not."""
    return backend.startswith("/gpu/") or find_backend(backend).device in DRIVERS


def require_gpus(file: JobFile, executor: str, stream: TextIO) -> None:
    """Refuse a job that is to be submitted and would not get the GPUs it needs.

    Args:
        file: The job.
        executor: Name of the executor.
        stream: Where it is told what looks like a mistake.

    Raises:
        RejectedError: If it asks a cluster for none.
        MissingDependencyError: If it would run on this machine, which cannot.
    """
    device = find_backend(file.backend).device
    if executor == "local":
        if device is not None:
            require_gpu(device)
        return
    fault = gpu_fault(file)
    if fault is not None:
        raise RejectedError(fault)
    # This machine may have no GPU; the nodes run the same Python.
    if device in DRIVERS and importlib.util.find_spec("cupy") is None:
        stream.write(
            f"warning: CuPy is not installed for {sys.executable}, by which the job will run: pip "
            f"install 'elastane[{device}]', unless a module of the site profile brings it\n"
        )

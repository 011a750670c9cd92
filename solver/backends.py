"""Where a solve runs: the libCEED resource and the device that go with it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """A place to run.

    Attributes:
        resource: libCEED resource; on devices for what stays on the host.
        fused: Whether our own kernels (`elastane.solver.fused`) apply the operators.
        device: Key of `elastane.solver.device.DEVICES`, whose kernels apply the operators; None
            on CPUs.
    """

    resource: str
    fused: bool = False
    device: str | None = None


CPU_RESOURCE = "/cpu/self/avx/blocked"
BACKENDS = {
    "cpu": Backend(CPU_RESOURCE, fused=True),
    "cuda": Backend(CPU_RESOURCE, device="cuda"),
    "hip": Backend(CPU_RESOURCE, device="hip"),
    "simulated": Backend(CPU_RESOURCE, device="simulated"),
}
#: Beginnings of libCEED's own resources; vectors are on the host for all of them.
RESOURCES = ("/cpu/", "/gpu/cuda/", "/gpu/hip/")
#: What a name of a backend may be; the simulated device is for tests.
KNOWN = "cpu, cuda, hip, or a libCEED resource such as /cpu/self/opt/blocked"

#: Variables that hide GPUs from a process.  HIP obeys all three, one after the other: the number of
#: those left is that of the shortest list.
VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def find_backend(name: str) -> Backend:
    """Return the backend of that name, or libCEED alone on the resource given.

    Raises:
        ValueError: If there is none; the message lists those there are.
    """
    if name.startswith(RESOURCES):
        return Backend(name)
    try:
        return BACKENDS[name]
    except KeyError:
        raise ValueError(f"unknown backend {name!r}; the backends are {KNOWN}") from None


def device_number(local_rank: int, environment: Mapping[str, str]) -> int | None:
    """Return the GPU of a rank among those it can see: the ranks of a node take them in turn.

    A job gets the GPUs of a node together, as they reach each other directly only then.

    Args:
        local_rank: Number of the rank among those of its node, from 0.
        environment: Variables of the environment.

    Returns:
        The number; None where the environment does not tell how many there are.
    """
    lists = [environment.get(name, "").split(",") for name in VISIBLE]
    counts = [len(entries) for entries in lists if entries != [""]]
    given = environment.get("SLURM_GPUS_ON_NODE", "")
    if not counts and given.isdecimal() and int(given) > 0:
        counts = [int(given)]
    return local_rank % min(counts) if counts else None


def device_resource(resource: str, local_rank: int, environment: Mapping[str, str]) -> str:
    """Return a libCEED resource with the GPU of a rank.

    Where nothing tells how many there are, libCEED takes the device that PETSc has chosen.

    Args:
        resource: The resource, of whatever kind.
        local_rank: Number of the rank among those of its node, from 0.
        environment: Variables of the environment.
    """
    number = device_number(local_rank, environment)
    if not resource.startswith("/gpu/") or "device_id" in resource or number is None:
        return resource
    return f"{resource}:device_id={number}"

"""Where a solve runs: the libCEED resource and the PETSc types that go with it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """A place to run.

    Attributes:
        resource: libCEED resource.
        vec_type: PETSc vector type.
        mat_type: PETSc type of assembled matrices.
        fused: Whether our own kernels (`elastane.solver.fused`) apply the operators.
    """

    resource: str
    vec_type: str
    mat_type: str
    fused: bool = False


BACKENDS = {
    "cpu": Backend("/cpu/self/avx/blocked", vec_type="standard", mat_type="aij", fused=True),
    "cuda": Backend("/gpu/cuda/gen", vec_type="cuda", mat_type="aijcusparse"),
    "hip": Backend("/gpu/hip/gen", vec_type="hip", mat_type="aijhipsparse"),
}


def find_backend(name: str) -> Backend:
    """Return the backend of that name, or libCEED alone on the CPU resource given.

    Raises:
        ValueError: If there is none; the message lists those there are.
    """
    if name.startswith("/cpu/"):
        return Backend(name, vec_type="standard", mat_type="aij")
    try:
        return BACKENDS[name]
    except KeyError:
        known = ", ".join(BACKENDS)
        raise ValueError(
            f"unknown backend {name!r}; the backends are {known}, "
            "or a libCEED resource such as /cpu/self/opt/blocked"
        ) from None


def device_resource(resource: str, local_rank: int, environment: Mapping[str, str]) -> str:
    """Return a libCEED resource with the GPU of a rank: the ranks of a node take its GPUs in turn.

    A job gets the GPUs of a node together, as they reach each other directly only then.  Where
    nothing tells how many there are, libCEED takes the device that PETSc has chosen.

    Args:
        resource: The resource, of whatever kind.
        local_rank: Number of the rank among those of its node, from 0.
        environment: Variables of the environment.
    """
    if not resource.startswith("/gpu/") or "device_id" in resource:
        return resource
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        devices = [entry for entry in environment.get(name, "").split(",") if entry]
        if devices:
            return f"{resource}:device_id={local_rank % len(devices)}"
    given = environment.get("SLURM_GPUS_ON_NODE", "")
    if given.isdecimal() and int(given) > 0:
        return f"{resource}:device_id={local_rank % int(given)}"
    return resource

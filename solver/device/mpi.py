"""Whether MPI takes pointers to memory of GPUs, so that halos need not go through the host.

Reference: Open MPI, MPIX_Query_cuda_support(3) and MPIX_Query_rocm_support(3); MPICH,
MPIX_GPU_query_support(3); HPE Cray MPI, intro_mpi(3).
"""

import ctypes
import os
from collections.abc import Mapping

from mpi4py import MPI

from elastane.solver.device.base import DeviceError

#: Says so instead of MPI: 1 or 0.
OVERRIDE = "ELASTANE_GPU_AWARE_MPI"
#: Cray's MPI takes such pointers only if it is 1, and ends at once where it cannot.
CRAY = "MPICH_GPU_SUPPORT_ENABLED"
#: By device: Open MPI's function, and the number of MPICH's.
QUERIES = {"cuda": ("MPIX_Query_cuda_support", 0), "hip": ("MPIX_Query_rocm_support", 2)}


def gpu_aware_mpi(name: str, environment: Mapping[str, str] | None = None) -> bool:
    """Return whether MPI takes pointers to memory of a device; what is not known counts as no.

    Args:
        name: Key of `DEVICES`.
        environment: Variables of the environment; None for those of this process.

    Raises:
        DeviceError: If ELASTANE_GPU_AWARE_MPI is neither 0 nor 1.
    """
    environment = os.environ if environment is None else environment
    told = environment.get(OVERRIDE, "")
    if told not in ("", "0", "1"):
        raise DeviceError(f"{OVERRIDE} must be 0 or 1, got {told[:80]!r}")
    if told:
        return told == "1"
    if name not in QUERIES:
        return False
    if CRAY in environment:
        return environment[CRAY] == "1"
    # Symbols of the library that mpi4py was linked with are found through mpi4py's own.
    return _ask(ctypes.CDLL(MPI.__file__), *QUERIES[name])


def _ask(library: ctypes.CDLL, function: str, number: int) -> bool:
    """Return what a library of MPI says.

    Args:
        library: The library.
        function: Open MPI's query.
        number: MPICH's number for the kind of GPU.
    """
    if hasattr(library, function):
        return bool(getattr(library, function)())
    if hasattr(library, "MPIX_GPU_query_support"):
        answer = ctypes.c_int()
        error = library.MPIX_GPU_query_support(ctypes.c_int(number), ctypes.byref(answer))
        return error == 0 and bool(answer.value)
    return False

"""Which MPIs are taken for those that read memory of GPUs."""

import ctypes
import subprocess
from pathlib import Path

import pytest

from elastane.solver.device.base import DeviceError
from elastane.solver.device.mpi import QUERIES, _ask, gpu_aware_mpi

OPEN_MPI = "int MPIX_Query_cuda_support(void) { return 1; }"
OPEN_MPI_WITHOUT = "int MPIX_Query_cuda_support(void) { return 0; }"
# The number of the kind is MPICH's; 1 would be Intel's.
MPICH = "int MPIX_GPU_query_support(int kind, int *answer) { *answer = kind == 2; return 0; }"
REFUSING = "int MPIX_GPU_query_support(int kind, int *answer) { *answer = 1; return 3; }"


@pytest.mark.parametrize(
    ("text", "cuda", "hip"),
    [
        (OPEN_MPI, True, False),  # before 5.0 Open MPI knew of CUDA only
        (OPEN_MPI_WITHOUT, False, False),
        (MPICH, False, True),
        (REFUSING, False, False),
        ("int MPI_Init(void) { return 0; }", False, False),
    ],
    ids=["Open MPI", "Open MPI without", "MPICH", "refusing", "other"],
)
def test_mpi_is_asked_in_its_own_way(text: str, cuda: bool, hip: bool, tmp_path: Path) -> None:
    (tmp_path / "mpi.c").write_text(text)
    command = ["cc", "-shared", "-fPIC", "-o", "mpi.so", "mpi.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "mpi.so"))
    answers = [_ask(library, *QUERIES[name]) for name in ("cuda", "hip")]
    assert answers == [cuda, hip]


def test_the_environment_has_the_last_word() -> None:
    assert gpu_aware_mpi("simulated", {"ELASTANE_GPU_AWARE_MPI": "1"})
    assert not gpu_aware_mpi("simulated", {})
    cray = {"MPICH_GPU_SUPPORT_ENABLED": "1"}
    assert gpu_aware_mpi("hip", cray)
    assert not gpu_aware_mpi("hip", cray | {"ELASTANE_GPU_AWARE_MPI": "0"})
    assert not gpu_aware_mpi("hip", {"MPICH_GPU_SUPPORT_ENABLED": "0"})
    with pytest.raises(DeviceError, match="must be 0 or 1, got 'yes'"):
        gpu_aware_mpi("cuda", {"ELASTANE_GPU_AWARE_MPI": "yes"})


def test_the_mpi_of_this_process_answers() -> None:
    assert gpu_aware_mpi("cuda", {}) in (True, False)

import pytest

from elastane.solver.backends import BACKENDS, device_number, device_resource, find_backend

GPU = "/gpu/cuda/gen"


@pytest.mark.parametrize(
    ("environment", "numbers"),
    [
        ({"CUDA_VISIBLE_DEVICES": "4,5,6"}, [0, 1, 2, 0, 1]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937,GPU-17d3b0c4"}, [0, 1, 0, 1, 0]),
        # One GPU for each rank: all call theirs 0.
        ({"CUDA_VISIBLE_DEVICES": "3", "SLURM_GPUS_ON_NODE": "4"}, [0, 0, 0, 0, 0]),
        ({"ROCR_VISIBLE_DEVICES": "0,1"}, [0, 1, 0, 1, 0]),
        ({"ROCR_VISIBLE_DEVICES": "0,1,2,3", "HIP_VISIBLE_DEVICES": "2,3"}, [0, 1, 0, 1, 0]),
        ({"SLURM_GPUS_ON_NODE": "4"}, [0, 1, 2, 3, 0]),
        ({"SLURM_GPUS_ON_NODE": "4", "CUDA_VISIBLE_DEVICES": ""}, [0, 1, 2, 3, 0]),
        ({"SLURM_GPUS_ON_NODE": "0"}, [None] * 5),
        ({"SLURM_GPUS_ON_NODE": "many"}, [None] * 5),
        ({}, [None] * 5),
    ],
    ids=str,
)
def test_the_ranks_of_a_node_take_its_gpus_in_turn(
    environment: dict[str, str], numbers: list[int | None]
) -> None:
    assert [device_number(rank, environment) for rank in range(5)] == numbers


def test_a_libceed_resource_names_the_gpu_of_its_rank() -> None:
    two = {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert device_resource(GPU, 3, two) == f"{GPU}:device_id=1"
    assert device_resource(f"{GPU}:device_id=0", 3, two) == f"{GPU}:device_id=0"
    assert device_resource("/cpu/self/opt/blocked", 3, two) == "/cpu/self/opt/blocked"
    assert device_resource(GPU, 3, {}) == GPU


def test_a_backend_on_a_device_keeps_the_host_for_libceed() -> None:
    for name in ("cuda", "hip", "simulated"):
        backend = find_backend(name)
        assert backend.device == name
        assert backend.resource == BACKENDS["cpu"].resource
    assert find_backend("/gpu/hip/gen").device is None


def test_an_unknown_backend_is_refused_with_those_there_are() -> None:
    for name in ("gpu", "CUDA", "/gpu/magma", "/xpu/self"):
        with pytest.raises(ValueError, match="the backends are cpu, cuda, hip, or a libCEED"):
            find_backend(name)

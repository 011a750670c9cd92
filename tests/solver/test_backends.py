import pytest

from elastane.solver.backends import BACKENDS, device_resource

GPU = BACKENDS["cuda"].resource


@pytest.mark.parametrize("resource", ["/cpu/self/avx/blocked", "/gpu/cuda/gen:device_id=3"])
def test_a_resource_that_needs_no_device_stays(resource: str) -> None:
    assert device_resource(resource, 1, {"SLURM_GPUS_ON_NODE": "4"}) == resource


@pytest.mark.parametrize(
    "environment",
    [{"CUDA_VISIBLE_DEVICES": "4,5"}, {"ROCR_VISIBLE_DEVICES": "0,1"}, {"SLURM_GPUS_ON_NODE": "2"}],
)
def test_ranks_of_a_node_take_its_gpus_in_turn(environment: dict[str, str]) -> None:
    devices = [device_resource(GPU, rank, environment).partition("=")[2] for rank in range(5)]
    assert devices == ["0", "1", "0", "1", "0"]


def test_the_device_is_left_to_petsc_where_nobody_tells_their_number() -> None:
    assert device_resource(GPU, 3, {}) == GPU

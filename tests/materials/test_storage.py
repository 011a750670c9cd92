"""Storing a number is worth more on some machines than on others; one split serves them all."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

pytest.importorskip("enzyme_ad", reason="needs pip install 'elastane[materials]'")
import jax

from elastane.materials import MODELS
from elastane.materials.compiler import build, split
from elastane.materials.compiler.history import add_history
from elastane.materials.compiler.pipeline import enzyme_formulas
from elastane.materials.kernels import find_kernels
from elastane.solver.fused.source import Kernel


@dataclass(frozen=True)
class Machine:
    """A machine by its data sheet: GB/s of memory, and GFlop/s without matrix units.

    The CPU core is that of `benchmarks`, the A100 has 80 GB, an MI250X two of these devices.
    """

    bandwidth: float
    double: float
    single: float

    def storage_cost(self, *, single: bool) -> float:
        """Return the operations, pairs of a product and a sum, in the time of four bytes."""
        return 4 / self.bandwidth * (self.single if single else self.double) / 2


MACHINES = {
    "CPU core": Machine(12.5, 83, 166),
    "NVIDIA A100": Machine(2039, 9700, 19500),
    "NVIDIA H200": Machine(4800, 34000, 67000),
    "AMD MI250X": Machine(1638, 23950, 23950),
    "AMD MI300X": Machine(5300, 81700, 163400),
}

#: Costs for which other splits are made; those of the machines are between 10 and 62.
COSTS = (10, 20, 60)

#: What a split of their own would gain at most in the time of a tangent apply of degree 2 in which
#: memory and arithmetic take turns: not worth a second text of each material.
GAIN = 0.05


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def test_the_cost_of_storage_is_between_those_of_machines() -> None:
    """In single precision, in which most Jacobians are computed."""
    costs = sorted(machine.storage_cost(single=True) for machine in MACHINES.values())
    assert costs[0] < split.STORAGE_COST < costs[-1]
    assert costs[len(costs) // 2] == pytest.approx(split.STORAGE_COST, rel=0.1)


@pytest.mark.parametrize(
    "chosen",
    [
        # Seconds each: two sets here, one of which has other splits; the others are long.
        pytest.param(
            chosen,
            id=chosen.name,
            marks=[] if name in ("neo-hookean", "neo-hookean-j2") else [pytest.mark.long],
        )
        for name in MODELS
        for chosen in build.find_kernel_sets(name)
    ],
)
def test_one_split_serves_all_machines(chosen: build.KernelSet) -> None:
    formulas = enzyme_formulas(chosen.material, chosen.choices)
    formulas = add_history(chosen.material, chosen.choices, formulas)
    used, *others = [split.divide(formulas), *(split.divide_at(formulas, cost) for cost in COSTS)]
    kernels = find_kernels(chosen.material, chosen.choices)
    assert len(used[1].stored) == kernels.num_stored

    gains = {}
    for name, machine in MACHINES.items():
        for single in (False, True):
            cost = machine.storage_cost(single=single)
            kernel = Kernel.of(
                "jacobian",
                kernels,
                varying=False,
                degree=2,
                num_points_1d=3,
                geometry_degree=1,
                single=single,
            )
            # Of an element, beside what the material computes and stores; u and v are updated.
            points, unknowns = 3**3, 3 * 2**3
            nbytes = kernel.bytes + 4 * kernel.dtype.itemsize * unknowns
            rest = cost * (nbytes / 4 - kernels.num_stored * points)
            rest += (kernel.flops - points * kernels.manifest["material_flops"]["jacobian"]) / 2
            times = [
                rest + points * split.price_of(way.graph, choice, cost)
                for way, choice in (used, *others)
            ]
            gains[name, single] = times[0] / min(times) - 1
    assert max(gains.values()) < GAIN, gains

"""What a device can do: bytes per second of memory and of shared memory, operations per second.

All are measured by kernels of their own, timed on the device: streams of reads, fused multiply-adds
on independent accumulators, and reads of shared memory without conflicts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elastane.solver.device.base import Device, DeviceArray

SOURCE = (Path(__file__).parent / "device_limits.cu").read_text(encoding="utf-8")

#: Threads of a block.
THREADS = 256

#: Multiply-adds, or reads of shared memory, of a thread in a cycle.
IN_CYCLE = 8


@dataclass(frozen=True)
class DeviceLimits:
    """Rates of a device.

    Attributes:
        memory: Bytes read from memory per second.
        shared: Bytes read from shared memory per second, all multiprocessors together.
        double: Floating-point operations per second in double precision.
        single: The same in single precision.
    """

    memory: float
    shared: float
    double: float
    single: float

    def least(
        self, num_bytes: float, shared_bytes: float, flops: float, *, single: bool
    ) -> tuple[float, str]:
        """Return the least time of so much work, and what it is spent on."""
        times = {
            "memory": num_bytes / self.memory,
            "shared memory": shared_bytes / self.shared,
            "flops": flops / (self.single if single else self.double),
        }
        slowest = max(times, key=times.__getitem__)
        return times[slowest], slowest


def measure_device_limits(
    device: Device,
    num_bytes: int = 1 << 32,
    cycles: int = 4096,
    blocks: int = 8192,
    repeats: int = 9,
) -> DeviceLimits:
    """Return the limits of a device.

    Args:
        device: The device.
        num_bytes: Of the numbers that are read; more than the caches hold.
        cycles: Of a thread.
        blocks: More than run at once.
        repeats: The best of so many counts: a limit is not a typical rate.
    """
    module = device.module(SOURCE, "device-limits")
    numbers = device.zeros(num_bytes // 8, np.float64)
    nowhere = device.zeros(1, np.float64)

    def rate(amount: float, name: str, *arguments: DeviceArray | int | float) -> float:
        function = module.function(name)
        seconds = best(
            device, lambda: function.launch(blocks, THREADS, *arguments, nowhere), repeats
        )
        return amount / seconds

    done = blocks * THREADS * IN_CYCLE * cycles
    return DeviceLimits(
        memory=rate(numbers.nbytes, "read_memory", numbers, numbers.size),
        shared=rate(8 * done, "read_shared", cycles),
        double=rate(2 * done, "multiply_add_double", cycles, 0.5),
        single=rate(2 * done, "multiply_add_float", cycles, 0.5),
    )


def best(device: Device, run: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of a few runs, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        timer = device.timer()
        run()
        times.append(timer.seconds())
    return min(times[1:])

"""What one core of this machine can do: bytes per second from memory, operations per second.

Both are measured by compiled loops.  The bytes are those of reading several arrays at once, as an
apply does, together much larger than any cache; the operations are those of fused multiply-adds on
independent vector accumulators, more of them than an addition takes cycles.

No apply is faster than max(bytes / bandwidth, operations / peak).
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elastane.materials.compiler.native import build_library

SOURCE = (Path(__file__).parent / "limits.c").read_text(encoding="utf-8")

#: Arrays that are read at once.
NUM_ARRAYS = 4

#: The loop over accumulators is repeated so often: some hundredth of a second.
NUM_CYCLES = 500_000


@dataclass(frozen=True)
class Limits:
    """Rates of one core.

    Attributes:
        bandwidth: Bytes read from memory per second.
        peak: Floating-point operations per second in double precision; twice as many in single.
    """

    bandwidth: float
    peak: float

    def seconds(self, num_bytes: float, flops: float, *, single: bool = False) -> float:
        """Return the least time in which a core moves so many bytes and does so many operations."""
        return max(num_bytes / self.bandwidth, flops / (self.peak * (2 if single else 1)))


def measure_limits(num_bytes: int = 1 << 30, repeats: int = 9) -> Limits:
    """Return the limits of the core that this process runs on.

    Args:
        num_bytes: Of all arrays together; more than the caches hold.
        repeats: The best of so many counts: a limit is not a typical rate.
    """
    library = ctypes.CDLL(str(build_library(SOURCE, "limits")))
    library.read_arrays.restype = library.multiply_add.restype = ctypes.c_double
    length = num_bytes // (8 * NUM_ARRAYS) // 64 * 64
    memory = np.ones((NUM_ARRAYS, length))
    arrays = ctypes.c_void_p(memory.ctypes.data)
    read = _best(lambda: library.read_arrays(arrays, ctypes.c_long(length)), repeats)
    flops = library.flops_per_cycle() * NUM_CYCLES
    computed = _best(lambda: library.multiply_add(ctypes.c_long(NUM_CYCLES)), repeats)
    return Limits(bandwidth=memory.nbytes / read, peak=flops / computed)


def _best(run: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of a few runs, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times[1:])

"""The memory of a device, for the multigrid cycle and the Krylov method: see `Memory`.

Passes are the C sources of the host, with other words for loops and sums; kernels of elements are
the device's own.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elastane.solver.device.base import Device, Function, Module
from elastane.solver.device.elements import DeviceFunction
from elastane.solver.fused.source import Kernel
from elastane.solver.memory import Mail, Vector
from elastane.solver.passes import REAL, text

FOLDER = Path(__file__).parent / "kernels"

#: Threads of a block of a pass; a power of two.
THREADS = 256

#: More blocks than run at once are of no use: threads go on with further numbers.
MOST_BLOCKS = 2048

#: The words of passes, see `cycle.c`.
WORDS = f"""\
#define DEVICE 1
#define restrict __restrict__
typedef long long Size;
#define EACH                                                                    \\
  for (Size i = blockIdx.x * (Size)blockDim.x + threadIdx.x; i < n;             \\
       i += (Size)gridDim.x * blockDim.x)
#define ONE_BY_ONE EACH
#define SUMMED EACH
#define TOTAL(sum, place)                                                       \\
  __shared__ double partial[{THREADS}];                                         \\
  partial[threadIdx.x] = sum;                                                   \\
  __syncthreads();                                                              \\
  for (int half = {THREADS // 2}; half > 0; half /= 2) {{                       \\
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half]; \\
    __syncthreads();                                                            \\
  }}                                                                            \\
  if (threadIdx.x == 0) atomicAdd(place, partial[0])
#define ADD(place, value) atomicAdd(place, value)
"""


def pass_text(name: str, dtype: DTypeLike) -> str:
    """Return the CUDA C++ of a source of passes for a precision: a device's own, or the host's."""
    own = FOLDER / f"{name}.cu"
    source = (own.read_text(encoding="utf-8") if own.exists() else text(name)).replace(
        "ENTRY ", 'extern "C" __global__ '
    )
    return f"typedef {REAL[np.dtype(dtype)]} real;\n{WORDS}{source}"


class _Functions:
    """The kernels of a module as attributes."""

    def __init__(self, module: Module) -> None:
        self._function = cache(module.function)

    def __getattr__(self, name: str) -> Function:
        return self._function(name)


class _StagedMail:
    """Messages that go through this host."""

    def __init__(self, device: Device, sent: Vector, received: Vector) -> None:
        self._device, self._sent, self._received = device, sent, received
        self.sent, self.received = (np.zeros(x.shape, x.dtype) for x in (sent, received))

    def post(self) -> None:
        """Bring to the host what is sent."""
        self._device.download(self._sent, self.sent)

    def collect(self) -> None:
        """Bring to the device what has come."""
        self._device.upload(self.received, self._received)


class _DirectMail:
    """Messages that MPI takes from the device and brings there."""

    def __init__(self, device: Device, sent: Vector, received: Vector) -> None:
        self._device = device
        self.sent, self.received = device.for_mpi(sent), device.for_mpi(received)

    def post(self) -> None:
        """Wait until all is packed: MPI knows nothing of the device's order of work."""
        self._device.synchronize()

    def collect(self) -> None:
        """Do nothing."""


class DeviceMemory:
    """The memory of a device, see `Memory`.

    Args:
        device: The device.
        direct: Whether MPI takes messages from the device itself.

    Attributes:
        device: The device.
        direct: See above.
    """

    is_host = False

    def __init__(self, device: Device, *, direct: bool = False) -> None:
        self.device, self.direct = device, direct
        self._libraries: dict[tuple[str, np.dtype[Any]], _Functions] = {}

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Vector:
        """Return an array of zeros on the device."""
        return self.device.zeros(shape, dtype)

    def take(self, values: NDArray[Any]) -> Vector:
        """Return a copy on the device."""
        return self.device.upload(np.ascontiguousarray(values))

    def read(self, vector: Vector) -> NDArray[Any]:
        """Return a copy on the host."""
        return self.device.download(vector)

    def write(self, values: NDArray[Any], vector: Vector) -> None:
        """Overwrite an array on the device."""
        self.device.upload(np.ascontiguousarray(values), vector)

    def clear(self, vector: Vector) -> None:
        """Set an array to zero."""
        self.device.clear(vector)

    def copy(self, source: Vector, target: Vector) -> None:
        """Overwrite an array by another one."""
        self.device.copy(source, target)

    def functions(self, name: str, dtype: DTypeLike) -> Any:
        """Return the compiled kernels of a source."""
        key = name, np.dtype(dtype)
        if key not in self._libraries:
            module = self.device.module(pass_text(*key), f"{name}-{REAL[key[1]]}")
            self._libraries[key] = _Functions(module)
        return self._libraries[key]

    def bound(self, function: Function, count: int, *arrays: Vector) -> Callable[..., None]:
        """Return a kernel with its length and its arrays bound; the rest are doubles."""
        blocks = min(-(-count // THREADS), MOST_BLOCKS)
        return partial(function.launch, blocks, THREADS, count, *arrays)

    def mail(self, sent: Vector, received: Vector) -> Mail:
        """Return what MPI needs to exchange two arrays."""
        return (_DirectMail if self.direct else _StagedMail)(self.device, sent, received)

    def element_values(self, values: NDArray[Any], dtype: DTypeLike) -> Vector:
        """Return values on the device, shape (num_elements, components, n)."""
        return self.take(values.transpose(0, 2, 1))

    def at_points(
        self, kernel: Kernel, name: str, num_elements: int, num_components: int
    ) -> Vector:
        """Return zeros, shape (num_elements, components, points)."""
        shape = num_elements, num_components, kernel.num_points_1d**3
        return self.zeros(shape, kernel.layout(name)[0])

    def set_at_points(self, values: NDArray[Any], array: Vector) -> None:
        """Overwrite an array at points by values of shape (num_elements, points, components)."""
        self.write(values.transpose(0, 2, 1).astype(array.dtype), array)

    def element_function(
        self,
        kernel: Kernel,
        offsets: Vector,
        num_elements: int,
        arrays: Mapping[str, Vector],
        context: Vector,
        rest: Vector,
    ) -> DeviceFunction:
        """Return a kernel bound to its elements."""
        return DeviceFunction(self.device, kernel, offsets, num_elements, arrays, context, rest)

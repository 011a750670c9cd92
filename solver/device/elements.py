"""Kernels over elements at work on a device: compiled, and bound to the arrays of their elements.

On a device an array of elements is [element][component][place], with places nodes or points, so
that neighbouring threads read neighbouring numbers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.solver.device.base import Device, DeviceArray
from elastane.solver.device.source import (
    Schedule,
    default_schedule,
    device_source,
    fast_diagonal_schedule,
    fast_diagonal_text,
    operations,
    shared_traffic,
    transfer_schedule,
    transfer_text,
    work_size,
)
from elastane.solver.fused.source import KINDS, Kernel

#: Arrays at points that a kernel has room for in its parameters.
MOST_INPUTS, MOST_OUTPUTS = 3, 2


class DeviceFunction:
    """A kernel bound to the elements of one part of a body; the twin of `FusedFunction`.

    Args:
        device: The device.
        kernel: The kernel; of its schedule only `recompute_geometry` counts here.
        offsets: Place of the first component of each node in the L-vector, `int32`, shape
            (num_elements, nodes) or (num_elements, 1, nodes).
        num_elements: Number of elements.
        arrays: Arrays on the device, by name: "geometry", shape (num_elements, 3, nodes) or, for
            stored quadrature data, (num_elements, 10, points), and what the kernel reads and writes
            at the points, shape (num_elements, components, points).  They are used where they lie.
        context: Parameters of the material where they are the same everywhere.
        rest: The stored state at rest, see `state_at_rest`.
        schedule: How it is launched; by default a good way.

    Attributes:
        kernel: The kernel.
        schedule: How it is launched.
    """

    def __init__(
        self,
        device: Device,
        kernel: Kernel,
        offsets: DeviceArray,
        num_elements: int,
        arrays: Mapping[str, DeviceArray],
        context: DeviceArray,
        rest: DeviceArray,
        schedule: Schedule | None = None,
    ) -> None:
        self.kernel, self.num_elements = kernel, num_elements
        self.schedule = schedule or default_schedule(kernel)
        num_nodes, num_points = (kernel.degree + 1) ** 3, kernel.num_points_1d**3
        assert offsets.dtype == np.int32
        assert offsets.size == num_elements * num_nodes
        places, components = kernel.geometry_components
        geometry = arrays["geometry"]
        assert geometry.shape == (num_elements, components, places)
        assert rest.shape == (kernel.kernels.num_stored,)
        for array in (geometry, context, rest):
            assert array.dtype == kernel.dtype
        for name, size in (*kernel.inputs, *kernel.outputs):
            assert arrays[name].shape == (num_elements, size, num_points)
            assert arrays[name].dtype == kernel.layout(name)[0]
        self._blocks = self.schedule.blocks(num_elements)
        scratch = (
            None
            if self.schedule.in_shared
            else device.zeros(
                (self._blocks * self.schedule.elements * work_size(kernel)), kernel.dtype
            )
        )
        self._arguments = (
            num_elements,
            offsets,
            geometry,
            context,
            rest,
            *_filled([arrays[name] for name, _ in kernel.inputs], MOST_INPUTS),
            *_filled([arrays[name] for name, _ in kernel.outputs], MOST_OUTPUTS),
            scratch,
        )
        module = device.module(device_source(kernel, self.schedule), kernel.name)
        self._function = module.function(KINDS[kernel.kind].loop)

    def __call__(self, u: DeviceArray, v: DeviceArray) -> None:
        """Read the L-vector u and add to v; one that the kernel does not use may be empty."""
        for vector in (u, v):
            assert vector.dtype == self.kernel.dtype
        self._function.launch(self._blocks, self.threads, *self._arguments, u, v)

    @property
    def threads(self) -> int:
        """Return the threads of a block."""
        return self.schedule.threads

    @property
    def flops(self) -> int:
        """Return the floating-point operations of one call."""
        return self.num_elements * operations(self.kernel)

    @property
    def bytes(self) -> int:
        """Return the bytes of one call beside the L-vectors."""
        return self.num_elements * self.kernel.bytes

    @property
    def shared_bytes(self) -> int:
        """Return the bytes of shared memory that one call reads and writes."""
        return self.num_elements * self.kernel.dtype.itemsize * shared_traffic(self.kernel)


class FastDiagonalKernel:
    """The solution of all elements by fast diagonalisation, see `FastDiagonal`.

    Args:
        device: The device.
        degree: Degree of the elements.
        ratio: Stiffness against stretch over that against shear.
        offsets: As of `DeviceFunction`.
        modes: [element][direction][node][mode].
        eigenvalues: [element][direction][mode].
        axes: [element][3 a + c], component a of axis c.
    """

    def __init__(
        self,
        device: Device,
        degree: int,
        ratio: float,
        offsets: DeviceArray,
        modes: DeviceArray,
        eigenvalues: DeviceArray,
        axes: DeviceArray,
    ) -> None:
        n, dtype = degree + 1, modes.dtype
        num_elements = offsets.size // n**3
        assert offsets.dtype == np.int32
        assert eigenvalues.dtype == axes.dtype == dtype
        sizes = (offsets.size, modes.size, eigenvalues.size, axes.size)
        assert sizes == tuple(num_elements * size for size in (n**3, 3 * n**2, 3 * n, 9))
        schedule = fast_diagonal_schedule(degree, dtype)
        self._launch = schedule.blocks(num_elements), schedule.threads
        self._arguments = num_elements, offsets, modes, eigenvalues, axes
        module = device.module(fast_diagonal_text(degree, dtype, ratio), f"fast-diagonal-p{degree}")
        self._function = module.function("fast_diagonal")

    def __call__(self, s: DeviceArray, y: DeviceArray) -> None:
        """Add the solution for the L-vector s to y."""
        self._function.launch(*self._launch, *self._arguments, s, y)


class TransferKernels:
    """Prolongation and multigrid restriction between two degrees, see `Interpolation`.

    Args:
        device: The device.
        coarse_degree, fine_degree: The degrees.
        dtype: Precision of the vectors.
        coarse, fine: Node numbers of the elements, `int32`, shape (num_elements, nodes).
    """

    def __init__(
        self,
        device: Device,
        coarse_degree: int,
        fine_degree: int,
        dtype: np.dtype[Any],
        coarse: DeviceArray,
        fine: DeviceArray,
    ) -> None:
        num_elements = fine.shape[0]
        assert coarse.dtype == fine.dtype == np.int32
        assert coarse.size == num_elements * (coarse_degree + 1) ** 3
        assert fine.size == num_elements * (fine_degree + 1) ** 3
        schedule = transfer_schedule(coarse_degree, fine_degree, dtype)
        self._launch = schedule.blocks(num_elements), schedule.threads
        self._arguments = num_elements, coarse, fine
        text = transfer_text(coarse_degree, fine_degree, dtype)
        module = device.module(text, f"transfer-p{coarse_degree}-p{fine_degree}")
        self._prolong, self._restrict_add = map(module.function, ("prolong", "restrict_add"))

    def prolong(self, x: DeviceArray, y: DeviceArray) -> None:
        """Set y to the prolongation of the coarse L-vector x."""
        self._prolong.launch(*self._launch, *self._arguments, x, y)

    def restrict_add(self, r: DeviceArray, b: DeviceArray) -> None:
        """Add to the coarse L-vector b the transpose of the prolongation times r."""
        self._restrict_add.launch(*self._launch, *self._arguments, r, b)


def to_device_layout(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of elements as a device has them, shape (num_elements, components, places).

    Args:
        values: Shape (num_elements, places, components).
    """
    return np.ascontiguousarray(values.transpose(0, 2, 1))


def from_device_layout(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of elements, shape (num_elements, places, components)."""
    return np.ascontiguousarray(values.transpose(0, 2, 1))


def _filled(arrays: list[DeviceArray], count: int) -> list[DeviceArray | None]:
    """Return arrays and null pointers, so many together."""
    assert len(arrays) <= count
    return [*arrays, *[None] * (count - len(arrays))]

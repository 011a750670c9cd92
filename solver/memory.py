"""Where the vectors of the solve lie, and what runs over them: memory of this host or of a device.

The multigrid cycle, its parts and the Krylov method on a device ask a memory for vectors and for
the functions over them, and never look inside a vector themselves: no copy between host and device
is hidden.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elastane.solver import passes
from elastane.solver.fused.kernel import FusedFunction, in_blocks, points_array
from elastane.solver.fused.schedule import VECTOR_BYTES
from elastane.solver.fused.source import Kernel

#: A numpy array, or what a device has in its place.
Vector = Any


class Mail(Protocol):
    """Buffers of messages.

    Attributes:
        sent, received: What MPI takes and fills.
    """

    sent: Any
    received: Any

    def post(self) -> None:
        """Make what was packed ready to be sent."""

    def collect(self) -> None:
        """Make what has come ready to be used."""


class Memory(Protocol):
    """A memory.

    Attributes:
        is_host: Whether it is that of this host: vectors are numpy arrays.
    """

    is_host: bool

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> Vector:
        """Return a vector of zeros."""

    def take(self, values: NDArray[Any]) -> Vector:
        """Return a vector of these values; on the host it is their array itself."""

    def read(self, vector: Vector) -> NDArray[Any]:
        """Return the values of a vector; on the host it is the vector itself."""

    def write(self, values: NDArray[Any], vector: Vector) -> None:
        """Overwrite a vector."""

    def clear(self, vector: Vector) -> None:
        """Set a vector to zero."""

    def copy(self, source: Vector, target: Vector) -> None:
        """Overwrite a vector by another one."""

    def functions(self, name: str, dtype: DTypeLike) -> Any:
        """Return the functions of a source of passes, `cycle` or `aggregates`, for a precision."""

    def bound(self, function: Any, count: int, *arrays: Vector) -> Callable[..., None]:
        """Return a function with its length and its vectors bound; the rest are doubles."""

    def mail(self, sent: Vector, received: Vector) -> Mail:
        """Return what MPI needs to exchange two vectors."""

    def element_values(self, values: NDArray[Any], dtype: DTypeLike) -> Vector:
        """Return values of elements, (num_elements, n, components), as element kernels read them.

        These are kernels for numbers of `dtype`, whatever the values are.
        """

    def at_points(
        self, kernel: Kernel, name: str, num_elements: int, num_components: int
    ) -> Vector:
        """Return zeros for an array at points that a kernel reads or writes."""

    def set_at_points(self, values: NDArray[Any], array: Vector) -> None:
        """Overwrite an array at points by values of shape (num_elements, points, components)."""

    def element_function(
        self,
        kernel: Kernel,
        offsets: Vector,
        num_elements: int,
        arrays: Mapping[str, Vector],
        context: Vector,
        rest: Vector,
    ) -> Any:
        """Return a kernel bound to its elements, see `FusedFunction`."""


class _HostMail:
    def __init__(self, sent: NDArray[Any], received: NDArray[Any]) -> None:
        self.sent, self.received = sent, received

    def post(self) -> None:
        """Do nothing."""

    def collect(self) -> None:
        """Do nothing."""


class HostMemory:
    """The memory of this host, see `Memory`."""

    is_host = True
    element_function = FusedFunction
    bound = staticmethod(passes.bound)

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of zeros."""
        return np.zeros(shape, dtype)

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the array."""
        return np.ascontiguousarray(values)

    def read(self, vector: NDArray[Any]) -> NDArray[Any]:
        """Return the array."""
        return vector

    def write(self, values: NDArray[Any], vector: NDArray[Any]) -> None:
        """Overwrite an array."""
        vector[...] = values

    def clear(self, vector: NDArray[Any]) -> None:
        """Set an array to zero."""
        vector[...] = 0.0

    def copy(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        """Overwrite an array by another one."""
        target[...] = source

    def functions(self, name: str, dtype: DTypeLike) -> Any:
        """Return the compiled functions of a source."""
        return passes.library(name, np.dtype(dtype))

    def mail(self, sent: NDArray[Any], received: NDArray[Any]) -> Mail:
        """Return the arrays: MPI takes them as they are."""
        return _HostMail(sent, received)

    def element_values(self, values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        """Return values in blocks of as many elements as a register has lanes of `dtype`."""
        return in_blocks(values, VECTOR_BYTES // np.dtype(dtype).itemsize)

    def at_points(
        self, kernel: Kernel, name: str, num_elements: int, num_components: int
    ) -> NDArray[Any]:
        """Return zeros in blocks."""
        num_points = kernel.num_points_1d**3
        return points_array(num_elements, num_points, num_components, *kernel.layout(name))

    def set_at_points(self, values: NDArray[Any], array: NDArray[Any]) -> None:
        """Overwrite an array in blocks."""
        array[:] = in_blocks(values.astype(array.dtype), array.shape[-1])


HOST = HostMemory()

"""What a device is: arrays that only its kernels touch, modules of kernels, counted transfers.

Kernels are CUDA C++ in the subset that HIP shares, without headers and warp intrinsics: functions
`extern "C" __global__ void NAME(...)` with pointers, `long long` and `double` as parameters, and
blocks and threads along x.  Launches and copies happen in the order in which they are called.
"""

import re
from dataclasses import astuple, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: Of a block, on GPUs of either kind.
MAX_THREADS = 1024


class DeviceError(RuntimeError):
    """A device cannot be used: it is missing, out of memory, or refuses a kernel."""


@dataclass
class Transfers:
    """What went over the bus, and how many kernels were launched, since the device was opened."""

    uploads: int = 0
    downloads: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    launches: int = 0

    def __add__(self, other: "Transfers") -> "Transfers":
        return Transfers(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Transfers") -> "Transfers":
        return Transfers(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def count_upload(self, num_bytes: int) -> None:
        """Count one copy to the device."""
        self.uploads += 1
        self.bytes_up += num_bytes

    def count_download(self, num_bytes: int) -> None:
        """Count one copy to the host."""
        self.downloads += 1
        self.bytes_down += num_bytes


class DeviceArray(Protocol):
    """Contiguous numbers on a device, in C order; functions of NumPy raise TypeError on it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers."""
        ...

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        ...

    @property
    def nbytes(self) -> int:
        """Its memory in bytes."""
        ...


#: What a kernel takes: a pointer, `long long`, `double`, or (None) the null pointer.
Argument = DeviceArray | int | float | None


class Function(Protocol):
    """A kernel."""

    def launch(self, blocks: int, threads: int, *arguments: Argument) -> None:
        """Start the kernel on so many blocks of threads; no blocks: nothing happens.

        Raises:
            DeviceError: If the arguments do not fit the kernel, or the device refuses.
        """
        ...


class Module(Protocol):
    """Compiled kernels."""

    def function(self, name: str) -> Function:
        """Return the kernel of that name.

        Raises:
            DeviceError: If there is none.
        """
        ...


class Timer(Protocol):
    """Time on a device."""

    def seconds(self) -> float:
        """Return the seconds between the timer's start and now, when all work so far is done."""
        ...


class Device(Protocol):
    """A place with memory of its own where kernels run.

    Attributes:
        name: Key of `DEVICES`.
        number: Which of its kind on this compute node, from 0, among those the process may use.
        description: Its model, architecture and memory.
        transfers: What was copied and launched so far.
    """

    name: str
    number: int
    description: str
    transfers: Transfers

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Return a new array of zeros.

        Raises:
            DeviceError: If memory runs out.
        """
        ...

    def upload(self, values: NDArray[Any], target: DeviceArray | None = None) -> DeviceArray:
        """Copy to the device: into `target` of the same shape and type, or a new array.

        Raises:
            ValueError: If shape or type of the target differ.
            DeviceError: If memory runs out.
        """
        ...

    def download(self, array: DeviceArray, target: NDArray[Any] | None = None) -> NDArray[Any]:
        """Copy to the host, when all launched work is done: into `target`, or a new array.

        Raises:
            ValueError: If shape or type of the target differ, or it is not contiguous.
        """
        ...

    def clear(self, array: DeviceArray) -> None:
        """Set all numbers to zero."""
        ...

    def copy(self, source: DeviceArray, target: DeviceArray) -> None:
        """Copy on the device, between arrays of the same shape and type.

        Raises:
            ValueError: If they differ.
        """
        ...

    def for_mpi(self, array: DeviceArray) -> Any:
        """Return what mpi4py takes as the buffer of an array; the work on it must be done."""
        ...

    def module(self, text: str, name: str) -> Module:
        """Return the kernels of a text, compiled once for all uses.

        Args:
            text: CUDA C++, complete.
            name: Used in messages and file names only.

        Raises:
            DeviceError: If the text does not compile; the message holds the compiler's.
        """
        ...

    def synchronize(self) -> None:
        """Wait for all launched work."""
        ...

    def timer(self) -> Timer:
        """Return a timer, started."""
        ...


#: A kernel, as texts declare it; bounds stand before or behind `void`.
_BOUNDS = r"(?:__launch_bounds__\s*\([^)]*\)\s*)?"
_KERNEL = re.compile(rf'extern\s+"C"\s+__global__\s+{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\(')


def kernel_names(text: str) -> list[str]:
    """Return the names of the kernels that a text declares."""
    return _KERNEL.findall(text)


def check_kernel(name: str, names: list[str], module: str) -> None:
    """Raise DeviceError where a module has no such kernel."""
    if name not in names:
        known = ", ".join(names) or "none"
        raise DeviceError(f"{module} has no kernel {name!r}; its kernels are {known}")


def check_launch(name: str, blocks: int, threads: int) -> None:
    """Raise DeviceError for a launch that no device takes."""
    if not (0 <= blocks < 2**31 and 0 < threads <= MAX_THREADS):
        raise DeviceError(
            f"cannot launch {name} on {blocks} blocks of {threads} threads: there may be 2^31 - 1 "
            f"blocks of 1 to {MAX_THREADS} threads"
        )


def check_alike(source: DeviceArray | NDArray[Any], target: DeviceArray | NDArray[Any]) -> None:
    """Raise ValueError where a copy would have to convert."""
    if source.shape != target.shape or source.dtype != target.dtype:
        raise ValueError(
            f"cannot copy {source.shape} {source.dtype} to {target.shape} {target.dtype}: "
            "shapes and types must be equal"
        )


def host_target(array: DeviceArray, target: NDArray[Any] | None) -> NDArray[Any]:
    """Return where a download goes: the target, if it fits, or a new array.

    Raises:
        ValueError: If it does not fit.
    """
    if target is None:
        return np.empty(array.shape, array.dtype)
    check_alike(array, target)
    if not target.flags.c_contiguous:
        raise ValueError("the target of a download must be contiguous")
    return target

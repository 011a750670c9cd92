"""A device that a CPU plays: the kernels' texts, compiled by its C++ compiler after `simulator.h`.

It shows on any machine what a GPU would compute: the same texts, arrays out of reach of NumPy, and
threads that change places at barriers, in a chosen order.  A result that differs between orders by
more than rounding of sums lacks a barrier.
"""

import ctypes
import time
from functools import cache
from importlib.resources import files
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elastane.materials.compiler.native import CPP, NativeBuildError, build_library
from elastane.solver.device.base import (
    MAX_THREADS,
    Argument,
    Device,
    DeviceArray,
    DeviceError,
    Function,
    Module,
    Timer,
    Transfers,
    check_alike,
    check_kernel,
    check_launch,
    host_target,
    kernel_names,
)

#: Orders of the threads between two barriers, numbered as in simulator.h.
ORDERS = ("forwards", "backwards", "shuffled")

#: The compiler's time counts for more than the kernel's.  And a kernel may have the name of a
#: function of the C library, such as `step`: the trampoline shall call the kernel.
FLAGS = ("-O1", "-Wl,-Bsymbolic")


class SimulatedArray:
    """Memory that only kernels touch."""

    #: Operators of NumPy arrays raise TypeError.
    __array_ufunc__ = None

    def __init__(self, memory: NDArray[Any]) -> None:
        self._memory = memory
        self.address = memory.ctypes.data

    def __array__(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise TypeError, as CuPy does.

        Raises:
            TypeError: Always.
        """
        raise TypeError("this array is on a device: copy it by Device.download")

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._memory.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers."""
        return self._memory.dtype

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self._memory.size

    @property
    def nbytes(self) -> int:
        """Its memory in bytes."""
        return self._memory.nbytes


class SimulatedDevice(Device):
    """A device on the CPU.

    Attributes:
        order: One of ORDERS; it may be changed between launches.
    """

    def __init__(self, order: str = "forwards", number: int = 0) -> None:
        self.name = "simulated"
        self.number = number
        self.description = f"simulated device {number} (threads in turn on the CPU)"
        self.transfers = Transfers()
        self.order = order

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Return a new array of zeros."""
        return SimulatedArray(np.zeros(shape, dtype))

    def upload(self, values: NDArray[Any], target: DeviceArray | None = None) -> DeviceArray:
        """Copy to the device."""
        array = self.zeros(values.shape, values.dtype) if target is None else target
        check_alike(values, array)
        _memory(array)[...] = values
        self.transfers.count_upload(values.nbytes)
        return array

    def download(self, array: DeviceArray, target: NDArray[Any] | None = None) -> NDArray[Any]:
        """Copy to the host."""
        values = host_target(array, target)
        values[...] = _memory(array)
        self.transfers.count_download(array.nbytes)
        return values

    def clear(self, array: DeviceArray) -> None:
        """Set all numbers to zero."""
        _memory(array).fill(0)

    def copy(self, source: DeviceArray, target: DeviceArray) -> None:
        """Copy on the device."""
        check_alike(source, target)
        _memory(target)[...] = _memory(source)

    def for_mpi(self, array: DeviceArray) -> NDArray[Any]:
        """Return the memory."""
        return _memory(array)

    def module(self, text: str, name: str) -> Module:
        """Return the kernels of a text."""
        return SimulatedModule(self, text, name)

    def synchronize(self) -> None:
        """Do nothing: kernels have ended when their launch returns."""

    def timer(self) -> Timer:
        """Return a timer, started."""
        return SimulatedTimer()


class SimulatedTimer:
    """Time on the CPU's clock."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return time.perf_counter() - self._start


class SimulatedModule:
    """The kernels of one text."""

    def __init__(self, device: SimulatedDevice, text: str, name: str) -> None:
        self._device = device
        self._name = name
        self._kernels = kernel_names(text)
        self._library = _compile(text, name, tuple(self._kernels))

    def function(self, name: str) -> Function:
        """Return the kernel of that name."""
        check_kernel(name, self._kernels, self._name)
        return SimulatedFunction(self._device, self._library, name)


class SimulatedFunction:
    """A kernel."""

    def __init__(self, device: SimulatedDevice, library: ctypes.CDLL, name: str) -> None:
        self._device = device
        self._name = name
        self._launch = getattr(library, f"simulated_launch_{name}")
        types = getattr(library, f"simulated_arguments_{name}")
        types.restype = ctypes.c_char_p
        self._types = types().decode().split(",")[:-1]

    def launch(self, blocks: int, threads: int, *arguments: Argument) -> None:
        """Run the kernel."""
        check_launch(self._name, blocks, threads)
        if len(arguments) != len(self._types):
            raise DeviceError(
                f"{self._name} takes {len(self._types)} arguments, got {len(arguments)}"
            )
        values = [
            self._value(position, kind, argument)
            for position, (kind, argument) in enumerate(zip(self._types, arguments, strict=True))
        ]
        if blocks == 0:
            return
        addresses = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        transfers = self._device.transfers
        failed = _Failed()
        code = self._launch(
            ctypes.c_longlong(blocks),
            ctypes.c_int(threads),
            ctypes.c_int(ORDERS.index(self._device.order)),
            ctypes.c_ulonglong(transfers.launches),
            addresses,
            ctypes.byref(_FIBERS),
            ctypes.byref(failed),
        )
        transfers.launches += 1
        if code != 0:
            raise DeviceError(f"{self._name}, block {failed.block}: {failed.words()}")

    def _value(self, position: int, kind: str, argument: Argument) -> Any:
        """Return an argument as C passes it.

        Raises:
            DeviceError: If the kernel declares another type.
        """
        value: Any
        if argument is None:
            given, value, fits = "None", ctypes.c_void_p(), kind.endswith("*")
        elif isinstance(argument, SimulatedArray):
            given, value = f"{argument.dtype}*", ctypes.c_void_p(argument.address)
            fits = kind in (given, "other*")  # a type that NumPy does not have, or void
        elif isinstance(argument, int | np.integer):
            given, value = "int64", ctypes.c_longlong(int(argument))
            fits = kind == given
        elif isinstance(argument, float | np.floating):
            given, value = "float64", ctypes.c_double(float(argument))
            fits = kind == given
        else:
            given, value, fits = type(argument).__name__, None, False
        if not fits:
            raise DeviceError(
                f"argument {position} of {self._name} is {kind} in the kernel, got {given}"
            )
        return value


class _Fibers(ctypes.Structure):
    """The threads of a block, which all texts share: `Fibers` of simulator.h."""

    _fields_ = (("count", ctypes.c_longlong), ("all", ctypes.c_void_p * MAX_THREADS))


_FIBERS = _Fibers()


class _Failed(ctypes.Structure):
    """Where a kernel failed: `Failed` of simulator.h."""

    _fields_ = tuple(
        (name, ctypes.c_longlong)
        for name in ("block", "thread", "line", "other_thread", "other_line")
    )

    def words(self) -> str:
        if self.line == 0:
            return "no memory for the stacks of its threads"
        elsewhere = f"waits at line {self.other_line}" if self.other_line else "has ended"
        return (
            f"thread {self.thread} waits at the barrier of line {self.line}, "
            f"but thread {self.other_thread} {elsewhere}"
        )


def _memory(array: DeviceArray) -> NDArray[Any]:
    """Return the memory of an array of this device."""
    if not isinstance(array, SimulatedArray):
        raise TypeError(f"expected an array of a simulated device, got {type(array).__name__}")
    return array._memory


@cache
def _compile(text: str, name: str, kernels: tuple[str, ...]) -> ctypes.CDLL:
    """Return the library of a text.

    Raises:
        DeviceError: If it does not compile.
    """
    header = files(__package__).joinpath("simulator.h").read_text(encoding="utf-8")
    source = "\n".join(
        [
            header,
            f'#line 1 "{name}.cu"',
            text,
            *(f"SIMULATED_KERNEL({kernel})" for kernel in kernels),
        ]
    )
    try:
        return ctypes.CDLL(
            str(build_library(source, f"simulated-{name}", language=CPP, flags=FLAGS))
        )
    except NativeBuildError as error:
        raise DeviceError(str(error)) from error

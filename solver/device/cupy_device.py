"""GPUs of NVIDIA and AMD through CuPy: its memory, run-time compilers (NVRTC, hipRTC) and launches.

Everything goes through CuPy's current stream, by default the null stream, so that launches and
copies keep their order.  Kernels are compiled without fast mathematics; CuPy itself adds -ftz=true:
numbers of single precision below 1e-38 become zero.  Host memory is not pinned: the driver stages
it, and vectors cross the bus a few times per Newton iteration only.  The errors of CUDA, of HIP and
of libraries that are not found are all RuntimeErrors.
"""

import importlib
import os
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elastane.materials.compiler.cache import cache_folder
from elastane.solver.device.base import (
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

#: Beside what CuPy adds itself.
OPTIONS = {
    "cuda": ("-std=c++17",),
    # Sums of doubles in memory by the GPU's own instruction, not by comparing and swapping: safe in
    # memory that hipMalloc gives.
    "hip": ("-std=c++17", "-munsafe-fp-atomics"),
}

#: The makers of GPUs, by kind of device.
MAKERS = {"cuda": "NVIDIA", "hip": "AMD"}

#: What to do where CuPy or a library of its is missing.
REMEDIES = {
    "cuda": "pip install 'elastane[cuda]'",
    "hip": "pip install 'elastane[hip]' on a machine with ROCm 7",
}


class CupyDevice(Device):
    """One GPU."""

    def __init__(self, name: str, local_rank: int = 0, number: int | None = None) -> None:
        """Make a GPU the process's own.

        Args:
            name: "cuda" or "hip".
            local_rank: Number of the rank on its compute node.
            number: Which GPU, among those the process may use; None: the ranks take them in turn.

        Raises:
            DeviceError: If there is no CuPy of that kind, no driver, or no such GPU.
        """
        self._cupy = find_cupy(name)
        count = _count(name, self._cupy)
        self.name = name
        self.number = local_rank % count if number is None else number
        if self.number >= count:
            raise DeviceError(
                f"backend {name}: rank {local_rank} of this compute node shall use GPU "
                f"{self.number}, but the process may use {count} (numbered from 0)"
            )
        self._cupy.cuda.Device(self.number).use()
        self.description = _description(self._cupy, self.number)
        self.transfers = Transfers()

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> DeviceArray:
        """Return a new array of zeros."""
        try:
            return self._cupy.zeros(shape, dtype)
        except self._cupy.cuda.memory.OutOfMemoryError as error:
            asked = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            free, total = self._cupy.cuda.runtime.memGetInfo()
            raise DeviceError(
                f"{self.description} is out of memory: {asked} bytes asked, {free} of {total} "
                "free; use more GPUs"
            ) from error

    def upload(self, values: NDArray[Any], target: DeviceArray | None = None) -> DeviceArray:
        """Copy to the device."""
        array: Any = self.zeros(values.shape, values.dtype) if target is None else target
        check_alike(values, array)
        contiguous = np.ascontiguousarray(values)
        array.data.copy_from_host(contiguous.ctypes.data, contiguous.nbytes)
        self.transfers.count_upload(values.nbytes)
        return array

    def download(self, array: DeviceArray, target: NDArray[Any] | None = None) -> NDArray[Any]:
        """Copy to the host."""
        values = host_target(array, target)
        source: Any = array
        try:
            source.data.copy_to_host(values.ctypes.data, values.nbytes)
        except RuntimeError as error:
            raise self._failure(error) from error
        self.transfers.count_download(array.nbytes)
        return values

    def clear(self, array: DeviceArray) -> None:
        """Set all numbers to zero."""
        target: Any = array
        target.data.memset_async(0, array.nbytes)

    def copy(self, source: DeviceArray, target: DeviceArray) -> None:
        """Copy on the device."""
        check_alike(source, target)
        origin: Any = source
        goal: Any = target
        goal.data.copy_from_device_async(origin.data, source.nbytes)

    def for_mpi(self, array: DeviceArray) -> Any:
        """Return the array: mpi4py asks it for its pointer."""
        return array

    def module(self, text: str, name: str) -> Module:
        """Return the kernels of a text."""
        return CupyModule(self, text, name)

    def synchronize(self) -> None:
        """Wait for all launched work."""
        try:
            self._cupy.cuda.get_current_stream().synchronize()
        except RuntimeError as error:
            raise self._failure(error) from error

    def timer(self) -> Timer:
        """Return a timer, started."""
        return CupyTimer(self._cupy)

    def _failure(self, error: Exception) -> DeviceError:
        """Return the error of a wait: a device reports faults of kernels when it is asked."""
        return DeviceError(f"{self.description}, in this or an earlier kernel: {error}")


class CupyTimer:
    """Time between two events on the device."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self._start = cupy.cuda.Event()
        self._start.record()

    def seconds(self) -> float:
        """Return the seconds since the start."""
        end = self._cupy.cuda.Event()
        end.record()
        end.synchronize()
        return float(self._cupy.cuda.get_elapsed_time(self._start, end)) / 1000.0  # from ms


class CupyModule:
    """The kernels of one text."""

    def __init__(self, device: CupyDevice, text: str, name: str) -> None:
        self._device = device
        self._name = name
        self._kernels = kernel_names(text)
        self._module = device._cupy.RawModule(
            code=f'#line 1 "{name}.cu"\n{text}', options=OPTIONS[device.name]
        )
        try:
            self._module.compile()
        except device._cupy.cuda.compiler.CompileException as error:
            raise DeviceError(f"{name} does not compile: {error}") from error
        except RuntimeError as error:
            raise DeviceError(
                f"kernels cannot be compiled for {device.description}: {_first_line(error)}; "
                f"{REMEDIES[device.name]}"
            ) from error

    def function(self, name: str) -> Function:
        """Return the kernel of that name."""
        check_kernel(name, self._kernels, self._name)
        return CupyFunction(self._device, self._module.get_function(name), name)


class CupyFunction:
    """A kernel."""

    def __init__(self, device: CupyDevice, kernel: Any, name: str) -> None:
        self._device = device
        self._kernel = kernel
        self._name = name
        self._array = device._cupy.ndarray

    def launch(self, blocks: int, threads: int, *arguments: Argument) -> None:
        """Start the kernel."""
        check_launch(self._name, blocks, threads)
        values = tuple(map(self._value, arguments))
        if blocks == 0:
            return
        try:
            self._kernel((blocks,), (threads,), values)
        except RuntimeError as error:
            raise DeviceError(f"{self._name} cannot be launched: {error}") from error
        self._device.transfers.launches += 1

    def _value(self, argument: Argument) -> Any:
        """Return an argument as CuPy passes it."""
        if argument is None or isinstance(argument, self._array):
            return argument
        if isinstance(argument, int | np.integer):
            return np.int64(argument)
        if isinstance(argument, float | np.floating):
            return np.float64(argument)
        raise DeviceError(f"{self._name} cannot take a {type(argument).__name__}")


def find_cupy(name: str) -> Any:
    """Return CuPy of a kind.

    Raises:
        DeviceError: If it is missing, broken or of the other kind.
    """
    # Compiled kernels go where ours are.
    os.environ.setdefault("CUPY_CACHE_DIR", str(cache_folder() / "cupy"))
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise DeviceError(
                f"backend {name}: CuPy lacks {error.name}; {REMEDIES[name]}"
            ) from error
        raise DeviceError(f"backend {name} needs CuPy: {REMEDIES[name]}") from error
    except ImportError as error:
        raise DeviceError(
            f"backend {name}: CuPy cannot be loaded ({_first_line(error.__cause__ or error)}); "
            f"{REMEDIES[name]}"
        ) from error
    found = "hip" if cupy.cuda.runtime.is_hip else "cuda"
    if found != name:
        raise DeviceError(
            f"backend {name} needs CuPy for {MAKERS[name]} GPUs, but that for {MAKERS[found]} is "
            f"installed: uninstall it, then {REMEDIES[name]}; or set `backend: {found}`"
        )
    return cupy


def _count(name: str, cupy: Any) -> int:
    """Return how many GPUs this process may use, at least one.

    Raises:
        DeviceError: If there is none.
    """
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except RuntimeError as error:
        raise DeviceError(
            f"backend {name}: this machine has no driver for {MAKERS[name]} GPUs, or no GPU "
            f"({error})"
        ) from error
    if count == 0:
        raise DeviceError(f"backend {name}: this process may use no GPU")
    return count


def _description(cupy: Any, number: int) -> str:
    """Return model, architecture and memory of a GPU."""
    found = cupy.cuda.runtime.getDeviceProperties(number)
    if cupy.cuda.runtime.is_hip:
        architecture = found["gcnArchName"].decode()
    else:
        architecture = f"sm_{found['major']}{found['minor']}"
    memory = found["totalGlobalMem"] / 2**30
    return f"{found['name'].decode()} ({architecture}), {memory:.0f} GiB"


def _first_line(error: BaseException) -> str:
    return next(
        (line for line in map(str.strip, str(error).splitlines()) if line), "no reason given"
    )

"""CuPy as far as the solver calls it, on the host: what the adapter hands over can be looked at."""

import ctypes
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: Device memory in bytes; more is refused.
MEMORY = 2**30


class CUDARuntimeError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class CompileException(Exception):  # noqa: N818 - its name there
    pass


class Memory:
    """`ndarray.data`."""

    def __init__(self, host: NDArray[Any]) -> None:
        self.host = host
        self.ptr = host.ctypes.data

    def copy_from_host(self, mem: int, size: int) -> None:
        ctypes.memmove(self.ptr, mem, size)

    def copy_to_host(self, mem: int, size: int) -> None:
        ctypes.memmove(mem, self.ptr, size)

    def copy_from_device_async(self, src: "Memory", size: int) -> None:
        ctypes.memmove(self.ptr, src.ptr, size)

    def memset_async(self, value: int, size: int) -> None:
        ctypes.memset(self.ptr, value, size)


class ndarray:  # noqa: N801 - its name there
    def __init__(self, host: NDArray[Any]) -> None:
        self.data = Memory(host)
        self.shape, self.dtype, self.size, self.nbytes = (
            host.shape,
            host.dtype,
            host.size,
            host.nbytes,
        )


class RawModule:
    """Remembers launches; a text with `no_such_name` does not compile."""

    def __init__(self, *, code: str, options: tuple[str, ...]) -> None:
        self.code, self.options = code, options
        self.launches: list[tuple[Any, ...]] = []

    def compile(self) -> None:
        if "no_such_name" in self.code:
            raise CompileException('scale.cu(2): error: identifier "no_such_name" is undefined')

    def get_function(self, name: str) -> Any:
        return lambda grid, block, args: self.launches.append((name, grid, block, args))


class FakeCupy(ModuleType):
    """The module; its fields say which machine it finds.

    Attributes:
        count: How many GPUs; None: there is no driver.
        fault: What a wait for the device raises.
    """

    def __init__(self, *, is_hip: bool = False, count: int | None = 2) -> None:
        super().__init__("cupy")
        self.count = count
        self.fault: Exception | None = None
        self.used: int | None = None
        self.ndarray = ndarray
        self.RawModule = RawModule
        properties = {
            "name": b"Some GPU",
            "major": 9,
            "minor": 0,
            "gcnArchName": b"gfx942:sramecc+:xnack-",
            "totalGlobalMem": MEMORY,
        }
        self.cuda = SimpleNamespace(
            Device=lambda number: SimpleNamespace(use=lambda: setattr(self, "used", number)),
            Event=lambda: SimpleNamespace(record=lambda: None, synchronize=lambda: None),
            compiler=SimpleNamespace(CompileException=CompileException),
            get_current_stream=lambda: SimpleNamespace(synchronize=self.wait),
            get_elapsed_time=lambda start, end: 1500.0,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            runtime=SimpleNamespace(
                is_hip=is_hip,
                getDeviceCount=self.count_devices,
                getDeviceProperties=lambda number: properties,
                memGetInfo=lambda: (MEMORY // 2, MEMORY),
            ),
        )

    def zeros(self, shape: int | tuple[int, ...], dtype: DTypeLike) -> ndarray:
        if np.prod(shape) * np.dtype(dtype).itemsize > MEMORY:
            raise OutOfMemoryError
        return ndarray(np.zeros(shape, dtype))

    def wait(self) -> None:
        if self.fault is not None:
            raise self.fault

    def count_devices(self) -> int:
        if self.count is None:
            raise CUDARuntimeError(
                "cudaErrorInsufficientDriver: CUDA driver version is insufficient"
            )
        return self.count

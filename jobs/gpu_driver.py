"""The driver of GPUs, asked by itself: NVIDIA's and AMD's answer the same calls by other names.

Whoever installs CuPy next should know beforehand whether there is a driver and what it sees.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

#: What the first call answers where a driver sees no GPU: CUDA_ERROR_NO_DEVICE, hipErrorNoDevice.
NO_DEVICE = 100
NAME_LENGTH = 256


class DriverError(RuntimeError):
    """There is no driver, or it sees no GPU."""


@dataclass(frozen=True)
class DriverLibrary:
    """The calls of a driver.

    Attributes:
        maker: Who makes the GPUs.
        files: Names that the dynamic loader may know its library by.
        calls: Our names of its calls -> its own.
        visible: Variables of the environment that hide GPUs from a process.
    """

    maker: str
    files: tuple[str, ...]
    calls: Mapping[str, str]
    visible: tuple[str, ...]


DRIVERS = {
    "cuda": DriverLibrary(
        "NVIDIA",
        ("libcuda.so.1",),
        {
            "init": "cuInit",
            "version": "cuDriverGetVersion",
            "count": "cuDeviceGetCount",
            "name": "cuDeviceGetName",
            "memory": "cuDeviceTotalMem_v2",
            "capability": "cuDeviceComputeCapability",
        },
        ("CUDA_VISIBLE_DEVICES",),
    ),
    "hip": DriverLibrary(
        "AMD",
        # The last part is the release of ROCm; the first name needs its development package.
        ("libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"),
        {
            "init": "hipInit",
            "version": "hipDriverGetVersion",
            "count": "hipGetDeviceCount",
            "name": "hipDeviceGetName",
            "memory": "hipDeviceTotalMem",
            "capability": "hipDeviceComputeCapability",
        },
        ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
    ),
}


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver tells.

    Attributes:
        name: Its model.
        capability: Compute capability, major and minor; on AMD's of no use.
        memory: In bytes.
    """

    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True)
class Driver:
    """A driver that answers.

    Attributes:
        version: Its version as the library tells it, such as 12080 for CUDA 12.8.
        gpus: What it sees, by number.
    """

    version: int
    gpus: tuple[Gpu, ...]


def ask_driver(kind: str, environment: Mapping[str, str]) -> Driver:
    """Return what the driver says.

    Args:
        kind: A key of `DRIVERS`.
        environment: Variables of the environment, told where they may hide a GPU.

    Raises:
        DriverError: If there is no driver, or no GPU; the message says what to do.
    """
    library = DRIVERS[kind]
    handle = _load(library)

    def call(what: str, *arguments: object) -> None:
        code = getattr(handle, library.calls[what])(*arguments)
        if code == NO_DEVICE:
            raise DriverError(_none(library, environment))
        if code:
            raise DriverError(
                f"the {library.maker} driver answers {library.calls[what]} by error {code}: its "
                "library and its kernel module may differ in version; ask who runs the machine"
            )

    version, count = ctypes.c_int(), ctypes.c_int()
    call("init", ctypes.c_uint(0))
    call("version", ctypes.byref(version))
    call("count", ctypes.byref(count))
    if count.value == 0:
        raise DriverError(_none(library, environment))
    gpus = []
    for number in range(count.value):
        name = ctypes.create_string_buffer(NAME_LENGTH)
        memory, major, minor = ctypes.c_size_t(), ctypes.c_int(), ctypes.c_int()
        call("name", name, ctypes.c_int(NAME_LENGTH), ctypes.c_int(number))
        call("memory", ctypes.byref(memory), ctypes.c_int(number))
        call("capability", ctypes.byref(major), ctypes.byref(minor), ctypes.c_int(number))
        capability = (major.value, minor.value)
        gpus.append(Gpu(name.value.decode(errors="replace"), capability, memory.value))
    return Driver(version.value, tuple(gpus))


def _load(library: DriverLibrary) -> ctypes.CDLL:
    for file in library.files:
        try:
            return ctypes.CDLL(file)
        except OSError:
            continue
    raise DriverError(
        f"no {library.maker} driver here ({library.files[0]} is not found): try where the GPU is, "
        "on a cluster in a job that asks for one; else install the driver"
    )


def _none(library: DriverLibrary, environment: Mapping[str, str]) -> str:
    """Return what to say where a driver sees no GPU."""
    hidden = [f"{name}={environment[name]!r}" for name in library.visible if name in environment]
    because = f" ({', '.join(hidden)})" if hidden else ""
    return (
        f"the {library.maker} driver sees no GPU{because}: ask the scheduler for one, as "
        "resources.gpus_per_node does"
    )

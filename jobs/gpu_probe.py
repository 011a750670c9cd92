"""Tries a GPU backend in a process of its own, which a broken driver may end.

    python -m elastane.jobs.gpu_probe KIND

prints a finding per line, as JSON, as soon as it is known.
"""

import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import numpy as np

from elastane.jobs.finding import Finding
from elastane.jobs.gpu_driver import DRIVERS, DriverError, ask_driver
from elastane.solver.device import DeviceError, open_device
from elastane.solver.device.cupy_device import find_cupy

#: Where launchers tell a process which of its node's ranks it is.
LOCAL_RANKS = (
    "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK",
    "SLURM_LOCALID",
)  # fmt: skip
#: atomicAdd of doubles, by which elements add to their common nodes.
LOWEST_CAPABILITY = (6, 0)

BLOCKS, THREADS, COUNT = 4, 64, 1000
#: Each thread takes every so many numbers; each block adds its sum to that of all.
KERNEL = """\
extern "C" __global__ void squares(const double *x, double *y, double *total, long long count) {
  __shared__ double sums[64];
  double sum = 0.0;
  for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += 4 * blockDim.x) {
    y[i] = x[i] * x[i];
    sum += y[i];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int thread = 1; thread < blockDim.x; thread++) sum += sums[thread];
    atomicAdd(total, sum);
  }
}
"""


def look(kind: str, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what a GPU backend needs and whether it is there; ends where nothing more can work.

    Args:
        kind: Name of a device in `elastane.solver.device`.
        environment: Variables of the environment.
    """
    if kind in DRIVERS:
        driver = [*_driver(kind, environment)]
        library = [*_cupy(kind)]
        yield from (*driver, *library)
        if any(finding.state == "missing" for finding in (*driver, *library)):
            return
    yield _kernel(kind, local_rank(environment))


def local_rank(environment: Mapping[str, str]) -> int:
    """Return the number of this process among the ranks of its node; 0 where nobody tells."""
    told = [environment[name] for name in LOCAL_RANKS if environment.get(name, "").isdecimal()]
    return int(told[0]) if told else 0


def _driver(kind: str, environment: Mapping[str, str]) -> Iterator[Finding]:
    what = f"{DRIVERS[kind].maker} driver"
    try:
        driver = ask_driver(kind, environment)
    except DriverError as error:
        yield Finding(what, "missing", str(error))
        return
    yield Finding(what, "ok", f"version {driver.version}, {len(driver.gpus)} to be seen")
    for number, gpu in enumerate(driver.gpus):
        major, minor = gpu.capability
        text = f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB"
        if kind == "cuda":
            text += f", compute capability {major}.{minor}"
            if gpu.capability < LOWEST_CAPABILITY:
                low = ".".join(map(str, LOWEST_CAPABILITY))
                yield Finding(f"GPU {number}", "missing", f"{text}: {low} is needed at least")
                continue
        yield Finding(f"GPU {number}", "ok", text)


def _cupy(kind: str) -> Iterator[Finding]:
    """Yield whether CuPy is there, of this kind, and its compiler of kernels."""
    how = f"pip install 'elastane[{kind}]'"
    wheels = sorted(
        {
            f"{distribution.name} {distribution.version}"
            for distribution in importlib.metadata.distributions()
            if str(distribution.name).startswith("cupy")
        }
    )
    if len(wheels) > 1:
        names = " ".join(wheel.split()[0] for wheel in wheels)
        text = f"{', '.join(wheels)}: keep one: pip uninstall {names}; then {how}"
        yield Finding("CuPy", "missing", text)
        return
    try:
        cupy = find_cupy(kind)
    except DeviceError as error:
        yield Finding("CuPy", "missing", str(error))
        return
    text = ", ".join(wheels) or f"cupy {cupy.__version__}"
    yield Finding("CuPy", "ok", text)
    compiler = "hipRTC" if kind == "hip" else "NVRTC"
    try:
        version = ".".join(map(str, cupy.cuda.nvrtc.getVersion()))
    except Exception as error:  # CuPy's own types, and those of the loader
        yield Finding(compiler, "missing", f"{_first_line(error)}: {how}")
        return
    yield Finding(compiler, "ok", version)


def _kernel(kind: str, rank: int) -> Finding:
    """Compile a kernel, run it, and compare what it computes."""
    try:
        device = open_device(kind, rank)
        function = device.module(KERNEL, "doctor").function("squares")
        x = np.arange(COUNT, dtype=np.float64)
        y, total = device.zeros(COUNT, np.float64), device.zeros(1, np.float64)
        function.launch(BLOCKS, THREADS, device.upload(x), y, total, COUNT)
        squares, summed = device.download(y), device.download(total)
    except RuntimeError as error:  # ours says what to do, CuPy's what went wrong
        return Finding("kernel", "missing", _first_line(error))
    # Whole numbers below 2^53: exact in any order.
    if np.array_equal(squares, x**2) and summed[0] == np.sum(x**2):
        return Finding(
            "kernel", "ok", f"compiled, run and right on {device.description}, by local rank {rank}"
        )
    return Finding(
        "kernel", "missing", f"{device.description} computes wrong numbers: the GPU or its driver "
        "is broken; try another node, and tell who runs the machine"
    )  # fmt: skip


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def main() -> None:
    """Print the findings."""
    for finding in look(sys.argv[1], os.environ):
        sys.stdout.write(json.dumps(asdict(finding)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

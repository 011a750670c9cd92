"""Operators on a device: unknowns per second against the limits of the device.

The same cube, functions and kernels' numbers as in `operators`, by `DeviceFunction`.  Times are
those of the device's own events, of several applies in a row; what a host adds is not in them.  In
cache all that an apply reads fits into the device's cache; out of cache it is many times as much.
A simulated device has no times: what it measures is that all of this works.

Kernels alone run: NumPy, CuPy and a C compiler are enough where there is no PETSc and no MPI.

    pip install --no-deps . && python -m elastane.benchmarks.device_operators --backend cuda
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from elastane.benchmarks.device_limits import DeviceLimits, measure_device_limits
from elastane.benchmarks.lattice import Lattice, Solid, direction, fused
from elastane.benchmarks.machine import (
    add_backend_argument,
    add_common_arguments,
    spread,
    write_results,
)
from elastane.materials import find_model
from elastane.solver.device import open_device
from elastane.solver.device.base import Device, DeviceArray
from elastane.solver.device.cupy_device import OPTIONS, find_cupy
from elastane.solver.device.elements import DeviceFunction, to_device_layout
from elastane.solver.fused.kernel import state_at_rest
from elastane.solver.fused.source import Kernel

Row = dict[str, Any]

#: Unknowns out of cache and in cache by whether the device is simulated.
UNKNOWNS = {False: (40_000_000, 250_000), True: (2000, 400)}

#: Functions and precisions: what is measured of each degree.
MEASURED = (("residual", False), ("jacobian", False), ("jacobian", True))

#: A measured time is that of so many applies that it lasts this long.
SHORTEST_SECONDS = 5e-3

#: By how much results may differ from those of the kernels of CPUs, relative to the largest number:
#: sums in another order, and of Jacobians the state, which both store in single precision.
DIFFERENCES = {("residual", False): 1e-12, ("jacobian", False): 1e-6, ("jacobian", True): 1e-4}


@dataclass(frozen=True)
class DeviceSubject:
    """A function of a cube on a device, which adds the function of `x` to `y`."""

    function: DeviceFunction
    x: DeviceArray
    y: DeviceArray

    @classmethod
    def on(
        cls, device: Device, cube: Lattice, solid: Solid, function: str, *, single: bool
    ) -> "DeviceSubject":
        """Return a function, the Jacobian at the cube's displacement."""

        def kernel_of(kind: str) -> Kernel:
            return Kernel.of(
                kind,
                solid.kernels,
                varying=False,
                degree=cube.degree,
                num_points_1d=cube.degree + 1,
                geometry_degree=1,
                single=single,
            )

        residual = kernel_of("residual")
        dtype, num_elements = residual.dtype, len(cube.nodes)
        arrays = {
            name: device.zeros(
                (num_elements, size, residual.num_points_1d**3), residual.layout(name)[0]
            )
            for name, size in residual.outputs
        }
        recompute = residual.schedule.recompute_geometry
        geometry = cube.coordinates if recompute else cube.qdata.transpose(0, 2, 1)
        arrays["geometry"] = device.upload(to_device_layout(geometry).astype(dtype))
        offsets = device.upload((3 * cube.nodes).astype(np.int32))
        context = device.upload(solid.parameters.astype(dtype))
        rest = device.upload(state_at_rest(solid.kernels, solid.parameters).astype(dtype))

        def function_of(kernel: Kernel) -> DeviceFunction:
            return DeviceFunction(device, kernel, offsets, num_elements, arrays, context, rest)

        u = device.upload(cube.displacement.astype(dtype))
        y = device.zeros(cube.unknowns, dtype)
        if function == "residual":
            return cls(function_of(residual), u, y)
        function_of(residual)(u, y)
        device.clear(y)
        x = device.upload(direction(cube).astype(dtype))
        return cls(function_of(kernel_of("jacobian")), x, y)

    def apply(self) -> None:
        """Add the function of x to y."""
        self.function(self.x, self.y)

    @property
    def num_bytes(self) -> int:
        """Return the bytes of an apply: x is read, y is read and written."""
        return self.function.bytes + 3 * self.x.nbytes


def main() -> int:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    add_operator_arguments(parser)
    add_common_arguments(parser)
    return run(parser.parse_args())


def add_operator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that operators of CPUs and devices take."""
    parser.add_argument("--degrees", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--unknowns", type=int, help="out of cache, about")
    parser.add_argument("--in-cache", type=int, help="unknowns, about")
    parser.add_argument("--pairs", type=int, default=15, help="of applies, by turns")
    add_backend_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Measure on a device; write the results."""
    if options.quick:
        options.degrees, options.pairs = [2], 3
    device = open_device(options.backend, 0)
    content = measure(device, options)
    write_results(f"operator-{device.name}", content, options.output)
    print(table(content))  # noqa: T201
    return 0


def measure(device: Device, options: argparse.Namespace) -> dict[str, Any]:
    """Return all measurements on a device.

    Args:
        device: The device.
        options: `quick`; `degrees`; `pairs`, the number of times; `unknowns` and `in_cache`, None
            for a good size.
    """
    simulated = device.name == "simulated"
    small = simulated or options.quick
    limits = measure_device_limits(
        device, *((1 << 16, 2, 2, 1) if simulated else (1 << 28, 512) if small else ())
    )
    sizes = [
        own if given is None else given
        for given, own in zip((options.unknowns, options.in_cache), UNKNOWNS[small], strict=True)
    ]
    rows = []
    solid = Solid.example(find_model("neo-hookean"))
    for degree in options.degrees:
        for where, unknowns in zip(("out of cache", "in cache"), sizes, strict=True):
            cube = Lattice.with_unknowns(degree, unknowns)
            for function, single in MEASURED:
                subject = DeviceSubject.on(device, cube, solid, function, single=single)
                if where == "in cache":
                    check(device, subject, cube, solid, function, single=single)
                row = counted(subject, cube, function, where, single=single)
                if not simulated:
                    row |= timed(device, subject, row, limits, options.pairs)
                rows.append(row)
    return {
        "device": described(device),
        "times": options.pairs,
        "limits": None if simulated else asdict(limits),
        "operators": rows,
    }


def described(device: Device) -> Row:
    """Return what the numbers of a device depend on."""
    told: Row = {"name": device.name, "description": device.description}
    if device.name != "simulated":
        told |= {"versions": versions(device.name), "flags": " ".join(OPTIONS)}
    return told


def versions(name: str) -> dict[str, str]:
    """Return what CuPy says of itself, the driver, the runtime and the compiler of kernels."""
    cuda = find_cupy(name).cuda
    numbers = {
        "driver": cuda.runtime.driverGetVersion(),
        "runtime": cuda.runtime.runtimeGetVersion(),
        "hipRTC" if name == "hip" else "NVRTC": ".".join(map(str, cuda.nvrtc.getVersion())),
    }
    return {"CuPy": find_cupy(name).__version__} | {key: f"{n}" for key, n in numbers.items()}


def check(
    device: Device,
    subject: DeviceSubject,
    cube: Lattice,
    solid: Solid,
    function: str,
    *,
    single: bool,
) -> None:
    """Make sure that a device computes what kernels of CPUs do.

    Raises:
        ArithmeticError: If it does not.
    """
    expected = fused(cube, solid, function, single=single)
    expected.y[:] = 0.0
    expected.apply()
    device.clear(subject.y)
    subject.apply()
    found = device.download(subject.y)
    error = float(np.abs(found - expected.y).max() / np.abs(expected.y).max())
    if not error < DIFFERENCES[function, single]:
        raise ArithmeticError(
            f"the {function} of degree {cube.degree} differs by {error:.1e} from that of CPUs"
        )


def counted(
    subject: DeviceSubject, cube: Lattice, function: str, where: str, *, single: bool
) -> Row:
    """Return what an apply moves and computes, and how it is launched."""
    unknowns, call = cube.unknowns, subject.function
    return {
        "function": function,
        "precision": "single" if single else "double",
        "where": where,
        "degree": cube.degree,
        "unknowns": unknowns,
        "bytes_per_unknown": subject.num_bytes / unknowns,
        "shared_bytes_per_unknown": call.shared_bytes / unknowns,
        "flops_per_unknown": call.flops / unknowns,
        "elements_of_block": call.schedule.elements,
        "threads_of_block": call.threads,
    }


def timed(
    device: Device, subject: DeviceSubject, row: Row, limits: DeviceLimits, times: int
) -> Row:
    """Return the rate of applies, and the least time that the limits of the device allow.

    In cache nothing has to come from memory.
    """
    subject.apply()  # compiled, and in cache where it fits
    count = max(1, round(SHORTEST_SECONDS / max(seconds_of(device, subject, 1), 1e-7)))
    seconds = np.array([seconds_of(device, subject, count) for _ in range(times)])
    unknowns = row["unknowns"]
    least, slowest = limits.least(
        subject.num_bytes if row["where"] == "out of cache" else 0,
        subject.function.shared_bytes,
        subject.function.flops,
        single=row["precision"] == "single",
    )
    return {
        "rate": spread((1e-9 * unknowns / seconds).tolist()),
        "bound": 1e-9 * unknowns / least,
        "bound_by": slowest,
        "share": spread((least / seconds).tolist()),
    }


def seconds_of(device: Device, subject: DeviceSubject, count: int) -> float:
    """Return the device's time of one of so many applies in a row."""
    timer = device.timer()
    for _ in range(count):
        subject.apply()
    return timer.seconds() / count


def table(content: dict[str, Any]) -> str:
    """Return the results as a Markdown table."""
    return "\n".join(_lines(content))


def _lines(content: dict[str, Any]) -> Iterator[str]:
    limits = content["limits"]
    device = content["device"]
    facts = [f"{name} {version}" for name, version in device.get("versions", {}).items()]
    facts += [f"flags {device['flags']}"] if "flags" in device else []
    yield f"{'; '.join([device['description'], *facts])}."
    if limits is None:
        yield "Times of a simulated device mean nothing, so there are none."
    else:
        yield (
            f"Memory {limits['memory'] / 1e9:.0f} GB/s, shared memory "
            f"{limits['shared'] / 1e12:.1f} TB/s, {limits['double'] / 1e12:.1f} TFlop/s in double "
            f"and {limits['single'] / 1e12:.1f} in single precision."
        )
    yield ""
    yield (
        "| operator | p | unknowns | GDoF/s | bytes | shared bytes | flops | bound GDoF/s | share "
        "| threads, elements of a block |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in content["operators"]:
        rate, bound, share = "", "", ""
        if "rate" in row:
            rate = (
                f"{row['rate']['median']:.2f} ({row['rate']['low']:.2f}-{row['rate']['high']:.2f})"
            )
            bound = f"{row['bound']:.1f} ({row['bound_by']})"
            share = f"{row['share']['median']:.0%}"
        yield (
            f"| {row['function']}, {row['precision']}, {row['where']} | {row['degree']} "
            f"| {row['unknowns']:,} | {rate} | {row['bytes_per_unknown']:.0f} "
            f"| {row['shared_bytes_per_unknown']:.0f} | {row['flops_per_unknown']:.0f} "
            f"| {bound} | {share} | {row['threads_of_block']}, {row['elements_of_block']} |"
        )


if __name__ == "__main__":
    sys.exit(main())

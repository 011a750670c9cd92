"""The texts of the kernels over elements on a device, how they are launched, and what they cost.

    settings + nodal basis + lines.h + QFunction of the material + elements.h + the loop of the kind

They are the twins of the C of `elastane.solver.fused`, made from the same `Kernel`: the same
matrices, QFunctions and stored state.  A block works on some elements at a time by phases with a
barrier after each; how, `kernels/lines.h` tells.

For each unknown, a tangent apply of degree p with p + 1 points per direction moves so many bytes
of memory and of shared memory and does so many operations, in double precision, of a neo-Hookean
solid on trilinear elements; a GPU with 4.8 TB/s of memory, 132 multiprocessors that move 128 bytes
of shared memory in each of 1.8e9 cycles a second, and 34 TFlop/s, of which three quarters can be
had where half of the multiplications have no addition to go with, then reaches no more than so many
GDoF/s (counted, not measured):

      degree   memory   shared     flop     memory   shared     flop
           1      216     2016     1147         22       15       22
           2       86      837      544         56       36       47
           3       64      583      434         75       52       59
           4       56      478      402         86       64       63

Where numbers that are read at the same time lie in the same bank, shared memory takes longer: by
the strides of apply.cu, 1.7, 1.5, 1.3 and 1.4 times for these degrees.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elastane.meshes.lagrange import nodal_interpolation
from elastane.solver.fused.source import KINDS, Kernel, contraction, state_place, table

FOLDER = Path(__file__).parent / "kernels"

#: Bytes of shared memory that a kernel may declare on any GPU.
SHARED_LIMIT = 48 * 1024

#: Banks of shared memory, each four bytes wide.
BANKS = 32

#: Widths of a block to choose from: whole wavefronts of AMD's GPUs, and no more than 256, so that a
#: thread may have 255 registers: QFunctions take all of them.
THREADS = (64, 128, 192, 256)

#: Blocks of kernels whose elements work in memory: about as many as run at once.
SCRATCH_BLOCKS = 512

#: Constants of the device: where all indices are known, their numbers become those of instructions.
CONSTANT = "static __device__ constexpr real"

#: What QFunctions need beside CUDA's own functions, which are overloaded for `float`.
PRELUDE = """\
#define CEED_QFUNCTION(name) static __device__ __forceinline__ int name
#define CeedPragmaSIMD
typedef int CeedInt;
typedef real CeedScalar;
"""


@dataclass(frozen=True)
class Schedule:
    """How a kernel is launched.

    Attributes:
        elements: Elements that a block works on at a time.
        threads: Threads of a block.
        in_shared: Whether elements work in shared memory, else in memory.
    """

    elements: int
    threads: int
    in_shared: bool = True

    def blocks(self, num_elements: int) -> int:
        """Return the number of blocks for so many elements."""
        groups = -(-num_elements // self.elements)
        return groups if self.in_shared else min(groups, SCRATCH_BLOCKS)


def schedule_for(tasks: int, element_bytes: int) -> Schedule:
    """Return the schedule with the smallest block of those that leave fewest threads idle.

    Small blocks, since others on the same multiprocessor work while one waits at a barrier.

    Args:
        tasks: Tasks of an element in the widest phases.
        element_bytes: Shared memory of an element.
    """
    enough = [threads for threads in THREADS if threads >= tasks] or [THREADS[-1]]
    if element_bytes > SHARED_LIMIT:
        return Schedule(1, enough[0], in_shared=False)
    choices = [
        Schedule(max(1, min(threads // tasks, SHARED_LIMIT // element_bytes)), threads)
        for threads in enough
    ]
    return min(choices, key=lambda schedule: (_idle(tasks, schedule), schedule.threads))


def _idle(tasks: int, schedule: Schedule) -> float:
    """Return the part of the threads that has nothing to do, to a percent or so."""
    busy = schedule.elements * tasks
    return round(1 - busy / (math.ceil(busy / schedule.threads) * schedule.threads), 2)


def default_schedule(kernel: Kernel) -> Schedule:
    """Return a good schedule: phases are as wide as an element has points or lines."""
    n, q = kernel.degree + 1, kernel.num_points_1d
    tasks = {
        "apply": max(q**3, 3 * max(n, q) ** 2),
        "state": max(q**3, 3 * max(n, q) ** 2),
        "diagonal": 3 * q**3,
        "matrices": 9 * n**3,
    }[KINDS[kernel.kind].loop]
    return schedule_for(tasks, kernel.dtype.itemsize * work_size(kernel))


def device_source(kernel: Kernel, schedule: Schedule | None = None) -> str:
    """Return the text of a kernel; its entry is named as the loop of its kind."""
    schedule = schedule or default_schedule(kernel)
    kept = [name for name, _ in kernel.outputs]
    assert [name for name, _ in kernel.written[: len(kept)]] == kept
    settings = {
        "NODES_1D": kernel.degree + 1,
        "POINTS_1D": kernel.num_points_1d,
        "GEOMETRY_NODES_1D": (kernel.geometry_degree + 1) * kernel.schedule.recompute_geometry,
        "IN_SHARED": int(schedule.in_shared),
        "DERIVATIVES": _derivatives_size(kernel),
        "PLANE": _plane_size(kernel),
        "REGION": _region_size(kernel),
        "WORK": work_size(kernel),
        "FUNCTION": kernel.function,
        "INPUTS": "".join(f"{size}, " for _, size in kernel.inputs),
        "OUTPUTS": "".join(f"{size}, " for _, size in kernel.written),
        "NUM_READ": sum(size for _, size in kernel.inputs),
        "NUM_WRITTEN": sum(size for _, size in kernel.written),
        "NUM_KEPT": len(kept),
        "NUM_CONTEXT": 0 if kernel.varying else len(kernel.kernels.parameters),
        "STATE_INPUT": state_place(kernel.inputs),
        "STATE_OUTPUT": state_place(kernel.outputs),
    }
    return _text(
        kernel.dtype,
        schedule,
        settings,
        *(table(name, values, CONSTANT) for name, values in kernel.tables.items()),
        _read("lines.h"),
        PRELUDE,
        kernel.qfunction,
        _read("elements.h"),
        _read(f"{KINDS[kernel.kind].loop}.cu"),
    )


def fast_diagonal_schedule(degree: int, dtype: np.dtype[Any]) -> Schedule:
    """Return the schedule of `fast_diagonal_text`."""
    n = degree + 1
    return schedule_for(n**2, dtype.itemsize * 3 * n**3)


def fast_diagonal_text(degree: int, dtype: np.dtype[Any], ratio: float) -> str:
    """Return the text of fast_diagonal(num_elements, offsets, modes, eigenvalues, axes, s, y).

    Args:
        degree: Degree of the elements.
        dtype: Type of the numbers.
        ratio: Stiffness against stretch over that against shear, see `fast_diagonal.py`.
    """
    return _text(
        dtype,
        fast_diagonal_schedule(degree, dtype),
        {"NODES_1D": degree + 1, "RATIO": ratio},
        _read("lines.h"),
        _read("fast_diagonal.cu"),
    )


def transfer_schedule(coarse_degree: int, fine_degree: int, dtype: np.dtype[Any]) -> Schedule:
    """Return the schedule of `transfer_text`."""
    c, f = coarse_degree + 1, fine_degree + 1
    return schedule_for(3 * f**2, dtype.itemsize * 2 * 3 * c * f**2)


def transfer_text(coarse_degree: int, fine_degree: int, dtype: np.dtype[Any]) -> str:
    """Return the text of prolong and restrict_add(num_elements, coarse, fine, x, y)."""
    return _text(
        dtype,
        transfer_schedule(coarse_degree, fine_degree, dtype),
        {"NC": coarse_degree + 1, "NF": fine_degree + 1},
        table("B", nodal_interpolation(coarse_degree, fine_degree), CONSTANT),
        _read("lines.h"),
        _read("transfer.cu"),
    )


def work_size(kernel: Kernel) -> int:
    """Return how many numbers of shared memory an element has."""
    n, q, g = kernel.degree + 1, kernel.num_points_1d, kernel.geometry_degree + 1
    size = {
        "apply": 4 * _region_size(kernel),
        "state": _region_size(kernel) + 9 * n * q**2,
        "diagonal": 9 * max(n, q) ** 3,
        "matrices": 81 * q**3,
    }[KINDS[kernel.kind].loop]
    if kernel.schedule.recompute_geometry and g != 2:
        size = max(size, 9 * g * q**2)
    size += _derivatives_size(kernel)
    # Elements go on in the bank where lines along xi_3 of the one before end.
    return size + (3 * n**2 - size) % BANKS if kernel.kind in ("residual", "jacobian") else size


def _plane_size(kernel: Kernel) -> int:
    """Return the distance of planes in apply.cu, see there."""
    return 3 * max(kernel.degree + 1, kernel.num_points_1d) ** 2 | 1


def _region_size(kernel: Kernel) -> int:
    """Return the size of an array of apply.cu, or of the gradients of state.cu."""
    n, q = kernel.degree + 1, kernel.num_points_1d
    if kernel.kind == "state":
        return max(6 * n**2 * q, 9 * q**3)
    return q * _plane_size(kernel)


def _derivatives_size(kernel: Kernel) -> int:
    """Return how many numbers the derivatives of an element's map take."""
    q, g = kernel.num_points_1d, kernel.geometry_degree + 1
    if not kernel.schedule.recompute_geometry:
        return 0
    return 9 * q**2 if g == 2 else max(6 * g**2 * q, 9 * q**3)


def operations(kernel: Kernel) -> int:
    """Return the additions, subtractions and multiplications for one element.

    They are those of CPUs, but the first of the sums along three directions serves two derivatives,
    and quadrature data and state are made again for each column of the Jacobian at a point.
    """
    n, q, g = kernel.degree + 1, kernel.num_points_1d, kernel.geometry_degree + 1
    count = kernel.flops
    if kernel.kind == "state":
        count -= 3 * contraction(n, n**2 * q)
    if kernel.schedule.recompute_geometry and g != 2:
        count -= 3 * contraction(g, g**2 * q)
    if kernel.kind in ("diagonal", "matrices"):
        inverse = 44 * kernel.schedule.recompute_geometry
        count += 8 * (kernel.kernels.num_stored + inverse) * q**3
    return count


def shared_traffic(kernel: Kernel) -> int:
    """Return how many numbers of an element are read from shared memory and written there."""
    n, q, g = kernel.degree + 1, kernel.num_points_1d, kernel.geometry_degree + 1
    there = 3 * n**2 * q + 3 * n * q**2  # after each of the first two phases
    pairs = 9 * q**3 + 2 * 6 * n * q**2 + 2 * 6 * n**2 * q
    traffic, evaluations = {
        "apply": (4 * there + 57 * q**3, 1),
        "state": (_differentiation(n, q) + 9 * q**3, 1),
        "diagonal": (3 * (9 * q**3 + pairs), 9),
        "matrices": (81 * q**3 + 9 * n**3 * q**3 * 9, 9),
    }[KINDS[kernel.kind].loop]
    if not kernel.schedule.recompute_geometry:
        return traffic
    made = 9 * q**2 if g == 2 else _differentiation(g, q)
    return traffic + made + evaluations * 9 * q**3


def _differentiation(n: int, q: int) -> int:
    return 2 * 6 * n**2 * q + 2 * 9 * n * q**2 + 9 * q**3


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _text(dtype: np.dtype[Any], schedule: Schedule, settings: dict[str, Any], *parts: str) -> str:
    settings = {"ELEMENTS": schedule.elements, "THREADS": schedule.threads, **settings}
    return "\n".join(
        [
            f"typedef {'float' if dtype == np.float32 else 'double'} real;",
            *(f"#define {name} {value}" for name, value in settings.items()),
            *parts,
        ]
    )

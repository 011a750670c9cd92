"""Fused kernels at work: compiled, and bound to the arrays of their elements."""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elastane.materials.compiler.native import build_library
from elastane.materials.kernels import Kernels
from elastane.materials.points import PointKernels
from elastane.solver.fused.source import KINDS, STATE, Kernel

Array = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Elements(ctypes.Structure):
    """`Elements` of elements.h."""

    _fields_ = (
        ("num_elements", ctypes.c_long),
        ("offsets", ctypes.c_void_p),
        ("geometry", ctypes.c_void_p),
        ("inputs", ctypes.POINTER(ctypes.c_void_p)),
        ("outputs", ctypes.POINTER(ctypes.c_void_p)),
        ("context", ctypes.c_void_p),
        ("rest", ctypes.c_void_p),
    )


def build(kernel: Kernel) -> ctypes.CDLL:
    """Return the compiled kernel, from the cache if it was built before.

    Raises:
        NativeBuildError: If there is no C compiler.
    """
    schedule = kernel.schedule
    path = build_library(
        kernel.source, kernel.name, compilers=schedule.compilers, flags=schedule.flags
    )
    return ctypes.CDLL(str(path))


class FusedFunction:
    """A kernel bound to the elements of one part of a body.

    Args:
        kernel: The kernel.
        offsets: Place of the first component of each node in the L-vector, in blocks; see
            `in_blocks`.
        num_elements: Number of elements; the last block may have idle lanes.
        arrays: Arrays in blocks, by name: "geometry" and what the kernel reads and writes at the
            points.  They are used where they lie.
        context: Parameters of the material where they are the same everywhere.
        rest: The stored state at rest, see `state_at_rest`.

    Attributes:
        kernel: The kernel.
        address: Address of the C function.
        elements: Address of what it takes as its first argument.
    """

    def __init__(
        self,
        kernel: Kernel,
        offsets: NDArray[np.int32],
        num_elements: int,
        arrays: Mapping[str, Array],
        context: Array,
        rest: Array,
    ) -> None:
        self.kernel = kernel
        inputs = [arrays[name] for name, _ in kernel.inputs]
        outputs = [arrays[name] for name, _ in kernel.outputs]
        geometry = arrays["geometry"]
        assert rest.shape == (kernel.kernels.num_stored,)
        for array in (geometry, context, rest):
            assert array.dtype == kernel.dtype
        for (name, _), array in zip(
            (*kernel.inputs, *kernel.outputs), inputs + outputs, strict=True
        ):
            assert (array.dtype, array.shape[-1]) == kernel.layout(name)
        for array in (geometry, *inputs, *outputs, context, rest):
            assert array.flags.c_contiguous
        # ctypes keeps no reference to what a pointer points to.
        self._alive = (offsets, geometry, inputs, outputs, context, rest)
        self._elements = _Elements(
            num_elements,
            offsets.ctypes.data,
            geometry.ctypes.data,
            _pointers(inputs),
            _pointers(outputs),
            context.ctypes.data,
            rest.ctypes.data,
        )
        self._function = getattr(build(kernel), KINDS[kernel.kind].loop)
        self._function.restype = None
        self._function.argtypes = [ctypes.c_void_p] * 3
        self.elements = ctypes.addressof(self._elements)
        address = ctypes.cast(self._function, ctypes.c_void_p).value
        assert address is not None
        self.address = address

    def __call__(self, u: Array, v: Array) -> None:
        """Read the L-vector u and add to v; one that the kernel does not use may be empty."""
        self._function(self.elements, u.ctypes.data, v.ctypes.data)

    @property
    def flops(self) -> int:
        """Return the floating-point operations of one call."""
        return self._elements.num_elements * self.kernel.flops

    @property
    def bytes(self) -> int:
        """Return the bytes of one call beside the L-vectors."""
        return self._elements.num_elements * self.kernel.bytes


def state_at_rest(kernels: Kernels, parameters: Floats) -> Floats:
    """Return what the residual stores of an undeformed body, shape (num_stored,).

    Any numbers would do that are the same wherever the state is written and read; 0 stands for what
    is none at rest.

    Args:
        kernels: The QFunctions of the material.
        parameters: The kernel parameters.
    """
    if not kernels.num_stored:
        return np.zeros(0)
    by_name = dict(zip(kernels.parameters, parameters.tolist(), strict=True))
    outputs = PointKernels(kernels, by_name).residual_at_rest()
    return np.nan_to_num(outputs[STATE], nan=0.0, posinf=0.0, neginf=0.0)


def points_array(
    num_elements: int, num_points: int, num_components: int, dtype: DTypeLike, lanes: int
) -> NDArray[Any]:
    """Return zeros at the points of elements in blocks, for precision and lanes of a layout."""
    return aligned((-(-num_elements // lanes), num_points, num_components, lanes), dtype)


def in_blocks(values: NDArray[Any], lanes: int) -> NDArray[Any]:
    """Return values of elements as blocks, aligned to cache lines.

    Args:
        values: Shape (num_elements, n, num_components): n nodes or points.
        lanes: Elements of a block.

    Returns:
        Shape (num_blocks, n, num_components, lanes); the last elements of the last block repeat
        the last element.
    """
    num_elements, n, num_components = values.shape
    num_blocks = -(-num_elements // lanes)
    blocks = aligned((num_blocks, n, num_components, lanes), values.dtype)
    whole = num_elements // lanes
    blocks[:whole] = (
        values[: whole * lanes].reshape(whole, lanes, n, num_components).transpose(0, 2, 3, 1)
    )
    if whole < num_blocks:
        places = np.minimum(np.arange(whole * lanes, num_blocks * lanes), num_elements - 1)
        blocks[whole] = values[places].transpose(1, 2, 0)
    return blocks


def from_blocks(blocks: NDArray[Any], num_elements: int) -> NDArray[Any]:
    """Return the values of elements, shape (num_elements, n, num_components)."""
    num_blocks, n, num_components, lanes = blocks.shape
    values = blocks.transpose(0, 3, 1, 2).reshape(num_blocks * lanes, n, num_components)
    return values[:num_elements]


def aligned(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros that begins at a cache line; loads of vectors need it."""
    dtype = np.dtype(dtype)
    count, line = int(np.prod(shape)), 64
    memory = np.zeros(count + line // dtype.itemsize, dtype=dtype)
    start = -memory.ctypes.data % line // dtype.itemsize
    return memory[start : start + count].reshape(shape)


def _pointers(arrays: Sequence[Array]) -> Any:
    return (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))

"""The C functions of the cycle, for float32 or float64: see `cycle.c` and `transfer.c`.

Arrays are handed over as addresses, bound once: a call then costs a microsecond.
"""

import ctypes
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from elastane.materials.compiler.native import build_library

#: What C calls the precisions.
REAL = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}


@cache
def library(name: str, dtype: np.dtype[Any], prelude: str = "") -> ctypes.CDLL:
    """Return the library of NAME.c beside this file, compiled for numbers of a precision.

    Args:
        name: Name of the source.
        dtype: A key of REAL.
        prelude: What else stands before the source.
    """
    source = Path(__file__).with_name(f"{name}.c").read_text(encoding="utf-8")
    text = f"typedef {REAL[dtype]} real;\n{prelude}{source}"
    return ctypes.CDLL(str(build_library(text, f"{name}-{REAL[dtype]}")))


def passes(dtype: DTypeLike) -> ctypes.CDLL:
    """Return the functions of `cycle.c`."""
    return library("cycle", np.dtype(dtype))


def bound(function: Any, count: int, *arrays: NDArray[Any]) -> Callable[..., None]:
    """Return a C function with its length and its arrays bound; the rest are doubles.

    The result holds the arrays, so that their memory stays.
    """
    for array in arrays:
        assert array.flags.c_contiguous
    addresses = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    call = partial(_call, function, ctypes.c_ssize_t(count), addresses, arrays)
    return call


def _call(
    function: Any,
    count: ctypes.c_ssize_t,
    addresses: list[ctypes.c_void_p],
    arrays: tuple[NDArray[Any], ...],
    *numbers: float,
) -> None:
    function(count, *addresses, *(ctypes.c_double(number) for number in numbers))

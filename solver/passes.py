"""The C functions that run over vectors of this host: see `cycle.c`, `transfer.c` and others.

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

#: The words of passes, see `cycle.c`.
WORDS = """\
#include <stddef.h>
typedef ptrdiff_t Size;
#define ENTRY
#define EACH _Pragma("omp simd") for (Size i = 0; i < n; ++i)
#define ONE_BY_ONE for (Size i = 0; i < n; ++i)
#define SUMMED _Pragma("omp simd reduction(+:sum)") for (Size i = 0; i < n; ++i)
#define TOTAL(sum, place) *(place) += sum
#define ADD(place, value) *(place) += (value)
"""


def text(name: str) -> str:
    """Return the source NAME.c beside this file."""
    return Path(__file__).with_name(f"{name}.c").read_text(encoding="utf-8")


@cache
def library(name: str, dtype: np.dtype[Any], prelude: str = "") -> ctypes.CDLL:
    """Return the library of NAME.c beside this file, compiled for numbers of a precision.

    Args:
        name: Name of the source.
        dtype: A key of REAL.
        prelude: What else stands before the source.
    """
    source = f"typedef {REAL[dtype]} real;\n{WORDS}{prelude}{text(name)}"
    return ctypes.CDLL(str(build_library(source, f"{name}-{REAL[dtype]}")))


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

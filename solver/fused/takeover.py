"""A fused kernel becomes the apply of a CeedOperator.

Everything else about the operator stays: it can be a term of a composite operator, and a twin that
was not taken over is its reference.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import _ceed_cffi

from elastane.materials.compiler.native import build_library
from elastane.solver.fused.kernel import FusedFunction

SOURCE = Path(__file__).with_name("takeover.c")


#: What takeover.c calls.
LIBCEED_FUNCTIONS = (
    "CeedVectorGetArrayRead",
    "CeedVectorRestoreArrayRead",
    "CeedVectorGetArray",
    "CeedVectorRestoreArray",
)


class _Library(ctypes.Structure):
    """`Library` of takeover.c."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in LIBCEED_FUNCTIONS)


def take_over(operator: Any, function: FusedFunction) -> None:
    """Let a fused kernel apply a CeedOperator, which keeps the kernel's arrays alive.

    Args:
        operator: A CeedOperator with one active input and one active output, which the kernel
            computes.
        function: The kernel, in double precision.
    """
    assert not function.kernel.single
    ours, libceed = _ours(), _libceed()
    error = ours.note(
        _pointer(operator), ctypes.c_void_p(function.address), ctypes.c_void_p(function.elements)
    ) or libceed.CeedSetBackendFunction(
        _pointer(operator._ceed),
        b"Operator",
        _pointer(operator),
        b"ApplyAdd",
        ctypes.cast(ours.apply_add, ctypes.c_void_p),
    )
    if error:
        raise RuntimeError(f"libCEED does not take the fused kernel {function.kernel.name}")
    operator.fused = function


def build_takeover() -> Path:
    """Return the compiled library, from the cache if it was built before."""
    return build_library(SOURCE.read_text(encoding="utf-8"), "takeover")


@cache
def _ours() -> ctypes.CDLL:
    library = ctypes.CDLL(str(build_takeover()))
    libceed = _libceed()
    addresses = (ctypes.cast(getattr(libceed, name), ctypes.c_void_p) for name in LIBCEED_FUNCTIONS)
    library.set_library(ctypes.byref(_Library(*(address.value for address in addresses))))
    return library


@cache
def _libceed() -> ctypes.CDLL:
    """Return libCEED as the Python binding loaded it."""
    return ctypes.CDLL(_ceed_cffi.__file__)


def _pointer(ceed_object: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(int(_ceed_cffi.ffi.cast("uintptr_t", ceed_object._pointer[0])))

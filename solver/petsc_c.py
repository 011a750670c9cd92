"""PETSc functions that petsc4py 3.21 does not wrap, called through ctypes.

They are taken from the library that petsc4py itself loaded: loading libpetsc.so by path would bring
a second copy of PETSc into the process.
"""

import ctypes

import numpy as np
import petsc4py.PETSc
from numpy.typing import NDArray
from petsc4py import PETSc

_PETSC = ctypes.CDLL(petsc4py.PETSc.__file__)


def set_preallocation_coo(
    mat: PETSc.Mat, rows: NDArray[np.signedinteger], columns: NDArray[np.signedinteger]
) -> None:
    """Fix the entries of a matrix by their global rows and columns; negative ones are ignored.

    PETSc may change the arrays.
    """
    _call(
        "MatSetPreallocationCOO",
        ctypes.c_void_p(mat.handle),
        ctypes.c_ssize_t(len(rows)),
        _pointer(rows, PETSc.IntType),
        _pointer(columns, PETSc.IntType),
    )


def set_values_coo(mat: PETSc.Mat, values: NDArray[np.float64]) -> None:
    """Set the entries of a matrix to the sums of values, in the order of the preallocation."""
    insert_values = ctypes.c_int(int(PETSc.InsertMode.INSERT_VALUES))
    _call(
        "MatSetValuesCOO",
        ctypes.c_void_p(mat.handle),
        _pointer(values, PETSc.ScalarType),
        insert_values,
    )
    mat.stateIncrease()


def set_function_domain_error(snes: PETSc.SNES) -> None:
    """Tell a nonlinear solver that its function does not exist at the point just tried."""
    _call("SNESSetFunctionDomainError", ctypes.c_void_p(snes.handle))


def option_was_used(name: str) -> bool:
    """Return whether PETSc ever asked for an option of the global database."""
    used = ctypes.c_int()
    _call("PetscOptionsUsed", None, name.encode(), ctypes.byref(used))
    return bool(used.value)


def _call(function: str, *arguments: object) -> None:
    error = getattr(_PETSC, function)(*arguments)
    if error:
        raise PETSc.Error(error)


def _pointer(array: NDArray[np.generic], scalar_type: type) -> ctypes.c_void_p:
    assert array.dtype == scalar_type
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)

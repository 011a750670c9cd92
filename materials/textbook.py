"""What formulas of textbooks are written with: invariants and functions of mpmath numbers.

The `textbook` of a material is its energy as the reference prints it.  In 50 digits it needs no
care for rounding, and is thus an independent check of the energy that has it.  F is a (3, 3) numpy
array of mpmath numbers; mpmath is imported when a formula is first evaluated.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def identity() -> Any:
    """Return I of whole numbers, which leave mpmath numbers exact."""
    return np.eye(3, dtype=int)


def determinant(A: Any) -> Any:
    """Return det A."""
    return A[0] @ np.cross(A[1], A[2])


def invariants(F: Any) -> tuple[Any, Any, Any]:
    """Return I₁ and I₂ of C = FᵀF, and J."""
    C = F.T @ F
    I1 = np.trace(C)
    return I1, (I1**2 - np.sum(C * C)) / 2, determinant(F)


def isochoric_invariants(F: Any) -> tuple[Any, Any, Any]:
    """Return J^(-2/3) I₁, J^(-4/3) I₂ and J."""
    I1, I2, J = invariants(F)
    power = 1 / cbrt(J) ** 2
    return power * I1, power**2 * I2, J


def principal_stretches(F: Any) -> list[Any]:
    """Return the square roots of the eigenvalues of C = FᵀF."""
    mpmath = _mpmath()
    eigenvalues = mpmath.eigsy(mpmath.matrix((F.T @ F).tolist()), eigvals_only=True)
    return [mpmath.sqrt(x) for x in eigenvalues]


def direction(name: str, parameters: Mapping[str, Any]) -> Any:
    """Return the direction whose components are "name_0", "name_1", "name_2".

    Given as doubles it is of length 1 to 16 digits, here to all.
    """
    given = np.array([parameters[f"{name}_{axis}"] for axis in range(3)])
    return given / _mpmath().sqrt(given @ given)


def basis(first: Any) -> Any:
    """Return a unit vector and two further ones as the rows of a rotation."""
    axis = identity()[np.argmin(np.abs(first))]
    second = axis - (axis @ first) * first
    second = second / _mpmath().sqrt(second @ second)
    return np.array([first, second, np.cross(first, second)])


def log(x: Any) -> Any:
    """Return ln x."""
    return _mpmath().log(x)


def exp(x: Any) -> Any:
    """Return eˣ."""
    return _mpmath().exp(x)


def cbrt(x: Any) -> Any:
    """Return the cube root of x."""
    return _mpmath().cbrt(x)


def _mpmath() -> Any:
    return importlib.import_module("mpmath")

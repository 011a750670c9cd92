"""libCEED as the solver uses it: vectors over numpy memory, bases, QFunctions, operators.

Every Q-vector lies in numpy memory.  One that lasts comes in blocks of elements, of shape
(num_blocks, points, components, lanes), as fused kernels read it, with a lane of its own for each
element of a block (one element for libCEED alone); one that passes has shape (num_elements,
components, points).  An operator over a range of elements works on a slice, not on a copy.
"""

import ctypes
import itertools
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libceed
import numpy as np
from _ceed_cffi import ffi, lib
from numpy.typing import NDArray

from elastane.materials.compiler.native import build_library
from elastane.meshes.lagrange import differentiation, gauss, gauss_lobatto, interpolation
from elastane.solver.kernel_sources import own_source

Floats = NDArray[np.float64]

# libceed has no types.
Ceed = Any
CeedBasis = Any
CeedContext = Any
CeedOperator = Any
CeedQFunction = Any
CeedRestriction = Any
CeedVector = Any

NONE = libceed.EVAL_NONE
INTERP = libceed.EVAL_INTERP
GRAD = libceed.EVAL_GRAD
WEIGHT = libceed.EVAL_WEIGHT

#: Elements of one transient operator: libCEED copies the passive fields of an operator and, to
#: assemble, stores the full tangent at every point (81 numbers); a range at a time bounds both.
ELEMENTS_AT_A_TIME = 2048


class BackendError(RuntimeError):
    """libCEED cannot run on the backend asked for."""


def check_resource(resource: str) -> None:
    """Try a libCEED resource in a process of its own.

    libCEED 0.12 ends the process where a resource is unknown or was not compiled in, whatever its
    error handler.

    Raises:
        BackendError: If this libCEED cannot run on it.
    """
    command = [sys.executable, "-c", "import libceed, sys; libceed.Ceed(sys.argv[1])", resource]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        said = next(iter(answer.stderr.splitlines()), f"exit code {answer.returncode}")
        raise BackendError(
            f"libCEED cannot run on {resource!r} ({said.partition('): ')[2] or said}); it must be "
            "built for it, a GPU also needs a PETSc built for it: `elastane doctor` shows what "
            "works here"
        )


def shared_vector(ceed: Ceed, memory: Floats) -> CeedVector:
    """Return a CeedVector that uses the memory of a contiguous array."""
    assert memory.flags.c_contiguous
    vector = ceed.Vector(memory.size)
    vector.set_array(memory.reshape(-1), cmode=libceed.USE_POINTER)
    return vector


def touch(vector: CeedVector, memory: Floats) -> None:
    """Tell libCEED that the memory of a vector has changed, so that it refreshes its copies."""
    vector.set_array(memory.reshape(-1), cmode=libceed.USE_POINTER)


def take_array(vector: CeedVector) -> None:
    """Take the memory away from a vector; its state counter stays."""
    error = lib.CeedVectorTakeArray(vector._pointer[0], lib.CEED_MEM_HOST, ffi.NULL)
    vector._ceed._check_error(error)
    vector._array_reference = None


@dataclass(frozen=True)
class Points:
    """Points per direction at which fields are evaluated.

    Attributes:
        xi: Coordinates in [-1, 1].
        weights: Quadrature weights.
    """

    xi: Floats
    weights: Floats

    @classmethod
    def gauss(cls, num_points_1d: int) -> "Points":
        """Return Gauss points."""
        return cls(*gauss(num_points_1d))

    @classmethod
    def nodes(cls, degree: int) -> "Points":
        """Return the nodes of an element of a degree."""
        return cls(*gauss_lobatto(degree + 1))

    def __len__(self) -> int:
        return len(self.xi)


def basis(
    ceed: Ceed, degree: int, points: Points, num_components: int = 3, dimension: int = 3
) -> CeedBasis:
    """Return the Lagrange basis of a degree, evaluated at points."""
    nodes, _ = gauss_lobatto(degree + 1)
    return ceed.BasisTensorH1(
        dimension,
        num_components,
        degree + 1,
        len(points),
        np.ascontiguousarray(interpolation(nodes, points.xi)),
        np.ascontiguousarray(differentiation(nodes, points.xi)),
        np.ascontiguousarray(points.xi),
        np.ascontiguousarray(points.weights),
    )


def offset_restriction(
    ceed: Ceed, offsets: NDArray[np.signedinteger], num_components: int, l_size: int
) -> CeedRestriction:
    """Return the restriction from an L-vector with the components of a node side by side."""
    num_elements, element_size = offsets.shape
    return ceed.ElemRestriction(
        num_elements,
        element_size,
        num_components,
        1,
        l_size,
        np.ascontiguousarray(offsets, dtype=np.int32).reshape(-1),
        cmode=libceed.COPY_VALUES,
    )


def point_restriction(ceed: Ceed, shape: tuple[int, ...]) -> CeedRestriction:
    """Return the restriction of Q-vector memory of shape (num_elements, components, points)."""
    num_elements, num_components, num_points = shape
    strides = np.array([1, num_points, num_components * num_points], dtype=np.int32)
    return ceed.StridedElemRestriction(
        num_elements, num_points, num_components, math.prod(shape), strides
    )


def node_restriction(ceed: Ceed, memory: Floats) -> CeedRestriction:
    """Return the restriction of element nodes of shape (num_elements, nodes, components)."""
    num_elements, num_nodes, num_components = memory.shape
    strides = np.array([num_components, 1, num_components * num_nodes], dtype=np.int32)
    return ceed.StridedElemRestriction(
        num_elements, num_nodes, num_components, memory.size, strides
    )


class Library:
    """The compiled QFunctions of one C source."""

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        self.path: Path = build_library(source, name)
        self._library = ctypes.CDLL(str(self.path))

    @classmethod
    def own(cls, name: str) -> "Library":
        """Return our own QFunctions of that name."""
        return cls(own_source(name), name)

    def qfunction(self, ceed: Ceed, function: str, context: CeedContext | None) -> CeedQFunction:
        """Return a QFunction without fields yet; the context stays that of the caller."""
        qfunction = ceed.QFunction(
            1, getattr(self._library, function), f"{self.path.with_suffix('.c')}:{function}"
        )
        if context is not None:
            qfunction.set_context(context)
        return qfunction


@dataclass(frozen=True)
class Field:
    """A field of an operator.

    Attributes:
        mode: How the QFunction sees it: NONE, INTERP, GRAD or WEIGHT.
        size: Components that the QFunction sees.
        restriction: libCEED element restriction.
        basis: libCEED basis, or BASIS_NONE.
        vector: A passive CeedVector, VECTOR_ACTIVE or VECTOR_NONE.
    """

    mode: int
    size: int
    restriction: CeedRestriction
    basis: CeedBasis = libceed.BASIS_NONE
    vector: CeedVector = libceed.VECTOR_ACTIVE


def operator(
    ceed: Ceed,
    qfunction: CeedQFunction,
    inputs: Sequence[Field],
    outputs: Sequence[Field],
) -> CeedOperator:
    """Return the operator that applies a QFunction; fields come in the QFunction's order."""
    names = [f"in_{i}" for i in range(len(inputs))] + [f"out_{i}" for i in range(len(outputs))]
    for name, field in zip(names, itertools.chain(inputs, outputs), strict=True):
        add = qfunction.add_input if name.startswith("in") else qfunction.add_output
        add(name, field.size, field.mode)
    result = ceed.Operator(qfunction)
    for name, field in zip(names, itertools.chain(inputs, outputs), strict=True):
        result.set_field(name, field.restriction, field.basis, field.vector)
    # libCEED counts who refers to its vectors, but not to the numpy memory under them.
    result.fields = (*inputs, *outputs)
    return result


def operator_of_identity(ceed: Ceed, source: Field, target: Field) -> CeedOperator:
    """Return the operator that carries a field from one discretization to another."""
    identity = ceed.Operator(ceed.IdentityQFunction(source.size, source.mode, target.mode))
    identity.set_field("input", source.restriction, source.basis, source.vector)
    identity.set_field("output", target.restriction, target.basis, target.vector)
    return identity


def ranges(num_elements: int) -> Iterator[slice]:
    """Yield the ranges of elements for transient operators."""
    for first in range(0, num_elements, ELEMENTS_AT_A_TIME):
        yield slice(first, min(first + ELEMENTS_AT_A_TIME, num_elements))


def point_field(ceed: Ceed, memory: Floats, passive: bool = True) -> Field:
    """Return the field of Q-vector memory of shape (num_elements, components, points)."""
    return Field(
        NONE,
        memory.shape[1],
        point_restriction(ceed, memory.shape),
        vector=shared_vector(ceed, memory) if passive else libceed.VECTOR_ACTIVE,
    )


def values_field(ceed: Ceed, memory: Floats) -> Field:
    """Return the passive field of Q-vector memory of shape (num_elements, points, components)."""
    restriction = node_restriction(ceed, memory)
    return Field(NONE, memory.shape[2], restriction, vector=shared_vector(ceed, memory))

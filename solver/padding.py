"""L-vectors of the p = 1 space, and PETSc vectors with all three components of each owned node.

Algebraic multigrid works on whole nodes: where single components are removed (slip, symmetry) its
interpolation breaks.  So its vectors and matrices are padded: prescribed components stay, with
zeros in vectors and a row of the identity, scaled to the matrix, in matrices.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from petsc4py import PETSc

from elastane.solver.space import Space

Array = NDArray[np.floating[Any]]


class Padding:
    """Carries values between L-vectors and padded vectors without allocating anything.

    Args:
        space: The space.
        dtype: Type of the numbers of the L-vectors.

    Attributes:
        numbers: Rows of a padded vector, shape (num_nodes, 3).
    """

    def __init__(self, space: Space, dtype: DTypeLike) -> None:
        first, last = space.owned_numbers
        self.numbers = (3 * space.numbers[:, None] + np.arange(3)).astype(PETSc.IntType)
        self._owned_nodes = space.owned_nodes
        self._owned = np.zeros((last - first, 3), dtype=dtype)
        self._free_owned = (~space.prescribed[self._owned_nodes]).astype(dtype)
        self._free = (~space.prescribed).astype(dtype).reshape(-1)
        comm = space.dm.comm
        self._padded = PETSc.Vec().createMPI((3 * (last - first), None), bsize=3, comm=comm)
        self._local = PETSc.Vec().createSeq(3 * space.num_nodes)
        rows = PETSc.IS().createGeneral(self.numbers.reshape(-1), comm=PETSc.COMM_SELF)
        self._scatter = PETSc.Scatter().create(self._padded, rows, self._local, None)

    def create_vector(self) -> PETSc.Vec:
        """Return a padded vector."""
        return self._padded.duplicate()

    def pad(self, x: Array, padded: PETSc.Vec) -> None:
        """Overwrite a padded vector by an L-vector that is the same on all ranks."""
        np.take(x.reshape(-1, 3), self._owned_nodes, axis=0, out=self._owned, mode="clip")
        np.multiply(self._owned, self._free_owned, out=self._owned)
        padded.array[:] = self._owned.reshape(-1)

    def unpad(self, padded: PETSc.Vec, x: Array) -> None:
        """Overwrite an L-vector, ghosts too, by a padded vector; zero at prescribed components."""
        self._scatter.scatter(padded, self._local)
        np.multiply(self._local.array_r, self._free, out=x.reshape(-1), casting="same_kind")

    def from_owners(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values of nodes, shape (num_nodes, 3), with those of the owners at ghosts."""
        self._padded.array[:] = values[self._owned_nodes].reshape(-1)
        self._scatter.scatter(self._padded, self._local)
        return self._local.array_r.reshape(-1, 3).copy()

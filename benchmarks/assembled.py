"""Assembled matrices, the rivals of what is applied without one.

* `box_matrix`: the pattern of a box of any degree, for the rate of a product alone;
* `AssembledMatrix`: the Jacobian of a body of any degree, for solves.
"""

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

Floats = NDArray[np.float64]
Ints = NDArray[np.signedinteger]

#: Bytes of a block of 3 x 3 entries in PETSc's format BAIJ: its numbers and its column.
BLOCK_BYTES = 9 * 8 + 4


def bytes_of_box(degree: int, cells: int) -> int:
    """Return the bytes of the matrix of a box, without vectors."""
    return BLOCK_BYTES * len(_neighbours(degree, cells)[1]) ** 3


def box_matrix(degree: int, cells: int) -> PETSc.Mat:
    """Return a matrix with the pattern of cells³ elements of a degree, three components per node.

    Nodes are numbered line by line, which suits the cache best; no component is prescribed.  All
    entries are stored zeros: they cost as much as others.

    Args:
        degree: Polynomial degree.
        cells: Cells along each edge.
    """
    starts, columns = _neighbours(degree, cells)
    counts = np.diff(starts)
    num_nodes = len(counts)
    # Rows of (z, y, x): all combinations of the neighbours along each axis, in order.
    lengths = np.einsum("i,j,k->ijk", counts, counts, counts).reshape(-1)
    row_starts = np.concatenate([[0], np.cumsum(lengths)]).astype(PETSc.IntType)
    indices = np.empty(row_starts[-1], dtype=PETSc.IntType)
    along = [columns[starts[i] : starts[i + 1]] for i in range(num_nodes)]
    row = 0
    for z in along:
        for y in along:
            zy = (z[:, None] * num_nodes + y).reshape(-1, 1) * num_nodes
            for x in along:
                indices[row_starts[row] : row_starts[row + 1]] = (zy + x).reshape(-1)
                row += 1
    matrix = PETSc.Mat().create(comm=PETSc.COMM_SELF)
    size = 3 * num_nodes**3
    matrix.setSizes((size, size))
    matrix.setBlockSize(3)
    matrix.setType(PETSc.Mat.Type.SEQBAIJ)
    matrix.setPreallocationCSR((row_starts, indices))
    matrix.assemble()
    return matrix


def _neighbours(degree: int, cells: int) -> tuple[Ints, Ints]:
    """Return the pattern of one dimension: where rows start, and the columns."""
    last = degree * cells
    node = np.arange(last + 1)
    # A node between two elements couples with both.
    first = np.maximum((node - 1) // degree * degree, 0)
    end = np.minimum(-(-(node + 1) // degree) * degree, last)
    columns = [np.arange(a, b + 1) for a, b in zip(first, end, strict=True)]
    starts = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    return starts, np.concatenate(columns)

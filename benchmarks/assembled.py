"""Assembled matrices, the rivals of what is applied without one.

* `box_matrix`: the pattern of a box of any degree, for the rate of a product alone;
* `AssembledJacobian`: the Jacobian of a body of any degree;
* `solve_assembled`: Newton's method with it, CG and algebraic multigrid.

Assembly is no rival: it applies a fused kernel to unit vectors, element by element, and is timed
apart.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.fused.kernel import FusedFunction, in_blocks
from elastane.solver.loading import Run

Floats = NDArray[np.float64]
Ints = NDArray[np.signedinteger]

#: PETSc options of the preconditioners, each at good settings for elasticity.
PRECONDITIONERS: Mapping[str, Mapping[str, str]] = {
    # One function per component; A. H. Baker et al., Numer. Linear Algebra Appl. 17 (2010) 495.
    # Aggressive coarsening on the first level halves the set-up, and takes a third less in all,
    # though CG takes half as many iterations again; a threshold of 0.25 costs more.
    "BoomerAMG": {
        "pc_type": "hypre",
        "pc_hypre_type": "boomeramg",
        "pc_hypre_boomeramg_coarsen_type": "HMIS",
        "pc_hypre_boomeramg_agg_nl": "1",
        "pc_hypre_boomeramg_interp_type": "ext+i",
        "pc_hypre_boomeramg_P_max": "6",
        "pc_hypre_boomeramg_strong_threshold": "0.5",
        "pc_hypre_boomeramg_relax_type_all": "symmetric-SOR/Jacobi",
        "pc_hypre_boomeramg_no_CF": "true",
    },
    # Smoothed aggregation, with the rigid-body modes as near-null space.
    "GAMG": {
        "pc_type": "gamg",
        "pc_gamg_type": "agg",
        "pc_gamg_threshold": "0.01",
        "mg_levels_ksp_type": "chebyshev",
        "mg_levels_ksp_max_it": "2",
        "mg_levels_pc_type": "jacobi",
    },
}

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


class AssembledJacobian:
    """The Jacobian of a body on one rank, assembled.

    Rows are numbered as the L-vector; prescribed components have a row of the identity, scaled.

    Args:
        run: A run that is set up.

    Attributes:
        free: Positions of the unknowns in the L-vector, in the order of the T-vector.
    """

    def __init__(self, run: Run) -> None:
        assert run.comm.size == 1
        self._run = run
        space = run.mechanics.space
        self._num_nodes = space.num_nodes
        nodes = space.nodes
        keys = nodes[:, :, None] * self._num_nodes + nodes[:, None, :]
        self._keys, places = np.unique(keys, return_inverse=True)
        self._places = places.reshape(keys.shape)
        self._rows, self._columns = np.divmod(self._keys, self._num_nodes)
        numbers = space.dm.createLocalVec()
        numbers.setArray(np.arange(3.0 * self._num_nodes))
        in_t = space.dm.createGlobalVec()
        space.dm.localToGlobal(numbers, in_t)
        self.free = in_t.array.astype(np.int64)

    def assemble(self) -> tuple[PETSc.Mat, PETSc.Mat]:
        """Return the matrix at the stored state, in the formats BAIJ (to apply) and AIJ."""
        values = np.zeros((len(self._keys), 3, 3))
        for elements, matrices in self._element_matrices():
            for element, matrix in zip(elements, matrices, strict=True):
                values[self._places[element]] += matrix
        free = (~self._run.mechanics.space.prescribed).astype(float)
        values *= free[self._rows][:, :, None] * free[self._columns][:, None, :]
        diagonal = np.flatnonzero(self._rows == self._columns)
        identity = np.einsum("ni,ij->nij", 1.0 - free, np.eye(3))
        values[diagonal] += np.abs(values).max() * identity[self._rows[diagonal]]
        starts = np.searchsorted(self._rows, np.arange(self._num_nodes + 1))
        size = 3 * self._num_nodes
        csr = (starts.astype(PETSc.IntType), self._columns.astype(PETSc.IntType), values)
        baij = PETSc.Mat().createBAIJ((size, size), 3, csr=csr, comm=PETSc.COMM_SELF)
        aij = baij.convert(PETSc.Mat.Type.SEQAIJ, PETSc.Mat())
        X = PETSc.Vec().createWithArray(self._run.mechanics.space.X, bsize=3, comm=PETSc.COMM_SELF)
        aij.setNearNullSpace(PETSc.NullSpace().createRigidBody(X))
        return baij, aij

    def _element_matrices(self) -> Iterator[tuple[Ints, Floats]]:
        """Yield elements and their matrices, shape (num_elements, nodes, nodes, 3, 3)."""
        body, degree = self._run.body, self._run.mechanics.space.degree
        num_nodes = (degree + 1) ** 3
        for part in body.parts:
            kernel = body.fused_kernel("jacobian", part.material, degree)
            # Each element has nodes of its own, so that an apply gives a column of all of them.
            apart = np.arange(len(part.elements) * num_nodes).reshape(-1, num_nodes)
            offsets = in_blocks((3 * apart[:, :, None]).astype(np.int32), kernel.lanes)
            assert part.geometry is not None
            arrays = {
                "geometry": part.geometry,
                "state": part.state,
                "history": part.history,
                "parameters": part.parameters,
            }
            function = FusedFunction(
                kernel, offsets, len(part.elements), arrays, part.context_values, part.rest
            )
            matrices = np.empty((len(part.elements), num_nodes, num_nodes, 3, 3))
            unit, column = np.zeros((2, len(part.elements), 3 * num_nodes))
            for j in range(3 * num_nodes):
                unit[:, j], column[:] = 1.0, 0.0
                function(unit, column)
                unit[:, j] = 0.0
                matrices[:, :, j // 3, :, j % 3] = column.reshape(-1, num_nodes, 3)
            yield part.elements, matrices


@dataclass
class Solution:
    """How Newton's method went with an assembled matrix.

    Attributes:
        seconds: Processor seconds of each part: residual, assembly, set-up, solve.
        krylov_iterations: CG iterations of each Newton iteration.
        strain_energy: At the end.
        matrix_bytes: Of the matrix in the format BAIJ.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    krylov_iterations: list[int] = field(default_factory=list)
    strain_energy: float = 0.0
    matrix_bytes: int = 0

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time of a block to a part."""
        started = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - started


def solve_assembled(run: Run, preconditioner: str, rtol: float, linear_rtol: float) -> Solution:
    """Solve a problem whose supports do not move, in one load step.

    Args:
        run: A run that is set up and not solved.
        preconditioner: A name in PRECONDITIONERS.
        rtol: Bound of the residual norm relative to the first.
        linear_rtol: The same for CG, in its natural norm.

    Raises:
        RuntimeError: If Newton's method does not converge.
    """
    mechanics, solution = run.mechanics, Solution()
    jacobian = AssembledJacobian(run)
    database = PETSc.Options()
    prefix = f"rival_{preconditioner}_"
    for name, value in PRECONDITIONERS[preconditioner].items():
        database.setValue(prefix + name, value)
    u, R = run.u.duplicate(), run.u.duplicate()
    u.zeroEntries()
    mechanics.set_load(1.0)
    first = 0.0
    for _ in range(20):
        with solution.timed("residual"):
            mechanics.evaluate(u, R)
        first = first or R.norm()
        if R.norm() <= rtol * first:
            solution.strain_energy = mechanics.strain_energy()
            return solution
        with solution.timed("assembly"):
            baij, aij = jacobian.assemble()
        solution.matrix_bytes = int(baij.getInfo()["nz_used"]) * 8
        ksp = PETSc.KSP().create(comm=PETSc.COMM_SELF)
        ksp.setOptionsPrefix(prefix)
        ksp.setType(PETSc.KSP.Type.CG)
        ksp.setNormType(PETSc.KSP.NormType.NATURAL)
        ksp.setTolerances(rtol=linear_rtol, max_it=1000)
        ksp.setOperators(baij, aij)
        ksp.setFromOptions()
        with solution.timed("set-up"):
            ksp.setUp()
        b, x = baij.createVecs()
        b.array[jacobian.free] = -R.array_r
        with solution.timed("solve"):
            ksp.solve(b, x)
        solution.krylov_iterations.append(ksp.getIterationNumber())
        u.array[:] += x.array_r[jacobian.free]
        for each in (ksp, baij, aij):
            each.destroy()
    raise RuntimeError(f"Newton's method with {preconditioner} did not converge")

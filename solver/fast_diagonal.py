"""A preconditioner for smoothers: elements solved one by one, by fast diagonalisation.

Jacobi knows nothing of how stiff an element is in each direction; where elements are flat, as in
thin walls, its smoothing takes many times as long.  Here each element is solved by itself, as if
it were a brick of its mean edge lengths h_d, along its own axes, and as if the displacements along
the three axes were independent.  Along axis c that is

    A_c = Σ_d k_d K_d ⊗ M ⊗ M,   k_d = RATIO if d = c, else 1,

with the one-dimensional stiffness and mass matrices K_d and M_d of degree p, so that

    A_c⁻¹ = T Λ_c⁻¹ Tᵀ,   T = T₃ ⊗ T₂ ⊗ T₁,   Λ_c = Σ_d k_d λ_d,

from the eigenpairs K_d T_d = M_d T_d λ_d of one direction at a time.  At an end with a neighbour or
a support, K and M take that neighbour's entry at the shared node.  The preconditioner is

    M = W Σ_e Rᵀ Q A⁻¹ Qᵀ R W,   W² = D₁ / (D m),

with Q the axes of the element, D the diagonal of the Jacobian, D₁ that of Σ_e A and m the number of
elements around a node: whatever the material is, D says how stiff it is.

References: R. E. Lynch, J. R. Rice, D. H. Thomas, Numer. Math. 6 (1964) 185-199; J. W. Lottes,
P. F. Fischer, J. Sci. Comput. 24 (2005) 45-78, for such elements in the smoother of a multigrid.
"""

import ctypes
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.lagrange import differentiation, gauss, gauss_lobatto, interpolation
from elastane.solver.exchange import Exchange
from elastane.solver.fused.schedule import VECTOR_BYTES
from elastane.solver.fused.source import contraction
from elastane.solver.log import logged
from elastane.solver.memory import Vector
from elastane.solver.passes import library
from elastane.solver.space import Space

Floats = NDArray[np.float64]

#: From L-vectors to lanes and back, as the fused kernels do it.
LANES = Path(__file__).parent / "fused" / "lanes.h"

#: Stiffness against stretch over that against shear: (λ + 2μ) / μ at ν = 0.3.
RATIO = 3.5

#: Part of the largest eigenvalue of an element that is added to all, so that one without
#: neighbours, which may move freely, can be solved.
SHIFT = 1e-6


class _Elements(ctypes.Structure):
    """`Elements` of fast_diagonal.c."""

    _fields_ = (
        ("num_elements", ctypes.c_long),
        ("offsets", ctypes.c_void_p),
        ("modes", ctypes.c_void_p),
        ("eigenvalues", ctypes.c_void_p),
        ("axes", ctypes.c_void_p),
    )


class FastDiagonal:
    """The preconditioner of one level.

    Args:
        space: The space of the level, of degree 2 or more.
        exchange: Sums its L-vectors over ranks, in their precision.

    Attributes:
        bytes: Those of one application on this rank, L-vectors left out.
        flops: Floating-point operations of one application on this rank, likewise.
    """

    def __init__(self, space: Space, exchange: Exchange) -> None:
        self._exchange, dtype, memory = exchange, exchange.dtype, exchange.memory
        bricks = _Bricks(space, exchange)
        blocks = [
            memory.element_values((3 * space.nodes[:, :, None]).astype(np.int32), dtype),
            *(
                memory.element_values(values.astype(dtype), dtype)
                for values in (bricks.modes, bricks.eigenvalues, bricks.axes)
            ),
        ]
        self._memory, self._passes = memory, memory.functions("cycle", dtype)
        self._solve = self._bind(space, blocks)
        self._scales = bricks.scales
        self.flops = len(space.nodes) * element_flops(space.degree)
        self._size = 3 * space.num_nodes
        #: W, flat; zero at prescribed components.
        self.W = memory.zeros(self._size, dtype)
        self._s = memory.zeros(self._size, dtype)
        self.bytes = sum(values.nbytes for values in blocks)

    def _bind(self, space: Space, blocks: list[Vector]) -> Callable[[Vector, Vector], None]:
        """Return the function that adds the solution of all elements for one vector to another.

        Args:
            space: The space.
            blocks: Offsets, modes, eigenvalues and axes of the elements.
        """
        function = _build(space.degree, blocks[1].dtype)
        elements = _Elements(len(space.nodes), *(values.ctypes.data for values in blocks))

        def solve(s: Vector, y: Vector) -> None:
            assert len(blocks) == 4, "the pointers in `elements` keep nothing alive"
            function(ctypes.addressof(elements), s.ctypes.data, y.ctypes.data)

        return solve

    def update(self, inverse_diagonal: NDArray[Any]) -> None:
        """Take over the inverse diagonal of the Jacobian, flat, 0 at prescribed components."""
        self._memory.write(np.sqrt(self._scales * inverse_diagonal).astype(self.W.dtype), self.W)

    @logged("fast diagonalisation")
    def apply(self, r: Vector, y: Vector) -> None:
        """Add W⁻¹ M r to y, which must be zero at shared nodes; collective."""
        self._memory.bound(self._passes.multiply, self._size, self.W, r, self._s)()
        self._solve(self._s, y)
        self._exchange.sum(y)

    def precondition(self, r: Vector, z: Vector) -> None:
        """Set z to M r; collective."""
        self._memory.clear(z)
        self.apply(r, z)
        self._memory.bound(self._passes.multiply, self._size, self.W, z, z)()


class _Bricks:
    """The elements of a level as bricks.

    Attributes:
        modes: Eigenvectors T of each direction, shape (num_elements, 3 n n, 1): direction, node,
            mode.
        eigenvalues: Shape (num_elements, 3 n, 1).
        axes: Components of the axes, shape (num_elements, 9, 1): 3 a + c for component a of axis c.
        scales: D₁ / m as a flat L-vector, 0 at prescribed components.
    """

    def __init__(self, space: Space, exchange: Exchange) -> None:
        n, num_elements = space.degree + 1, len(space.nodes)
        X = space.X[space.nodes].reshape(num_elements, n, n, n, 3)  # [ξ₃, ξ₂, ξ₁]
        edges = np.stack(
            [
                (X[:, :, :, -1] - X[:, :, :, 0]).mean(axis=(1, 2)),
                (X[:, :, -1] - X[:, :, 0]).mean(axis=(1, 2)),
                (X[:, -1] - X[:, 0]).mean(axis=(1, 2)),
            ],
            axis=2,
        )
        h = np.linalg.norm(edges, axis=1)  # [element, direction]
        # The rotation nearest to the directions of the edges.
        U, _, V = np.linalg.svd(edges / h[:, None, :])
        Q = U @ V
        multiplicity = _summed(space, exchange, np.ones((num_elements, n**3, 3)))
        held = self._held(space, multiplicity[:, 0].round().astype(int))
        K, M = one_dimensional(space.degree)
        pairs = np.array(list(itertools.product((False, True), repeat=2)))
        eigenpairs = [_eigenpairs(K, M, *ends) for ends in pairs]
        kind = 2 * held[:, :, 0] + held[:, :, 1]
        size = 2.0 / h
        values = np.stack([value for value, _ in eigenpairs])[kind] * size[:, :, None] ** 2
        vectors = np.stack([vector for _, vector in eigenpairs])[kind]
        values += SHIFT * values.max(axis=(1, 2), keepdims=True)
        modes = vectors * np.sqrt(size)[:, :, None, None]
        self.modes = modes.reshape(num_elements, 3 * n**2, 1)
        self.eigenvalues = values.reshape(num_elements, 3 * n, 1)
        self.axes = Q.reshape(num_elements, 9, 1)
        diagonal = _summed(space, exchange, self._diagonals(np.diag(K), np.diag(M), size, Q))
        self.scales = np.where(space.prescribed, 0.0, diagonal / multiplicity).reshape(-1)

    @staticmethod
    def _held(space: Space, multiplicity: NDArray[np.int_]) -> NDArray[np.bool_]:
        """Return whether ends have a neighbour or a support, [element, direction, end]."""
        n, middle = space.degree + 1, space.degree // 2
        held = (multiplicity > 1) | space.prescribed.any(axis=1)
        of_nodes = held[space.nodes].reshape(-1, n, n, n)
        ends = (0, n - 1)
        return np.stack(
            [
                np.stack([of_nodes[:, middle, middle, end] for end in ends], axis=1),
                np.stack([of_nodes[:, middle, end, middle] for end in ends], axis=1),
                np.stack([of_nodes[:, end, middle, middle] for end in ends], axis=1),
            ],
            axis=1,
        )

    @staticmethod
    def _diagonals(K: Floats, M: Floats, size: Floats, Q: Floats) -> Floats:
        """Return the diagonal of each brick in global components, (num_elements, nodes, 3)."""
        k, m = K * size[:, :, None], M / size[:, :, None]  # [element, direction, node]
        along = [
            np.einsum(
                "ek,ej,ei->ekji", *((k if d == direction else m)[:, d] for d in (2, 1, 0))
            ).reshape(len(size), len(K) ** 3)
            for direction in range(3)
        ]
        ratios = np.where(np.eye(3, dtype=bool), RATIO, 1.0)  # [component, direction]
        local = np.einsum("cd,den->enc", ratios, np.stack(along))
        return np.einsum("enc,eac->ena", local, Q**2)


def one_dimensional(degree: int) -> tuple[Floats, Floats]:
    """Return stiffness and mass matrix of a degree on [-1, 1]."""
    nodes, _ = gauss_lobatto(degree + 1)
    points, weights = gauss(degree + 1)
    B, G = interpolation(nodes, points), differentiation(nodes, points)
    return (G.T * weights) @ G, (B.T * weights) @ B


def element_flops(degree: int) -> int:
    """Return the operations of the loop in fast_diagonal.c for one element, divisions included."""
    n = degree + 1
    rotation = 3 * contraction(3, n**3)
    division = 3 * n**2 + 3 * n**3
    return 2 * rotation + 3 * (6 * contraction(n, n**3) + division) + 3 * n**3


def _eigenpairs(K: Floats, M: Floats, first: bool, last: bool) -> tuple[Floats, Floats]:
    """Return λ and T with K T = M T λ and Tᵀ M T = 1, with neighbours at the ends or without."""
    ends = np.zeros_like(K)
    ends[0, 0], ends[-1, -1] = first, last
    # K and M look the same from both ends.
    K, M = K + ends * K[0, 0], M + ends * M[0, 0]
    inverse = np.linalg.inv(np.linalg.cholesky(M))
    values, vectors = np.linalg.eigh(inverse @ K @ inverse.T)
    return np.maximum(values, 0.0), inverse.T @ vectors


def _summed(space: Space, exchange: Exchange, values: Floats) -> Floats:
    """Return values of element nodes summed at the nodes, over ranks too; (num_nodes, 3)."""
    sums = np.zeros((space.num_nodes, 3))
    np.add.at(sums, space.nodes, values)
    return exchange.sum_values(sums).astype(np.float64)


def _build(degree: int, dtype: np.dtype[Any]) -> Any:
    settings = {
        "NODES_1D": degree + 1,
        "LANES": VECTOR_BYTES // dtype.itemsize,
        "RATIO": RATIO,
    }
    prelude = "".join(f"#define {name} {value}\n" for name, value in settings.items())
    function = library("fast_diagonal", dtype, prelude + LANES.read_text("utf-8")).fast_diagonal
    function.restype, function.argtypes = None, [ctypes.c_void_p] * 3
    return function

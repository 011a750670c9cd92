"""The elements of one material on a rank, and the arrays at their quadrature points.

Arrays are [block][point][component][lane].  A block of libCEED's is one element; one of fused
kernels has as many as a vector register has lanes, see `elastane.solver.fused`.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.materials.kernels import Kernels
from elastane.solver.ceed import CeedContext, CeedOperator, CeedVector, Library
from elastane.solver.fused.kernel import from_blocks, in_blocks
from elastane.solver.fused.schedule import VECTOR_BYTES
from elastane.solver.fused.source import STATE
from elastane.solver.problem import RegionMaterial

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Array = NDArray[np.floating[Any]]

#: Elements of a block of the fused kernels in double precision.
DOUBLE_LANES = VECTOR_BYTES // 8


@dataclass
class Part:
    """The elements of one material on this rank.

    Attributes:
        material: The material and its parameters.
        elements: Element numbers on this rank, shape (num_elements,).
        coordinates: Nodes of the element maps, shape (num_elements, nodes, 3).
        kernels: Generated QFunctions of the material.
        library: The same, compiled.
        context: Kernel parameters if they are the same everywhere, else None.
        state: Stored state, shape (num_blocks, points, num_stored, lanes); of fused kernels in
            single precision, with more lanes than the other arrays.
        history: What the material remembers, shape (num_blocks, points, components, lanes).
        parameters: Kernel parameters where they vary, shape (num_blocks, points, count, lanes).
        context_values: Kernel parameters if they are the same everywhere, shape (count,).
        rest: What fused kernels subtract from the state before it is stored, shape (num_stored,);
            empty for libCEED alone.
        geometry: What fused kernels have of the geometry, in blocks.
        offsets: Places of the nodes in the L-vector, in blocks, by degree.
        residuals: The fused residual by degree, with its range of elements and memory for det F.
        vectors: The CeedVectors that libCEED's Jacobian reads, by name; fused kernels need none.
    """

    material: RegionMaterial
    elements: Ints
    coordinates: Floats
    kernels: Kernels
    library: Library
    context: CeedContext | None
    state: Array
    history: Floats
    parameters: Floats
    context_values: Floats
    rest: Floats = field(default_factory=lambda: np.zeros(0))
    geometry: Floats | None = None
    offsets: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    residuals: dict[int, tuple[slice, Floats, CeedOperator]] = field(default_factory=dict)
    vectors: dict[str, CeedVector] = field(default_factory=dict)

    def function(self, name: str) -> str:
        """Return the name in the C source of the variant for these parameters."""
        return name if self.context is not None else f"{name}_field"

    def values(self, name: str, elements: slice) -> Floats:
        """Return an array at the points of a range of elements that begins with a block.

        Returns:
            Shape (num_elements, points, components); the memory itself where blocks have one lane
            and hold doubles, else a copy.
        """
        blocks = getattr(self, name)
        some = from_blocks(blocks[_blocks(blocks, elements)], elements.stop - elements.start)
        values = np.ascontiguousarray(some, dtype=np.float64)
        return values + self.rest if name == STATE and self.rest.size else values

    def replace(self, name: str, elements: slice, values: Floats) -> None:
        """Overwrite an array at the points of a range of elements that begins with a block.

        Args:
            name: Name of the array.
            elements: The elements.
            values: Shape (num_elements, components, points).
        """
        blocks = getattr(self, name)
        blocks[_blocks(blocks, elements)] = in_blocks(values.transpose(0, 2, 1), blocks.shape[-1])


def _blocks(blocks: Array, elements: slice) -> slice:
    """Return the blocks of a range of elements that begins with a block."""
    lanes = blocks.shape[-1]
    return slice(elements.start // lanes, -(-elements.stop // lanes))

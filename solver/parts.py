"""The elements of one material on a rank, and the arrays at their quadrature points.

Arrays are [block][point][component][lane].  A block of libCEED's is one element; one of fused
kernels has as many as a vector register has lanes, see `elastane.solver.fused`.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from elastane.materials.kernels import Kernels, find_kernels
from elastane.solver.ceed import CeedContext, CeedOperator, CeedVector, Library
from elastane.solver.fused.kernel import from_blocks, in_blocks, points_array, state_at_rest
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
        history: What the material remembers, shape (num_blocks, points, components, lanes).
        parameters: Kernel parameters where they vary, shape (num_blocks, points, count, lanes).
        context_values: Kernel parameters if they are the same everywhere, shape (count,).
        context: The same for libCEED, else None.
        state: Stored state, shape (num_blocks, points, num_stored, lanes); of fused kernels in
            single precision, with more lanes than the other arrays.
        rest: What fused kernels subtract from the state before it is stored, shape (num_stored,);
            empty for libCEED alone.
        geometry: What fused kernels have of the geometry, in blocks.
        offsets: Places of the nodes in the L-vector, in blocks, by degree.
        residuals: Memory for det F and the fused residual, by degree.
        vectors: The CeedVectors that libCEED's Jacobian reads, by name; fused kernels need none.
    """

    material: RegionMaterial
    elements: Ints
    coordinates: Floats
    kernels: Kernels
    library: Library
    history: Floats
    parameters: Floats
    context_values: Floats
    context: CeedContext | None = None
    state: Array = field(default_factory=lambda: np.zeros(0))
    rest: Floats = field(default_factory=lambda: np.zeros(0))
    geometry: Floats | None = None
    offsets: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    residuals: dict[int, tuple[Floats, CeedOperator]] = field(default_factory=dict)
    vectors: dict[str, CeedVector] = field(default_factory=dict)

    @classmethod
    def at_start(
        cls,
        material: RegionMaterial,
        elements: Ints,
        coordinates: Floats,
        num_points: int,
        lanes: int,
    ) -> Self:
        """Return a part with the history at the start, and without a stored state.

        Args:
            material: The material and its parameters.
            elements: Its elements.
            coordinates: Nodes of their maps.
            num_points: Quadrature points of an element.
            lanes: Elements of a block.
        """
        kernels = find_kernels(material.model, material.options)
        varies, count = material.varies, len(kernels.parameters)
        history, parameters = (
            points_array(len(elements), num_points, size, np.float64, lanes)
            for size in (len(kernels.initial_history), count * varies)
        )
        history[:] = np.reshape(kernels.initial_history, (-1, 1))
        return cls(
            material=material,
            elements=elements,
            coordinates=coordinates,
            kernels=kernels,
            library=Library(kernels.source_of(varying=varies), kernels.name),
            history=history,
            parameters=parameters,
            context_values=np.zeros(count * (not varies)),
        )

    @property
    def num_points(self) -> int:
        """Return the number of quadrature points of an element."""
        return self.history.shape[1]

    def points_array(self, num_components: int) -> Floats:
        """Return zeros at the points, in blocks like the history."""
        lanes = self.history.shape[-1]
        return points_array(len(self.elements), self.num_points, num_components, np.float64, lanes)

    def state_at_rest(self) -> Floats:
        """Return what fused kernels may subtract from the state, shape (num_stored,)."""
        if self.context is None:
            return np.zeros(self.kernels.num_stored)
        return state_at_rest(self.kernels, self.context_values)

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


def lowest_det_F(det_F: Floats, elements: Ints) -> tuple[float, int]:
    """Return the smallest value, -inf for NaN, and its element.

    Args:
        det_F: Values at the points, shape (num_blocks, points, 1, lanes).
        elements: Numbers of the elements.
    """
    # To numpy, NaN is the smallest.
    place = int(det_F.argmin())
    value = float(det_F.flat[place])
    block, _, _, lane = np.unravel_index(place, det_F.shape)
    # Idle lanes of the last block repeat the last element.
    element = min(int(block) * det_F.shape[-1] + int(lane), len(elements) - 1)
    return -np.inf if np.isnan(value) else value, int(elements[element])


def _blocks(blocks: Array, elements: slice) -> slice:
    """Return the blocks of a range of elements that begins with a block."""
    lanes = blocks.shape[-1]
    return slice(elements.start // lanes, -(-elements.stop // lanes))

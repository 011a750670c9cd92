"""The Jacobian of a multigrid level by fused kernels, in single precision as a rule.

A level has quadrature points of its own, p + 1 in each direction for its degree p.  There it
evaluates the material at the displacement of the finest space, so that coarse levels cost as much
less as they have fewer unknowns, and nothing is carried from the points of the finest level.  Where
its points are those of the residual, it reads the state that this stores.
"""

import numpy as np
from numpy.typing import NDArray

from elastane.solver.body import Body
from elastane.solver.ceed import Points
from elastane.solver.fused.source import STATE, Kernel, level_kernels
from elastane.solver.memory import Vector
from elastane.solver.parts import Part
from elastane.solver.space import Space

Floats = NDArray[np.float64]


class FusedLevel:
    """The Jacobian of a level on this rank.

    Args:
        body: The body.
        space: The space of the level.
        fine: The space of the displacement.
        single: Whether numbers are `float`.

    Attributes:
        space: The space of the level.
        dtype: Type of its numbers.
    """

    def __init__(self, body: Body, space: Space, fine: Space, *, single: bool = True) -> None:
        self.space = space
        self._body = body
        self._points = Points.gauss(space.degree + 1)
        self._parts = [
            _LevelPart(body, part, space, fine, self._points, single=single) for part in body.parts
        ]
        self.dtype = np.dtype(np.float32 if single else np.float64)
        self._memory = body.memory
        self._u = self._memory.zeros(3 * fine.num_nodes, self.dtype)
        self._nothing = self._memory.zeros(0, self.dtype)

    def update(self, u: Floats) -> None:
        """Evaluate the material at a displacement, that of the residual which stored the state.

        Args:
            u: L-vector of the finest space, shape (num_nodes, 3).
        """
        if any("state" in part.functions for part in self._parts):
            self._memory.write(u.reshape(-1).astype(self.dtype), self._u)
        for part in self._parts:
            part.update_materials()
            part.call("state", self._u, self._nothing)

    def apply_add(self, x: Vector, y: Vector) -> None:
        """Add the Jacobian times x to y, L-vectors of this level."""
        for part in self._parts:
            part.call("jacobian", x, y)

    def add_diagonal(self, d: Vector) -> None:
        """Add the diagonal of the Jacobian to the L-vector d."""
        for part in self._parts:
            part.call("diagonal", self._nothing, d)

    def element_matrices(self) -> Vector:
        """Return the element matrices of degree 1.

        Returns:
            Shape (num_elements, 24, 24) with index 3 node + component, for the elements of this
            rank in their order.
        """
        memory, shape = self._memory, (len(self.space.nodes), 24, 24)
        if len(self._parts) == 1:
            matrices = memory.zeros(shape, self.dtype)
            self._parts[0].call("matrices", self._nothing, matrices)
            return matrices
        gathered = np.zeros(shape, self.dtype)
        for part in self._parts:
            some = memory.zeros((len(part.elements), 24, 24), self.dtype)
            part.call("matrices", self._nothing, some)
            gathered[part.elements] = memory.read(some)
        return memory.take(gathered)

    def flops(self, kind: str = "jacobian") -> int:
        """Return the floating-point operations of one call of a kernel on this rank."""
        return sum(part.functions[kind].flops for part in self._parts if kind in part.functions)

    def bytes(self, kind: str = "jacobian") -> int:
        """Return the bytes of one call beside the L-vectors."""
        return sum(part.functions[kind].bytes for part in self._parts if kind in part.functions)


class _LevelPart:
    """The elements of one material on one level."""

    def __init__(
        self, body: Body, part: Part, space: Space, fine: Space, points: Points, *, single: bool
    ) -> None:
        self.elements = part.elements
        self._body, self._part, self._points = body, part, points
        self._circumstances: tuple[float, float, int] | None = None

        fine_kernel = body.fused_kernel("jacobian", part.material, fine.degree)
        kernels = level_kernels(fine_kernel, space.degree, single=single)
        jacobian, memory = kernels["jacobian"], body.memory
        dtype, num_elements = jacobian.dtype, len(part.elements)
        self._memory = memory
        self._context = memory.take(part.context_values.astype(dtype))
        rest = memory.take(part.rest.astype(dtype))
        self._arrays = {} if "state" in kernels else {STATE: part.state}
        for kernel in kernels.values():
            for name, size in kernel.inputs:
                if name not in self._arrays:
                    # Kernels of a level have its points.
                    self._arrays[name] = memory.at_points(jacobian, name, num_elements, size)
        geometry = self._geometry(jacobian).astype(dtype)
        self._arrays["geometry"] = memory.element_values(geometry, dtype)
        offsets = {
            s.degree: memory.element_values(
                (3 * s.nodes[part.elements, :, None]).astype(np.int32), dtype
            )
            for s in (space, fine)
        }
        self.functions = {
            kind: memory.element_function(
                kernel, offsets[kernel.degree], num_elements, self._arrays, self._context, rest
            )
            for kind, kernel in kernels.items()
            if kind != "state" or kernel.outputs
        }

    def _geometry(self, kernel: Kernel) -> Floats:
        coordinates = self._part.coordinates
        if kernel.schedule.recompute_geometry:
            # Around the middle of each element, so that single precision keeps its shape.
            return coordinates - coordinates.mean(axis=1, keepdims=True)
        return self._body.geometry.qdata(coordinates, self._points).transpose(0, 2, 1)

    def update_materials(self) -> None:
        """Take over parameters and histories that have changed."""
        if self._circumstances == self._body.circumstances:
            return
        first, self._circumstances = self._circumstances is None, self._body.circumstances
        part, arrays, memory = self._part, self._arrays, self._memory
        memory.write(part.context_values.astype(self._context.dtype), self._context)
        changes = part.material.uses_time or part.material.model.depends_on_rate
        if part.context is None and (first or changes):
            elements = slice(0, len(part.elements))
            values = self._body.parameters_at(part, elements, self._points)
            memory.set_at_points(values.transpose(0, 2, 1), arrays["parameters"])
        if "history" in arrays:
            values = self._body.history_at(part, self._points)
            memory.set_at_points(values, arrays["history"])

    def call(self, kind: str, u: Vector, v: Vector) -> None:
        """Call a kernel, unless the material has none of that kind."""
        if kind in self.functions:
            self.functions[kind](u, v)

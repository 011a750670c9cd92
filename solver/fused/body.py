"""A body whose residual and Jacobian are applied by fused kernels on the CPU.

The kernels take over CeedOperators, which have all fields but no memory for those at the points:
that is the kernels'.
"""

import math

import numpy as np
from numpy.typing import NDArray

from elastane.solver.body import Body
from elastane.solver.ceed import NONE, CeedOperator, CeedVector, Field, point_restriction
from elastane.solver.fused.kernel import FusedFunction, in_blocks, points_array
from elastane.solver.fused.source import STATE_LANES, STATE_TYPE
from elastane.solver.fused.takeover import take_over
from elastane.solver.parts import DOUBLE_LANES, Array, Part, lowest_det_F
from elastane.solver.space import Space

Floats = NDArray[np.float64]


class FusedBody(Body):
    """The operators of one body on one rank, see `Body`."""

    fused = True
    lanes = DOUBLE_LANES

    def _prepare(self, part: Part) -> None:
        size = part.kernels.num_stored
        part.state = points_array(
            len(part.elements), part.num_points, size, STATE_TYPE, STATE_LANES
        )
        part.rest = part.state_at_rest()

    def _refresh(self, part: Part, name: str) -> None:
        """Do nothing: kernels read the arrays where they lie."""

    def add_residual(self, space: Space, u: CeedVector, R: CeedVector) -> tuple[float, int]:
        """Add ∫ P(grad u) : grad v to R, and write the stored state; see `Body.add_residual`."""
        worst = np.inf, -1
        for part in self.parts:
            if space.degree not in part.residuals:
                part.residuals[space.degree] = self._residual(space, part)
            det_F, residual = part.residuals[space.degree]
            residual.apply_add(u, R)
            worst = min(worst, lowest_det_F(det_F, part.elements))
        return worst

    def _residual(self, space: Space, part: Part) -> tuple[Floats, CeedOperator]:
        """Return memory for det F, in blocks, and the operator of a part."""
        det_F = part.points_array(1)
        gradient = self.operators.gradient(space, part)
        inputs = self._without_memory(part, "qdata", "history", "parameters")
        outputs = [gradient, *self._without_memory(part, "state", "det_F")]
        residual = self.operators.operator(part, "residual", gradient, inputs, outputs)
        take_over(residual, self._function("residual", space, part, det_F=det_F))
        return det_F, residual

    def jacobian(self, space: Space) -> list[CeedOperator]:
        """Return the operators du -> ∫ (∂P/∂F : grad du) : grad v at the stored state."""
        return [self._jacobian(space, part) for part in self.parts]

    def _jacobian(self, space: Space, part: Part) -> CeedOperator:
        gradient = self.operators.gradient(space, part)
        inputs = self._without_memory(part, "qdata", "state", "parameters")
        jacobian = self.operators.operator(part, "jacobian", gradient, inputs, [gradient])
        take_over(jacobian, self._function("jacobian", space, part))
        return jacobian

    def _function(self, kind: str, space: Space, part: Part, **arrays: Array) -> FusedFunction:
        """Return a kernel bound to the arrays of a part."""
        kernel = self.fused_kernel(kind, part.material, space.degree)
        if part.geometry is None:
            nodes_or_qdata = part.coordinates
            if not kernel.schedule.recompute_geometry:
                qdata = self.geometry.qdata(part.coordinates, self.points)
                nodes_or_qdata = qdata.transpose(0, 2, 1)
            part.geometry = in_blocks(nodes_or_qdata, kernel.lanes)
        if space.degree not in part.offsets:
            offsets = 3 * space.nodes[part.elements, :, None]
            part.offsets[space.degree] = in_blocks(offsets.astype(np.int32), kernel.lanes)
        arrays |= {
            "geometry": part.geometry,
            "state": part.state,
            "history": part.history,
            "parameters": part.parameters,
        }
        return FusedFunction(
            kernel,
            part.offsets[space.degree],
            len(part.elements),
            arrays,
            part.context_values,
            part.rest,
        )

    def _without_memory(self, part: Part, *names: str) -> list[Field]:
        """Return the fields of an operator that a kernel takes over, which has the memory."""
        of_geometry = {"qdata": 10, "det_F": 1}
        fields = []
        for name in names:
            size = of_geometry.get(name) or getattr(part, name).shape[2]
            if size:
                shape = len(part.elements), size, part.num_points
                vector = self.ceed.Vector(math.prod(shape))
                restriction = point_restriction(self.ceed, shape)
                fields.append(Field(NONE, size, restriction, vector=vector))
        return fields

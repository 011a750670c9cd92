"""A body whose residual and Jacobian are applied by libCEED alone."""

from dataclasses import replace

import numpy as np

from elastane.solver.body import Body
from elastane.solver.ceed import (
    CeedOperator,
    CeedVector,
    Field,
    point_field,
    ranges,
    shared_vector,
    take_array,
    touch,
    values_field,
)
from elastane.solver.parts import Floats, Part, lowest_det_F
from elastane.solver.space import Space


class CeedBody(Body):
    """The operators of one body on one rank, see `Body`."""

    fused = False

    def _prepare(self, part: Part) -> None:
        part.state = part.points_array(part.kernels.num_stored)
        for name in ("state", "parameters"):
            part.vectors[name] = shared_vector(self.ceed, getattr(part, name))

    def _refresh(self, part: Part, name: str) -> None:
        # libCEED refreshes its copies of what a lasting operator reads only if told so.
        if name in part.vectors:
            touch(part.vectors[name], getattr(part, name))

    def add_residual(self, space: Space, u: CeedVector, R: CeedVector) -> tuple[float, int]:
        """Add ∫ P(grad u) : grad v to R, and write the stored state; see `Body.add_residual`.

        The operators are transient: a lasting one would hold copies of its passive fields, a sixth
        of the memory of a solve.
        """
        worst = np.inf, -1
        for part in self.parts:
            # Adding to R, libCEED adds to the other outputs too.
            part.state[:] = 0.0
            for elements in ranges(len(part.elements)):
                det_F, residual = self._residual(space, part, elements)
                residual.apply_add(u, R)
                worst = min(worst, lowest_det_F(det_F, part.elements[elements]))
            self._refresh(part, "state")
        return worst

    def _residual(self, space: Space, part: Part, elements: slice) -> tuple[Floats, CeedOperator]:
        """Return memory for det F, (num_elements, points, 1, 1), and the operator of a range."""
        det_F = np.zeros((elements.stop - elements.start, part.num_points, 1, 1))
        gradient = self.operators.gradient(space, part, elements)
        inputs = self.operators.inputs(part, elements, "history", "parameters")
        outputs = [
            gradient,
            *self.operators.at_elements(part, elements, "state"),
            values_field(self.ceed, det_F[..., 0]),
        ]
        return det_F, self.operators.operator(part, "residual", gradient, inputs, outputs)

    def jacobian(self, space: Space) -> list[CeedOperator]:
        """Return the operators du -> ∫ (∂P/∂F : grad du) : grad v at the stored state."""
        return [self._jacobian(space, part) for part in self.parts]

    def _jacobian(self, space: Space, part: Part) -> CeedOperator:
        gradient = self.operators.gradient(space, part)
        qdata = point_field(self.ceed, self.geometry.qdata(part.coordinates, self.points))
        passive = [qdata, *self._lasting(part, "state", "parameters")]
        jacobian = self.operators.operator(part, "jacobian", gradient, passive, [gradient])
        if self.ceed.get_resource().startswith("/cpu/"):
            # Operators on CPUs copy a passive field at the first apply, and again only when its
            # vector has changed, which the geometry never does: ours can go.
            du, dR = (self.ceed.Vector(3 * space.num_nodes) for _ in range(2))
            du.set_value(0.0)
            jacobian.apply(du, dR)
            take_array(qdata.vector)
        return jacobian

    def _lasting(self, part: Part, *names: str) -> list[Field]:
        """Return the passive fields of a part that last; those without components are left out."""
        whole = slice(0, len(part.elements))
        return [
            replace(values_field(self.ceed, values), vector=part.vectors[name])
            for name in names
            if (values := part.values(name, whole)).size
        ]

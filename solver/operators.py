"""CeedOperators of the generated QFunctions, for ranges of the elements of a part.

Most are transient: an operator over a range of elements at a time costs no lasting memory.

Layouts of the fields, fixed by the QFunctions (`elastane.materials.compiler`):

* gradients: component c + 3 d is ∂u_c/∂ξ_d;
* `qdata`: see `elastane.solver.geometry`;
* `state`: what the residual stores for the Jacobian;
* `history`: what a material remembers from the end of the last converged step.
"""

import numpy as np

from elastane.solver.ceed import (
    GRAD,
    Ceed,
    CeedOperator,
    CeedVector,
    Field,
    Points,
    basis,
    offset_restriction,
    operator,
    point_field,
    shared_vector,
    values_field,
)
from elastane.solver.geometry import Geometry
from elastane.solver.parts import Floats, Part
from elastane.solver.space import Space


class Operators:
    """The operators of parts, and the fields that they are made of.

    Args:
        ceed: The libCEED context.
        geometry: The element maps.
        points: Quadrature points.
    """

    def __init__(self, ceed: Ceed, geometry: Geometry, points: Points) -> None:
        self._ceed, self._geometry, self._points = ceed, geometry, points

    def jacobian(self, space: Space, part: Part, elements: slice) -> CeedOperator:
        """Return the operator du -> ∫ (∂P/∂F : grad du) : grad v at the stored state."""
        gradient = self.gradient(space, part, elements)
        passive = self.inputs(part, elements, "state", "parameters")
        return self.operator(part, "jacobian", gradient, passive, [gradient])

    def at_points(
        self,
        space: Space,
        part: Part,
        elements: slice,
        u: CeedVector,
        function: str,
        num_components: int,
    ) -> Floats:
        """Return what a generated function gives at the quadrature points of a range of elements.

        Returns:
            Shape (num_elements, num_components, points).
        """
        values = np.empty((elements.stop - elements.start, num_components, len(self._points) ** 3))
        self.operator(
            part,
            function,
            self.gradient(space, part, elements),
            self.inputs(part, elements, "history", "parameters"),
            [point_field(self._ceed, values, passive=False)],
        ).apply(u, shared_vector(self._ceed, values))
        return values

    def operator(
        self,
        part: Part,
        function: str,
        gradient: Field,
        passive: list[Field],
        outputs: list[Field],
    ) -> CeedOperator:
        """Return the operator of a generated function.

        The gradients of input and output must be the same field: libCEED assembles (the diagonal,
        the p = 1 matrix) only where the two have the same basis object.
        """
        qfunction = part.library.qfunction(self._ceed, part.function(function), part.context)
        return operator(self._ceed, qfunction, [gradient, *passive], outputs)

    def gradient(
        self,
        space: Space,
        part: Part,
        elements: slice = slice(None),
        points: Points | None = None,
    ) -> Field:
        """Return the gradient of a displacement, at other points than the quadrature points too."""
        offsets = 3 * space.nodes[part.elements[elements]]
        return Field(
            GRAD,
            9,
            offset_restriction(self._ceed, offsets, 3, 3 * space.num_nodes),
            basis(self._ceed, space.degree, points or self._points),
        )

    def inputs(self, part: Part, elements: slice, *names: str) -> list[Field]:
        """Return the passive inputs of a range of elements, the quadrature data first."""
        qdata = self._geometry.qdata(part.coordinates[elements], self._points)
        return [point_field(self._ceed, qdata), *self.at_elements(part, elements, *names)]

    def at_elements(self, part: Part, elements: slice, *names: str) -> list[Field]:
        """Return the fields of a range of elements; those without components are left out."""
        return [
            values_field(self._ceed, values)
            for name in names
            if (values := part.values(name, elements)).size
        ]

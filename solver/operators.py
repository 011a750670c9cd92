"""The CeedOperators of a body on one rank: geometry, residual, Jacobian, energy, diagnostics.

A body is split into parts of one material each; an operator of the body is the composition over its
parts.  The fine matrix is never assembled.  What is needed rarely (energy, diagonal, the p = 1
matrix, diagnostics) is computed by transient operators over ranges of elements, so that it costs no
lasting memory.

Layouts, fixed by the generated QFunctions (`elastane.materials.compiler`):

* gradients: component c + 3 d is ∂u_c/∂ξ_d;
* `qdata`: w·det(dX/dξ), then dξ_d/dX_J row by row, ten numbers;
* `state`: what the residual stores for the Jacobian;
* `history`: what a material remembers from the end of the last converged step.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import libceed
import numpy as np
from numpy.typing import NDArray

from elastane.materials.kernels import find_kernels
from elastane.meshes.element_map import field_values
from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.mesh import MeshField
from elastane.solver.ceed import (
    GRAD,
    NONE,
    WEIGHT,
    Ceed,
    CeedOperator,
    CeedVector,
    Field,
    Library,
    Points,
    basis,
    node_restriction,
    offset_restriction,
    operator,
    point_field,
    point_restriction,
    ranges,
    shared_vector,
    take_array,
    touch,
    values_field,
)
from elastane.solver.fused.kernel import (
    FusedFunction,
    from_blocks,
    in_blocks,
    points_array,
    state_at_rest,
)
from elastane.solver.fused.source import STATE_LANES, STATE_TYPE, Kernel
from elastane.solver.fused.takeover import take_over
from elastane.solver.memory import HOST, Memory
from elastane.solver.parts import DOUBLE_LANES, Array, Floats, Ints, Part
from elastane.solver.problem import RegionMaterial
from elastane.solver.sources import ANYWHERE, Places
from elastane.solver.space import Space, tensor_interpolate


class Body:
    """The operators of one body on one rank.

    Args:
        ceed: The libCEED context.
        coordinates: Nodes of the element maps, shape (num_elements, nodes, 3).
        geometry_degree: Degree of the element maps.
        points: Quadrature points.
        materials: Pairs of a material and the elements that it fills.
        fields: Fields of the mesh, of the elements of this rank.
        duration: Time from load fraction 0 to 1, in s.
        fused: Whether fused kernels apply residual and Jacobian.
        memory: Where fused kernels do that; libCEED works on the host alone.
    """

    def __init__(
        self,
        ceed: Ceed,
        coordinates: Floats,
        geometry_degree: int,
        points: Points,
        materials: list[tuple[RegionMaterial, Ints]],
        fields: Mapping[str, MeshField],
        duration: float = 1.0,
        *,
        fused: bool = False,
        memory: Memory = HOST,
    ) -> None:
        self.ceed = ceed
        self.fused, self.memory = fused, memory
        self.geometry_degree = geometry_degree
        self.points = points
        self.materials = tuple(material for material, _ in materials)
        self._fields = fields
        self._duration = duration
        self._converged_load, self._time_increment = 0.0, 0.0
        self._num_commits = 0
        self._geometry = Library.own("geometry")
        self.parts = [
            self._part(material, elements, coordinates)
            for material, elements in materials
            if len(elements)
        ]
        self.set_load(0.0)

    def _part(self, material: RegionMaterial, elements: Ints, coordinates: Floats) -> Part:
        kernels = find_kernels(material.model, material.options)
        num_elements, num_points = len(elements), len(self.points) ** 3
        varies = material.varies
        in_double = np.dtype(np.float64), DOUBLE_LANES if self._in_lanes else 1

        def at_points(num_components: int, layout: tuple[Any, int] = in_double) -> NDArray[Any]:
            return points_array(num_elements, num_points, num_components, *layout)

        count = len(kernels.parameters)
        part = Part(
            material=material,
            elements=elements,
            # No copy where the part is the whole body.
            coordinates=coordinates if num_elements == len(coordinates) else coordinates[elements],
            kernels=kernels,
            library=Library(kernels.source_of(varying=varies), kernels.name),
            context=None,
            state=at_points(
                kernels.num_stored if self.memory.is_host else 0,
                (STATE_TYPE, STATE_LANES) if self._in_lanes else in_double,
            ),
            history=at_points(len(kernels.initial_history)),
            parameters=at_points(count * varies),
            context_values=np.zeros(count * (not varies)),
        )
        part.history[:] = np.reshape(kernels.initial_history, (-1, 1))
        if not varies:
            part.context = self.ceed.QFunctionContext()
            self._set_context(part)
        if self.fused:
            part.rest = np.zeros(kernels.num_stored)
            if not varies:
                part.rest[:] = state_at_rest(kernels, part.context_values)
        for name in () if self.fused else ("state", "parameters"):
            part.vectors[name] = shared_vector(self.ceed, getattr(part, name))
        return part

    @property
    def _in_lanes(self) -> bool:
        """Return whether arrays of this host are in blocks of several elements."""
        return self.fused and self.memory.is_host

    def set_load(self, load_fraction: float) -> None:
        """Evaluate material parameters that vary at a load fraction.

        Time goes by since the end of the last converged step, see `commit_history`.
        """
        self._load_fraction = load_fraction
        self._time_increment = self._duration * (load_fraction - self._converged_load)
        for part in self.parts:
            changes = part.material.uses_time or part.material.model.depends_on_rate
            if part.context is not None:
                if changes:
                    self._set_context(part)
            elif changes or load_fraction == 0.0:
                for elements in ranges(len(part.elements)):
                    values = self.parameters_at(part, elements, self.points, load_fraction)
                    part.replace("parameters", elements, values)
                self._touch(part, "parameters")

    @property
    def circumstances(self) -> tuple[float, float, int]:
        """Return what tells whether parameters or histories may have changed."""
        return self._load_fraction, self._time_increment, self._num_commits

    def _set_context(self, part: Part) -> None:
        assert part.context is not None
        part.context_values[:] = self._kernel_parameters(part, ANYWHERE)[0]
        part.context.set_data(part.context_values)

    def history_at(self, part: Part, points: Points) -> Floats:
        """Return the history interpolated to points, shape (num_elements, points, components)."""
        values = from_blocks(part.history, len(part.elements))
        return tensor_interpolate(interpolation(self.points.xi, points.xi), values)

    def _touch(self, part: Part, name: str) -> None:
        """Tell those with a copy that an array has changed: they refresh it only if told so."""
        if name in part.vectors:
            touch(part.vectors[name], getattr(part, name))

    def parameters_at(
        self, part: Part, elements: slice, points: Points, load_fraction: float | None = None
    ) -> Floats:
        """Return the kernel's parameters at points, shape (num_elements, count, points).

        Args:
            part: The part.
            elements: Some of its elements.
            points: Where in the elements.
            load_fraction: When; None for the load that is set.
        """
        load_fraction = self._load_fraction if load_fraction is None else load_fraction
        X = self.point_coordinates(part.coordinates[elements], points)
        fields = {}
        for name in part.material.fields:
            nodal = MeshField(self._fields[name].values[part.elements[elements]])
            fields[name] = field_values(nodal, points.xi).reshape(-1, nodal.num_components)
        places = Places(X.reshape(-1, 3), load_fraction, fields)
        values = self._kernel_parameters(part, places).reshape(*X.shape[:2], -1)
        return np.ascontiguousarray(values.transpose(0, 2, 1))

    def _kernel_parameters(self, part: Part, places: Places) -> Floats:
        """Return the kernel's parameters at places, shape (num_points, count)."""
        resolved = part.material.resolve(places, self._time_increment)
        columns = [np.broadcast_to(resolved[name], len(places)) for name in part.kernels.parameters]
        return np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.float64)

    def point_coordinates(self, coordinates: Floats, points: Points) -> Floats:
        """Return initial coordinates of points, shape (num_elements, points, 3)."""
        nodes, _ = gauss_lobatto(self.geometry_degree + 1)
        return tensor_interpolate(interpolation(nodes, points.xi), coordinates)

    def qdata(self, coordinates: Floats, points: Points | None = None) -> Floats:
        """Return quadrature data, shape (num_elements, 10, points).

        They are computed where they are needed and not kept: the lasting operators hold their own.

        Args:
            coordinates: Nodes of the element maps, shape (num_elements, nodes, 3).
            points: Other points than the quadrature points.
        """
        points = points or self.points
        qdata = np.empty((len(coordinates), 10, len(points) ** 3))
        for elements in ranges(len(coordinates)):
            X, target = coordinates[elements], qdata[elements]
            geometry_basis = basis(self.ceed, self.geometry_degree, points)
            geometry = operator(
                self.ceed,
                self._geometry.qfunction(self.ceed, "geometry", None),
                [
                    Field(GRAD, 9, node_restriction(self.ceed, X), geometry_basis),
                    Field(
                        WEIGHT, 1, libceed.ELEMRESTRICTION_NONE, geometry_basis, libceed.VECTOR_NONE
                    ),
                ],
                [point_field(self.ceed, target, passive=False)],
            )
            geometry.apply(shared_vector(self.ceed, X), shared_vector(self.ceed, target))
        return qdata

    def add_residual(self, space: Space, u: CeedVector, R: CeedVector) -> tuple[float, int]:
        """Add ∫ P(grad u) : grad v to R, and write the stored state.

        Returns:
            The smallest det F at a quadrature point of this rank, -inf if one is not a number,
            and its element; inf and -1 on a rank without elements.
        """
        worst = np.inf, -1
        for part in self.parts:
            if not self.fused:
                # Adding to R, libCEED adds to the other outputs too.
                part.state[:] = 0.0
            for elements, det_F, residual in self._residuals(space, part):
                residual.apply_add(u, R)
                lowest, element = _lowest(det_F, elements.stop - elements.start)
                worst = min(worst, (lowest, int(part.elements[elements.start + element])))
            self._touch(part, "state")
        return worst

    def _residuals(self, space: Space, part: Part) -> Iterator[tuple[slice, Floats, CeedOperator]]:
        """Yield ranges of elements, memory for det F in blocks, and the residual there.

        libCEED runs in transient operators: a lasting one would hold copies of its passive fields,
        a sixth of the memory of a solve.
        """
        if self.fused:
            if space.degree not in part.residuals:
                elements = slice(0, len(part.elements))
                part.residuals[space.degree] = elements, *self._residual(space, part, elements)
            yield part.residuals[space.degree]
        else:
            for elements in ranges(len(part.elements)):
                yield elements, *self._residual(space, part, elements)

    def _residual(self, space: Space, part: Part, elements: slice) -> tuple[Floats, CeedOperator]:
        """Return memory for det F, in blocks, and the operator of a range of elements."""
        num_elements, num_points = elements.stop - elements.start, part.state.shape[1]
        gradient = self._gradient(space, part, elements)
        if self.fused:
            det_F = points_array(num_elements, num_points, 1, np.float64, DOUBLE_LANES)
            inputs = self._without_memory(part, "qdata", "history", "parameters")
            outputs = [gradient, *self._without_memory(part, "state", "det_F")]
            residual = self._operator(part, "residual", gradient, inputs, outputs)
            take_over(residual, self._fused("residual", space, part, det_F=det_F))
            return det_F, residual
        det_F = points_array(num_elements, num_points, 1, np.float64, 1)
        inputs = self._inputs(part, elements, "history", "parameters")
        outputs = [
            gradient,
            *self._at_elements(part, elements, "state"),
            values_field(self.ceed, det_F[..., 0]),
        ]
        return det_F, self._operator(part, "residual", gradient, inputs, outputs)

    def jacobian(self, space: Space) -> list[CeedOperator]:
        """Return the operators du -> ∫ (∂P/∂F : grad du) : grad v at the stored state."""
        return [self._lasting_jacobian(space, part) for part in self.parts]

    def _lasting_jacobian(self, space: Space, part: Part) -> CeedOperator:
        gradient = self._gradient(space, part)
        if self.fused:
            inputs = self._without_memory(part, "qdata", "state", "parameters")
            jacobian = self._operator(part, "jacobian", gradient, inputs, [gradient])
            take_over(jacobian, self._fused("jacobian", space, part))
            return jacobian
        qdata = point_field(self.ceed, self.qdata(part.coordinates))
        passive = [qdata, *self._passive(part, "state", "parameters")]
        jacobian = self._operator(part, "jacobian", gradient, passive, [gradient])
        if self.ceed.get_resource().startswith("/cpu/"):
            # Operators on CPUs copy a passive field at the first apply, and again only when its
            # vector has changed, which the geometry never does: ours can go.
            du, dR = (self.ceed.Vector(3 * space.num_nodes) for _ in range(2))
            du.set_value(0.0)
            jacobian.apply(du, dR)
            take_array(qdata.vector)
        return jacobian

    def _fused(self, kind: str, space: Space, part: Part, **arrays: Array) -> FusedFunction:
        """Return a fused kernel of a part."""
        kernel = self.fused_kernel(kind, part.material, space.degree)
        if part.geometry is None:
            nodes_or_qdata = part.coordinates
            if not kernel.schedule.recompute_geometry:
                nodes_or_qdata = self.qdata(part.coordinates).transpose(0, 2, 1)
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

    def fused_kernel(self, kind: str, material: RegionMaterial, degree: int) -> Kernel:
        """Return the fused kernel of a material in double precision."""
        return Kernel.of(
            kind,
            find_kernels(material.model, material.options),
            varying=material.varies,
            degree=degree,
            num_points_1d=len(self.points),
            geometry_degree=self.geometry_degree,
        )

    def jacobian_ranges(self, space: Space) -> Iterator[CeedOperator]:
        """Yield the same as `jacobian`, in transient operators over ranges of elements."""
        for part in self.parts:
            for elements in ranges(len(part.elements)):
                gradient = self._gradient(space, part, elements)
                passive = self._inputs(part, elements, "state", "parameters")
                yield self._operator(part, "jacobian", gradient, passive, [gradient])

    def _operator(
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
        qfunction = part.library.qfunction(self.ceed, part.function(function), part.context)
        return operator(self.ceed, qfunction, [gradient, *passive], outputs)

    def strain_energy(self, space: Space, u: CeedVector) -> float:
        """Return ∫ ψ over this rank's elements, for the displacement L-vector u."""
        total = 0.0
        for part in self.parts:
            for elements in ranges(len(part.elements)):
                energy = self._at_points(space, part, elements, u, "energy", 1)
                total += float(energy.sum())
        return total

    def volume_ratios(self, space: Space, part: Part, elements: slice, u: CeedVector) -> Floats:
        """Return J = det F at the points of a range of elements, shape (num_elements, points)."""
        values = self._at_points(space, part, elements, u, "diagnostics", 9)
        return values[:, 7] / values[:, 0]

    def commit_history(self, space: Space, u: CeedVector, load_fraction: float) -> None:
        """Make the displacement u at a load fraction the end of a converged step.

        What materials remember is from there, and time goes by from there.
        """
        for part in self.parts:
            for elements in ranges(len(part.elements)) if part.history.size else ():
                history = self._at_points(space, part, elements, u, "update", part.history.shape[2])
                part.replace("history", elements, history)
            self._touch(part, "history")
        self._converged_load = load_fraction
        self._num_commits += 1
        self.set_load(load_fraction)

    def restore_history(self, histories: Sequence[Floats], load_fraction: float) -> None:
        """Go back to the end of an earlier converged step; the opposite of `commit_history`.

        Args:
            histories: What the material of each part remembers, shape (num_elements, points,
                components).
            load_fraction: The load fraction of that step.
        """
        for part, values in zip(self.parts, histories, strict=True):
            part.replace("history", slice(0, len(part.elements)), values.transpose(0, 2, 1))
            self._touch(part, "history")
        self._converged_load = load_fraction
        self._num_commits += 1
        self.set_load(load_fraction)

    def _at_points(
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
        values = np.empty((elements.stop - elements.start, num_components, len(self.points) ** 3))
        self._operator(
            part,
            function,
            self._gradient(space, part, elements),
            self._inputs(part, elements, "history", "parameters"),
            [point_field(self.ceed, values, passive=False)],
        ).apply(u, shared_vector(self.ceed, values))
        return values

    def diagnostics(self, space: Space, u: CeedVector, load_fraction: float) -> Floats:
        """Return ∑ w (1, Cauchy stress, J, ψ) over the elements around each node.

        Points are the nodes of each element; w is the volume that a node represents.  Dividing by
        the first component, summed over ranks, gives the mean at the node.  A history is known at
        the quadrature points alone: the values there are carried to the nodes of each element by
        least squares.

        Returns:
            Shape (num_nodes, 9); stress components xx, yy, zz, xy, yz, xz.
        """
        nodes = Points.nodes(space.degree)
        sums, from_points = np.zeros((2, space.num_nodes, 9))
        total = shared_vector(self.ceed, sums)
        for part in self.parts:
            for elements in ranges(len(part.elements)):
                if part.history.size:
                    values = self._nodal_diagnostics(space, part, elements, u)
                    np.add.at(from_points, space.nodes[part.elements[elements]], values)
                    continue
                X = part.coordinates[elements]
                passive = [point_field(self.ceed, self.qdata(X, nodes))]
                if part.context is None:
                    values = self.parameters_at(part, elements, nodes, load_fraction)
                    passive.append(point_field(self.ceed, values))
                offsets = 9 * space.nodes[part.elements[elements]]
                output = Field(
                    NONE, 9, offset_restriction(self.ceed, offsets, 9, 9 * space.num_nodes)
                )
                self._operator(
                    part,
                    "diagnostics",
                    self._gradient(space, part, elements, nodes),
                    passive,
                    [output],
                ).apply_add(u, total)
        return sums + from_points

    def _nodal_diagnostics(
        self, space: Space, part: Part, elements: slice, u: CeedVector
    ) -> Floats:
        """Return w (1, Cauchy stress, J, ψ), shape (num_elements, nodes, 9), from the points."""
        nodes = Points.nodes(space.degree)
        at_points = self._at_points(space, part, elements, u, "diagnostics", 9)
        means = (at_points / at_points[:, :1]).transpose(0, 2, 1)
        to_points: Floats = interpolation(nodes.xi, self.points.xi)
        weighted: Floats = to_points.T * self.points.weights
        to_nodes = np.asarray(np.linalg.solve(weighted @ to_points, weighted), dtype=np.float64)
        weights: Floats = self.qdata(part.coordinates[elements], nodes)[:, 0, :, None]
        return weights * tensor_interpolate(to_nodes, means)

    def _gradient(
        self,
        space: Space,
        part: Part,
        elements: slice = slice(None),
        points: Points | None = None,
    ) -> Field:
        offsets = 3 * space.nodes[part.elements[elements]]
        return Field(
            GRAD,
            9,
            offset_restriction(self.ceed, offsets, 3, 3 * space.num_nodes),
            basis(self.ceed, space.degree, points or self.points),
        )

    def _passive(self, part: Part, *names: str) -> list[Field]:
        """Return the passive fields of a part that last; those without components are left out."""
        whole = slice(0, len(part.elements))
        return [
            replace(values_field(self.ceed, values), vector=part.vectors[name])
            for name in names
            if (values := part.values(name, whole)).size
        ]

    def _inputs(self, part: Part, elements: slice, *names: str) -> list[Field]:
        """Return the passive inputs of a range of elements, the quadrature data first."""
        geometry = point_field(self.ceed, self.qdata(part.coordinates[elements]))
        return [geometry, *self._at_elements(part, elements, *names)]

    def _at_elements(self, part: Part, elements: slice, *names: str) -> list[Field]:
        """Return the fields of a range of elements; those without components are left out."""
        return [
            values_field(self.ceed, values)
            for name in names
            if (values := part.values(name, elements)).size
        ]

    def _without_memory(self, part: Part, *names: str) -> list[Field]:
        """Return the fields of an operator that a fused kernel takes over, which has the memory."""
        num_elements, num_points = len(part.elements), part.state.shape[1]
        of_geometry = {"qdata": 10, "det_F": 1}
        fields = []
        for name in names:
            size = of_geometry.get(name) or getattr(part, name).shape[2]
            if size:
                shape = num_elements, size, num_points
                vector = self.ceed.Vector(math.prod(shape))
                restriction = point_restriction(self.ceed, shape)
                fields.append(Field(NONE, size, restriction, vector=vector))
        return fields


def _lowest(det_F: Floats, num_elements: int) -> tuple[float, int]:
    """Return the smallest value in blocks of one component, -inf for NaN, and its element."""
    # To numpy, NaN is the smallest.
    place = int(det_F.argmin())
    value = float(det_F.flat[place])
    block, _, _, lane = np.unravel_index(place, det_F.shape)
    element = min(int(block) * det_F.shape[-1] + int(lane), num_elements - 1)
    return -np.inf if np.isnan(value) else value, element

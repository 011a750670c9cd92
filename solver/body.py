"""A body on one rank: its parts, and what their materials know at the quadrature points.

A body is split into parts of one material each; an operator of the body is the composition over its
parts.  The fine matrix is never assembled.  Parameters of materials follow the load and the time,
histories the converged steps.

What applies residual and Jacobian differs by kind: `CeedBody`, `FusedBody`, `DeviceBody`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np

from elastane.materials.kernels import find_kernels
from elastane.meshes.element_map import field_values
from elastane.meshes.lagrange import interpolation
from elastane.meshes.mesh import MeshField
from elastane.solver.ceed import Ceed, CeedOperator, CeedVector, Points, ranges
from elastane.solver.fused.kernel import from_blocks
from elastane.solver.fused.source import Kernel
from elastane.solver.geometry import Geometry
from elastane.solver.memory import HOST, Memory
from elastane.solver.operators import Operators
from elastane.solver.parts import Floats, Ints, Part
from elastane.solver.problem import RegionMaterial
from elastane.solver.sources import ANYWHERE, Places
from elastane.solver.space import Space, tensor_interpolate


class Body(ABC):
    """The parts of one body on one rank, at a load.

    Args:
        ceed: The libCEED context.
        coordinates: Nodes of the element maps, shape (num_elements, nodes, 3).
        geometry_degree: Degree of the element maps.
        points: Quadrature points.
        materials: Pairs of a material and the elements that it fills.
        fields: Fields of the mesh, of the elements of this rank.
        duration: Time from load fraction 0 to 1, in s.

    Attributes:
        fused: Whether fused kernels apply residual and Jacobian.
        lanes: Elements of a block of the arrays of this host.
        memory: Where residual and Jacobian are applied; libCEED works on the host alone.
        geometry: The element maps.
        operators: Makes CeedOperators of the parts.
    """

    fused: ClassVar[bool]
    lanes: ClassVar[int] = 1
    memory: Memory = HOST

    def __init__(
        self,
        ceed: Ceed,
        coordinates: Floats,
        geometry_degree: int,
        points: Points,
        materials: Sequence[tuple[RegionMaterial, Ints]],
        fields: Mapping[str, MeshField],
        duration: float = 1.0,
    ) -> None:
        self.ceed = ceed
        self.points = points
        self.geometry = Geometry(ceed, geometry_degree)
        self.operators = Operators(ceed, self.geometry, points)
        self.materials = tuple(material for material, _ in materials)
        self._fields = fields
        self._duration = duration
        self._converged_load, self._time_increment = 0.0, 0.0
        self._num_commits = 0
        self.parts = [
            self._part(material, elements, coordinates)
            for material, elements in materials
            if len(elements)
        ]
        self.set_load(0.0)

    def _part(self, material: RegionMaterial, elements: Ints, coordinates: Floats) -> Part:
        # No copy where the part is the whole body.
        whole = len(elements) == len(coordinates)
        part = Part.at_start(
            material,
            elements,
            coordinates if whole else coordinates[elements],
            len(self.points) ** 3,
            self.lanes,
        )
        if not material.varies:
            part.context = self.ceed.QFunctionContext()
            self._set_context(part)
        self._prepare(part)
        return part

    @abstractmethod
    def _prepare(self, part: Part) -> None:
        """Give a part the memory for what its residual stores, and copies where they are needed."""

    @abstractmethod
    def _refresh(self, part: Part, name: str) -> None:
        """Refresh what is a copy of an array of a part, or of its "context", which has changed."""

    @abstractmethod
    def add_residual(self, space: Space, u: CeedVector, R: CeedVector) -> tuple[float, int]:
        """Add ∫ P(grad u) : grad v to R, and write the stored state.

        Returns:
            The smallest det F at a quadrature point of this rank, -inf if one is not a number,
            and its element; inf and -1 on a rank without elements.
        """

    @abstractmethod
    def jacobian(self, space: Space) -> list[CeedOperator]:
        """Return the operators du -> ∫ (∂P/∂F : grad du) : grad v at the stored state."""

    def jacobian_ranges(self, space: Space) -> Iterator[CeedOperator]:
        """Yield the Jacobian as transient operators of libCEED over ranges of elements."""
        for part in self.parts:
            for elements in ranges(len(part.elements)):
                yield self.operators.jacobian(space, part, elements)

    def fused_kernel(self, kind: str, material: RegionMaterial, degree: int) -> Kernel:
        """Return the fused kernel of a material in double precision."""
        return Kernel.of(
            kind,
            find_kernels(material.model, material.options),
            varying=material.varies,
            degree=degree,
            num_points_1d=len(self.points),
            geometry_degree=self.geometry.degree,
        )

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
                    self._refresh(part, "context")
            elif changes or load_fraction == 0.0:
                for elements in ranges(len(part.elements)):
                    values = self.parameters_at(part, elements, self.points, load_fraction)
                    part.replace("parameters", elements, values)
                self._refresh(part, "parameters")

    @property
    def circumstances(self) -> tuple[float, float, int]:
        """Return what tells whether parameters or histories may have changed."""
        return self._load_fraction, self._time_increment, self._num_commits

    def _set_context(self, part: Part) -> None:
        assert part.context is not None
        part.context_values[:] = self._kernel_parameters(part, ANYWHERE)[0]
        part.context.set_data(part.context_values)

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
        X = self.geometry.point_coordinates(part.coordinates[elements], points)
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

    def history_at(self, part: Part, points: Points) -> Floats:
        """Return the history interpolated to points, shape (num_elements, points, components)."""
        values = from_blocks(part.history, len(part.elements))
        return tensor_interpolate(interpolation(self.points.xi, points.xi), values)

    def commit_history(self, space: Space, u: CeedVector, load_fraction: float) -> None:
        """Make the displacement u at a load fraction the end of a converged step.

        What materials remember is from there, and time goes by from there.
        """
        for part in self.parts:
            size = part.history.shape[2]
            for elements in ranges(len(part.elements)) if size else ():
                history = self.operators.at_points(space, part, elements, u, "update", size)
                part.replace("history", elements, history)
        self._end_step(load_fraction)

    def restore_history(self, histories: Sequence[Floats], load_fraction: float) -> None:
        """Go back to the end of an earlier converged step; the opposite of `commit_history`.

        Args:
            histories: What the material of each part remembers, shape (num_elements, points,
                components).
            load_fraction: The load fraction of that step.
        """
        for part, values in zip(self.parts, histories, strict=True):
            part.replace("history", slice(0, len(part.elements)), values.transpose(0, 2, 1))
        self._end_step(load_fraction)

    def _end_step(self, load_fraction: float) -> None:
        for part in self.parts:
            self._refresh(part, "history")
        self._converged_load = load_fraction
        self._num_commits += 1
        self.set_load(load_fraction)

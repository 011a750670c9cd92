"""A body whose residual and Jacobian run on a device.

The host keeps what libCEED needs for what is rare: histories, varying parameters, energies,
output.  The device holds its own copies of them and of the geometry, and the stored state, which
never leaves it.  A residual costs one displacement up, one residual down.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.mesh import MeshField
from elastane.solver.body import Body
from elastane.solver.ceed import Ceed, CeedOperator, CeedVector, Points
from elastane.solver.device.memory import DeviceMemory
from elastane.solver.fused.source import STATE
from elastane.solver.memory import Vector
from elastane.solver.parts import Ints, Part
from elastane.solver.problem import RegionMaterial
from elastane.solver.space import Space

Floats = NDArray[np.float64]

#: The smallest det F is found in so many pieces on the device, and among them on the host.
PIECES = 1 << 14


class DeviceBody(Body):
    """The operators of one body on one rank, see `Body`.

    Args:
        ceed: The libCEED context of the host.
        coordinates, geometry_degree, points, materials, fields, duration: See `Body`.
        memory: The memory of the device.
    """

    fused = True
    memory: DeviceMemory

    def __init__(
        self,
        ceed: Ceed,
        coordinates: Floats,
        geometry_degree: int,
        points: Points,
        materials: list[tuple[RegionMaterial, Ints]],
        fields: Mapping[str, MeshField],
        duration: float,
        memory: DeviceMemory,
    ) -> None:
        self.memory = memory
        self._copies: dict[int, dict[str, Vector]] = {}
        self._residuals_on_device: list[_Residual] = []
        super().__init__(ceed, coordinates, geometry_degree, points, materials, fields, duration)

    def _prepare(self, part: Part) -> None:
        kernel, memory = self.fused_kernel("jacobian", part.material, 1), self.memory
        num_elements = len(part.elements)
        part.state = memory.at_points(kernel, STATE, num_elements, part.kernels.num_stored)
        part.rest = part.state_at_rest()
        self._copies[id(part)] = {
            STATE: part.state,
            "context": memory.take(part.context_values),
            "rest": memory.take(part.rest),
            **{
                name: memory.at_points(kernel, name, num_elements, getattr(part, name).shape[2])
                for name in ("history", "parameters")
            },
        }
        for name in ("history", "parameters"):
            self._refresh(part, name)

    def _refresh(self, part: Part, name: str) -> None:
        copy = self._copies[id(part)][name]
        if name == "context":
            self.memory.write(part.context_values, copy)
        elif copy.size:
            self.memory.set_at_points(part.values(name, slice(0, len(part.elements))), copy)

    def function(self, kind: str, part: Part, space: Space, **arrays: Vector) -> Any:
        """Return a kernel of a part in double precision, bound to the arrays on the device."""
        kernel, memory = self.fused_kernel(kind, part.material, space.degree), self.memory
        copies = self._copies[id(part)]
        if "geometry" not in copies:
            nodes_or_qdata = part.coordinates
            if not kernel.schedule.recompute_geometry:
                qdata = self.geometry.qdata(part.coordinates, self.points)
                nodes_or_qdata = qdata.transpose(0, 2, 1)
            copies["geometry"] = memory.element_values(nodes_or_qdata, kernel.dtype)
        offsets = (3 * space.nodes[part.elements, :, None]).astype(np.int32)
        return memory.element_function(
            kernel,
            memory.element_values(offsets, kernel.dtype),
            len(part.elements),
            copies | arrays,
            copies["context"],
            copies["rest"],
        )

    def add_residual(self, space: Space, u: CeedVector, R: CeedVector) -> tuple[float, int]:
        """Add ∫ P(grad u) : grad v to R, and store the state; see `Body.add_residual`."""
        memory = self.memory
        if not self._residuals_on_device:
            self._u, self._R = (memory.zeros(3 * space.num_nodes, np.float64) for _ in range(2))
            self._residuals_on_device = [_Residual(self, part, space) for part in self.parts]
        with u.array_read() as values:
            memory.write(values, self._u)
        memory.clear(self._R)
        worst = np.inf, -1
        for residual in self._residuals_on_device:
            worst = min(worst, residual.add(self._u, self._R))
        with R.array() as values:
            values += memory.read(self._R)
        return worst

    def jacobian(self, space: Space) -> list[CeedOperator]:
        """Return nothing: the Jacobian is the device's, see `DeviceJacobian`."""
        return []


class _Residual:
    """The residual of one part, and its smallest det F."""

    def __init__(self, body: DeviceBody, part: Part, space: Space) -> None:
        kernel = body.fused_kernel("residual", part.material, space.degree)
        self._part, self._memory = part, body.memory
        self._num_points, size = kernel.num_points_1d**3, len(part.elements)
        det_F = self._memory.at_points(kernel, "det_F", size, 1)
        self._function = body.function("residual", part, space, det_F=det_F)
        self._num_pieces = min(det_F.size, PIECES)
        self._least, self._places = (
            self._memory.zeros(self._num_pieces, np.float64) for _ in range(2)
        )
        least = self._memory.functions("cycle", np.float64).least
        arrays = det_F, self._least, self._places
        self._find_least = partial(
            self._memory.bound(least, self._num_pieces, *arrays), float(det_F.size)
        )

    def add(self, u: Vector, R: Vector) -> tuple[float, int]:
        """Add to R; return the smallest det F, -inf for NaN, and its element."""
        self._function(u, R)
        self._find_least()
        least, places = (self._memory.read(x) for x in (self._least, self._places))
        # To numpy, NaN is the smallest.
        piece = int(least.argmin())
        value, element = float(least[piece]), int(places[piece]) // self._num_points
        return -np.inf if np.isnan(value) else value, int(self._part.elements[element])


class DeviceJacobian:
    """The Jacobian of the finest level in double precision on the device, a `LevelOperator`.

    Args:
        body: The body.
        space: The space of the displacement.
    """

    def __init__(self, body: DeviceBody, space: Space) -> None:
        self.dtype = np.dtype(np.float64)
        self._body, self._space = body, space
        self.functions = [body.function("jacobian", part, space) for part in body.parts]

    def update(self, u: Floats) -> None:
        """Do nothing: it reads the state that the residual stores."""

    def apply_add(self, x: Vector, y: Vector) -> None:
        """Add the Jacobian times x to y."""
        for function in self.functions:
            function(x, y)

    def add_diagonal(self, diagonal: Vector) -> None:
        """Add this rank's part of the diagonal; asked for rarely, its kernels do not stay."""
        nothing = self._body.memory.zeros(0, self.dtype)
        for part in self._body.parts:
            self._body.function("diagonal", part, self._space)(nothing, diagonal)

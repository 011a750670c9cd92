"""Area, force and mean displacement of surfaces."""

from collections.abc import Sequence

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.meshes.topology import Topology
from elastane.solver.boundary import BoundaryCondition, Displacement, Rotation
from elastane.solver.mechanics import Mechanics
from elastane.solver.report import SurfaceReport
from elastane.solver.surfaces import Surface

Floats = NDArray[np.float64]


class SurfaceReports:
    """Reports of chosen surfaces.

    A component of the force is the reaction of the support where a condition prescribes that
    component on facets of the surface, else the load applied to its facets.

    Args:
        topology: The distributed mesh.
        mechanics: The residual and loads.
        boundary: Loads and supports.
        names: The surfaces.
    """

    def __init__(
        self,
        topology: Topology,
        mechanics: Mechanics,
        boundary: Sequence[BoundaryCondition],
        names: Sequence[str],
    ) -> None:
        self._comm: MPI.Comm = mechanics.space.dm.comm.tompi4py()
        self._topology = topology
        self._mechanics = mechanics
        self._surfaces = [Surface.build(topology, name, mechanics.body.points) for name in names]
        self._supported = [self._supports(name, boundary) for name in names]

    def _supports(self, name: str, boundary: Sequence[BoundaryCondition]) -> NDArray[np.bool_]:
        """Return which components are prescribed on facets of a surface, on any rank."""
        masks = self._topology.facet_surfaces
        on_surface = masks[:, :, self._topology.surfaces.index(name)]
        supported = np.zeros(3, dtype=bool)
        for condition in boundary:
            if isinstance(condition, Displacement | Rotation):
                on_support = masks[:, :, self._topology.surfaces.index(condition.surface)]
                if (on_surface & on_support).any():
                    supported |= condition.constrained
        self._comm.Allreduce(MPI.IN_PLACE, supported, op=MPI.LOR)
        return supported

    def evaluate(self) -> dict[str, SurfaceReport]:
        """Return the reports at the displacement of the last residual."""
        return {
            surface.name: self._report(surface, supported)
            for surface, supported in zip(self._surfaces, self._supported, strict=True)
        }

    def _report(self, surface: Surface, supported: NDArray[np.bool_]) -> SurfaceReport:
        mechanics = self._mechanics
        weights = surface.area_weights
        u = surface.displacement(mechanics.space, mechanics.u.array)
        on_surface = mechanics.space.on_surface[:, self._topology.surfaces.index(surface.name)]
        sums = np.concatenate(
            [
                [weights.sum()],
                np.einsum("fp,fpc->c", weights, u),
                mechanics.R.array[on_surface].sum(axis=0),
                self._applied(surface),
            ]
        )
        total = self._comm.allreduce(sums)
        area, mean, reaction, applied = total[0], total[1:4] / total[0], total[4:7], total[7:]
        return SurfaceReport(
            area=float(area),
            force=tuple(np.where(supported, reaction, applied).tolist()),
            displacement=tuple(mean.tolist()),
        )

    def _applied(self, surface: Surface) -> Floats:
        """Return the load on this rank's facets of a surface."""
        mechanics = self._mechanics
        on_surface = self._topology.facet_surfaces[
            :, :, self._topology.surfaces.index(surface.name)
        ]
        total = np.zeros(3)
        for traction, loaded in mechanics.tractions:
            here = on_surface[loaded.facets[:, 0], loaded.facets[:, 1]]
            total += mechanics.traction_forces(traction, loaded)[here].sum(axis=(0, 1))
        for condition, load in mechanics.pressures:
            loaded = load.surface
            here = on_surface[loaded.facets[:, 0], loaded.facets[:, 1]]
            normals = loaded.current_normals(mechanics.space, mechanics.u.array)
            pressure = condition.pressure.load(loaded.X.reshape(-1, 3), mechanics.load_fraction)
            forces = -pressure.reshape(loaded.X.shape[:2])[:, :, None] * normals
            total += forces[here].sum(axis=(0, 1))
        return total

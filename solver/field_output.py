"""The fields of a solution at the points of the output.

Output points are equally spaced in each element, as VTK's Lagrange cells want them, and shared by
the elements around them.  Stress and the other diagnostics are evaluated at the nodes of each
element and averaged over the elements around a node, weighted by volume.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.topology import Topology
from elastane.solver.mechanics import Mechanics
from elastane.solver.output import FORMATS, OutputMesh, von_mises_stress
from elastane.solver.problem import Output
from elastane.solver.space import tensor_interpolate, with_section

Floats = NDArray[np.float64]


class FieldOutput:
    """Writes the fields of load steps.

    Args:
        output: What to write.
        run_folder: Where.
        topology: The distributed mesh.
        mechanics: Where the fields come from.
    """

    def __init__(
        self, output: Output, run_folder: Path, topology: Topology, mechanics: Mechanics
    ) -> None:
        space = mechanics.space
        self._names: Sequence[str] = output.fields
        self._mechanics = mechanics
        nodes, _ = gauss_lobatto(space.degree + 1)
        self._to_points = interpolation(nodes, np.linspace(-1.0, 1.0, space.degree + 1))
        self._plex = topology.plex
        mesh = OutputMesh(
            degree=space.degree,
            points=self._at_points(space.X),
            cells=space.numbers[space.nodes],
            cell_regions=topology.cell_regions,
        )
        comm = space.dm.comm.tompi4py()
        self._format = FORMATS[output.format](run_folder, comm, mesh, False)

    def write(self, step: int, load_fraction: float) -> Path:
        """Write the fields of the displacement of the last residual; collective."""
        return self._format.write(step, load_fraction, self._fields(load_fraction))

    def _fields(self, load_fraction: float) -> dict[str, Floats]:
        fields = {"displacement": self._at_points(self._mechanics.u.array)}
        if set(self._names) - set(fields):
            values = self._at_points(self._nodal_diagnostics(load_fraction))
            fields["cauchy_stress"] = values[:, :6]
            fields["von_mises_stress"] = von_mises_stress(values[:, :6])
            fields["J"] = values[:, 6:7]
            fields["strain_energy_density"] = values[:, 7:8]
        return {name: np.ascontiguousarray(fields[name]) for name in self._names}

    def _nodal_diagnostics(self, load_fraction: float) -> Floats:
        """Return stress, J and ψ at the nodes of this rank, shape (num_nodes, 8)."""
        mechanics = self._mechanics
        dm = with_section(self._plex, mechanics.space.degree, 9, None)
        local, total = dm.createLocalVec(), dm.createGlobalVec()
        local.setArray(mechanics.body.diagnostics(mechanics.space, mechanics.u.ceed, load_fraction))
        dm.localToGlobal(local, total, PETSc.InsertMode.ADD_VALUES)
        dm.globalToLocal(total, local)
        sums = local.array.reshape(-1, 9)
        return sums[:, 1:] / sums[:, :1]

    def _at_points(self, values: Floats) -> Floats:
        """Return nodal values at the owned output points, in the order of their numbers."""
        space = self._mechanics.space
        at_points = np.empty_like(values)
        at_points[space.nodes] = tensor_interpolate(self._to_points, values[space.nodes])
        return at_points[space.owned_nodes]

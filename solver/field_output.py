"""The fields of a solution at the points of the output.

Output points are equally spaced in each element, as VTK's Lagrange cells want them, and shared by
the elements around them.  Stress and the other diagnostics are evaluated at the nodes of each
element and averaged over the elements around a node, weighted by volume.  Parameters of the
materials are evaluated at the points themselves, and averaged over the elements that have them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.topology import Topology
from elastane.solver.ceed import Points, ranges
from elastane.solver.diagnostics import nodal_diagnostics
from elastane.solver.mechanics import Mechanics
from elastane.solver.output import (
    FIELDS,
    FORMATS,
    MATERIAL_FIELDS,
    OutputMesh,
    material_arrays,
    von_mises_stress,
)
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
        resume: Whether to keep the earlier steps that the folder holds.
    """

    def __init__(
        self,
        output: Output,
        run_folder: Path,
        topology: Topology,
        mechanics: Mechanics,
        *,
        resume: bool = False,
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
            units=output.units,
        )
        comm = space.dm.comm.tompi4py()
        self._format = FORMATS[output.format](run_folder, comm, mesh, resume)

    def write(self, step: int, load_fraction: float) -> Path:
        """Write the fields of the displacement of the last residual; collective."""
        return self._format.write(step, load_fraction, self._fields(load_fraction))

    def _fields(self, load_fraction: float) -> dict[str, Floats]:
        fields = {"displacement": self._at_points(self._mechanics.u.array)}
        if set(self._names) - set(fields) - set(MATERIAL_FIELDS):
            values = self._at_points(self._nodal_diagnostics(load_fraction))
            fields["cauchy_stress"] = values[:, :6]
            fields["von_mises_stress"] = von_mises_stress(values[:, :6])
            fields["J"] = values[:, 6:7]
            fields["strain_energy_density"] = values[:, 7:8]
        chosen = {name: fields[name] for name in self._names if name in FIELDS}
        chosen |= self._material_fields(load_fraction)
        return {name: np.ascontiguousarray(values) for name, values in chosen.items()}

    def _material_fields(self, load_fraction: float) -> dict[str, Floats]:
        """Return the parameters chosen at the owned output points; NaN where there is none."""
        body, space = self._mechanics.body, self._mechanics.space
        materials = [(material.model, material.options) for material in body.materials]
        arrays = material_arrays(self._names, materials)
        if not arrays:
            return {}
        scalars = [scalar for components in arrays.values() for scalar in components]
        points = Points(np.linspace(-1.0, 1.0, space.degree + 1), np.ones(space.degree + 1))
        # Sums over the elements around each point, and how many of them have the parameter.
        sums = np.zeros((space.num_nodes, 2 * len(scalars)))
        for part in body.parts:
            names = part.kernels.parameters
            found = [(column, names.index(s)) for column, s in enumerate(scalars) if s in names]
            for elements in ranges(len(part.elements)):
                values = body.parameters_at(part, elements, points, load_fraction)
                nodes = space.nodes[part.elements[elements]]
                for column, place in found:
                    np.add.at(sums[:, column], nodes, values[:, place])
                    np.add.at(sums[:, len(scalars) + column], nodes, 1.0)
        sums = self._added_over_ranks(sums)[space.owned_nodes]
        with np.errstate(invalid="ignore"):
            means = sums[:, : len(scalars)] / sums[:, len(scalars) :]
        ends = np.cumsum([len(components) for components in arrays.values()])
        fields = dict(zip(arrays, np.split(means, ends[:-1], axis=1), strict=True))
        return {
            name: values if values.shape[1] == 1 else _unit_vectors(values)
            for name, values in fields.items()
        }

    def _nodal_diagnostics(self, load_fraction: float) -> Floats:
        """Return stress, J and ψ at the nodes of this rank, shape (num_nodes, 8)."""
        mechanics = self._mechanics
        sums = self._added_over_ranks(
            nodal_diagnostics(mechanics.body, mechanics.space, mechanics.u.ceed, load_fraction)
        )
        return sums[:, 1:] / sums[:, :1]

    def _added_over_ranks(self, sums: Floats) -> Floats:
        """Return nodal sums of this rank's elements, those of the other ranks added."""
        num_components = sums.shape[1]
        dm = with_section(self._plex, self._mechanics.space.degree, num_components, None)
        local, total = dm.createLocalVec(), dm.createGlobalVec()
        local.setArray(sums)
        dm.localToGlobal(local, total, PETSc.InsertMode.ADD_VALUES)
        dm.globalToLocal(total, local)
        return local.array.reshape(-1, num_components).copy()

    def _at_points(self, values: Floats) -> Floats:
        """Return nodal values at the owned output points, in the order of their numbers."""
        space = self._mechanics.space
        at_points = np.empty_like(values)
        at_points[space.nodes] = tensor_interpolate(self._to_points, values[space.nodes])
        return at_points[space.owned_nodes]


def _unit_vectors(values: Floats) -> Floats:
    """Return vectors of length 1; a mean of opposite directions has none and stays zero."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, values / np.where(lengths > 1e-6, lengths, 1.0), values)

"""The discrete problem of a body under load: its residual R(u; t) and what goes into it.

    R(u; t) = ∫ P(grad u) : grad v dX + ∫ p n · v da - ∫ b · v dX - ∫ t · v dA

for all test functions v that vanish where displacements are prescribed.
"""

from collections.abc import Sequence

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.meshes.topology import Topology
from elastane.solver.body import Body
from elastane.solver.boundary import BoundaryCondition, Displacement, Pressure, Rotation, Traction
from elastane.solver.ceed import (
    INTERP,
    NONE,
    Ceed,
    Field,
    basis,
    offset_restriction,
    operator_of_identity,
    point_restriction,
    ranges,
    shared_vector,
)
from elastane.solver.ceed_mat import LOperator, LVector
from elastane.solver.diagnostics import strain_energy
from elastane.solver.formula import Formula
from elastane.solver.log import logged
from elastane.solver.space import Space
from elastane.solver.surfaces import PressureLoad, Surface

Floats = NDArray[np.float64]


class Mechanics:
    """The residual of a body on one rank, and the loads at the current load fraction.

    Args:
        ceed: The libCEED context.
        topology: The distributed mesh.
        space: The space of the displacement.
        body: Operators of the body.
        boundary: Loads and supports.
        body_force: Force per initial volume.

    Attributes:
        u: Displacement L-vector, prescribed components included.
        R: L-vector of this rank's part of the residual, prescribed components included: there it
            is the reaction.
        load_fraction: The load fraction that loads and supports are set to.
        num_evaluations: Times that residual and state were computed.
    """

    def __init__(
        self,
        ceed: Ceed,
        topology: Topology,
        space: Space,
        body: Body,
        boundary: Sequence[BoundaryCondition],
        body_force: tuple[Formula, Formula, Formula] | None,
    ) -> None:
        self.ceed = ceed
        self.space = space
        self.body = body
        self._comm: MPI.Comm = space.dm.comm.tompi4py()
        points = body.points
        self._supports = [
            (b, np.flatnonzero(space.on_surface[:, topology.surfaces.index(b.surface)]))
            for b in boundary
            if isinstance(b, Displacement | Rotation)
        ]
        self.tractions = [
            (b, Surface.build(topology, b.surface, points))
            for b in boundary
            if isinstance(b, Traction)
        ]
        self.pressures = [
            (b, PressureLoad(ceed, Surface.build(topology, b.surface, points)))
            for b in boundary
            if isinstance(b, Pressure)
        ]
        self._body_force = body_force
        self._cell_numbers = topology.cell_numbers
        self._worst = np.inf, -1
        self._evaluated_u, self._evaluated_in = np.empty_like(space.X), (np.nan, np.nan, 0)
        self.num_evaluations = 0
        self.u, self.R, self._forces = (LVector(ceed, space) for _ in range(3))
        terms = [term for _, load in self.pressures for term in load.residual(space)]
        self._pressure_residual = LOperator(ceed, terms)
        self.load_fraction = np.nan
        self.set_load(0.0)

    def set_load(self, load_fraction: float) -> None:
        """Set loads and varying materials to a load fraction; supports keep their values."""
        if load_fraction == self.load_fraction:
            return
        self.load_fraction = load_fraction
        self.body.set_load(load_fraction)
        for condition, load in self.pressures:
            X = load.surface.X
            values = condition.pressure.load(X.reshape(-1, 3), load_fraction)
            load.set_pressure(values.reshape(X.shape[:2]))
        self._forces.petsc.zeroEntries()
        for traction, surface in self.tractions:
            forces = self.traction_forces(traction, surface).transpose(0, 2, 1)
            surface.add_load(self.ceed, self.space, forces, self._forces.ceed)
        if self._body_force is not None:
            self._add_body_force(self._body_force)

    def traction_forces(self, traction: Traction, surface: Surface) -> Floats:
        """Return the force at each point of a surface, shape (num_facets, num_points, 3)."""
        X = surface.X.reshape(-1, 3)
        values = np.stack([f.load(X, self.load_fraction) for f in traction.components], axis=-1)
        return values.reshape(surface.X.shape) * surface.area_weights[:, :, None]

    def _add_body_force(self, force: tuple[Formula, Formula, Formula]) -> None:
        points, space = self.body.points, self.space
        for part in self.body.parts:
            for elements in ranges(len(part.elements)):
                X = self.body.geometry.point_coordinates(part.coordinates[elements], points)
                qdata = self.body.geometry.qdata(part.coordinates[elements], points)
                at_points = [f.load(X.reshape(-1, 3), self.load_fraction) for f in force]
                values = np.stack(at_points).reshape(3, *X.shape[:2]).transpose(1, 0, 2)
                values = np.ascontiguousarray(values * qdata[:, :1])
                offsets = 3 * space.nodes[part.elements[elements]]
                operator_of_identity(
                    self.ceed,
                    Field(NONE, 3, point_restriction(self.ceed, values.shape)),
                    Field(
                        INTERP,
                        3,
                        offset_restriction(self.ceed, offsets, 3, 3 * space.num_nodes),
                        basis(self.ceed, space.degree, points),
                    ),
                ).apply_add(shared_vector(self.ceed, values), self._forces.ceed)

    def prescribed_displacement(self, load_fraction: float) -> Floats:
        """Return prescribed displacements at a load fraction, elsewhere 0, (num_nodes, 3).

        Where surfaces meet, the later condition of the list holds for the components it prescribes.
        """
        u = np.zeros((self.space.num_nodes, 3))
        for condition, nodes in self._supports:
            values = condition.values(self.space.X[nodes], load_fraction)
            for component in np.flatnonzero(condition.constrained):
                u[nodes, component] = values[:, component]
        return u

    def commit(self) -> None:
        """Make the state of the last residual the end of a converged step."""
        self.body.commit_history(self.space, self.u.ceed, self.load_fraction)

    def move_supports(self, load_fraction: float) -> None:
        """Insert the prescribed displacements at a load fraction into u."""
        prescribed = self.space.prescribed
        self.u.array[prescribed] = self.prescribed_displacement(load_fraction)[prescribed]

    def return_to(self, u: PETSc.Vec, load_fraction: float) -> None:
        """Go back to an earlier state: loads, supports and displacement."""
        self.set_load(load_fraction)
        self.move_supports(load_fraction)
        self.space.dm.globalToLocal(u, self.u.petsc)

    @logged("residual")
    def evaluate(self, u: PETSc.Vec, R: PETSc.Vec) -> float:
        """Set R to the residual of the unknowns u (T-vectors), and store the state.

        Returns:
            The smallest det F at a quadrature point of any rank, -inf if one is not a number.
        """
        dm = self.space.dm
        dm.globalToLocal(u, self.u.petsc)
        if not self._is_evaluated():
            self._pressure_residual.apply(self.u, self.R)
            self._worst = self.body.add_residual(self.space, self.u.ceed, self.R.ceed)
            self.R.petsc.axpy(-1.0, self._forces.petsc)
            np.copyto(self._evaluated_u, self.u.array)
            self._evaluated_in = self.body.circumstances
            self.num_evaluations += 1
        R.zeroEntries()
        dm.localToGlobal(self.R.petsc, R, PETSc.InsertMode.ADD_VALUES)
        return self._comm.allreduce(self._worst[0], op=MPI.MIN)

    def _is_evaluated(self) -> bool:
        """Return whether residual and state are those of the displacement; collective.

        Newton's method asks for the residual of a state again where the line search ended with it,
        and again where a converged step is reported.
        """
        same = self._evaluated_in == self.body.circumstances and np.array_equal(
            self._evaluated_u, self.u.array
        )
        return bool(self._comm.allreduce(same, op=MPI.LAND))

    def worst_cell(self) -> tuple[int, tuple[float, float, float]]:
        """Return the cell of the smallest det F of the last residual and its place; collective.

        The number is that in the whole mesh, from 0; the place is the mean of its nodes.
        """
        det_F, element = self._worst
        _, rank = self._comm.allreduce((det_F, self._comm.rank), op=MPI.MINLOC)
        found = None
        if rank == self._comm.rank:
            x, y, z = self.space.X[self.space.nodes[element]].mean(axis=0).tolist()
            found = int(self._cell_numbers[element]), (x, y, z)
        return self._comm.bcast(found, root=rank)

    def force_norm(self) -> float:
        """Return the norm of the loads and reactions of the last residual, in units of force."""
        reactions = np.where(self.space.prescribed, self.R.array, 0.0)
        squares = float((self._forces.array**2).sum() + (reactions**2).sum())
        return float(np.sqrt(self._comm.allreduce(squares)))

    def strain_energy(self) -> float:
        """Return ∫ ψ dX of the displacement of the last residual."""
        return self._comm.allreduce(strain_energy(self.body, self.space, self.u.ceed))


def prescribed_points(
    topology: Topology, boundary: Sequence[BoundaryCondition]
) -> NDArray[np.bool_]:
    """Return which components are prescribed at which DMPlex points, shape (num_points, 3)."""
    on_surface = topology.points_on_surfaces()
    prescribed = np.zeros((len(on_surface), 3), dtype=bool)
    for condition in boundary:
        if isinstance(condition, Displacement | Rotation):
            where = on_surface[:, topology.surfaces.index(condition.surface)]
            prescribed[where] |= condition.constrained
    return prescribed

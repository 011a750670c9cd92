"""The cube as solves have it, numbered by PETSc, and libCEED's operators on it."""

from functools import cached_property
from typing import Any

import libceed
import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.benchmarks.lattice import Floats, Lattice, Solid, Subject, direction
from elastane.meshes.box import Box
from elastane.meshes.topology import Topology, distribute
from elastane.solver.ceed import (
    GRAD,
    Field,
    Library,
    Points,
    basis,
    offset_restriction,
    operator,
    point_field,
    shared_vector,
)
from elastane.solver.space import Space, build_space


class Cube(Lattice):
    """A cube whose nodes are numbered as those of a solve."""

    @cached_property
    def _topology(self) -> Topology:
        cells = (self.cells, self.cells, self.cells)
        return distribute(Box(cells=cells).build(1, 0), MPI.COMM_SELF)

    @property
    def coordinates(self) -> Floats:
        """Return the nodes of the element maps, shape (num_elements, 8, 3)."""
        return self._topology.coordinates

    @cached_property
    def space(self) -> Space:
        """Return the space of the displacement; nothing is prescribed."""
        _, num_points = self._topology.plex.getChart()
        return build_space(self._topology, self.degree, np.zeros((num_points, 3), dtype=bool))

    @property
    def nodes(self) -> NDArray[np.int64]:
        """Return the node numbers of the elements, shape (num_elements, nodes)."""
        return self.space.nodes

    @property
    def X(self) -> Floats:
        """Return the places of the nodes, shape (num_nodes, 3)."""
        return self.space.X


def by_libceed(cube: Cube, solid: Solid, function: str, resource: str) -> Subject:
    """Return libCEED's operator on a resource, the Jacobian at the cube's displacement."""
    ceed = libceed.Ceed(resource)
    space, fields = cube.space, solid.kernels.functions
    library = Library(solid.kernels.source_of(varying=False), solid.kernels.name)
    context = ceed.QFunctionContext()
    context.set_data(solid.parameters)
    gradient = Field(
        GRAD,
        9,
        offset_restriction(ceed, 3 * space.nodes, 3, cube.unknowns),
        basis(ceed, cube.degree, Points.gauss(cube.degree + 1)),
    )
    arrays: dict[str, Floats] = {
        name: np.zeros((len(space.nodes), size, (cube.degree + 1) ** 3))
        for name, size in fields["residual"].outputs[1:]
    }
    arrays["qdata"] = cube.qdata

    def operator_of(name: str) -> Any:
        inputs = [gradient, *(point_field(ceed, arrays[n]) for n, _ in fields[name].inputs[1:])]
        outputs = [gradient, *(point_field(ceed, arrays[n]) for n, _ in fields[name].outputs[1:])]
        return operator(ceed, library.qfunction(ceed, name, context), inputs, outputs)

    u, y = cube.displacement, np.zeros(cube.unknowns)
    x, chosen = u, operator_of("residual")
    target = shared_vector(ceed, y)
    if function == "jacobian":
        chosen.apply_add(shared_vector(ceed, u), target)
        x, chosen = direction(cube), operator_of("jacobian")
    source = shared_vector(ceed, x)
    return Subject(lambda: chosen.apply_add(source, target), x, y)


def check_equal(one: Subject, other: Subject, tolerance: float) -> None:
    """Make sure that two subjects compute the same."""
    results = []
    for subject in (one, other):
        before = subject.y.copy()
        subject.apply()
        results.append(subject.y - before)
    error = np.abs(results[0] - results[1]).max() / np.abs(results[0]).max()
    assert error < tolerance, f"the two differ by {error:.1e}"

"""The operators that are measured: the same function on the same cube, done in different ways.

Nothing is prescribed, and an apply adds to an L-vector: `y += A x` for the Jacobian, `y += R(x)`
for the residual, which also writes the stored state.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import libceed
import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.materials.kernels import Kernels, QFunctionFields, find_kernels
from elastane.materials.model import Choices, Material
from elastane.meshes.box import Box
from elastane.meshes.lagrange import differentiation, gauss, gauss_lobatto, interpolation
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
from elastane.solver.fused.kernel import FusedFunction, in_blocks, points_array, state_at_rest
from elastane.solver.fused.source import Kernel
from elastane.solver.space import Space, build_space

Array = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]

SOURCES = Path(__file__).parent / "qfunctions"


@dataclass(frozen=True)
class Solid:
    """A material with its parameters.

    Attributes:
        kernels: Its QFunctions.
        parameters: Kernel parameters.
    """

    kernels: Kernels
    parameters: Floats

    @classmethod
    def example(cls, model: Material, choices: Choices | None = None) -> "Solid":
        """Return a material with the parameters of its first example."""
        resolved = model.resolve_choices(choices or {})
        values = model.resolve(model.examples_of(resolved)[0], resolved).values()
        return cls(find_kernels(model, resolved), np.array(list(values), dtype=float))

    def by_hand(self, variant: str, num_stored: int) -> "Solid":
        """Return the same material with the tangent written by hand in `benchmarks/qfunctions`."""
        header = (SOURCES / "hand-written.h").read_text(encoding="utf-8")
        macros = header.partition("typedef int CeedInt;\n")[2]
        text = (SOURCES / f"{self.kernels.name}.c").read_text(encoding="utf-8")
        before, end, _ = self.kernels.source.partition("#endif\n#endif\n")
        functions = [before + end]
        for name in ("residual", "jacobian"):
            found = re.search(rf"^int {name}_{variant}(\([^{{]*{{\n)(.*?^}}\n)", text, re.M | re.S)
            assert found is not None
            # As the material compiler writes it; one function at a time is read, so the macros are
            # inside.
            functions.append(f"/* By hand. */\nCEED_QFUNCTION({name}){found[1]}{macros}{found[2]}")
        state = ("state", num_stored)
        fields = self.kernels.functions
        by_name = {
            "residual": QFunctionFields(fields["residual"].inputs, (("stress", 9), state)),
            "jacobian": QFunctionFields((*fields["jacobian"].inputs[:2], state), (("stress", 9),)),
        }
        kernels = replace(
            self.kernels,
            name=f"{self.kernels.name}-by-hand-{variant}",
            source="\n".join(functions),
            num_stored=num_stored,
            functions=by_name,
        )
        return Solid(kernels, self.parameters)


@dataclass(frozen=True)
class Cube:
    """A unit cube of cells³ elements of a degree with p + 1 Gauss points per direction."""

    degree: int
    cells: int

    @classmethod
    def with_unknowns(cls, degree: int, unknowns: int) -> "Cube":
        """Return the cube whose number of unknowns comes closest."""
        return cls(degree, max(1, round(((unknowns / 3) ** (1 / 3) - 1) / degree)))

    @property
    def unknowns(self) -> int:
        """Return the number of entries of an L-vector."""
        return 3 * (self.degree * self.cells + 1) ** 3

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

    @cached_property
    def displacement(self) -> Floats:
        """Return an L-vector: a smooth deformation of a few per cent."""
        X = self.X
        u = 0.03 * np.sin(2.0 * X[:, [1, 2, 0]] + [0.1, 0.2, 0.3]) * X
        return np.ascontiguousarray(u.reshape(-1))

    @cached_property
    def qdata(self) -> Floats:
        """Return w det(dX/dξ) and dξ/dX row by row, shape (num_elements, 10, points)."""
        xi, weights = gauss(self.degree + 1)
        nodes, _ = gauss_lobatto(2)
        value, slope = interpolation(nodes, xi), differentiation(nodes, xi)
        corners = self.coordinates.reshape(-1, 2, 2, 2, 3)  # [element, ξ₃, ξ₂, ξ₁, J]
        dX_dxi = np.stack(
            [
                np.einsum("xi,yj,zk,ekjiJ->ezyxJ", *matrices, corners, optimize=True)
                for matrices in (
                    (slope, value, value),
                    (value, slope, value),
                    (value, value, slope),
                )
            ],
            axis=-1,
        ).reshape(len(corners), -1, 3, 3)
        volumes = np.einsum("i,j,k->ijk", weights, weights, weights).reshape(-1)
        qdata = np.empty((len(corners), 10, len(xi) ** 3))
        qdata[:, 0] = volumes * np.linalg.det(dX_dxi)
        qdata[:, 1:] = np.linalg.inv(dX_dxi).reshape(*dX_dxi.shape[:2], 9).transpose(0, 2, 1)
        return qdata


@dataclass(frozen=True)
class Subject:
    """Something to measure.

    Attributes:
        apply: Adds the function of `x` to `y`.
        x, y: What it reads and adds to.
        num_bytes: Bytes of an apply, each counted once; 0 where they are not counted.
        flops: Floating-point operations of an apply; 0 where they are not counted.
    """

    apply: Callable[[], object]
    x: Array
    y: Array
    num_bytes: float = 0.0
    flops: float = 0.0


def fused(
    cube: Cube, solid: Solid, function: str, *, single: bool = False, kernel: Kernel | None = None
) -> Subject:
    """Return a fused kernel, the Jacobian at the cube's displacement.

    Args:
        cube: Where.
        solid: Of what.
        function: "residual" or "jacobian".
        single: Whether in single precision.
        kernel: Another than that of the default schedule.
    """

    def kernel_of(kind: str) -> Kernel:
        return Kernel.of(
            kind,
            solid.kernels,
            varying=False,
            degree=cube.degree,
            num_points_1d=cube.degree + 1,
            geometry_degree=1,
            single=single,
        )

    residual = kernel_of("residual")
    lanes, dtype = residual.lanes, residual.dtype
    num_elements = len(cube.nodes)
    offsets = in_blocks((3 * cube.nodes).astype(np.int32)[:, :, None], lanes)
    num_points = residual.num_points_1d**3
    arrays: dict[str, Array] = {
        name: points_array(num_elements, num_points, size, *residual.layout(name))
        for name, size in residual.outputs
    }

    rest = state_at_rest(solid.kernels, solid.parameters)

    def function_of(kernel: Kernel) -> FusedFunction:
        recompute = kernel.schedule.recompute_geometry
        geometry = cube.coordinates if recompute else cube.qdata.transpose(0, 2, 1)
        arrays["geometry"] = in_blocks(geometry.astype(dtype), lanes)
        context = solid.parameters.astype(dtype)
        return FusedFunction(kernel, offsets, num_elements, arrays, context, rest.astype(dtype))

    u = cube.displacement.astype(dtype)
    y = np.zeros_like(u)
    x, call = u, function_of(kernel or residual)
    if function == "jacobian":
        call(u, np.zeros_like(u))
        x, call = direction(cube).astype(dtype), function_of(kernel or kernel_of("jacobian"))
    # x is read, y is read and written.
    return Subject(lambda: call(x, y), x, y, call.bytes + 3 * x.nbytes, call.flops)


def direction(cube: Cube) -> Floats:
    """Return an L-vector to apply a Jacobian to; the same one every time."""
    return np.random.default_rng(3).standard_normal(cube.unknowns)


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

"""What operators are measured on: a material, a cube of elements, and fused kernels of CPUs.

Nothing is prescribed, and an apply adds to an L-vector: `y += A x` for the Jacobian, `y += R(x)`
for the residual, which also writes the stored state.  None of this needs PETSc, MPI or libCEED.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from elastane.materials.kernels import Kernels, QFunctionFields, find_kernels
from elastane.materials.model import Choices, Material
from elastane.meshes.lagrange import differentiation, gauss, gauss_lobatto, interpolation
from elastane.solver.fused.kernel import FusedFunction, in_blocks, points_array, state_at_rest
from elastane.solver.fused.source import Kernel

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
class Lattice:
    """A unit cube of cells³ elements of a degree with p + 1 Gauss points per direction.

    Its nodes are numbered along its axes: large ones are set up in no time.
    """

    degree: int
    cells: int

    @classmethod
    def with_unknowns(cls, degree: int, unknowns: int) -> Self:
        """Return the cube whose number of unknowns comes closest."""
        return cls(degree, max(1, round(((unknowns / 3) ** (1 / 3) - 1) / degree)))

    @property
    def unknowns(self) -> int:
        """Return the number of entries of an L-vector."""
        return 3 * (self.degree * self.cells + 1) ** 3

    @cached_property
    def nodes(self) -> NDArray[np.int64]:
        """Return the node numbers of the elements, shape (num_elements, nodes)."""
        return self._numbers(self.degree)

    @cached_property
    def X(self) -> Floats:
        """Return the places of the nodes, shape (num_nodes, 3)."""
        inner = (gauss_lobatto(self.degree + 1)[0][:-1] + 1.0) / 2.0
        line = np.append(np.add.outer(np.arange(self.cells), inner).reshape(-1), self.cells)
        z, y, x = np.meshgrid(line, line, line, indexing="ij")
        return np.stack([x, y, z], axis=-1).reshape(-1, 3) / self.cells

    @property
    def coordinates(self) -> Floats:
        """Return the nodes of the element maps, shape (num_elements, 8, 3)."""
        line = np.linspace(0.0, 1.0, self.cells + 1)
        z, y, x = np.meshgrid(line, line, line, indexing="ij")
        return np.stack([x, y, z], axis=-1).reshape(-1, 3)[self._numbers(1)]

    def _numbers(self, degree: int) -> NDArray[np.int64]:
        """Return the numbers of the nodes of a degree, the last axis the slowest."""
        size = degree * self.cells + 1
        along = np.add.outer(degree * np.arange(self.cells), np.arange(degree + 1))
        z, y, x = (along * stride for stride in (size**2, size, 1))
        numbers = (
            z[:, None, None, :, None, None]
            + y[None, :, None, None, :, None]
            + x[None, None, :, None, None, :]
        )
        return numbers.reshape(self.cells**3, -1)

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
    cube: Lattice,
    solid: Solid,
    function: str,
    *,
    single: bool = False,
    kernel: Kernel | None = None,
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


def direction(cube: Lattice) -> Floats:
    """Return an L-vector to apply a Jacobian to; the same one every time."""
    return np.random.default_rng(3).standard_normal(cube.unknowns)

"""The C of a fused kernel, with what it costs.

    settings + nodal basis + QFunction of the material + lanes.h + elements.h + the loop of the kind

Everything is a constant to the compiler: degree, points, matrices, sizes of the stored set.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elastane.materials.kernels import Kernels
from elastane.meshes.lagrange import differentiation, gauss, gauss_lobatto, interpolation
from elastane.solver.fused.schedule import VECTOR_BYTES, Schedule, default_schedule

Floats = NDArray[np.float64]

FOLDER = Path(__file__).parent

#: The stored state lies in single precision, whatever kernels compute in: half of the memory and
#: of most of the traffic, and one array for the Jacobian and the finest level.  Stored is the
#: difference from the state at rest, so that the tangent is exact there, and wrong by 6e-8 of what
#: strains and rotations change elsewhere.  That is like a stress of 6e-8 of the stiffness, and of
#: no account beside that at which a body buckles unless it is thinner than a thousandth of its
#: length.
STATE = "state"
STATE_TYPE = np.dtype(np.float32)
STATE_LANES = VECTOR_BYTES // STATE_TYPE.itemsize


@dataclass(frozen=True)
class Kind:
    """A kind of kernel.

    Attributes:
        loop: Name of the function and of the C file with the loop over blocks.
        qfunction: The QFunction inside.
        keeps: Which of the other outputs it keeps, those first.
    """

    loop: str
    qfunction: str
    keeps: tuple[str, ...] = ()


#: What can be fused.  `state` writes what the residual stores, at points of its own.
KINDS = {
    "residual": Kind("apply", "residual", keeps=("state", "det_F")),
    "state": Kind("state", "residual", keeps=("state",)),
    "jacobian": Kind("apply", "jacobian"),
    "diagonal": Kind("diagonal", "jacobian"),
    "matrices": Kind("matrices", "jacobian"),
}

#: Mathematical functions of the generated C; `simd` tells gcc of glibc's vector variants, which
#: glibc itself declares under -ffast-math only.
PRELUDE = """\
#include <math.h>
#if defined(__GLIBC__) && defined(__x86_64__) && !defined(__clang__)
#define VECTORISED __attribute__((simd("notinbranch")))
VECTORISED double log(double);
VECTORISED double exp(double);
VECTORISED double sin(double);
VECTORISED double cos(double);
VECTORISED double pow(double, double);
VECTORISED float logf(float);
VECTORISED float expf(float);
VECTORISED float sinf(float);
VECTORISED float cosf(float);
VECTORISED float powf(float, float);
#endif
#include <tgmath.h>
#define CEED_QFUNCTION(name) static inline __attribute__((always_inline)) int name
#define CeedPragmaSIMD _Pragma("omp simd")
typedef int CeedInt;
typedef real CeedScalar;
"""

#: A number with a decimal point or an exponent, as the material compiler writes them.
NUMBER = re.compile(r"(?<![\w.])(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+)(?![\w.])")


#: A call of a function that glibc has for vectors.
LIBRARY_CALL = re.compile(r"\b(?:log|exp|sin|cos|pow|tanh)\(")


@dataclass(frozen=True)
class Kernel:
    """A fused kernel: all that its C depends on.

    Attributes:
        kind: One of KINDS.
        kernels: The QFunctions of the material.
        varying: Whether the parameters of the material come from a field at the points.
        degree: Degree p of the displacement.
        num_points_1d: Gauss points per direction.
        geometry_degree: Degree of the element maps.
        schedule: How it is done.
        single: Whether numbers are `float`.
    """

    kind: str
    kernels: Kernels
    varying: bool
    degree: int
    num_points_1d: int
    geometry_degree: int
    schedule: Schedule
    single: bool = False

    @classmethod
    def of(
        cls,
        kind: str,
        kernels: Kernels,
        *,
        varying: bool,
        degree: int,
        num_points_1d: int,
        geometry_degree: int,
        single: bool = False,
    ) -> "Kernel":
        """Return the kernel with the default schedule."""
        function = kernels.function_source(KINDS[kind].qfunction, varying=varying)
        schedule = default_schedule(
            geometry_degree, calls_library=LIBRARY_CALL.search(function) is not None
        )
        return cls(kind, kernels, varying, degree, num_points_1d, geometry_degree, schedule, single)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Return the type of its numbers."""
        return np.dtype(np.float32 if self.single else np.float64)

    @property
    def lanes(self) -> int:
        """Return the number of elements in a block."""
        return VECTOR_BYTES // self.dtype.itemsize

    @property
    def name(self) -> str:
        """Return a name for files."""
        precision = "single" if self.single else "double"
        place = f"p{self.degree}-q{self.num_points_1d}-g{self.geometry_degree}"
        return f"{self.kernels.name}-{self.kind}-{place}-{precision}"

    @property
    def inputs(self) -> tuple[tuple[str, int], ...]:
        """Return the arrays at points that it reads beside gradient and qdata: name, components."""
        fields = self.kernels.functions[KINDS[self.kind].qfunction].inputs[2:]
        return (*fields, ("parameters", len(self.kernels.parameters))) if self.varying else fields

    @property
    def outputs(self) -> tuple[tuple[str, int], ...]:
        """Return the arrays at points that it writes."""
        keeps = KINDS[self.kind].keeps
        return tuple((name, size) for name, size in self.written if name in keeps)

    def layout(self, name: str) -> tuple[np.dtype[np.floating], int]:
        """Return precision and lanes of an array at points, see `STATE`."""
        return (STATE_TYPE, STATE_LANES) if name == STATE else (self.dtype, self.lanes)

    @property
    def written(self) -> tuple[tuple[str, int], ...]:
        """Return what the QFunction writes beside the gradient."""
        return self.kernels.functions[KINDS[self.kind].qfunction].outputs[1:]

    @property
    def geometry_components(self) -> tuple[int, int]:
        """Return the shape of the geometry of an element: nodes and coordinates, or qdata."""
        if self.schedule.recompute_geometry:
            return (self.geometry_degree + 1) ** 3, 3
        return self.num_points_1d**3, 10

    @property
    def flops(self) -> int:
        """Return the additions, subtractions and multiplications for one element."""
        n, q = self.degree + 1, self.num_points_1d
        # What is stored is the difference from rest.
        stored = self.kernels.num_stored * q**3
        qfunction = self.kernels.flops[KINDS[self.kind].qfunction] * q**3
        at_points = {
            "residual": qfunction + stored,
            "state": qfunction + stored,
            "jacobian": qfunction + stored,
            "diagonal": 9 * (qfunction + q**3) + stored,
            "matrices": 9 * (qfunction + (15 + 6 * n**3) * n**3 * q**3) + stored,
        }[self.kind]
        # The derivatives, and back, where two of three are added to what is there.
        there_and_back = 2 * 3 * contraction(q, q**3) + 2 * q**3
        one_component = {
            "residual": tensor_product(n, q) + there_and_back + tensor_product(q, n) + n**3,
            "state": 3 * tensor_product(n, q),
            "diagonal": 6 * tensor_product(q, n) + (5 + 1) * n**3,
        }
        one_component["jacobian"] = one_component["residual"]
        return self._geometry_flops + at_points + 3 * one_component.get(self.kind, 0)

    @property
    def _geometry_flops(self) -> int:
        if not self.schedule.recompute_geometry:
            return 0
        n, q = self.geometry_degree + 1, self.num_points_1d
        inverse = 44 * q**3
        if n == 2:
            edges = 4 * 2 + contraction(2, 2 * q) + contraction(2, q**2)
            return inverse + 9 * edges
        return inverse + 9 * tensor_product(n, q)

    @property
    def bytes(self) -> int:
        """Return the bytes of an element beside the L-vectors, each counted once."""
        nodes, components = self.geometry_components
        at_points = sum(
            size * self.layout(name)[0].itemsize for name, size in (*self.inputs, *self.outputs)
        )
        elsewhere = self.dtype.itemsize * nodes * components + at_points * self.num_points_1d**3
        if self.kind == "matrices":
            return elsewhere + self.dtype.itemsize * 9 * (self.degree + 1) ** 6
        return elsewhere + 4 * (self.degree + 1) ** 3

    @property
    def source(self) -> str:
        """Return its C."""
        kind = KINDS[self.kind]
        loop = FOLDER / f"{kind.loop}.c"
        settings = {
            "NODES_1D": self.degree + 1,
            "POINTS_1D": self.num_points_1d,
            "GEOMETRY_NODES_1D": (self.geometry_degree + 1) * self.schedule.recompute_geometry,
            "LANES": self.lanes,
            "STATE_LANES": STATE_LANES,
            "PREFETCH": self.schedule.prefetch,
            "FUNCTION": self.function,
            "INPUTS": "".join(f"{size}, " for _, size in self.inputs),
            "OUTPUTS": "".join(f"{size}, " for _, size in self.written),
            "NUM_WRITTEN": sum(size for _, size in self.written),
            "NUM_KEPT": len(self.outputs),
            "NUM_STORED": self.kernels.num_stored,
            "STATE_INPUT": state_place(self.inputs),
            "STATE_OUTPUT": state_place(self.outputs),
        }
        return "\n".join(
            [
                self._heading,
                f"typedef {'float' if self.single else 'double'} real;",
                *(f"#define {name} {value}" for name, value in settings.items()),
                *(table(name, values) for name, values in self.tables.items()),
                PRELUDE,
                self.qfunction,
                *(
                    (FOLDER / name).read_text(encoding="utf-8")
                    for name in ("lanes.h", "elements.h")
                ),
                loop.read_text(encoding="utf-8"),
            ]
        )

    @property
    def qfunction(self) -> str:
        """Return the C of the QFunction inside."""
        text = self.kernels.function_source(KINDS[self.kind].qfunction, varying=self.varying)
        return _in_single_precision(text) if self.single else text

    @property
    def function(self) -> str:
        """Return its name."""
        return KINDS[self.kind].qfunction + "_field" * self.varying

    @property
    def _heading(self) -> str:
        return (
            f"/* {self.kind} of {self.kernels.name}, degree {self.degree}, {self.num_points_1d}^3 "
            f"points, element maps of degree {self.geometry_degree}.\n"
            " *\n"
            f" * For each element: {self.flops} floating-point operations and {self.bytes} bytes, "
            "beside the L-vectors.\n"
            f" * {self.schedule}\n"
            " */"
        )

    @property
    def tables(self) -> dict[str, Floats]:
        """Return the constant matrices that it works with."""
        nodes, _ = gauss_lobatto(self.degree + 1)
        points, weights = gauss(self.num_points_1d)
        values, gradients = interpolation(nodes, points), differentiation(nodes, points)
        tables = {"INTERPOLATION": values, "DERIVATIVE": differentiation(points, points)}
        if self.schedule.recompute_geometry:
            geometry_nodes, _ = gauss_lobatto(self.geometry_degree + 1)
            tables["GEOMETRY_INTERPOLATION"] = interpolation(geometry_nodes, points)
            tables["GEOMETRY_GRADIENT"] = differentiation(geometry_nodes, points)
            tables["WEIGHTS"] = weights
        if self.kind == "state":
            tables["GRADIENT"] = gradients
        if self.kind == "diagonal":
            tables["PRODUCTS"] = np.stack([values**2, values * gradients, gradients**2])
        if self.kind == "matrices":
            factors = [(gradients if a == d else values) for a in range(3) for d in range(3)]
            along = np.array(factors).reshape(3, 3, *values.shape)  # [derivative, direction]
            tables["GRADIENTS"] = np.einsum(
                "axi,ayj,azk->zyxkjia", along[:, 0], along[:, 1], along[:, 2]
            ).reshape(len(points) ** 3, len(nodes) ** 3, 3)
        return tables


def contraction(num_in: int, num_out: int) -> int:
    """Return the operations of sums of `num_in` products each."""
    return (2 * num_in - 1) * num_out


def tensor_product(num_in: int, num_out: int) -> int:
    """Return the operations from num_in³ to num_out³ numbers, one direction after another."""
    between = num_out * num_in**2 + num_out**2 * num_in
    return contraction(num_in, between + num_out**3)


def level_kernels(fine: Kernel, degree: int, *, single: bool = True) -> dict[str, Kernel]:
    """Return the kernels of a multigrid level by kind; it has p + 1 points of its own.

    It needs no state of its own where these are the points of the residual, which stores it.

    Args:
        fine: The Jacobian of the displacement.
        degree: Degree of the level.
        single: Whether numbers are `float`.
    """
    kinds = [
        *(("state",) if degree + 1 != fine.num_points_1d else ()),
        *("jacobian", "diagonal"),
        *(("matrices",) if degree == 1 else ()),
    ]
    return {
        kind: Kernel.of(
            kind,
            fine.kernels,
            varying=fine.varying,
            # The state is that of the displacement itself.
            degree=fine.degree if kind == "state" else degree,
            num_points_1d=degree + 1,
            geometry_degree=fine.geometry_degree,
            single=single,
        )
        for kind in kinds
    }


def state_place(fields: tuple[tuple[str, int], ...]) -> int:
    """Return where the stored state is among fields, -1 if it is not."""
    names = [name for name, _ in fields]
    return names.index(STATE) if STATE in names else -1


def _in_single_precision(text: str) -> str:
    """Return C whose constants are `float`, so that no operation is done in `double`."""
    return NUMBER.sub(lambda number: f"{number.group()}f", text)


def table(name: str, values: Floats, kind: str = "static const real") -> str:
    """Return an array as a constant in C."""
    sizes = "".join(f"[{size}]" for size in values.shape)
    return f"{kind} {name}{sizes} = {_initialiser(values)};"


def _initialiser(values: Floats) -> str:
    if values.ndim == 0:
        return repr(float(values))
    return "{" + ", ".join(_initialiser(row) for row in values) + "}"

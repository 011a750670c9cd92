"""Kernels of devices on a simulated one: the same numbers as those of CPUs, whatever the order of
the threads.

Both read the same arrays, so that differences are those of rounding: of sums in another order, of
fused and of separate products, and of the logarithms of two libraries.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elastane.materials import find_model
from elastane.materials.kernels import Kernels, find_kernels
from elastane.materials.maxwell import generalised_maxwell
from elastane.materials.model import TIME_INCREMENT
from elastane.meshes.lagrange import gauss_lobatto, nodal_interpolation
from elastane.solver.device import elements, source
from elastane.solver.device.base import DeviceArray
from elastane.solver.device.elements import (
    DeviceFunction,
    FastDiagonalKernel,
    TransferKernels,
    from_device_layout,
    to_device_layout,
)
from elastane.solver.device.simulated import ORDERS, SimulatedDevice
from elastane.solver.device.source import Schedule, default_schedule, shared_traffic
from elastane.solver.fused.kernel import (
    FusedFunction,
    from_blocks,
    in_blocks,
    points_array,
    state_at_rest,
)
from elastane.solver.fused.source import STATE, Kernel

Array = NDArray[Any]
Floats = NDArray[np.float64]

#: Of the largest number: sums of a few hundred terms of either sign, each rounded to 1e-16.
DOUBLE = 1e-12
#: The same of 6e-8; less is lost than might be, since signs of errors differ.
SINGLE = 2e-6

#: Of the stiffness of a brick against stretch over that against shear.
RATIO = 2.5

#: Elements in a row that share faces.  Blocks of two leave one for the last.
NUM_ELEMENTS = 5
#: Fewer threads than tasks, which take several in turn, and a divisor of no number of tasks.
NARROW = Schedule(elements=2, threads=37)

#: A material that remembers: of two branches, within a time step.
MAXWELL = {
    "lame_lambda": 2.0,
    "shear_modulus": 1.0,
    "fractions": [0.3, 0.2],
    "relaxation_times": [0.1, 1.0],
    TIME_INCREMENT.name: 0.1,
}
RELAXING: dict[str, str | int] = {"relaxing": "isochoric"}


@dataclass(frozen=True)
class Case:
    """A material on elements of some shape.

    Attributes:
        model: Name of the material.
        degree: Degree of the displacement.
        points: Points per direction.
        geometry: Degree of the element maps.
        recompute: Whether quadrature data are recomputed.
        single: Whether numbers are `float`.
        varying: Whether parameters differ from point to point.
        schedule: None: the default.
    """

    model: str
    degree: int
    points: int
    geometry: int = 1
    recompute: bool = True
    single: bool = False
    varying: bool = False
    schedule: Schedule | None = NARROW

    @property
    def material(self) -> tuple[Kernels, Floats]:
        """Return the kernels and their parameters, those of the first example."""
        given: Mapping[str, Any]
        if self.model == "maxwell":
            model, options = generalised_maxwell(find_model("neo-hookean")), RELAXING
            given = MAXWELL
        else:
            model, options = find_model(self.model), {}
            given = model.examples[0]
        arrays = {name: np.asarray(value) for name, value in given.items()}
        kernels = find_kernels(model, {**options, **model.sizes_of(arrays)})
        values = model.resolve(arrays, options)
        return kernels, np.array([float(values[name]) for name in kernels.parameters])

    def kernel(self, kind: str, points: int | None = None) -> Kernel:
        """Return a kernel, perhaps with another number of points."""
        kernels, _ = self.material
        kernel = Kernel.of(
            kind,
            kernels,
            varying=self.varying,
            degree=self.degree,
            num_points_1d=points or self.points,
            geometry_degree=self.geometry,
            single=self.single,
        )
        schedule = replace(kernel.schedule, recompute_geometry=self.recompute)
        return replace(kernel, schedule=schedule)


#: Every degree, precision and geometry, and what materials read beside: parameters that vary, a
#: history, principal stretches, nothing at all.
CASES = [
    Case("neo-hookean", 1, 2),
    Case("neo-hookean", 2, 3),
    Case("neo-hookean", 3, 4, single=True),
    Case("neo-hookean", 4, 5, schedule=None),
    Case("neo-hookean", 2, 3, single=True, varying=True),
    Case("linear", 1, 2, geometry=2, single=True),
    Case("saint-venant-kirchhoff", 2, 4, geometry=2, varying=True),
    Case("neo-hookean", 1, 2, geometry=2, recompute=False, single=True),
    Case("saint-venant-kirchhoff", 3, 2, geometry=3, recompute=False),
    Case("maxwell", 1, 2, schedule=None),
    Case("hencky", 2, 3, single=True, schedule=Schedule(3, 64, in_shared=False)),
]


class Body:
    """Elements in a row, with the arrays of both kinds of kernels.

    Attributes:
        case: What they are.
        u: A displacement, flat.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.random = np.random.default_rng(4)
        self.kernels, self._parameters = case.material
        self._dtype = np.dtype(np.float32 if case.single else np.float64)
        rest = state_at_rest(self.kernels, self._parameters).astype(self._dtype)
        self._rest = np.zeros_like(rest) if case.varying else rest
        self._context = (
            np.zeros(0, self._dtype) if case.varying else self._parameters.astype(self._dtype)
        )
        self._nodes = row_of_elements(case.degree)
        x = self._positions()
        self.u = self._cast(0.1 * np.sin(2.0 * x[:, [2, 0, 1]] + x))

    def _positions(self) -> Floats:
        """Return places of the nodes, shape (num_nodes, 3)."""
        x = np.empty((self._nodes.max() + 1, 3))
        for element, nodes in enumerate(self._nodes):
            x[nodes] = places_in_row(self.case.degree, element)
        return x

    def _cast(self, values: Array) -> Array:
        return values.reshape(-1).astype(self._dtype)

    def vector(self) -> Array:
        """Return a random L-vector."""
        return self._cast(self.random.standard_normal(self.u.shape))

    def arrays(self, kernel: Kernel) -> dict[str, Array]:
        """Return what a kernel reads, shape (num_elements, places, components)."""
        num_points = kernel.num_points_1d**3
        shape = NUM_ELEMENTS, num_points
        noise = self.random.uniform(-1.0, 1.0, (*shape, 100))
        arrays = {}
        for name, size in kernel.inputs:
            if name == STATE:
                continue
            typical = self._parameters if name == "parameters" else self.kernels.initial_history
            assert len(typical) == size
            scale = 0.1 * np.abs(typical) if name == "parameters" else 0.02
            arrays[name] = (typical + scale * noise[:, :, :size]).astype(self._dtype)
        if kernel.schedule.recompute_geometry:
            X = [places_in_row(kernel.geometry_degree, e) for e in range(NUM_ELEMENTS)]
            bent = np.stack(X)
            bent += 0.08 * np.sin(3.0 * bent[..., [1, 2, 0]] + bent) * [1.0, 0.7, 0.5]
            arrays["geometry"] = bent.astype(self._dtype)
        else:
            det, J = 1.0 + 0.2 * noise[:, :, :1], np.eye(3).reshape(-1) + 0.2 * noise[:, :, 1:10]
            arrays["geometry"] = np.concatenate([det, J], axis=2).astype(self._dtype)
        return arrays

    def both(
        self, kernel: Kernel, arrays: dict[str, Array], u: Array, size: int, order: str = "shuffled"
    ) -> list[dict[str, Array]]:
        """Return what the kernel of the CPU and that of the device write, "v" and by name.

        Args:
            kernel: The kernel.
            arrays: What it reads.
            u: The L-vector that it reads.
            size: Of the vector that it adds to.
            order: Of the threads.
        """
        start = self._cast(np.linspace(-1.0, 1.0, size))
        return [
            self._on_cpu(kernel, arrays, u, start.copy()),
            self.on_device(kernel, arrays, u, start, order),
        ]

    def _on_cpu(
        self, kernel: Kernel, arrays: dict[str, Array], u: Array, v: Array
    ) -> dict[str, Array]:
        def in_its_blocks(name: str, values: Array) -> Array:
            return in_blocks(values, kernel.layout(name)[1])

        blocks = {name: in_its_blocks(name, values) for name, values in arrays.items()}
        num_points = kernel.num_points_1d**3
        for name, count in kernel.outputs:
            blocks[name] = points_array(NUM_ELEMENTS, num_points, count, *kernel.layout(name))
        offsets = in_blocks((3 * self._nodes[:, :, None]).astype(np.int32), kernel.lanes)
        function = FusedFunction(kernel, offsets, NUM_ELEMENTS, blocks, self._context, self._rest)
        function(u, v)
        written = {name: from_blocks(blocks[name], NUM_ELEMENTS) for name, _ in kernel.outputs}
        return {"v": v, **written}

    def bound(
        self, device: SimulatedDevice, kernel: Kernel, arrays: dict[str, Array]
    ) -> tuple[DeviceFunction, dict[str, DeviceArray]]:
        """Return the kernel of a device and its arrays."""
        there = {name: device.upload(to_device_layout(x)) for name, x in arrays.items()}
        for name, count in kernel.outputs:
            shape = NUM_ELEMENTS, count, kernel.num_points_1d**3
            there[name] = device.zeros(shape, kernel.layout(name)[0])
        offsets = device.upload((3 * self._nodes).astype(np.int32))
        context, rest = (device.upload(x) for x in (self._context, self._rest))
        schedule = self.case.schedule
        function = DeviceFunction(
            device, kernel, offsets, NUM_ELEMENTS, there, context, rest, schedule
        )
        return function, there

    def on_device(
        self, kernel: Kernel, arrays: dict[str, Array], u: Array, start: Array, order: str
    ) -> dict[str, Array]:
        """Return what the kernel of the device writes."""
        device = SimulatedDevice(order)
        function, there = self.bound(device, kernel, arrays)
        v = device.upload(start)
        function(device.upload(u), v)
        written = {
            name: from_device_layout(device.download(there[name])) for name, _ in kernel.outputs
        }
        return {"v": device.download(v), **written}


def row_of_elements(degree: int) -> NDArray[np.int64]:
    """Return node numbers of elements that share faces along xi_1, (num_elements, nodes)."""
    n, width = degree + 1, NUM_ELEMENTS * degree + 1
    k, j, i = np.meshgrid(*[np.arange(n)] * 3, indexing="ij")
    return np.stack(
        [((k * n + j) * width + e * degree + i).reshape(-1) for e in range(NUM_ELEMENTS)]
    )


def places_in_row(degree: int, element: int) -> Floats:
    """Return places of the nodes of an element of that row, shape (nodes, 3)."""
    xi = gauss_lobatto(degree + 1)[0]
    z, y, x = np.meshgrid(xi, xi, xi + 2.0 * element, indexing="ij")
    return 0.5 * np.stack([x, y, z], axis=-1).reshape(-1, 3)


def assert_alike(found: list[dict[str, Array]], tolerance: float) -> None:
    expected, ours = found
    assert expected.keys() == ours.keys()
    for name, values in expected.items():
        distance = np.abs(ours[name] - values).max(initial=0.0)
        assert distance <= tolerance * np.abs(values).max(initial=0.0), name


@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernels_are_those_of_cpus(case: Case) -> None:
    body, tolerance = Body(case), SINGLE if case.single else DOUBLE
    residual = case.kernel("residual")
    arrays = body.arrays(residual)
    found = body.both(residual, arrays, body.u, body.u.size)
    # The state is rounded to float, in two ways where it lies between two.
    assert_alike([{STATE: x.get(STATE, np.ones(1))} for x in found], SINGLE)
    assert_alike([{k: v for k, v in x.items() if k != STATE} for x in found], tolerance)
    if STATE in found[0]:
        arrays[STATE] = found[0][STATE]
    jacobian = case.kernel("jacobian")
    assert_alike(body.both(jacobian, arrays, body.vector(), body.u.size), tolerance)
    diagonal = case.kernel("diagonal")
    assert_alike(body.both(diagonal, arrays, body.u[:0], body.u.size), tolerance)
    if case.degree == 1:
        matrices = case.kernel("matrices")
        size = NUM_ELEMENTS * 24 * 24
        assert_alike(body.both(matrices, arrays, body.u[:0], size), tolerance)
    if residual.kernels.num_stored:
        elsewhere = case.kernel("state", points=3 if case.points == 2 else 2)
        assert_alike(body.both(elsewhere, body.arrays(elsewhere), body.u, 0), SINGLE)


#: Twice as many elements as a block takes, and one more; more threads than tasks.
WIDE = Case("neo-hookean", 1, 2, schedule=Schedule(elements=2, threads=32))


@pytest.mark.parametrize("kind", ["residual", "diagonal", "matrices"])
def test_results_do_not_depend_on_the_order_of_threads(kind: str) -> None:
    """But for rounding of sums at nodes that elements share."""
    body, kernel = Body(WIDE), WIDE.kernel(kind)
    arrays = body.arrays(kernel)
    if any(name == STATE for name, _ in kernel.inputs):
        arrays[STATE] = np.zeros((NUM_ELEMENTS, 8, kernel.kernels.num_stored), np.float32)
    start = np.zeros(NUM_ELEMENTS * 24 * 24 if kind == "matrices" else body.u.size)
    results = [body.on_device(kernel, arrays, body.u, start, order) for order in ORDERS]
    for other in results[1:]:
        assert_alike([results[0], other], 1e-15)


def test_every_barrier_of_an_apply_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, some order of threads reads what is not written yet; the last is for others."""
    case = replace(WIDE, model="linear")  # whose text compiles in no time
    body, kernel = Body(case), case.kernel("jacobian")
    arrays = body.arrays(kernel)
    start = np.zeros(body.u.size)
    expected = body.on_device(kernel, arrays, body.u, start, "forwards")["v"]
    text = source.device_source(kernel, case.schedule)
    head, apply = text.split("void apply(")
    phases = apply.split("__syncthreads();")
    assert len(phases) == 10
    for missing in range(8):
        joined = [phases[0]]
        for k, phase in enumerate(phases[1:]):
            joined.append(("" if k == missing else "__syncthreads();") + phase)
        without = f"{head}void apply({''.join(joined)}"
        monkeypatch.setattr(elements, "device_source", lambda *_, text=without: text)
        results = [body.on_device(kernel, arrays, body.u, start, order)["v"] for order in ORDERS]
        assert not all(np.allclose(v, expected, rtol=1e-9, atol=1e-12) for v in results), missing


def test_blocks_go_on_where_there_are_fewer_than_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements that work in memory have few blocks, so that this memory stays small."""
    monkeypatch.setattr(source, "SCRATCH_BLOCKS", 2)
    case = replace(WIDE, model="linear", schedule=Schedule(1, 16, in_shared=False))
    body, kernel = Body(case), case.kernel("jacobian")
    assert_alike(body.both(kernel, body.arrays(kernel), body.u, body.u.size), DOUBLE)


#: Numbers that count what is done with them, in registers and in shared memory.
COUNTING = """
static long long operations, reads, writes;
struct real {
  double value;
  real() = default;
  constexpr real(double v) : value(v) {}
  explicit operator float() const { return (float)value; }
};
static real operator+(real a, real b) { return operations++, real(a.value + b.value); }
static real operator-(real a, real b) { return operations++, real(a.value - b.value); }
static real operator*(real a, real b) { return operations++, real(a.value * b.value); }
static real operator/(real a, real b) { return real(a.value / b.value); }
static real operator-(real a) { return real(-a.value); }
static real &operator+=(real &a, real b) { return a = a + b; }
static void atomicAdd(real *place, real value) { *place += value; }
"""
COUNTING_SHARED = """
struct shared_real {
  real number;
  operator real() const { return reads++, number; }
  shared_real &operator=(real value) { return writes++, number = value, *this; }
};
"""
READOUT = """
extern "C" __global__ void counted(double *counts) {
  counts[0] = operations, counts[1] = reads + writes;
}
"""

#: Kind, degree, points, degree of the element maps, whether they are recomputed.
COUNTED = [
    ("residual", 1, 2, 1, True),
    ("jacobian", 2, 3, 1, True),
    ("jacobian", 3, 5, 2, True),
    ("jacobian", 3, 2, 2, False),
    ("state", 3, 2, 1, True),
    ("diagonal", 2, 4, 1, True),
    ("matrices", 1, 2, 2, True),
]


@pytest.mark.parametrize(("kind", "degree", "points", "geometry", "recompute"), COUNTED)
def test_operations_and_shared_memory_are_those_of_the_text(
    kind: str,
    degree: int,
    points: int,
    geometry: int,
    recompute: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a material without logarithms, whose C has no operations beside those of its formulas."""
    case = Case("saint-venant-kirchhoff", degree, points, geometry, recompute)
    body, kernel, device = Body(case), case.kernel(kind), SimulatedDevice()
    text = source.device_source(kernel, case.schedule) + READOUT
    text = text.replace("typedef double real;", COUNTING)
    text = text.replace("typedef real shared_real;", COUNTING_SHARED)
    monkeypatch.setattr(elements, "device_source", lambda *_: text)
    arrays = body.arrays(kernel)
    if any(name == STATE for name, _ in kernel.inputs):
        shape = NUM_ELEMENTS, points**3, kernel.kernels.num_stored
        arrays[STATE] = np.zeros(shape, np.float32)
    function, _ = body.bound(device, kernel, arrays)
    v = device.zeros(max(body.u.size, NUM_ELEMENTS * 24 * 24), np.float64)
    function(device.upload(body.u), v)
    counts = device.zeros(2, np.float64)
    device.module(text, kernel.name).function("counted").launch(1, 1, counts)
    operations, moved = device.download(counts)
    assert operations == function.flops
    assert 8 * moved == function.shared_bytes


#: Degree: bytes of memory, bytes of shared memory and operations for each unknown.
COSTS = {1: (216, 2016, 1147), 2: (86, 837, 544), 3: (64, 583, 434), 4: (56, 478, 402)}


@pytest.mark.parametrize("degree", COSTS)
def test_costs_of_the_tangent_are_those_of_the_docs(degree: int) -> None:
    """Vectors are read once and added to once; the table in the module says the same."""
    case = Case("neo-hookean", degree, degree + 1)
    kernel, unknowns = case.kernel("jacobian"), 3 * degree**3
    costs = (
        kernel.bytes / unknowns + 3 * 8,
        8 * shared_traffic(kernel) / unknowns,
        kernel.flops / unknowns,
    )
    assert tuple(round(cost) for cost in costs) == COSTS[degree]
    row = " ".join(f"{number:>8}" for number in (degree, *COSTS[degree]))
    assert source.__doc__ is not None
    assert row in source.__doc__


@pytest.mark.parametrize("degree", range(1, 9))
@pytest.mark.parametrize("kind", ["residual", "state", "diagonal"])
@pytest.mark.parametrize("single", [True, False])
def test_default_schedules_are_for_any_gpu(kind: str, degree: int, single: bool) -> None:
    kernel = Case("neo-hookean", degree, degree + 1, single=single).kernel(kind)
    schedule = default_schedule(kernel)
    assert schedule.threads % 64 == 0
    assert schedule.threads <= 256
    if schedule.in_shared:
        work = schedule.elements * source.work_size(kernel) * kernel.dtype.itemsize
        assert work <= 48 * 1024


@pytest.mark.parametrize("degree", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fast_diagonalisation_solves_each_element(degree: int, dtype: type) -> None:
    n, random, device = degree + 1, np.random.default_rng(3), SimulatedDevice("shuffled")
    nodes = row_of_elements(degree)
    modes = random.standard_normal((NUM_ELEMENTS, 3, n, n))
    eigenvalues = random.uniform(1.0, 2.0, (NUM_ELEMENTS, 3, n))
    axes = random.standard_normal((NUM_ELEMENTS, 3, 3))
    s, y = random.standard_normal((2, nodes.max() + 1, 3))
    local = np.einsum("eac,ekjia->ekjic", axes, s[nodes].reshape(-1, n, n, n, 3))
    t1, t2, t3 = modes.transpose(1, 0, 2, 3)
    local = np.einsum("ekm,ejl,eih,ekjic->emlhc", t3, t2, t1, local)
    ratios = np.where(np.eye(3, dtype=bool), RATIO, 1.0)  # [component, direction]
    l1, l2, l3 = eigenvalues.transpose(1, 0, 2)
    local /= (
        np.einsum("c,em->emc", ratios[:, 2], l3)[:, :, None, None]
        + np.einsum("c,el->elc", ratios[:, 1], l2)[:, None, :, None]
        + np.einsum("c,eh->ehc", ratios[:, 0], l1)[:, None, None]
    )
    local = np.einsum("ekm,ejl,eih,emlhc->ekjic", t3, t2, t1, local)
    expected = y.copy()
    np.add.at(expected, nodes, np.einsum("eac,ekjic->ekjia", axes, local).reshape(-1, n**3, 3))
    offsets = device.upload((3 * nodes).astype(np.int32))
    there = [device.upload(values.astype(dtype)) for values in (modes, eigenvalues, axes, s, y)]
    FastDiagonalKernel(device, degree, RATIO, offsets, *there[:3])(*there[3:])
    error = np.abs(device.download(there[4]) - expected).max() / np.abs(expected).max()
    assert error < (DOUBLE if dtype is np.float64 else SINGLE)


@pytest.mark.parametrize(("coarse", "fine"), [(1, 2), (2, 4), (3, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transfers_are_interpolation_and_its_transpose(coarse: int, fine: int, dtype: type) -> None:
    random, device = np.random.default_rng(3), SimulatedDevice("shuffled")
    numbers = [row_of_elements(degree) for degree in (coarse, fine)]
    x, b = random.standard_normal((2, numbers[0].max() + 1, 3))
    r = random.standard_normal((numbers[1].max() + 1, 3))
    matrix = nodal_interpolation(coarse, fine)
    P = np.kron(np.kron(matrix, matrix), matrix)
    y, expected = np.empty_like(r), b.copy()
    y[numbers[1]] = P @ x[numbers[0]]
    np.add.at(expected, numbers[0], P.T @ r[numbers[1]])
    tolerance = DOUBLE if dtype is np.float64 else SINGLE
    nodes = [device.upload(values.astype(np.int32)) for values in numbers]
    kernels = TransferKernels(device, coarse, fine, np.dtype(dtype), *nodes)
    there = [device.upload(values.astype(dtype)) for values in (x, r, b, r)]
    kernels.prolong(there[0], there[3])
    if coarse < fine:  # else elements do not agree on the nodes that they share
        assert np.abs(device.download(there[3]) - y).max() < tolerance * np.abs(y).max()
    kernels.restrict_add(there[1], there[2])
    error = np.abs(device.download(there[2]) - expected).max()
    assert error < tolerance * np.abs(expected).max()


def test_layouts_of_devices_have_places_side_by_side() -> None:
    values = np.arange(24.0).reshape(2, 4, 3)
    there = to_device_layout(values)
    assert there.shape == (2, 3, 4)
    assert there.flags.c_contiguous
    assert there[1, 2, 3] == values[1, 3, 2]
    np.testing.assert_array_equal(from_device_layout(there), values)


#: What a machine with a GPU and NumPy may lack.
ABSENT = ("petsc4py", "mpi4py", "libceed")


def test_kernels_need_no_solver_library() -> None:
    """They can be tried and timed by themselves where there are NumPy and CuPy only."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({ABSENT}))\n"
        "import elastane.solver.device.elements, elastane.solver.fused.kernel"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

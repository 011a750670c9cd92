"""The compiled kernels, called at points, and deformations to call them with."""

import ctypes
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from elastane.materials import MODELS
from elastane.materials.compiler.build import KernelSet, find_kernel_sets
from elastane.materials.kernels import find_kernels
from elastane.materials.model import Values

Array = NDArray[np.float64]

#: w = 1 and dxi/dX = I: grad_u is then H itself.
IDENTITY = np.array([1.0, 1, 0, 0, 0, 1, 0, 0, 0, 1])


class Compiled:
    """A material's shared library; tensors are (points, 3, 3) arrays."""

    def __init__(self, chosen: KernelSet) -> None:
        self.material = chosen.material
        self.name = chosen.name
        self.kernels = find_kernels(chosen.material, chosen.choices)
        self.library = ctypes.CDLL(str(self.kernels.build()))

    @property
    def parameters(self) -> dict[str, float]:
        """The kernel parameters of the first example."""
        return {k: float(v) for k, v in self.material.resolve(self.material.examples[0]).items()}

    def call(
        self,
        function: str,
        inputs: list[Array],
        parameters: Mapping[str, Values] | None = None,
    ) -> list[Array]:
        """Call with inputs of shape (components, points); return outputs of that shape."""
        values: Mapping[str, Values] = self.parameters if parameters is None else parameters
        context = np.array([values[name] for name in self.kernels.parameters])
        fields = self.kernels.functions[function.removesuffix("_field")]
        sizes = [size for _, size in fields.inputs]
        if function.endswith("_field"):
            sizes.append(len(self.kernels.parameters))
        inputs = [np.ascontiguousarray(array, dtype=np.float64) for array in inputs]
        assert [array.shape[0] for array in inputs] == sizes
        num_points = inputs[0].shape[1]
        outputs = [np.full((size, num_points), np.nan) for _, size in fields.outputs]
        pointers = [
            (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
            for arrays in (inputs, outputs)
        ]
        address = ctypes.c_void_p(context.ctypes.data)
        code = getattr(self.library, function)(address, ctypes.c_int(num_points), *pointers)
        assert code == 0
        return outputs

    def residual(
        self, H: Array, parameters: Mapping[str, Values] | None = None
    ) -> tuple[Array, list[Array], Array]:
        """Return P, the stored state (empty if there is none) and det F."""
        P, *state, det_F = self.call("residual", [to_field(H), qdata(len(H))], parameters)
        return from_field(P), state, det_F[0]

    def stress(self, H: Array, parameters: Mapping[str, Values] | None = None) -> Array:
        return self.residual(H, parameters)[0]

    def stress_increment(
        self, H: Array, dH: Array, parameters: Mapping[str, Values] | None = None
    ) -> Array:
        state = self.residual(H, parameters)[1]
        (dP,) = self.call("jacobian", [to_field(dH), qdata(len(H)), *state], parameters)
        return from_field(dP)

    def energy(self, H: Array, parameters: Mapping[str, Values] | None = None) -> Array:
        return self.call("energy", [to_field(H), qdata(len(H))], parameters)[0][0]


CompileByName: TypeAlias = Callable[[str], Compiled]


def to_field(H: Array) -> Array:
    """Return (points, 3, 3) tensors as components c + 3 d."""
    return H.transpose(2, 1, 0).reshape(9, len(H))


def from_field(field: Array) -> Array:
    return field.reshape(3, 3, -1).transpose(2, 1, 0)


def qdata(num_points: int) -> Array:
    return np.repeat(IDENTITY[:, None], num_points, axis=1)


KERNEL_SETS = [chosen for name in MODELS for chosen in find_kernel_sets(name)]


@pytest.fixture(scope="session", params=KERNEL_SETS, ids=lambda chosen: chosen.name)
def compiled(request: pytest.FixtureRequest) -> Compiled:
    return Compiled(request.param)


@pytest.fixture(scope="session")
def compile_by_name() -> CompileByName:
    """Return a function from the name of a kernel set to its library."""
    by_name = {chosen.name: chosen for chosen in KERNEL_SETS}
    return lambda name: Compiled(by_name[name])


@pytest.fixture(scope="session")
def large() -> Array:
    """1,000 random displacement gradients with J in (0.2, 5)."""
    generator = np.random.default_rng(34)
    found: list[Array] = []
    while len(found) < 1000:
        F = np.eye(3) + 0.6 * generator.standard_normal((3, 3))
        if 0.2 < np.linalg.det(F) < 5.0:
            found.append(F - np.eye(3))
    return np.array(found)


@pytest.fixture(scope="session")
def small() -> Array:
    """Random displacement gradients of size 1e-12 to 0.1, forty of each decade, and rest."""
    generator = np.random.default_rng(35)
    scales = np.repeat(10.0 ** np.arange(-12, 0), 40)
    gradients = scales[:, None, None] * generator.standard_normal((len(scales), 3, 3))
    return np.concatenate([np.zeros((1, 3, 3)), gradients])


@pytest.fixture(scope="session")
def rotations() -> Array:
    """1,000 random rotations."""
    generator = np.random.default_rng(32)
    Q, R = np.linalg.qr(generator.standard_normal((1000, 3, 3)))
    Q = Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]
    return Q * np.linalg.det(Q)[:, None, None]

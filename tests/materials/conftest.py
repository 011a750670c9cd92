"""The compiled kernels, called at points, and deformations to call them with."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from elastane.materials import MODELS
from elastane.materials.compiler.build import KernelSet, find_kernel_sets
from elastane.materials.kernels import find_kernels
from elastane.materials.points import PointKernels

Array = NDArray[np.float64]


#: Models whose energy is an exponential of the strain squared.
EXPONENTIAL = {"guccione", "holzapfel-gasser-ogden"}


class Compiled(PointKernels):
    """A material's shared library, with the parameters of its first example."""

    def __init__(self, chosen: KernelSet) -> None:
        self.material = chosen.material
        self.name = chosen.name
        self.choices = chosen.choices
        example = self.material.examples_of(chosen.choices)[0]
        super().__init__(
            find_kernels(self.material, chosen.choices),
            self.material.resolve(example, chosen.choices),
        )

    def within_reach(self, H: Array) -> Array:
        """Return those of the displacement gradients that the material is meant for.

        Exponentials of strains beyond 1 overflow, and change within the step of a quotient.
        """
        if self.material.name not in EXPONENTIAL:
            return H
        E = (H + H.transpose(0, 2, 1) + H.transpose(0, 2, 1) @ H) / 2
        return H[np.abs(E).max(axis=(1, 2)) < 1.0]


CompileByName: TypeAlias = Callable[[str], Compiled]


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

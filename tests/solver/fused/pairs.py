"""A body applied by fused kernels and the same one applied by libCEED alone, on distorted cells."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import libceed
import numpy as np
import pytest
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.materials import find_model
from elastane.meshes.box import Box
from elastane.meshes.mesh import Mesh
from elastane.meshes.topology import distribute
from elastane.solver.body import Body
from elastane.solver.ceed import Ceed, CeedOperator, Points, shared_vector, touch
from elastane.solver.ceed_body import CeedBody
from elastane.solver.fused import source
from elastane.solver.fused.body import FusedBody
from elastane.solver.fused.schedule import Schedule
from elastane.solver.fused.source import STATE_TYPE
from elastane.solver.problem import RegionMaterial
from elastane.solver.space import Space, build_space
from tests.verification.cases import material, renumbered

Floats = NDArray[np.float64]
Array = NDArray[np.floating[Any]]

REFERENCE = "/cpu/self/opt/serial"

NEO_HOOKEAN = material("neo-hookean", youngs_modulus=2.0, poissons_ratio=0.3)


def example(model: str) -> RegionMaterial:
    """Return a built-in model with the parameters of its first example."""
    return material(model, **find_model(model).examples[0])


@dataclass(frozen=True)
class Pair:
    """The body twice, on one space.

    Attributes:
        fused: Applied by fused kernels.
        reference: Applied by libCEED.
        space: The space of the displacement.
        spaces: Spaces by degree.
        u: A displacement, shape (num_nodes, 3).
    """

    fused: Body
    reference: Body
    space: Space
    spaces: Callable[[int], Space]
    u: Floats

    def residuals(self) -> tuple[Floats, Floats]:
        """Return both residuals at u; the bodies store their states, rounded alike."""
        found = residual(self.fused, self.space, self.u)
        expected = residual(self.reference, self.space, self.u)
        self._round_state(self.reference)
        return found, expected

    def at_points(self, degree: int) -> Body:
        """Return libCEED's body with p + 1 points of another degree, its state taken at u."""
        body = CeedBody(
            self.reference.ceed,
            self._coordinates,
            self.reference.geometry.degree,
            Points.gauss(degree + 1),
            [(part.material, part.elements) for part in self.reference.parts],
            {},
        )
        residual(body, self.space, self.u)
        self._round_state(body)
        return body

    def _round_state(self, body: Body) -> None:
        """Round the state that libCEED stores as fused kernels do: tangents then agree beyond."""
        for part, ours in zip(body.parts, self.fused.parts, strict=True):
            state = part.values("state", slice(0, len(part.elements)))
            state[:] = ours.rest + (state - ours.rest).astype(STATE_TYPE)
            touch(part.vectors["state"], state)

    @property
    def _coordinates(self) -> Floats:
        num_elements = len(self.space.nodes)
        coordinates = np.empty((num_elements, *self.reference.parts[0].coordinates.shape[1:]))
        for part in self.reference.parts:
            coordinates[part.elements] = part.coordinates
        return coordinates


def distorted(cells: tuple[int, int, int], geometry_degree: int = 1, shift: float = 0.0) -> Mesh:
    """Return a box of cells that are no boxes, their axes turned, moved away from the origin."""
    mesh = renumbered(Box(cells=cells).build(geometry_degree, 0), seed=1)
    X = mesh.coordinates
    bent = X + 0.08 * np.sin(3.0 * X[..., [1, 2, 0]] + X) * [1.0, 0.7, 0.5]
    return replace(mesh, coordinates=bent + shift)


def build_pair(
    degree: int,
    materials: tuple[RegionMaterial, ...] = (NEO_HOOKEAN,),
    *,
    mesh: Mesh | None = None,
    num_points_1d: int | None = None,
    load: float = 0.5,
    strain: float = 0.1,
    duration: float = 1.0,
) -> Pair:
    """Return the pair; elements take the materials in turn.

    Nine elements are one block of eight lanes and one with seven idle ones.
    """
    topology = distribute(mesh or distorted((3, 3, 1)), MPI.COMM_SELF)
    _, num_points = topology.plex.getChart()
    free = np.zeros((num_points, 3), dtype=bool)
    built: dict[int, Space] = {}

    def spaces(p: int) -> Space:
        if p not in built:
            built[p] = build_space(topology, p, free)
        return built[p]

    of_element = np.arange(len(topology.coordinates)) % len(materials)
    pairs = [(m, np.flatnonzero(of_element == k)) for k, m in enumerate(materials)]
    fused, reference = (
        kind(
            libceed.Ceed(resource),
            topology.coordinates,
            topology.geometry_degree,
            Points.gauss(num_points_1d or degree + 1),
            pairs,
            topology.fields,
            duration,
        )
        for kind, resource in ((FusedBody, "/cpu/self/avx/blocked"), (CeedBody, REFERENCE))
    )
    for body in (fused, reference):
        body.set_load(load)
    space = spaces(degree)
    X = space.X - space.X.mean(axis=0)
    random = np.random.default_rng(5)
    rough = random.standard_normal(X.shape) / degree**2
    u = strain * (np.sin(2.0 * X[:, [2, 0, 1]]) + X @ random.standard_normal((3, 3)) / 3.0)
    return Pair(fused, reference, space, spaces, u + 0.05 * strain * rough)


def residual(body: Body, space: Space, u: Floats) -> Floats:
    """Return the residual at u; the body stores its state."""
    R = np.zeros(u.size)
    body.add_residual(space, shared_vector(body.ceed, u), shared_vector(body.ceed, R))
    return R


def apply(ceed: Ceed, operators: list[CeedOperator], x: Floats) -> Floats:
    """Return the sum of the operators applied to x."""
    y = np.zeros(x.size)
    source_vector, target = shared_vector(ceed, x), shared_vector(ceed, y)
    for operator in operators:
        operator.apply_add(source_vector, target)
    return y


def reference_jacobian(body: Body, space: Space, x: Floats) -> Floats:
    """Return libCEED's Jacobian times x."""
    return apply(body.ceed, list(body.jacobian_ranges(space)), x)


def reference_diagonal(body: Body, space: Space) -> Floats:
    """Return the diagonal that libCEED assembles."""
    diagonal = np.zeros(3 * space.num_nodes)
    vector = shared_vector(body.ceed, diagonal)
    for operator in body.jacobian_ranges(space):
        operator.linear_assemble_add_diagonal(vector)
    return diagonal


def vector_of(space: Space, seed: int = 2) -> Floats:
    """Return a random L-vector."""
    return np.random.default_rng(seed).standard_normal(3 * space.num_nodes)


def distance(found: Array, expected: Floats) -> float:
    """Return the largest difference, relative to the largest number expected."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def use_schedule(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let kernels be made with another schedule than the default."""
    default = source.default_schedule

    def changed(geometry_degree: int, **known: Any) -> Schedule:
        return replace(default(geometry_degree, **known), **changes)

    monkeypatch.setattr(source, "default_schedule", changed)

"""A material at points, evaluated in one way or another.

All of them take arrays of displacement gradients, shape (points, 3, 3), as `materials.points` does
for the compiled C, so that tests need not know what they look at.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import mpmath  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from elastane.materials.compiler.evaluate import evaluate, evaluate_exactly
from elastane.materials.compiler.formulas import Formulas
from elastane.materials.compiler.lower import energy as energy_of_measure
from elastane.materials.invariants import green_lagrange
from elastane.materials.model import Choices, Material

Floats = NDArray[np.float64]

#: A (3, 3) tensor of doubles or of mpmath numbers.
Tensor = NDArray[Any]

#: Numbers that one evaluation of a graph may hold at a time.
LARGEST_BATCH = 4_000_000

#: Points that JAX evaluates at a time.
BATCH = 128


class Points(Protocol):
    """ψ, P and dP at points."""

    def energy(self, H: Floats, /) -> Floats:
        """Return ψ, shape (points,)."""

    def stress(self, H: Floats, /) -> Floats:
        """Return P, shape (points, 3, 3)."""

    def stress_increment(self, H: Floats, dH: Floats, /) -> Floats:
        """Return dP along dH, shape (points, 3, 3)."""


def tangent(points: Points, H: Floats) -> Floats:
    """Return A with A[p, i, J, k, L] = ∂P_iJ/∂H_kL at each point p."""
    basis = np.eye(9).reshape(9, 3, 3)
    repeated = np.repeat(H, 9, axis=0)
    dP = points.stress_increment(repeated, np.tile(basis, (len(H), 1, 1)))
    return dP.reshape(len(H), 3, 3, 3, 3).transpose(0, 3, 4, 1, 2)


class GraphPoints:
    """Formulas evaluated by numpy, in double or single precision."""

    def __init__(
        self,
        formulas: Formulas,
        parameters: Mapping[str, float],
        precision: type[np.floating[Any]] = np.float64,
    ) -> None:
        self.formulas = formulas
        self.precision = precision
        self.parameters = {name: precision(value) for name, value in parameters.items()}

    def energy(self, H: Floats, /) -> Floats:
        """Return ψ."""
        return self.nodes([self.formulas.strain_energy], H, H)[0]

    def stress(self, H: Floats, /) -> Floats:
        """Return P."""
        return self.nodes(self.formulas.P, H, H).T.reshape(-1, 3, 3)

    def stress_increment(self, H: Floats, dH: Floats, /) -> Floats:
        """Return dP."""
        return self.nodes(self.formulas.dP, H, dH).T.reshape(-1, 3, 3)

    def nodes(self, outputs: Sequence[int], H: Floats, dH: Floats) -> Floats:
        """Return nodes of the graph, shape (nodes, points)."""
        graph = self.formulas.graph
        size = max(1, LARGEST_BATCH // len(graph.live(outputs)))
        parts = [
            evaluate(graph, outputs, self.inputs(H[k : k + size], dH[k : k + size]))
            for k in range(0, len(H), size)
        ]
        return np.concatenate([np.broadcast_to(part, (len(outputs), part.shape[1]))
                               for part in parts], axis=1)  # fmt: skip

    def inputs(self, H: Floats, dH: Floats) -> dict[str, Any]:
        """Return the inputs of the graph by name."""
        return self.parameters | {
            f"{name}_{i}{j}": tensor[:, i, j].astype(self.precision)
            for name, tensor in (("H", H), ("dH", dH))
            for i in range(3)
            for j in range(3)
        }


class LivePoints:
    """The energy as JAX runs it: for what the compiler refuses."""

    def __init__(
        self, material: Material, choices: Choices, parameters: Mapping[str, float]
    ) -> None:
        import jax
        import jax.numpy as jnp

        arrays = [
            jnp.asarray(
                np.reshape([parameters[x] for x in p.scalar_names(choices)], p.extent(choices))
            )
            for p in material.kernel_parameters
        ]
        energy = energy_of_gradient(material, choices)
        of_H: Callable[[Any], Any] = lambda H: energy(H, *arrays)  # noqa: E731
        stress = jax.grad(of_H)
        self._energy = jax.jit(jax.vmap(of_H))
        self._stress = jax.jit(jax.vmap(stress))
        self._stress_increment = jax.jit(jax.vmap(lambda H, dH: jax.jvp(stress, (H,), (dH,))[1]))

    def energy(self, H: Floats, /) -> Floats:
        """Return ψ."""
        return self._in_batches(self._energy, H)

    def stress(self, H: Floats, /) -> Floats:
        """Return P."""
        return self._in_batches(self._stress, H)

    def stress_increment(self, H: Floats, dH: Floats, /) -> Floats:
        """Return dP."""
        return self._in_batches(self._stress_increment, H, dH)

    @staticmethod
    def _in_batches(function: Callable[..., Any], *tensors: Floats) -> Floats:
        """Return a function at points, always so many at a time: JAX compiles for each number."""
        num_points = len(tensors[0])
        padded = [np.resize(x, (-(-num_points // BATCH) * BATCH, 3, 3)) for x in tensors]
        parts = [
            np.asarray(function(*(x[k : k + BATCH] for x in padded)), dtype=np.float64)
            for k in range(0, len(padded[0]), BATCH)
        ]
        return np.concatenate(parts)[:num_points]


def energy_of_gradient(material: Material, choices: Choices) -> Callable[..., Any]:
    """Return ψ as a function of H, whatever the material takes, and of its parameters."""
    if material.measure == "H":
        return energy_of_measure(material, choices)
    chosen = partial(material.energy, **material.energy_options(choices))
    if material.measure == "E":
        return lambda H, *further: chosen(green_lagrange(H), *further)

    def of_principal(H: Any, *further: Any) -> Any:
        import jax.numpy as jnp

        return chosen(jnp.linalg.eigvalsh(green_lagrange(H)), *further)

    return of_principal


class ExactPoint:
    """Formulas evaluated in 50 digits, one point at a time, on arrays of shape (3, 3)."""

    def __init__(self, formulas: Formulas, parameters: Mapping[str, float]) -> None:
        self.formulas = formulas
        self.parameters = {name: mpmath.mpf(value) for name, value in parameters.items()}

    def energy(self, H: Tensor) -> Any:
        """Return ψ."""
        return self._evaluate([self.formulas.strain_energy], H, H)[0]

    def stress(self, H: Tensor) -> Tensor:
        """Return P."""
        return self._evaluate(self.formulas.P, H, H).reshape(3, 3)

    def stress_increment(self, H: Tensor, dH: Tensor) -> Tensor:
        """Return dP."""
        return self._evaluate(self.formulas.dP, H, dH).reshape(3, 3)

    def all(self, H: Tensor, dH: Tensor) -> tuple[Any, Tensor, Tensor]:
        """Return ψ, P and dP."""
        formulas = self.formulas
        values = self._evaluate([formulas.strain_energy, *formulas.P, *formulas.dP], H, dH)
        return values[0], values[1:10].reshape(3, 3), values[10:].reshape(3, 3)

    def node(self, node: int, H: Tensor, dH: Tensor) -> Any:
        """Return one node of the graph."""
        return self._evaluate([node], H, dH)[0]

    def _evaluate(self, outputs: Sequence[int], H: Tensor, dH: Tensor) -> Tensor:
        return evaluate_exactly(self.formulas.graph, outputs, self.inputs(H, dH))

    def inputs(self, H: Tensor, dH: Tensor) -> dict[str, Any]:
        """Return the inputs of the graph by name."""
        return self.parameters | {
            f"{name}_{i}{j}": mpmath.mpmathify(tensor[i, j])
            for name, tensor in (("H", H), ("dH", dH))
            for i in range(3)
            for j in range(3)
        }

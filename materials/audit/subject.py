"""The material that is audited, at one set of parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.materials.audit.derive import Derivation
from elastane.materials.audit.findings import Category, Finding, Status, rows_of
from elastane.materials.audit.points import ExactPoint, GraphPoints, LivePoints, Points, tangent
from elastane.materials.audit.states import CORE, State, designed_states, generic
from elastane.materials.compiler.formulas import Formulas
from elastane.materials.model import Material
from elastane.materials.points import PointKernels

Floats = NDArray[np.float64]

#: Below this strain a relative error of the stress is no longer asked for.
SMALLEST_STRAIN = 1e-11

#: A step beside a state, relative to its strain, and its bounds: far less than what changes a
#: smooth tangent by JUMP of its size.
BESIDE, SMALLEST_STEP, LARGEST_STEP = 1e-2, 1e-13, 1e-10
JUMP = 1e-5

#: Nodes above which the costly tests run on the core states only.
LARGE_GRAPH = 3000


@dataclass
class Subject:
    """A material at one set of parameters.

    Attributes:
        derivation: Its derivatives.
        parameters: Kernel parameters by scalar name.
        directions: Unit vectors among the parameters, shape (fibres, 3).
        kinks: States on both sides of kinks, once they are found.
        crossings: What `kinks.crossings_of` found.
    """

    derivation: Derivation
    parameters: Mapping[str, float]
    directions: Floats
    kinks: list[State] = field(default_factory=list)
    crossings: list[Any] | None = None

    @property
    def material(self) -> Material:
        """Return the material."""
        return self.derivation.material

    @property
    def formulas(self) -> Formulas | None:
        """Return the formulas that are audited."""
        return self.derivation.formulas

    @cached_property
    def doubles(self) -> Points:
        """Return what the other tests look at: the formulas, or what JAX runs."""
        if self.formulas is not None:
            return GraphPoints(self.formulas, self.parameters)
        return LivePoints(self.material, self.derivation.choices, self.parameters)

    @cached_property
    def exact(self) -> ExactPoint | None:
        """Return the formulas in 50 digits; None if there are none."""
        if self.formulas is None:
            return None
        # Of principal strains, those of C stop where doubles see no difference.
        independent = self.derivation.independent if self.material.measure == "principal" else None
        return ExactPoint(independent or self.formulas, self.parameters)

    def compiled(self, *, single: bool = False) -> PointKernels | None:
        """Return the compiled C; None if there is none."""
        if self.derivation.kernels is None:
            return None
        return PointKernels(self.derivation.kernels, self.parameters, single=single)

    @cached_property
    def states(self) -> list[State]:
        """Return the designed states, both sides of kinks included."""
        return designed_states(self.directions) + self.kinks

    @property
    def core(self) -> list[int]:
        """Return the numbers of the states on which the costly tests run."""
        return [k for k, state in enumerate(self.states) if state.name in CORE]

    @property
    def in_digits(self) -> list[int]:
        """Return the numbers of the states that are evaluated in 50 digits."""
        assert self.formulas is not None
        outputs = [self.formulas.strain_energy, *self.formulas.P, *self.formulas.dP]
        small = len(self.formulas.graph.live(outputs)) < LARGE_GRAPH
        return list(range(len(self.states))) if small else self.core

    @cached_property
    def H(self) -> Floats:
        """Return H of all states, shape (states, 3, 3)."""
        return np.array([state.H for state in self.states])

    @cached_property
    def energy(self) -> Floats:
        """Return ψ at all states."""
        return self.doubles.energy(self.H)

    @cached_property
    def stress(self) -> Floats:
        """Return P at all states."""
        return self.doubles.stress(self.H)

    @cached_property
    def tangent(self) -> Floats:
        """Return A at all states, shape (states, 3, 3, 3, 3)."""
        return tangent(self.doubles, self.H)

    @cached_property
    def finite(self) -> NDArray[np.bool_]:
        """Return at which states ψ, P and A are numbers."""
        return (
            np.isfinite(self.energy)
            & np.isfinite(self.stress).all(axis=(1, 2))
            & np.isfinite(self.tangent).all(axis=(1, 2, 3, 4))
        )

    @cached_property
    def on_kink(self) -> NDArray[np.bool_]:
        """Return at which states P or A jumps: a fibre of unchanged length, a tie.

        There rounding decides for one side, and these are not to be compared; `kinks` looks at
        both.
        """
        step = np.clip(BESIDE * largest(self.H), SMALLEST_STEP, LARGEST_STEP)
        moved = self.H + step[:, None, None] * generic(31)
        change = largest(self.doubles.stress(moved) - self.stress)
        smooth = 10.0 * step * largest(self.tangent)
        of_stress = change - smooth > JUMP * self.stress_scale
        return of_stress | (changes_beside(self.doubles, self.H, step) > JUMP)

    @cached_property
    def stress_scale(self) -> Floats:
        """Return the size of P and of its change by a relative change of H, at all states.

        An error of eps times this is what the rounding of H alone causes.
        """
        strain = np.maximum(np.abs(self.H).max(axis=(1, 2)), SMALLEST_STRAIN)
        return largest(self.stress) + largest(self.tangent) * strain

    @cached_property
    def energy_scale(self) -> Floats:
        """Return the size of ψ and of its change by a relative change of H, at all states."""
        strain = np.maximum(np.abs(self.H).max(axis=(1, 2)), SMALLEST_STRAIN)
        return np.abs(self.energy) + self.stress_scale * strain

    @cached_property
    def stiffness(self) -> float:
        """Return the largest entry of A at rest, Pa."""
        size = float(largest(tangent(self.doubles, np.zeros((1, 3, 3))))[0])
        return size if np.isfinite(size) and size > 0 else 1.0

    def finding(
        self,
        test: str,
        status: Status,
        category: Category,
        sentence: str,
        figure: str = "",
        H: NDArray[Any] | None = None,
    ) -> Finding:
        """Return a finding with what is needed to reproduce it."""
        rows = None if H is None else rows_of(H)
        return Finding(test, status, sentence, category, figure, rows, dict(self.parameters))


def changes_beside(points: Points, H: Floats, step: Floats) -> Floats:
    """Return how much A changes within a step around each state, relative to its size."""
    A = tangent(points, H)
    nearby = [sign * generic(seed) for seed in (31, 32) for sign in (1.0, -1.0)]
    changes = [largest(tangent(points, H + step[:, None, None] * D) - A) for D in nearby]
    return np.max(changes, axis=0) / np.maximum(largest(A), np.finfo(np.float64).tiny)


def largest(tensors: Floats) -> Floats:
    """Return the largest size of an entry of each tensor."""
    return np.abs(tensors).max(axis=tuple(range(1, tensors.ndim)))


def passed(test: str, sentence: str, figure: str = "") -> Finding:
    """Return the finding of a test that found nothing."""
    return Finding(test, Status.PASS, sentence, figure=figure)


def not_applicable(test: str, sentence: str) -> Finding:
    """Return the finding of a test that says nothing of this material."""
    return Finding(test, Status.NOT_APPLICABLE, sentence)


def subjects(derivation: Derivation, examples: Sequence[Mapping[str, Any]]) -> Sequence[Subject]:
    """Return the material at each set of parameters, as a user gives them."""
    material, choices = derivation.material, derivation.choices
    found = []
    for example in examples:
        resolved = material.resolve(example, choices)
        parameters = {name: float(value) for name, value in resolved.items()}
        directions = [
            np.reshape([parameters[name] for name in p.scalar_names(choices)], (-1, 3))
            for p in material.kernel_parameters
            if p.direction
        ]
        found.append(
            Subject(derivation, parameters, np.concatenate([np.empty((0, 3)), *directions]))
        )
    return found

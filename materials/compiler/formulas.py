"""Third stage: ψ, P and dP of a material as one scalar graph.

An energy of H gives P and dP directly.  An energy of E gives S and dS by its six components; then
P = F S and dP = dH S + F dS with dE = (Fᵀ dH + dHᵀ F) / 2.  For an energy of the principal values
of E see `principal`.
"""

from dataclasses import dataclass, replace

import numpy as np

from elastane.materials.compiler.graph import Graph, dot
from elastane.materials.compiler.interpret import interpret, scalar
from elastane.materials.compiler.principal import (
    DOUBLES,
    EXACT,
    Accuracy,
    principal_axes,
    stress_and_increment,
)
from elastane.materials.compiler.stablehlo import Tensor
from elastane.materials.model import Choices, Material, Parameter

#: Index pairs of the six components of a symmetric tensor, in the order of `lower.MEASURE_SHAPE`.
SYMMETRIC = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class Formulas:
    """What a material computes at a point, as nodes of a graph.

    Attributes:
        graph: The graph; its inputs are H_iJ, dH_iJ, the kernel parameters and history_k.
        strain_energy: ψ.
        P: First Piola-Kirchhoff stress, row by row.
        dP: Its increment along dH, row by row.
        J: Volume ratio: det F, or 1 + tr ε if the material is not for finite strain.
        finite_strain: Whether the material is for finite strain.
        stored_energy: What is reported as strain energy; None where ψ is.
        history: The history at the end of a step; empty without one.
    """

    graph: Graph
    strain_energy: int
    P: tuple[int, ...]
    dP: tuple[int, ...]
    J: int
    finite_strain: bool
    stored_energy: int | None = None
    history: tuple[int, ...] = ()


def tensor_inputs(graph: Graph, name: str) -> Tensor:
    """Return the input nodes name_00, name_01, ... as a (3, 3) tensor."""
    return np.array([[graph.input(f"{name}_{i}{j}") for j in range(3)] for i in range(3)])


def parameter_inputs(graph: Graph, parameter: Parameter, choices: Choices) -> Tensor:
    """Return the input nodes of the entries of a parameter, in its shape."""
    nodes = [graph.input(name) for name in parameter.scalar_names(choices)]
    return np.array(nodes, dtype=np.int64).reshape(parameter.extent(choices))


def history_inputs(graph: Graph, material: Material, choices: Choices) -> list[Tensor]:
    """Return the input nodes history_0, history_1, ... as arrays in the shapes of the history."""
    arrays: list[Tensor] = []
    first = 0
    for entry in material.history:
        last = first + len(entry.scalar_names(choices))
        nodes = [graph.input(f"history_{k}") for k in range(first, last)]
        arrays.append(np.array(nodes, dtype=np.int64).reshape(entry.extent(choices)))
        first = last
    return arrays


def measure_inputs(graph: Graph, material: Material) -> list[Tensor]:
    """Return what the energy takes of H, in the shape of MEASURE_SHAPE, and principal axes."""
    H = tensor_inputs(graph, "H")
    if material.measure == "H":
        return [H]
    E = _green_lagrange(graph, H)
    return [E] if material.measure == "E" else list(_principal(graph, E, DOUBLES))


def add_stress(formulas: Formulas, T: Tensor) -> Formulas:
    """Return the formulas with T : E added to ψ, for the six components of T.

    P gains F T and dP gains dH T; for small strain P gains T.
    """
    graph = formulas.graph
    H, dH = tensor_inputs(graph, "H"), tensor_inputs(graph, "dH")
    full = np.empty((3, 3), dtype=np.int64)
    for component, (i, j) in zip(T, SYMMETRIC, strict=True):
        full[i, j] = full[j, i] = component
    # Off the diagonal a component stands for two: T : E is T : (H + HᵀH/2), as T is symmetric.
    half, gradient = graph.constant(0.5), H.copy()
    P, dP = list(formulas.P), list(formulas.dP)
    F = H
    if formulas.finite_strain:
        F = _add_identity(graph, H)
        for i, j in np.ndindex(3, 3):
            square = graph.multiply(half, dot(graph, H[:, i], H[:, j]))
            gradient[i, j] = graph.add(int(H[i, j]), square)
    for i, j in np.ndindex(3, 3):
        gained = dot(graph, F[i], full[:, j]) if formulas.finite_strain else int(full[i, j])
        P[3 * i + j] = graph.add(P[3 * i + j], gained)
        if formulas.finite_strain:
            dP[3 * i + j] = graph.add(dP[3 * i + j], dot(graph, dH[i], full[:, j]))
    energy = graph.add(formulas.strain_energy, dot(graph, full.ravel(), gradient.ravel()))
    return replace(formulas, strain_energy=energy, P=tuple(P), dP=tuple(dP))


def build_formulas(
    material: Material,
    choices: Choices,
    energy_text: str,
    derivatives_text: str,
    *,
    plain_text: str | None = None,
    seeded: bool,
    exact: bool = False,
) -> Formulas:
    """Return the formulas of a material from its energy and derivatives in StableHLO.

    Args:
        material: The material.
        choices: Its options and sizes.
        energy_text: (measure, parameters..., history...) -> ψ.
        derivatives_text: (measure, increment, parameters..., history...[, seed]) -> (S, dS).
        plain_text: The same derivatives of the plain form, which takes F, for dP alone.
        seeded: Whether the derivatives take the seed of the reverse mode, which is 1.
        exact: Whether the formulas serve as reference, in 50 digits only; those for doubles find
            principal axes to the digits of doubles.
    """
    graph = Graph()
    H, dH = tensor_inputs(graph, "H"), tensor_inputs(graph, "dH")
    parameters = [parameter_inputs(graph, p, choices) for p in material.kernel_parameters]
    parameters += history_inputs(graph, material, choices)
    seed = [scalar(graph.constant(1.0))] if seeded else []
    accuracy = EXACT if exact else DOUBLES
    if material.measure == "H":
        measure, increment = H, dH
    elif material.measure == "E":
        measure, increment = _green_lagrange(graph, H), _green_lagrange_increment(graph, H, dH)
    else:
        measure, axes = _principal(graph, _green_lagrange(graph, H), accuracy)
    (energy,) = interpret(energy_text, graph, [measure, *parameters])

    def derivatives(measure: Tensor, increment: Tensor) -> tuple[Tensor, Tensor]:
        stress, stress_increment = interpret(
            derivatives_text, graph, [measure, increment, *parameters, *seed]
        )
        return stress, stress_increment

    if material.measure == "principal":
        kinematics = (_add_identity(graph, H), dH, measure, axes)
        P, dP = stress_and_increment(graph, kinematics, derivatives, accuracy)
    else:
        P, dP = derivatives(measure, increment)
    if material.measure == "E":
        P, dP = _first_piola_kirchhoff(graph, _add_identity(graph, H), dH, P, dP)
    if plain_text is not None:
        F = _add_identity(graph, H)
        _, dP = interpret(plain_text, graph, [F, dH, *parameters, *seed])
    return Formulas(
        graph,
        int(energy),
        tuple(int(x) for x in P.flat),
        tuple(int(x) for x in dP.flat),
        _volume_ratio(graph, H.tolist(), material.finite_strain),
        material.finite_strain,
    )


def _add_identity(graph: Graph, H: Tensor) -> Tensor:
    F = H.copy()
    for i in range(3):
        F[i, i] = graph.add(int(H[i, i]), graph.constant(1.0))
    return F


def _volume_ratio(graph: Graph, H: list[list[int]], finite_strain: bool) -> int:
    """Return 1 + (tr H + II(H) + det H), summed as in `invariants.volume_change`, or 1 + tr H."""

    def minor(i: int, j: int, k: int, m: int) -> int:
        return graph.subtract(graph.multiply(H[i][k], H[j][m]), graph.multiply(H[i][m], H[j][k]))

    change = graph.add(H[0][0], H[1][1], H[2][2])
    if finite_strain:
        second = graph.add(minor(0, 1, 0, 1), minor(0, 2, 0, 2), minor(1, 2, 1, 2))
        third = dot(graph, H[0], (minor(1, 2, 1, 2), minor(1, 2, 2, 0), minor(1, 2, 0, 1)))
        change = graph.add(change, second, third)
    return graph.add(change, graph.constant(1.0))


def _green_lagrange(graph: Graph, H: Tensor) -> Tensor:
    """Return the six components of E = (H + Hᵀ + HᵀH) / 2."""
    half = graph.constant(0.5)
    components = []
    for i, j in SYMMETRIC:
        twice = graph.add(int(H[i, j]), int(H[j, i]), dot(graph, H[:, i], H[:, j]))
        components.append(graph.multiply(half, twice))
    return np.array(components)


def _green_lagrange_increment(graph: Graph, H: Tensor, dH: Tensor) -> Tensor:
    """Return the six components of dE = (Fᵀ dH + dHᵀ F) / 2."""
    F, half = _add_identity(graph, H), graph.constant(0.5)
    components = []
    for i, j in SYMMETRIC:
        twice = graph.add(dot(graph, F[:, i], dH[:, j]), dot(graph, F[:, j], dH[:, i]))
        components.append(graph.multiply(half, twice))
    return np.array(components)


def _principal(graph: Graph, E: Tensor, accuracy: Accuracy) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues and eigenvectors of E, given by its six components."""
    full = np.empty((3, 3), dtype=np.int64)
    for component, (i, j) in zip(E, SYMMETRIC, strict=True):
        full[i, j] = full[j, i] = component
    return principal_axes(graph, full, accuracy.sweeps)


def _first_piola_kirchhoff(
    graph: Graph, F: Tensor, dH: Tensor, stress: Tensor, stress_increment: Tensor
) -> tuple[Tensor, Tensor]:
    """Return P = F S and dP = dH S + F dS for derivatives of ψ by the six components of E.

    A component off the diagonal stands for two equal ones: its derivative is twice S_ij.
    """
    S, dS = np.empty((3, 3), dtype=np.int64), np.empty((3, 3), dtype=np.int64)
    for k, (i, j) in enumerate(SYMMETRIC):
        factor = graph.constant(1.0 if i == j else 0.5)
        S[i, j] = S[j, i] = graph.multiply(factor, int(stress[k]))
        dS[i, j] = dS[j, i] = graph.multiply(factor, int(stress_increment[k]))
    P, dP = np.empty((3, 3), dtype=np.int64), np.empty((3, 3), dtype=np.int64)
    for i, j in np.ndindex(3, 3):
        P[i, j] = dot(graph, F[i], S[:, j])
        dP[i, j] = graph.add(dot(graph, dH[i], S[:, j]), dot(graph, F[i], dS[:, j]))
    return P, dP

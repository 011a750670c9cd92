"""Sixth stage, first half: from formulas at a point to libCEED QFunctions.

A QFunction sees derivatives by the reference element coordinates ξ and the geometry of the element
in `qdata`; the formulas see H.  All arrays hold component k of point i at i + k Q:

    gradients (9)    component c + 3 d is the derivative of component c by ξ_d
    qdata (10)       w det dX/dξ, then dξ_d/dX_J at 1 + 3 d + J
    diagnostics (9)  w times 1, σxx, σyy, σzz, σxy, σyz, σxz, J, ψ
    history          what a material remembers, entry by entry; see `materials.model.Material`
"""

from collections.abc import Sequence
from dataclasses import dataclass

from elastane.materials.compiler.formulas import Formulas
from elastane.materials.compiler.graph import Graph, dot
from elastane.materials.compiler.split import Split


@dataclass(frozen=True)
class Field:
    """An input or output array of a QFunction: its name and number of components."""

    name: str
    size: int


@dataclass(frozen=True)
class QFunction:
    """A function at quadrature points.

    Attributes:
        name: Name in C.
        purpose: What it computes, one line.
        inputs: Input arrays, in order.
        outputs: Output arrays, in order.
        results: Node of every component of every output.
    """

    name: str
    purpose: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    results: tuple[int, ...]


GRADIENT = Field("grad_u", 9)
QDATA = Field("qdata", 10)


def build_qfunctions(formulas: Formulas, choice: Split) -> tuple[QFunction, ...]:
    """Return residual, Jacobian, energy and diagnostics of a material, and the update if any."""
    graph = formulas.graph
    remembered = (Field("history", len(formulas.history)),) if formulas.history else ()
    inputs = (GRADIENT, QDATA, *remembered)
    weight = component(graph, "qdata", 0)
    at_strain = _pull_back(graph, "H", "grad_u")
    at_strain_and_increment = at_strain | _pull_back(graph, "dH", "grad_du")
    from_state = at_strain_and_increment | {
        node: component(graph, "state", k) for k, node in enumerate(choice.stored)
    }
    state = (Field("state", len(choice.stored)),) if choice.stored else ()

    P = graph.substitute(formulas.P, at_strain)
    dP = graph.substitute(choice.dP, from_state)
    stored = graph.substitute(choice.stored, at_strain)
    stored_energy = formulas.stored_energy
    energy = formulas.strain_energy if stored_energy is None else stored_energy
    J, strain_energy = graph.substitute((formulas.J, energy), at_strain)
    det_F = J if formulas.finite_strain else graph.constant(1.0)
    weighted_energy = graph.multiply(weight, strain_energy)
    scaled = [graph.multiply(weight, x) for x in (*_cauchy_stress(graph, formulas), formulas.J)]
    update = QFunction(
        "update",
        "the history at the end of a converged step",
        inputs,
        (Field("new_history", len(formulas.history)),),
        tuple(graph.substitute(formulas.history, at_strain)),
    )
    return (
        QFunction(
            "residual",
            "grad_v = w P (dxi/dX)^T, what the Jacobian needs, and det F (1 for small strain)",
            inputs,
            (Field("grad_v", 9), *state, Field("det_F", 1)),
            (*_push_forward(graph, P), *stored, det_F),
        ),
        QFunction(
            "jacobian",
            "grad_dv = w dP (dxi/dX)^T with dP the derivative of P along grad_du",
            (Field("grad_du", 9), QDATA, *state),
            (Field("grad_dv", 9),),
            tuple(_push_forward(graph, dP)),
        ),
        QFunction(
            "energy",
            "w psi",
            inputs,
            (Field("energy", 1),),
            (weighted_energy,),
        ),
        QFunction(
            "diagnostics",
            "w times 1, sigma (xx yy zz xy yz xz), J, psi",
            inputs,
            (Field("diagnostics", 9),),
            (weight, *graph.substitute(scaled, at_strain), weighted_energy),
        ),
        *((update,) if formulas.history else ()),
    )


def component(graph: Graph, field: str, k: int) -> int:
    """Return the input node of a component of a field."""
    return graph.input(f"{field}_{k}")


def _geometry(graph: Graph, d: int, J: int) -> int:
    """Return dξ_d/dX_J."""
    return component(graph, "qdata", 1 + 3 * d + J)


def _pull_back(graph: Graph, tensor: str, field: str) -> dict[int, int]:
    """Return what stands for the inputs tensor_iJ: Σ_d (∂u_i/∂ξ_d) (dξ_d/dX_J)."""
    return {
        graph.input(f"{tensor}_{i}{J}"): dot(
            graph,
            [component(graph, field, i + 3 * d) for d in range(3)],
            [_geometry(graph, d, J) for d in range(3)],
        )
        for i in range(3)
        for J in range(3)
    }


def _push_forward(graph: Graph, P: Sequence[int]) -> list[int]:
    """Return w Σ_J P_cJ dξ_d/dX_J for each component c + 3 d."""
    weight = component(graph, "qdata", 0)
    return [
        graph.multiply(
            weight,
            dot(graph, P[3 * c : 3 * c + 3], [_geometry(graph, d, J) for J in range(3)]),
        )
        for d in range(3)
        for c in range(3)
    ]


def _cauchy_stress(graph: Graph, formulas: Formulas) -> list[int]:
    """Return σ = P Fᵀ / J as xx yy zz xy yz xz; for small strain σ = P."""
    P = [formulas.P[3 * i : 3 * i + 3] for i in range(3)]
    pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))
    if not formulas.finite_strain:
        return [P[i][j] for i, j in pairs]
    H = [[graph.input(f"H_{i}{j}") for j in range(3)] for i in range(3)]
    inverse = graph.divide(graph.constant(1.0), formulas.J)
    return [graph.multiply(inverse, graph.add(P[i][j], dot(graph, P[i], H[j]))) for i, j in pairs]

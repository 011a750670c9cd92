"""Fourth stage: refuse what is not the derivative of the energy, to the last digit.

Enzyme is a young compiler: the installed version differentiates arccosh and arctanh wrongly without
a word.  So nothing is emitted that has not been compared, at rest, at tiny, moderate and large
strain, with

    JAX         its own derivatives, through the same interpreter
    Taylor      ψ(H + h D) - ψ(H) - h P : D must fall with h², and the same for P and dP
    symmetry    A : dP[B] = B : dP[A]
    rest        ψ(0) = 0 and P(0) = 0
    rotations   ψ(Q F - I) = ψ(F - I) and P(Q F - I) = Q P(F - I); of a material for small strain,
                ψ(H + W) = ψ(H) and P(H + W) = P(H) for skew W
    order       ψ(F R - I) = ψ(F - I) and P(F R - I) = P(F - I) R for an R that exchanges the axes,
                if the energy takes principal strains; these also come in twos and threes
    digits      double precision against 50 digits
    history     of a material that has one: rest keeps the one at the start, rotations change no new
                one, and both digits and the laws above hold after any other

All but the last are evaluated in 50 digits, where rounding cannot excuse anything.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from elastane.materials.compiler.accumulate import depends_on
from elastane.materials.compiler.errors import CheckError
from elastane.materials.compiler.evaluate import DIGITS, evaluate, evaluate_exactly
from elastane.materials.compiler.formulas import Formulas
from elastane.materials.compiler.split import Split, jacobian_nodes
from elastane.materials.model import Choices, Material

#: Bound of relative differences between formulas that are equal: constants such as 1/6 are doubles,
#: and two ways to combine them differ in the last digit.
EQUAL = 1e-13

#: Bound of the relative error of doubles; a stable energy reaches 1e-15.
ROUNDING = 1e-12

#: Step of the Taylor tests, small enough that terms in h³ vanish beside those in h².
STEP = 1e-15

TINY_TO_MODERATE = (1e-12, 1e-9, 1e-6, 1e-3, 5e-2, 0.2)
NUM_LARGE = 6

#: Determinants of the large deformations.
VOLUME_RATIOS = (0.2, 5.0)

#: Comparisons that decide on a side, and what they say of equal numbers.
ORDERINGS = {"less": False, "less_equal": True, "greater": False, "greater_equal": True}

#: Principal stretches: apart, where an order shows at once, equal, and near each other.
EQUAL_STRETCHES = ((1.2, 1.1, 0.9), (1.2, 1.2, 0.9), (1.3, 1.3, 1.3))
NEAR_STRETCHES = ((0.8, 0.8 + 1e-9, 1.1), (1.1, 1.11, 1.12))

#: A (3, 3) tensor of doubles or of mpmath numbers.
Tensor = NDArray[Any]


def check_derivatives(
    material: Material,
    choices: Choices,
    formulas: Formulas,
    independent: Formulas,
    comparison: str = "Enzyme equals JAX",
) -> dict[str, float]:
    """Return the largest relative error of each law.

    Args:
        material: The material; its examples give the parameters.
        choices: Its options and sizes.
        formulas: What Enzyme made, or JAX where Enzyme cannot.
        independent: What JAX made, in another way.
        comparison: The law that both are equal.

    Raises:
        CheckError: If a law is broken.
    """
    worst: dict[str, float] = {}
    for parameters, at_start in _examples(material, choices):
        point, other = _Point(formulas, parameters), _Point(independent, parameters)
        for H, A, B in _samples(material):
            with mpmath.workdps(DIGITS):
                equal = {
                    "the order of the strains changes nothing": _exchange(point, H)
                    if material.measure == "principal" and at_start
                    else 0.0,
                    comparison: _difference(point, other, H, A),
                    "P is the derivative of the energy": _energy_remainder(point, H, A),
                    "dP is the derivative of P": _stress_remainder(point, H, A),
                    "the tangent is symmetric": _asymmetry(point, H, A, B),
                    "rest stores no energy and no stress": _rest(point, A)
                    if at_start and not H.any()
                    else 0.0,
                    "rotations change nothing": _rotation(point, H, B, material.finite_strain),
                }
                rounded = {"doubles keep the digits": _rounding(point, H, A)}
            _judge("enzyme", equal, EQUAL, H, worst)
            _judge("enzyme", rounded, ROUNDING, H, worst)
    return worst


def check_split(
    material: Material, choices: Choices, formulas: Formulas, choice: Split
) -> dict[str, float]:
    """Return the largest relative error of the split stress increment.

    Raises:
        CheckError: If it differs from the one before the split, loses digits, or needs more than
            what is stored.
    """
    graph = formulas.graph
    computed = jacobian_nodes(graph, choice)
    state = depends_on(graph, computed, "H") | depends_on(graph, computed, "history")
    missing = [x for x in state if not graph.nodes[x].operands]
    if missing:
        names = ", ".join(str(graph.nodes[node].value) for node in missing)
        raise CheckError("split", "storing enough", np.zeros((3, 3)), f"dP needs {names}")
    rewritten = replace(formulas, dP=choice.dP)
    worst: dict[str, float] = {}
    for parameters, _ in _examples(material, choices):
        point, other = _Point(rewritten, parameters), _Point(formulas, parameters)
        for H, A, _ in _samples(material):
            with mpmath.workdps(DIGITS):
                equal = {"the split tangent is the tangent": _difference(point, other, H, A)}
                rounded = {"doubles of the split tangent keep the digits": _rounding(point, H, A)}
            _judge("split", equal, EQUAL, H, worst)
            _judge("split", rounded, ROUNDING, H, worst)
    return worst


def check_history(material: Material, choices: Choices, formulas: Formulas) -> dict[str, float]:
    """Return the largest relative error of the new history and of the energy that is reported.

    Raises:
        CheckError: If a law is broken.
    """
    if not formulas.history or formulas.stored_energy is None:
        return {}
    worst: dict[str, float] = {}
    for parameters, at_start in _examples(material, choices):
        point = _Point(formulas, parameters)
        for H, A, _ in _samples(material):
            with mpmath.workdps(DIGITS):
                history, energy = point.history(H), point.stored_energy(H)
                turned = _turned(H, A, material.finite_strain)
                scale = 0 if H.any() else 1
                equal = {
                    "rotations change no history": _worst(
                        [
                            _relative(point.history(turned) - history, history + scale),
                            _relative(point.stored_energy(turned) - energy, energy + scale),
                        ]
                    ),
                    "rest keeps the history at the start": _kept(point) if at_start else 0.0,
                }
                rounded = {
                    "doubles keep the digits of the history": _worst(
                        [
                            _relative(
                                point.history_in_doubles(H) - history,
                                np.append(history, _change(point, H, A)),
                            ),
                            _relative(point.stored_energy_in_doubles(H) - energy, energy),
                        ]
                    )
                }
            _judge("history", equal, EQUAL, H, worst)
            _judge("history", rounded, ROUNDING, H, worst)
    return worst


def _judge(
    stage: str,
    errors: Mapping[str, float],
    bound: float,
    H: NDArray[np.float64],
    worst: dict[str, float],
) -> None:
    """Raise CheckError for the first error that is not within the bound; keep the worst of each."""
    for law, error in errors.items():
        # Written so that an error that is not a number fails.
        if not error <= bound:
            raise CheckError(stage, law, H, f"relative error {error:.1e}, allowed {bound:.0e}")
        worst[law] = max(worst.get(law, 0.0), error)


def example_parameters(material: Material, choices: Choices) -> Iterator[dict[str, float]]:
    """Yield the kernel parameters of the material's examples of these sizes, by scalar name."""
    for example in material.examples_of(choices):
        yield {name: float(value) for name, value in material.resolve(example, choices).items()}


def _examples(material: Material, choices: Choices) -> Iterator[tuple[dict[str, float], bool]]:
    """Yield inputs of the formulas but for strain, and whether the history is that at the start.

    Each example of a material with a history comes twice, the second time after some history.
    """
    for seed, parameters in enumerate(example_parameters(material, choices)):
        histories = [material.initial_history(choices)]
        if material.history:
            histories.append(material.example_history(choices, seed))
        for number, history in enumerate(histories):
            entries = {f"history_{k}": value for k, value in enumerate(history.values())}
            yield parameters | entries, number == 0


def _samples(
    material: Material,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield displacement gradients with two directions each; the same ones every time."""
    generator = np.random.default_rng(20240610)
    gradients = []
    if material.measure == "principal":
        Q = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
        gradients += [np.diag(np.array(stretches)) - np.eye(3) for stretches in EQUAL_STRETCHES]
        gradients += [Q @ (F - np.eye(3)) @ Q.T for F in map(np.diag, NEAR_STRETCHES)]
    gradients += [np.zeros((3, 3))]
    gradients += [scale * generator.standard_normal((3, 3)) for scale in TINY_TO_MODERATE]
    num_samples = len(gradients) + NUM_LARGE
    while len(gradients) < num_samples:
        F = np.eye(3) + 0.6 * generator.standard_normal((3, 3))
        if VOLUME_RATIOS[0] < np.linalg.det(F) < VOLUME_RATIOS[1]:
            gradients.append(F - np.eye(3))
    for H in gradients:
        yield H, generator.standard_normal((3, 3)), generator.standard_normal((3, 3))


class _Point:
    """The formulas at one set of parameters."""

    def __init__(self, formulas: Formulas, parameters: Mapping[str, float]) -> None:
        self.formulas = formulas
        self.parameters = parameters
        self._known: dict[tuple[Any, ...], Tensor] = {}

    def energy(self, H: Tensor) -> Any:
        """Return ψ to 50 digits."""
        return self._state(H)[0]

    def stress(self, H: Tensor) -> Tensor:
        """Return P to 50 digits."""
        return self._state(H)[1:].reshape(3, 3)

    def stress_increment(self, H: Tensor, dH: Tensor) -> Tensor:
        """Return dP to 50 digits."""
        return self._exactly(self.formulas.dP, H, dH).reshape(3, 3)

    def all(self, H: Tensor, dH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ψ (as an array of one), P and dP to 50 digits."""
        return self._state(H)[:1], self.stress(H), self.stress_increment(H, dH)

    def _state(self, H: Tensor) -> Tensor:
        """Return ψ and P, which are computed together, to 50 digits."""
        return self._exactly((self.formulas.strain_energy, *self.formulas.P), H, np.zeros((3, 3)))

    def history(self, H: Tensor) -> Tensor:
        """Return the new history to 50 digits."""
        return self._exactly(self.formulas.history, H, H)

    def history_in_doubles(self, H: Tensor) -> Tensor:
        """Return the new history in double precision."""
        return self._in_doubles(self.formulas.history, H, H)

    def stored_energy(self, H: Tensor) -> Any:
        """Return the energy that is reported, to 50 digits."""
        return self._exactly([self.formulas.stored_energy or 0], H, H)[0]

    def stored_energy_in_doubles(self, H: Tensor) -> Any:
        """Return the energy that is reported, in double precision."""
        return self._in_doubles([self.formulas.stored_energy or 0], H, H)[0]

    def all_in_doubles(self, H: Tensor, dH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ψ (as an array of one), P and dP in double precision."""
        return _parts(self._in_doubles(self._outputs, H, dH))

    @property
    def _outputs(self) -> list[int]:
        return [self.formulas.strain_energy, *self.formulas.P, *self.formulas.dP]

    def _exactly(self, outputs: Sequence[int], H: Tensor, dH: Tensor) -> Tensor:
        key = (*outputs, *H.flat, *dH.flat)
        if key not in self._known:
            inputs = self._inputs(H, dH)
            self._known[key] = evaluate_exactly(self.formulas.graph, outputs, inputs)
        return self._known[key]

    def _in_doubles(self, outputs: Sequence[int], H: Tensor, dH: Tensor) -> Tensor:
        inputs = {name: np.float64(value) for name, value in self._inputs(H, dH).items()}
        return evaluate(self.formulas.graph, outputs, inputs)

    def _inputs(self, H: Tensor, dH: Tensor) -> dict[str, Any]:
        tensors = {
            f"{name}_{i}{j}": tensor[i, j]
            for name, tensor in (("H", H), ("dH", dH))
            for i in range(3)
            for j in range(3)
        }
        return tensors | dict(self.parameters)


def _parts(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return values[:1], values[1:10].reshape(3, 3), values[10:].reshape(3, 3)


def _difference(point: _Point, other: _Point, H: Tensor, dH: Tensor) -> float:
    """Return the relative difference of ψ, P and dP."""
    pairs = zip(point.all(H, dH), other.all(H, dH), strict=True)
    return _worst(_relative(x - y, x) for x, y in pairs)


def _energy_remainder(point: _Point, H: Tensor, D: Tensor) -> float:
    """Return the part of ψ(H + h D) - ψ(H) - h P : D that does not fall with h²."""
    energy, slope = point.energy(H), np.sum(point.stress(H) * D)
    h = mpmath.mpf(STEP)
    large, small = (point.energy(H + x * D) - energy - x * slope for x in (h, h / 10))
    return _relative(small - large / 100, h * abs(slope) + abs(large))


def _stress_remainder(point: _Point, H: Tensor, D: Tensor) -> float:
    """Return the part of P(H + h D) - P(H) - h dP that does not fall with h²."""
    point = _on_one_side(point, H)
    P, slope = point.stress(H), point.stress_increment(H, D)
    h = mpmath.mpf(STEP)
    large, small = (point.stress(H + x * D) - P - x * slope for x in (h, h / 10))
    return _relative(small - large / 100, h * np.abs(slope))


def _on_one_side(point: _Point, H: Tensor) -> _Point:
    """Return the formulas with comparisons of what is equal at H decided as at H.

    There P has a kink, as that of fibres at rest which bear tension only, and dP is its derivative
    on the side that the comparison takes.  P itself must not jump: the law of the energy sees to
    it, since it follows the formulas to the other side.
    """
    graph, formulas = point.formulas.graph, point.formulas
    compared = [
        node
        for node in graph.live((*formulas.P, *formulas.dP))
        if graph.nodes[node].operation in ORDERINGS
    ]
    operands = tuple(x for node in compared for x in graph.nodes[node].operands)
    values = point._exactly(operands, H, H).reshape(-1, 2)
    decided = {
        node: graph.constant(ORDERINGS[graph.nodes[node].operation])
        for node, (x, y) in zip(compared, values, strict=True)
        if x == y
    }
    if not decided:
        return point
    P, dP = (tuple(graph.substitute(nodes, decided)) for nodes in (formulas.P, formulas.dP))
    return _Point(replace(formulas, P=P, dP=dP), point.parameters)


def _asymmetry(point: _Point, H: Tensor, A: Tensor, B: Tensor) -> float:
    """Return the relative difference of A : dP[B] and B : dP[A]."""
    dP_A, dP_B = point.stress_increment(H, A), point.stress_increment(H, B)
    return _relative(np.sum(B * dP_A) - np.sum(A * dP_B), dP_A)


def _rest(point: _Point, dH: Tensor) -> float:
    """Return ψ(0) and P(0) relative to the tangent at rest."""
    rest = np.zeros((3, 3))
    dP = point.stress_increment(rest, dH)
    return _worst([_relative(point.energy(rest), dP), _relative(point.stress(rest), dP)])


def _rotation(point: _Point, H: Tensor, A: Tensor, finite_strain: bool) -> float:
    """Return the relative change of ψ and P under a rotation made of A's skew part.

    At rest, where both vanish, the tangent gives the scale.
    """
    Q = _rotation_matrix(_skew(A)) if finite_strain else np.eye(3)
    turned = _turned(H, A, finite_strain)
    energy, P = point.energy(H), point.stress(H)
    scale = 0 if H.any() else point.stress_increment(H, A)
    return _worst(
        [
            _relative(point.energy(turned) - energy, energy + scale),
            _relative(point.stress(turned) - Q.dot(P), P + scale),
        ]
    )


def _exchange(point: _Point, H: Tensor) -> float:
    """Return the relative change of ψ and P where the axes of the initial configuration rotate."""
    R = np.roll(np.eye(3, dtype=int), 1, axis=0) * mpmath.mpf(1)
    exchanged = H.dot(R) + R - np.eye(3, dtype=int)
    scale = 0 if H.any() else 1
    energy, P = point.energy(H), point.stress(H)
    return _worst(
        [
            _relative(point.energy(exchanged) - energy, energy + scale),
            _relative(point.stress(exchanged) - P.dot(R), P + scale),
        ]
    )


def _turned(H: Tensor, A: Tensor, finite_strain: bool) -> Tensor:
    """Return H after a rotation made of A's skew part."""
    W = _skew(A)
    if not finite_strain:
        return H + W
    Q = _rotation_matrix(W)
    return Q.dot(H) + Q - np.eye(3)


def _skew(A: Tensor) -> Tensor:
    return (A - A.T) * mpmath.mpf(0.5)


def _change(point: _Point, H: Tensor, A: Tensor) -> Tensor:
    """Return by how much a relative change of H changes the new history, which may be 0 itself."""
    h = mpmath.mpf(STEP)
    size = np.abs(H).max()
    return (point.history(H + h * size * A) - point.history(H)) / h


def _kept(point: _Point) -> float:
    """Return how far an update at rest is from the history before it."""
    before = np.array([value for name, value in point.parameters.items() if "history_" in name])
    after = point.history(np.zeros((3, 3)))
    return _relative(after - before, before + 1)


def _rotation_matrix(W: Tensor) -> Tensor:
    """Return Cayley's rotation (I - W)⁻¹ (I + W) of a skew W.

    With w the axial vector of W it is I + 2 (W + W²) / (1 + |w|²), since W³ = -|w|² W.
    """
    squared = W[2, 1] ** 2 + W[0, 2] ** 2 + W[1, 0] ** 2
    return np.eye(3) + (W + W.dot(W)) * (2 / (1 + squared))


def _rounding(point: _Point, H: Tensor, dH: Tensor) -> float:
    """Return the relative error of ψ, P and dP in double precision."""
    pairs = zip(point.all_in_doubles(H, dH), point.all(H, dH), strict=True)
    return _worst(_relative(x - y, y) for x, y in pairs)


def _worst(errors: Iterable[float]) -> float:
    """Return the largest error, NaN if one is NaN, which `max` would overlook."""
    return float(np.max(list(errors)))


def _relative(error: Any, scale: Any) -> float:
    """Return max |error| / max |scale|; 0 where there is no error, NaN where one is not finite."""
    errors, sizes = ([abs(x) for x in np.ravel(values)] for values in (error, scale))
    if any(mpmath.isnan(x) for x in (*errors, *sizes)):
        return math.nan
    if max(errors) == 0:
        return 0.0
    return float(max(errors) / max(sizes)) if max(sizes) != 0 else math.inf

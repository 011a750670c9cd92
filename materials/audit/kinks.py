"""Tests of branches: one-sided derivatives where they meet, and numbers in those not taken.

Decisions of the formula are found in its graph, and where they change along rays through rest by
bisection down to neighbouring doubles.  Of an energy without a graph, the largest jumps of its
derivatives along the same rays are bisected instead.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import Floats, GraphPoints, tangent
from elastane.materials.audit.states import State, generic, is_moderate, perpendicular
from elastane.materials.audit.subject import Subject, largest, not_applicable, passed
from elastane.materials.compiler.accumulate import depends_on
from elastane.materials.compiler.graph import Graph
from elastane.materials.compiler.operations import OPERATIONS

#: Places on a ray at which decisions are looked at, and how far it reaches.
NUM_PLACES, REACH = 400, 0.9

#: Halvings from a place to the next down to neighbouring doubles.
NUM_HALVINGS = 60

#: A jump of P, or of dP, relative to its size on the ray: rounding of smooth formulas is 1e-14, and
#: series that are cut off where they meet leave 1e-12 in the second derivative.
JUMP_OF_STRESS, JUMP_OF_TANGENT = 1e-10, 1e-8

#: Distance to both sides of rest, where roots and lengths have their kinks.
REST = 1e-12

#: Distance from a kink at which its sides become states for the other tests.
BESIDE = 1e-6

#: Decisions on a ray that are followed, and jumps without a graph.
MOST_CROSSINGS, MOST_JUMPS = 40, 2


class Ray(NamedTuple):
    """A line of displacement gradients: H = base + t direction, the largest entry of which is 1."""

    base: Floats
    direction: Floats

    def at(self, t: Floats) -> Floats:
        """Return H at several t, shape (t, 3, 3)."""
        return self.base + t[:, None, None] * self.direction


class Crossing(NamedTuple):
    """Two neighbouring places on a ray on different sides of a decision.

    Attributes:
        ray: The ray.
        below: t on one side.
        above: t on the other.
        decision: What is decided, in words.
    """

    ray: Ray
    below: float
    above: float
    decision: str


def kinks(subject: Subject) -> Iterator[Finding]:
    """P and dP are the same on both sides of every decision."""
    test = "kinks"
    at_rest = [
        Crossing(ray, -REST, REST, "H passes through rest")
        for ray in _rays(subject)
        if not ray.base.any()
    ]
    crossings = crossings_of(subject) if subject.formulas else list(_jumps(subject))
    worst: dict[str, tuple[float, Crossing]] = {}
    for crossing in [*at_rest, *crossings]:
        for what, size in _sizes_of_jumps(subject, crossing).items():
            if size > worst.get(what, (0.0, crossing))[0]:
                worst[what] = size, crossing
    for what, status, consequence in (
        ("ψ", Status.FAIL, "ψ itself jumps"),
        ("P", Status.FAIL, "the stress jumps, so that equilibrium may not exist"),
        ("dP", Status.WARN, "the tangent jumps, and Newton's method may slow down there"),
    ):
        if what in worst:
            size, crossing = worst[what]
            yield subject.finding(
                test, status, Category.KINK,
                f"{consequence}: {what} changes by {size:.1e} of its size where "
                f"{crossing.decision}; write the switch with `ramp` or a smooth variant",
                f"{size:.1e}", crossing.ray.at(np.array([crossing.below]))[0],
            )  # fmt: skip
            break
    else:
        found = f"{len(crossings)} places where branches meet" if crossings else "no branches"
        yield passed(test, "P and dP are the same on both sides of every decision", found)


def places_of_kinks(subject: Subject) -> list[State]:
    """Return states close to both sides of decisions, for the other tests."""
    if subject.formulas is None:
        return []
    found: list[State] = []
    seen: set[tuple[str, float]] = set()
    for crossing in crossings_of(subject):
        key = (crossing.decision, round(crossing.below, 6))
        if key in seen or len(found) >= 8:
            continue
        seen.add(key)
        for side, t in (("below", crossing.below - BESIDE), ("above", crossing.above + BESIDE)):
            H = crossing.ray.at(np.array([t]))[0]
            found.append(State(f"{side} {crossing.decision}, {len(found) // 2}", H))
    return found


def crossings_of(subject: Subject) -> list[Crossing]:
    """Return where decisions of the formula change along the rays, found once."""
    if subject.crossings is None:
        subject.crossings = list(_crossings(subject))
    return subject.crossings


def _rays(subject: Subject) -> list[Ray]:
    """Return lines through rest, and some past it, where stretches swap their order."""
    shear = np.zeros((3, 3))
    shear[0, 1] = 1.0
    directions = [
        np.eye(3),
        np.diag([1.0, 0.0, 0.0]),
        np.diag([1.0, -0.5, -0.4]),
        np.diag([1.0, 1.0, -0.8]),
        shear,
        *(np.outer(a, a) for a in subject.directions),
        *(np.outer(b, b) for b in map(perpendicular, subject.directions[:2])),
        *(generic(seed) + generic(seed).T for seed in (900, 901)),
    ]
    rest = np.zeros((3, 3))
    through = [Ray(rest, direction / np.abs(direction).max()) for direction in directions]
    beside = np.diag([0.15, 0.1, -0.1])
    past = (np.diag([1.0, -1.0, 0.3]), np.diag([-0.4, 1.0, -1.0]), generic(902))
    return through + [Ray(beside, direction) for direction in past]


def _places(ray: Ray) -> Floats:
    """Return t along a ray where det F > 0 from t = 0 on; t = 0 stays between two places."""
    t = np.linspace(-REACH, REACH, NUM_PLACES)
    bad = np.linalg.det(np.eye(3) + ray.at(t)) <= 0.02
    least = t[(t < 0) & bad].max(initial=-np.inf)
    most = t[(t > 0) & bad].min(initial=np.inf)
    return t[(t > least) & (t < most)]


def _crossings(subject: Subject) -> Iterator[Crossing]:
    """Yield where decisions of the formula change along the rays."""
    assert subject.formulas is not None
    points = GraphPoints(subject.formulas, subject.parameters)
    decisions = _decisions(points)
    if not decisions:
        return
    count = 0
    for ray in _rays(subject):
        t = _places(ray)
        signs = _signs(points, decisions, ray.at(t))
        for number, name in enumerate(decisions.values()):
            for k in np.flatnonzero(signs[number, :-1] * signs[number, 1:] < 0):
                if count >= MOST_CROSSINGS:
                    return
                below, above = _bisect(
                    points, decisions, number, ray, (float(t[k]), float(t[k + 1]))
                )
                count += 1
                yield Crossing(ray, below, above, name)


def _decisions(points: GraphPoints) -> dict[tuple[int, int | None], str]:
    """Return differences x - y whose sign decides something, and what it decides, in words.

    Kahan's logarithm compares 1 + x with 1 by `equal`, to divide by no zero; its sides are equal.
    """
    formulas = points.formulas
    graph = formulas.graph
    nodes = graph.live([formulas.strain_energy, *formulas.P, *formulas.dP])
    strained = depends_on(graph, nodes, "H")
    found: dict[tuple[int, int | None], str] = {}
    for node in strained:
        name, operands = graph.nodes[node].operation, graph.nodes[node].operands
        if name in ("absolute", "sign"):
            found.setdefault((operands[0], None), f"{name} of zero")
        elif name in ("maximum", "minimum"):
            found.setdefault((operands[0], operands[1]), f"{name} of {_bound(graph, operands)}")
        elif name in ("less", "less_equal", "greater", "greater_equal"):
            found.setdefault(
                (operands[0], operands[1]), f"a comparison with {_bound(graph, operands)}"
            )
    return found


def _bound(graph: Graph, operands: tuple[int, ...]) -> str:
    values = [graph.value(x) for x in operands]
    constants = [value for value in values if value is not None]
    return f"{constants[0]:g} changes side" if constants else "two equal quantities"


def _signs(points: GraphPoints, decisions: dict[tuple[int, int | None], str], H: Floats) -> Floats:
    """Return the sign of each decision at points, shape (decisions, points); 0 counts as 1."""
    nodes = [x for pair in decisions for x in pair if x is not None]
    values = dict(zip(nodes, points.nodes(nodes, H, H), strict=True))
    rows = [values[x] - (0.0 if y is None else values[y]) for x, y in decisions]
    return np.where(np.array(rows) >= 0, 1.0, -1.0)


def _bisect(
    points: GraphPoints,
    decisions: dict[tuple[int, int | None], str],
    number: int,
    ray: Ray,
    interval: tuple[float, float],
) -> tuple[float, float]:
    """Return neighbouring t on both sides of a decision."""
    pair = list(decisions)[number]
    one = {pair: ""}
    below, above = interval
    at_below = _signs(points, one, ray.at(np.array([below])))[0, 0]
    for _ in range(NUM_HALVINGS):
        middle = 0.5 * (below + above)
        if middle in (below, above) or abs(above - below) < 1e-18:
            break
        if _signs(points, one, ray.at(np.array([middle])))[0, 0] == at_below:
            below = middle
        else:
            above = middle
    return below, above


def _jumps(subject: Subject) -> Iterator[Crossing]:
    """Yield the places of the largest changes of P and of dP along the rays."""
    for ray in _rays(subject):
        t = _places(ray)
        for what in ("P", "dP"):
            change = np.abs(np.diff(_along(subject, what, ray, t), axis=0)).max(axis=1)
            change = np.where(np.isfinite(change), change, 0.0)
            for k in np.argsort(change)[-MOST_JUMPS:]:
                below, above = float(t[k]), float(t[k + 1])
                for _ in range(NUM_HALVINGS):
                    middle = 0.5 * (below + above)
                    if middle in (below, above) or above - below < 1e-15:
                        break
                    values = _along(subject, what, ray, np.array([below, middle, above]))
                    left, right = np.abs(np.diff(values, axis=0)).max(axis=1)
                    below, above = (below, middle) if left > right else (middle, above)
                yield Crossing(ray, below, above, f"H goes through t = {below:.6g} of a ray")


def _along(subject: Subject, what: str, ray: Ray, t: Floats) -> Floats:
    H = ray.at(t)
    if what == "P":
        return subject.doubles.stress(H).reshape(len(t), 9)
    return subject.doubles.stress_increment(
        H, np.broadcast_to(ray.direction, H.shape).copy()
    ).reshape(-1, 9)


def _sizes_of_jumps(subject: Subject, crossing: Crossing) -> dict[str, float]:
    """Return the jumps of ψ, P and dP that are larger than rounding, relative to their sizes.

    A size is the largest within a tenth of the strain along the ray around the crossing.
    """
    ray = crossing.ray
    H = ray.at(np.array([crossing.below, crossing.above]))
    around = ray.at(crossing.below + np.linspace(-0.1, 0.1, 9))
    points = subject.doubles
    A, A_around = tangent(points, H), tangent(points, around)
    values = {
        "ψ": (points.energy(H), points.energy(around), JUMP_OF_STRESS),
        "P": (points.stress(H), points.stress(around), JUMP_OF_STRESS),
        "dP": (A, A_around, JUMP_OF_TANGENT),
    }
    jumps = {}
    for what, (sides, nearby, bound) in values.items():
        size = np.nanmax(np.abs(nearby), initial=0.0, where=np.isfinite(nearby))
        jump = float(np.abs(sides[1] - sides[0]).max())
        # What the distance between the sides explains.
        distance = abs(crossing.above - crossing.below)
        slopes = largest(A_around)
        slope = float(np.median(slopes[np.isfinite(slopes)])) if np.isfinite(slopes).any() else 0.0
        smooth = slope * distance if what != "dP" else 0.0
        if size > 0 and np.isfinite(jump) and (jump - 10 * smooth) / size > bound:
            jumps[what] = jump / float(size)
    return jumps


def branches(subject: Subject) -> Iterator[Finding]:
    """Every intermediate number is finite, also in branches that are not taken."""
    test = "branches"
    yield from _outputs(subject, test)
    if subject.formulas is None:
        yield not_applicable(test, "there is no formula whose branches could be looked at")
        return
    formulas = subject.formulas
    outputs = [formulas.strain_energy, *formulas.P, *formulas.dP]
    nodes = [x for x in formulas.graph.live(outputs) if formulas.graph.nodes[x].operands]
    D = np.array([generic(1000 + k) for k in range(len(subject.H))])
    values = _guarded(subject, nodes, subject.H, D)
    hidden = ~np.isfinite(values) & subject.finite
    if hidden.any():
        number, k = map(int, np.argwhere(hidden)[0])
        operation = formulas.graph.nodes[nodes[number]].operation
        yield subject.finding(
            test, Status.WARN, Category.NOT_FINITE,
            f"{operation} gives {values[number, k]} in a branch that is not taken at "
            f"{subject.states[k].name}; give the branch a harmless argument there with where",
            f"{int(hidden.any(axis=1).sum())} of {len(nodes)} operations", subject.H[k],
        )  # fmt: skip
    else:
        yield passed(test, "every intermediate number is finite, in branches not taken, too",
                     f"{len(nodes)} operations")  # fmt: skip


def _outputs(subject: Subject, test: str) -> Iterator[Finding]:
    """Yield where ψ, P or dP are no numbers."""
    for k in np.flatnonzero(~subject.finite):
        state = subject.states[k]
        overflow = not np.isnan(subject.energy[k]) and _overflows(subject, int(k))
        within = is_moderate(state.H)
        energy_is_good = np.isfinite(subject.energy[k])
        bad = within or (energy_is_good and not overflow)
        category = Category.OVERFLOW if overflow else Category.NOT_FINITE
        what = (
            "overflows"
            if overflow
            else ("has derivatives that are not numbers" if energy_is_good else "is not a number")
        )
        finding = subject.finding(
            test, Status.FAIL if bad else Status.WARN, category,
            f"ψ {what} at {state.name}" + ("" if bad else "; is that the limit of the model?"),
            f"ψ = {subject.energy[k]:.3g}", state.H,
        )  # fmt: skip
        yield finding


def _overflows(subject: Subject, k: int) -> bool:
    """Return whether ψ, P or A is too large for doubles at a state, rather than no number."""
    if np.isinf(subject.energy[k]):
        return True
    if subject.exact is None:
        return False
    P = subject.exact.stress(subject.H[k])
    dP = subject.exact.stress_increment(subject.H[k], generic(1))
    # Where the intermediate numbers of the derivatives, their squares, leave doubles.
    sizes = [abs(x) for x in (*P.flat, *dP.flat)]
    return all(x == x for x in sizes) and float(max(sizes)) > 1e150


def _guarded(subject: Subject, nodes: list[int], H: Floats, D: Floats) -> Floats:
    """Return nodes at points, the reciprocal of zero in Kahan's logarithm replaced by 1.

    There 1 / (u - 1) with u = 1 + x is what a `select` guards; see `compiler.graph.log1p`.
    """
    assert subject.formulas is not None
    points = GraphPoints(subject.formulas, subject.parameters)
    graph = subject.formulas.graph
    values: dict[int, Floats] = {}
    inputs = points.inputs(H, D)
    with np.errstate(all="ignore"):
        for node in graph.live(nodes):
            entry = graph.nodes[node]
            if entry.operation == "input":
                values[node] = inputs[str(entry.value)]
            elif entry.operation == "constant":
                values[node] = np.asarray(entry.value)
            else:
                operands = [values[x] for x in entry.operands]
                if entry.operation == "divide" and _is_rounded_sum(graph, entry.operands[1]):
                    operands[1] = np.where(operands[1] == 0, 1.0, operands[1])
                values[node] = OPERATIONS[entry.operation].numpy(*operands)
    return np.array([np.broadcast_to(values[node], len(H)) for node in nodes], dtype=np.float64)


def _is_rounded_sum(graph: Graph, node: int) -> bool:
    """Return whether a node is (1 + x) - 1 or (1 - x) - 1."""
    entry = graph.nodes[node]
    if entry.operation != "subtract" or graph.value(entry.operands[1]) != 1.0:
        return False
    total = graph.nodes[entry.operands[0]]
    return total.operation in ("add", "subtract") and 1.0 in map(graph.value, total.operands)

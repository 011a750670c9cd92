"""Finite linear viscoelasticity: a generalised Maxwell solid made of any energy.

The energy ψ of the base material is that of the instantaneous response.  A part ψ_r of it relaxes:
with `relaxing: isochoric` the energy of the change of shape, ψ_r(F) = ψ(J^(-1/3) F), with
`relaxing: all` ψ itself.  With S_r = ∂ψ_r/∂E the second Piola-Kirchhoff stress is

    S = ∂ψ/∂E - Σ g_i S_r + Σ Q_i        Q_i(t) = ∫ g_i exp(-(t - s)/τ_i) dS_r(s)

so that a step in strain gives ∂ψ/∂E at once and ∂ψ/∂E - Σ g_i S_r in the end.  g_i, `fractions`,
are relative to the instantaneous response, as in Prony series of relaxation tests.

Over a step Δt S_r is taken as linear in time, which is exact in a hold and of second order else:

    Q_i = d_i Q_iⁿ + a_i (S_r - S_rⁿ)    d_i = exp(-Δt/τ_i), a_i = g_i (1 - d_i) τ_i/Δt

It is linear in S_r, and S the derivative of the potential of the step,

    ψ - Σ (g_i - a_i) ψ_r + T : E        T = Σ d_i Q_iⁿ - Σ a_i S_rⁿ, the prestress

The history, Q_i and S_r at the end of the last step, lives in the initial configuration: no
rotation changes it.  What is reported as strain energy is that of the long-term response,
ψ - Σ g_i ψ_r: the energy left where nothing relaxes any more.

References: J. Simo, Computer Methods in Applied Mechanics and Engineering 60 (1987) 153-173;
R. Taylor, K. Pister and G. Goudreau, International Journal for Numerical Methods in Engineering 2
(1970) 45-59, the recurrence; G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, section 6.10.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from elastane.materials import textbook
from elastane.materials.invariants import (
    determinant,
    jnp,
    second_invariant,
    trace,
    volume_change,
)
from elastane.materials.model import (
    TIME_INCREMENT,
    Material,
    Parameter,
    Parametrization,
    Values,
    require,
)

if TYPE_CHECKING:
    from jax import Array

#: Key of the job file that makes a model viscoelastic.
VISCOELASTIC = "viscoelastic"

#: What is appended to the name of the base material.
SUFFIX = "+maxwell"

FRACTIONS = Parameter(
    "fractions",
    "1",
    "part g_i of the instantaneous stress that each branch relaxes",
    minimum=0.0,
    maximum=1.0,
    shape=("branches",),
)
RELAXATION_TIMES = Parameter(
    "relaxation_times",
    "s",
    "relaxation time τ_i of each branch",
    minimum=0.0,
    shape=("branches",),
)
DECAYS = Parameter("decays", "1", "part d_i of the overstress left after Δt", shape=("branches",))
GAINS = Parameter("gains", "1", "part a_i of the change of stress that stays", shape=("branches",))
OVERSTRESSES = Parameter(
    "overstresses", "Pa", "Q_i: 00 11 22 12 02 01", shape=("branches", 6), default=0.0
)
RELAXING_STRESS = Parameter(
    "relaxing_stress", "Pa", "S_r: 00 11 22 12 02 01", shape=(6,), default=0.0
)
HISTORY = (OVERSTRESSES, RELAXING_STRESS)

#: What a user gives beyond the base material; the job file has it under `viscoelastic`.
PARAMETERS = (FRACTIONS, RELAXATION_TIMES)
OPTIONS = {"relaxing": ("isochoric", "all")}
KEYS = (*(parameter.name for parameter in PARAMETERS), *OPTIONS)

#: Index pairs of the six components.
COMPONENTS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))

EXAMPLE: Mapping[str, Any] = {
    "fractions": (0.3, 0.2),
    "relaxation_times": (0.1, 1.0),
    "time_increment": 0.25,
}


@dataclass(frozen=True)
class _Bound:
    """A function with its first argument; equal, unlike partial ones, where both are.

    Attributes:
        function: The function.
        first: Its first argument.
    """

    function: Callable[..., Any]
    first: Any

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.function(self.first, *arguments, **options)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """Return the function, for `inspect.unwrap`."""
        return self.function


def generalised_maxwell(base: Material) -> Material:
    """Return the viscoelastic material whose instantaneous response is the base material.

    Raises:
        ValueError: If the base material has a history itself.
    """
    if base.history:
        raise ValueError(f"{base.name} has a history already; viscoelastic takes an elastic model")
    further = (*PARAMETERS, TIME_INCREMENT)
    names = frozenset(parameter.name for parameter in further)
    differentiated = replace(base, energy=base.differentiated or base.energy)
    of_base = base.parametrization
    return replace(
        base,
        name=f"{base.name}{SUFFIX}",
        title=f"viscoelastic (generalised Maxwell): {base.title}",
        formula=f"ψ - Σ (g_i - a_i) ψ_r + T : E, ψ = {base.formula}",
        reference=f"J. Simo, Comput. Methods Appl. Mech. Eng. 60 (1987) 153-173; {base.reference}",
        parametrization=Parametrization(
            parameters=(*of_base.parameters, *further),
            combinations=tuple(names | combination for combination in of_base.combinations),
            takes=f"{of_base.takes}, fractions and relaxation_times",
            convert=_Bound(_convert, of_base.convert),
        ),
        kernel_parameters=(*base.kernel_parameters, FRACTIONS, DECAYS, GAINS),
        energy=_Bound(_potential, base),
        differentiated=_Bound(_potential, differentiated) if base.differentiated else None,
        examples=({**base.examples[0], **EXAMPLE},),
        options={**base.options, **OPTIONS},
        sizes={**base.sizes, "branches": range(1, 7)},
        textbook=_Bound(_textbook, base) if base.textbook else None,
        history=HISTORY,
        # JAX differentiates here: `differentiated` is short and exact in Enzyme's hands alone.
        update=_Bound(_update, base),
        prestress=_prestress,
        stored_energy=_Bound(_stored_energy, base),
        base=base,
    )


def _convert(
    of_base: Callable[[Mapping[str, Values]], dict[str, Values]], given: Mapping[str, Values]
) -> dict[str, Values]:
    """Return the parameters of the base, and fractions, decays and gains.

    Raises:
        ParameterError: If the fractions leave nothing that holds in the end.
    """
    ours = {parameter.name for parameter in (*PARAMETERS, TIME_INCREMENT)}
    fractions = np.asarray(given["fractions"], dtype=np.float64)
    times = np.asarray(given["relaxation_times"], dtype=np.float64)
    total = fractions.sum(axis=0)
    require(
        total < 1.0,
        "fractions",
        total,
        "fractions must sum to less than 1, got {value}; they are parts of the instantaneous "
        "stress, and the rest of it stays",
    )
    # Values for each point are further axes at the end.
    num_axes = max(fractions.ndim, times.ndim)
    fractions, times = (x.reshape(x.shape + (1,) * (num_axes - x.ndim)) for x in (fractions, times))
    ratio = np.asarray(given["time_increment"] / times)
    safe = np.where(ratio > 0.0, ratio, 1.0)
    mean = np.where(ratio > 0.0, -np.expm1(-safe) / safe, 1.0)
    return of_base({name: value for name, value in given.items() if name not in ours}) | {
        "fractions": fractions,
        "decays": np.exp(-ratio),
        "gains": fractions * mean,
    }


def _potential(
    base: Material, measure: "Array", *arguments: "Array", relaxing: str, **options: str
) -> "Array":
    """Return the potential of a step in J/m³, but for T : E."""
    parameters, fractions, _, gains, *_ = _parts(base, arguments)
    energy = base.energy(measure, *parameters, **options)
    relaxed = base.energy(_relaxing(base, measure, relaxing), *parameters, **options)
    return energy - jnp.sum(fractions - gains) * relaxed


def _prestress(*arguments: "Array", **options: str) -> "Array":
    """Return the six components of T in Pa."""
    decays, gains, overstresses, relaxing_stress = arguments[-4:]
    return jnp.sum(decays[:, None] * overstresses, axis=0) - jnp.sum(gains) * relaxing_stress


def _stored_energy(
    base: Material, measure: "Array", *arguments: "Array", relaxing: str, **options: str
) -> "Array":
    """Return the energy of the long-term response in J/m³."""
    parameters, fractions, *_ = _parts(base, arguments)
    energy = base.energy(measure, *parameters, **options)
    relaxed = base.energy(_relaxing(base, measure, relaxing), *parameters, **options)
    return energy - jnp.sum(fractions) * relaxed


def _update(
    base: Material, measure: "Array", *arguments: "Array", relaxing: str, **options: str
) -> tuple["Array", "Array"]:
    """Return overstresses and relaxing stress at the end of a step."""
    place = measure
    if base.measure == "principal":
        place, arguments = arguments[0], arguments[1:]
    parameters, _, decays, gains, overstresses, before = _parts(base, arguments)

    def relaxed(measure: "Array") -> "Array":
        return base.energy(_relaxing(base, measure, relaxing), *parameters, **options)

    gradient = importlib.import_module("jax").grad(relaxed)(measure)
    now = _stress(base, place, gradient)
    return decays[:, None] * overstresses + gains[:, None] * (now - before)[None, :], now


def _parts(base: Material, arguments: tuple["Array", ...]) -> Any:
    """Return the parameters of the base, and each argument after them."""
    count = len(base.kernel_parameters)
    return arguments[:count], *arguments[count:]


def _relaxing(base: Material, measure: "Array", relaxing: str) -> "Array":
    """Return the measure of J^(-1/3) F if only the change of shape relaxes, else as it is."""
    identity = jnp.eye(3)
    if relaxing == "all":
        return measure
    if not base.finite_strain:
        return measure - trace(measure) / 3.0 * identity
    if base.measure == "H":
        return measure + _inverse_cube_root(volume_change(measure)) * (measure + identity)
    # C = I + 2 E shrinks with (det C)^(-1/3) = J^(-2/3).
    E = jnp.diag(measure) if base.measure == "principal" else measure
    change = 2.0 * trace(E) + 4.0 * second_invariant(E) + 8.0 * determinant(E)
    rest = 0.5 if base.measure == "principal" else 0.5 * identity
    return measure + _inverse_cube_root(change) * (measure + rest)


def _inverse_cube_root(x: "Array") -> "Array":
    """Return (1 + x)^(-1/3) - 1 to all digits.

    With c³ = 1 + x it is (1 - c)/c, and (1 - c) (1 + c + c²) = -x.
    """
    c = jnp.exp(jnp.log(1.0 + x) / 3.0)
    return -x / (c * (1.0 + c + c * c))


def _stress(base: Material, place: "Array", gradient: "Array") -> "Array":
    """Return the six components of S for the derivative of an energy by the measure.

    Args:
        base: The base material.
        place: H or, for an energy of principal strains, their axes.
        gradient: The derivative.
    """
    S = gradient
    if base.measure == "H" and base.finite_strain:
        S = _inverse(place) @ gradient
    elif base.measure == "principal":
        S = (place * gradient) @ place.T
    return jnp.stack([0.5 * (S[i, j] + S[j, i]) for i, j in COMPONENTS])


def _inverse(H: "Array") -> "Array":
    """Return F⁻¹ = cof(F)ᵀ / J of F = I + H."""
    F = H + jnp.eye(3)

    def cofactor(i: int, j: int) -> "Array":
        k, m, p, q = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
        return F[k, p] * F[m, q] - F[k, q] * F[m, p]

    rows = [jnp.stack([cofactor(j, i) for j in range(3)]) for i in range(3)]
    return jnp.stack(rows) / (1.0 + volume_change(H))


def _inner(components: "Array", E: "Array") -> "Array":
    """Return T : E for the six components of T."""
    return sum(
        (1.0 if i == j else 2.0) * component * E[i, j]
        for component, (i, j) in zip(components, COMPONENTS, strict=True)
    )


def _textbook(base: Material, F: Any, *, relaxing: str, **named: Any) -> Any:
    """Return the potential of a step as it stands at the top of this file."""
    assert base.textbook is not None
    ours = {
        parameter.name: _entries(parameter.name, named)
        for parameter in (FRACTIONS, DECAYS, GAINS, *HISTORY)
    }
    taken = {name for entries in ours.values() for name in entries}
    of_base = {name: value for name, value in named.items() if name not in taken}
    g, d, a, Q, S_r = (list(ours[name].values()) for name in ours)
    if base.finite_strain:
        E = (F.T @ F - textbook.identity()) / 2
        shape = F / textbook.cbrt(textbook.determinant(F))
    else:
        E = (F + F.T) / 2 - textbook.identity()
        shape = F - np.trace(E) / 3 * textbook.identity()
    T = [sum(x * Q[6 * i + k] for i, x in enumerate(d)) - sum(a) * S_r[k] for k in range(6)]
    relaxed = base.textbook(shape if relaxing == "isochoric" else F, **of_base)
    lost = sum(x - y for x, y in zip(g, a, strict=True))
    return base.textbook(F, **of_base) - lost * relaxed + _inner(T, E)  # type: ignore[arg-type]


def _entries(name: str, named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scalars of an array by name, in order: none of its axes is longer than nine."""
    return {key: named[key] for key in sorted(named) if key.startswith(f"{name}_")}

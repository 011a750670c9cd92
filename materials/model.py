"""What a material is: its parameters, its strain energy, and what it is called.

A material is one strain energy per initial volume, ψ, and the parameters that a user may give for
it.  Users think in Young's modulus and Poisson's ratio, energies in λ and μ: a `Parametrization`
holds what may be given and how it becomes the parameters of the energy, which are those of the
compiled kernels too.

Nothing here needs JAX: a login node lists, describes and checks materials without it.
"""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: A parameter: one number, or one for each quadrature point.
Values: TypeAlias = float | NDArray[np.float64]


class ParameterError(ValueError):
    """A parameter or an option of a material cannot be used.

    Attributes:
        parameter: Name of the offending parameter or option, as the user gave it.
    """

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter = parameter
        super().__init__(message)


@dataclass(frozen=True)
class Parameter:
    """A number that a material takes.

    Attributes:
        name: Name in the job file and in the energy.
        unit: SI unit; "1" for a ratio.
        meaning: What it is, in words.
        minimum: Lower bound.
        maximum: Upper bound, not allowed itself.
        minimum_allowed: Whether the lower bound itself is allowed.
        remedy: What to do about a value outside the bounds.
    """

    name: str
    unit: str
    meaning: str
    minimum: float = -math.inf
    maximum: float = math.inf
    minimum_allowed: bool = False
    remedy: str = ""

    @property
    def bounds(self) -> str:
        """Return the allowed interval in words, e.g. "greater than 0"."""
        if math.isinf(self.minimum) and math.isinf(self.maximum):
            return "any finite number"
        if math.isinf(self.maximum):
            return f"{'at least' if self.minimum_allowed else 'greater than'} {self.minimum:g}"
        return f"between {self.minimum:g} and {self.maximum:g}, both excluded"

    def check(self, value: Values) -> Values:
        """Return the value as floats.

        Raises:
            ParameterError: If an entry is not a finite number within the bounds.
        """
        try:
            values = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ParameterError(
                self.name, f"{self.name} must be a number ({self.bounds}), got {value!r}"
            ) from None
        above = values >= self.minimum if self.minimum_allowed else values > self.minimum
        good = np.isfinite(values) & above & (values < self.maximum)
        if not good.all():
            remedy = f"; {self.remedy}" if self.remedy else ""
            raise ParameterError(
                self.name,
                f"{self.name} must be {self.bounds}, got {_first(values, ~good)}{remedy}",
            )
        return values if values.ndim else float(values)


@dataclass(frozen=True)
class Parametrization:
    """The parameters that a user may give, and what the energy makes of them.

    Attributes:
        parameters: All that may be given.
        combinations: The sets of names of which exactly one must be given.
        takes: The combinations in words, to follow "takes".
        convert: Returns the parameters of the energy, by name, for one of the combinations;
            raises ParameterError where values that are good alone do not go together.
    """

    parameters: tuple[Parameter, ...]
    combinations: tuple[frozenset[str], ...]
    takes: str
    convert: Callable[[Mapping[str, Values]], dict[str, Values]]

    def resolve(self, given: Mapping[str, Values], model: str) -> dict[str, Values]:
        """Return the parameters of the energy for those given, element by element for arrays.

        Raises:
            ParameterError: If a name is unknown, if there are too few or too many, or if a value
                is out of bounds; the message says what is allowed.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise ParameterError(
                    name, f"{model} has no parameter {name!r}{nearest(name, known)}"
                )
        checked = {name: known[name].check(value) for name, value in given.items()}
        if frozenset(given) not in self.combinations:
            names = list(given) or ["nothing"]
            blamed = names[-1] if given else self.parameters[0].name
            raise ParameterError(blamed, f"{model} takes {self.takes}; got {', '.join(names)}")
        return self.convert(checked)


@dataclass(frozen=True)
class Material:
    """A hyperelastic material.

    Attributes:
        name: Name in the job file, e.g. "neo-hookean".
        title: One line for lists.
        formula: The strain energy as text.
        reference: Where it comes from.
        parametrization: What the user gives.
        kernel_parameters: What the energy takes, in its order.
        energy: Strain energy per initial volume in J/m³, a function of a (3, 3) measure of strain,
            the kernel parameters and, by keyword, the options; differentiable by JAX.
        measure: What the energy takes: "H", the displacement gradient, or "E", Green-Lagrange.
        finite_strain: Whether the energy is unchanged by every rotation, not only by small ones.
        options: Choices that are not numbers: name -> values, the default first.
        examples: Parameters to check and to show the material with, as a user would give them.
    """

    name: str
    title: str
    formula: str
    reference: str
    parametrization: Parametrization
    kernel_parameters: tuple[Parameter, ...]
    energy: Callable[..., Any]
    examples: tuple[Mapping[str, float], ...]
    measure: Literal["H", "E"] = "H"
    finite_strain: bool = True
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def resolve(
        self, given: Mapping[str, Values], options: Mapping[str, str] | None = None
    ) -> dict[str, Values]:
        """Return the kernel parameters, in their order, for what a user gave.

        Args:
            given: Values by name; an array holds one value for each quadrature point.
            options: Choices by name; those left out take their default.

        Raises:
            ParameterError: If the parameters or options cannot be used; the message names the
                parameter, the value, what is allowed and what to do.
        """
        self.resolve_options(options or {})
        values = self.parametrization.resolve(given, self.name)
        return {parameter.name: values[parameter.name] for parameter in self.kernel_parameters}

    def resolve_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return every option with its value, defaults filled in.

        Raises:
            ParameterError: If an option or its value is unknown.
        """
        for name, value in options.items():
            if name not in self.options:
                raise ParameterError(
                    name, f"{self.name} has no option {name!r}{nearest(name, self.options)}"
                )
            if value not in self.options[name]:
                allowed = ", ".join(self.options[name])
                raise ParameterError(
                    name,
                    f"{name} of {self.name} must be one of {allowed}, got {value!r}"
                    f"{nearest(str(value), self.options[name])}",
                )
        return {name: options.get(name, values[0]) for name, values in self.options.items()}

    def kernel_name(self, options: Mapping[str, str] | None = None) -> str:
        """Return the name of the compiled kernels, e.g. "neo-hookean-isochoric-quadratic"."""
        return "-".join([self.name, *self.resolve_options(options or {}).values()])


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" for the nearest known name, or "; known are ..."."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known)}" if known else "; it has none"


def require(good: Any, parameter: str, values: Values, message: str) -> None:
    """Raise ParameterError unless all is good.

    Args:
        good: A truth value for each value.
        parameter: Name of the parameter to blame.
        values: Its value or values.
        message: What must hold and what to do; "{value}" stands for the first bad value.
    """
    bad = ~np.asarray(good, dtype=bool)
    if bad.any():
        value = _first(np.broadcast_to(np.asarray(values), bad.shape), bad)
        raise ParameterError(parameter, message.format(value=value))


def _first(values: NDArray[np.float64], bad: NDArray[np.bool_]) -> str:
    """Return the first bad value as text, with its place if there are several values."""
    if values.ndim == 0:
        return repr(float(values))
    place = tuple(int(index[0]) for index in np.nonzero(bad))
    where = ", ".join(map(str, place))
    return f"{float(values[place])!r} at point {where}"

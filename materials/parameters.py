"""What a user may give for a material: its parameters, checked, and what the energy makes of them.

Users think in Young's modulus and Poisson's ratio, energies in λ and μ: a `Parametrization` holds
what may be given and how it becomes the parameters of the energy, which are those of the compiled
kernels too.

A parameter may be an array: Ogden's moduli, one for each term, or the directions of fibres.  How
many terms or families there are is a size; users choose it by the length of what they give.
"""

import difflib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: A parameter: one number or an array of its shape; a value for each quadrature point adds axes at
#: the end.
Values: TypeAlias = float | NDArray[np.float64]

#: Options and sizes: {"volumetric": "j2", "terms": 2}.
Choices: TypeAlias = Mapping[str, str | int]

#: What a user may write for a parameter.
Given: TypeAlias = Values | Sequence[Any]


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
    """A number, or an array of numbers, that a material takes.

    Attributes:
        name: Name in the job file and in the energy.
        unit: SI unit; "1" for a ratio.
        meaning: What it is, in words.
        minimum: Lower bound.
        maximum: Upper bound.
        minimum_allowed: Whether the lower bound itself is allowed.
        maximum_allowed: Whether the upper bound itself is allowed.
        remedy: What to do about a value outside the bounds.
        shape: Axes of an array, each its length or the name of a size: ("families", 3).
        direction: Whether the last axis, of length 3, holds directions; they are made unit vectors.
        default: Value of each entry where the user gives none; None if it must be given.
    """

    name: str
    unit: str
    meaning: str
    minimum: float = -math.inf
    maximum: float = math.inf
    minimum_allowed: bool = False
    remedy: str = ""
    shape: tuple[int | str, ...] = ()
    direction: bool = False
    default: float | None = None
    maximum_allowed: bool = False

    @property
    def bounds(self) -> str:
        """Return the allowed interval in words, e.g. "greater than 0"."""
        if self.direction:
            return "any direction but (0, 0, 0)"
        if math.isinf(self.minimum) and math.isinf(self.maximum):
            return "any finite number"
        if math.isinf(self.maximum):
            return f"{'at least' if self.minimum_allowed else 'greater than'} {self.minimum:g}"
        if self.minimum_allowed or self.maximum_allowed:
            lower = "at least" if self.minimum_allowed else "greater than"
            upper = "at most" if self.maximum_allowed else "less than"
            return f"{lower} {self.minimum:g} and {upper} {self.maximum:g}"
        return f"between {self.minimum:g} and {self.maximum:g}, both excluded"

    def extent(self, choices: Choices) -> tuple[int, ...]:
        """Return the shape with sizes in place of their names."""
        return tuple(axis if isinstance(axis, int) else int(choices[axis]) for axis in self.shape)

    def scalar_names(self, choices: Choices) -> tuple[str, ...]:
        """Return a name for each entry: "mu" of shape (2,) is mu_0 and mu_1."""
        places = itertools.product(*map(range, self.extent(choices)))
        return tuple("_".join([self.name, *map(str, place)]) for place in places)

    def sizes(self, value: Given) -> Iterator[tuple[str, int]]:
        """Yield the sizes that a value shows: (name, length).

        Raises:
            ParameterError: If the value has too few axes, or a fixed axis another length.
        """
        found = np.shape(value)
        if len(found) < len(self.shape):
            raise ParameterError(self.name, f"{self.name} must be {self.layout}, got {value!r}")
        for axis, length in zip(self.shape, found, strict=False):
            if isinstance(axis, str):
                yield axis, length
            elif axis != length:
                raise ParameterError(
                    self.name, f"{self.name} must be {self.layout}, got {length} numbers"
                )

    @property
    def layout(self) -> str:
        """Return in words what must be given: "a number", "a list of families x 3 numbers"."""
        return f"a list of {' x '.join(map(str, self.shape))} numbers" if self.shape else "a number"

    def check(self, value: Given) -> Values:
        """Return the value as floats, directions as unit vectors.

        Raises:
            ParameterError: If an entry is not a finite number within the bounds.
        """
        try:
            values = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ParameterError(
                self.name, f"{self.name} must be a number ({self.bounds}), got {value!r}"
            ) from None
        if self.direction:
            axis = len(self.shape) - 1
            lengths = np.linalg.norm(values, axis=axis, keepdims=True)
            require(
                np.isfinite(lengths) & (lengths > 0),
                self.name,
                lengths,
                f"{self.name} must be {self.bounds}, got a vector of length {{value}}",
            )
            return values / lengths
        above = values >= self.minimum if self.minimum_allowed else values > self.minimum
        below = values <= self.maximum if self.maximum_allowed else values < self.maximum
        good = np.isfinite(values) & above & below
        if not good.all():
            remedy = f"; {self.remedy}" if self.remedy else ""
            raise ParameterError(
                self.name,
                f"{self.name} must be {self.bounds}, got {_first(values, ~good)}{remedy}",
            )
        return values if values.ndim else float(values)


#: What the solver sets for materials whose stress depends on the rate of the strain: the time from
#: the end of the last converged step.  It is 0 at that end itself.
TIME_INCREMENT = Parameter(
    "time_increment", "s", "time since the last converged step", minimum=0.0, minimum_allowed=True
)


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

    @classmethod
    def direct(cls, *parameters: Parameter) -> "Parametrization":
        """Return the parametrization by the parameters of the energy themselves."""
        needed = [parameter.name for parameter in parameters if parameter.default is None]
        free = [parameter.name for parameter in parameters if parameter.default is not None]
        takes = ", ".join(needed) + (f" and, if wanted, {', '.join(free)}" if free else "")
        return cls(parameters, (frozenset(needed),), takes, dict)

    def resolve(self, given: Mapping[str, Given], model: str) -> dict[str, Values]:
        """Return the parameters of the energy for those given, element by element for arrays.

        What has a default and is not given is a single number, whatever its shape.

        Raises:
            ParameterError: If a name is unknown, if there are too few or too many, or if a value
                is out of bounds; the message says what is allowed.
        """
        self.check_names(given, model)
        known = {parameter.name: parameter for parameter in self.parameters}
        checked = {name: known[name].check(value) for name, value in given.items()}
        defaults = {p.name: p.default for p in self.parameters if p.default is not None}
        return self.convert(defaults | checked)

    def check_names(self, given: Iterable[str], model: str) -> None:
        """Check which parameters are given, whatever their values.

        Raises:
            ParameterError: If a name is unknown, or if there are too few or too many.
        """
        names = list(given)
        known = [parameter.name for parameter in self.parameters]
        for name in names:
            if name not in known:
                raise ParameterError(
                    name, f"{model} has no parameter {name!r}{nearest(name, known)}"
                )
        free = {parameter.name for parameter in self.parameters if parameter.default is not None}
        if frozenset(names) - free not in self.combinations:
            blamed = names[-1] if names else known[0]
            got = ", ".join(names) or "nothing"
            raise ParameterError(blamed, f"{model} takes {self.takes}; got {got}")


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

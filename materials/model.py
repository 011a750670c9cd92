"""What a material is: its strain energy, its parameters, and what it is called.

A material is one strain energy per initial volume, ψ, and the parameters that a user may give for
it, see `elastane.materials.parameters`.  Options and the sizes of its arrays together are the
choices, which fix the kernels.

Files of materials, built-in ones and those of users, import all that they need from here.  Nothing
here needs JAX: a login node lists, describes and checks materials without it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from elastane.materials.parameters import (
    TIME_INCREMENT,
    Choices,
    Given,
    Parameter,
    ParameterError,
    Parametrization,
    Values,
    nearest,
    require,
)

__all__ = [
    "TIME_INCREMENT",
    "Choices",
    "Given",
    "Material",
    "Parameter",
    "ParameterError",
    "Parametrization",
    "PlainForm",
    "Values",
    "nearest",
    "require",
]


@dataclass(frozen=True)
class PlainForm:
    """An energy written once more, in F and without care for digits.

    Attributes:
        of: The energy whose plain form it is.
        energy: A function of F, shape (3, 3), of the kernel parameters and of the options.
    """

    of: Callable[..., Any]
    energy: Callable[..., Any]


@dataclass(frozen=True)
class Material:
    """A hyperelastic material, or one step in time of a material with a history.

    Attributes:
        name: Name in the job file, e.g. "neo-hookean".
        title: One line for lists.
        formula: The strain energy as text.
        reference: Where it comes from.
        parametrization: What the user gives.
        kernel_parameters: What the energy takes, in its order.
        energy: Strain energy per initial volume in J/m³, a function of a measure of strain, the
            kernel parameters, the history and, by keyword, the options; differentiable by JAX.
        differentiated: The energy in the form to differentiate, where one whose value loses digits
            has the shorter derivatives; None where `energy` is.
        plain: What the tangent is taken from where that is shorter than the tangent of `energy`; a
            tangent loses no digits at rest.  Used only while `energy` is the energy that it is of.
        measure: What the energy takes: "H", the displacement gradient, or "E", Green-Lagrange, both
            of shape (3, 3), or "principal": the three principal values of E, in which it must be
            symmetric.
        finite_strain: Whether the energy is unchanged by every rotation, not only by small ones.
        options: Choices that are not numbers: name -> values, the default first.
        sizes: Lengths of axes of the parameters: name -> lengths allowed.
        examples: Parameters to check and to show the material with, as a user would give them.
            The sizes among them are those whose kernels come compiled; the first are the default.
        symmetry: "fibres": every rotation of the initial configuration that keeps the axes of all
            directions among the parameters leaves the energy as it is (all rotations, if there are
            no directions); "none": nothing of that kind is claimed.
        textbook: The energy as the reference prints it: a function of F, a (3, 3) array of mpmath
            numbers, and, by keyword, of the kernel parameters (by the names of `scalars`) and of
            the options.  Written without any care for rounding, it is evaluated in 50 digits to
            check the energy.
        history: What is remembered at each point from the end of the last converged step;
            `default` is the value at the start.
        update: The history at the end of a step: a function of the arguments of the energy that
            returns an array for each entry of `history`; None without a history.  Of an energy of
            principal strains it takes their axes, too, the columns of a (3, 3) array after them.
        prestress: A stress T in the initial configuration: T : E is added to the energy.  A
            function of the kernel parameters and the history that returns the components 00 11 22
            12 02 01; None without one.
        stored_energy: What is reported as strain energy, a function of the arguments of the energy:
            the potential of one step in time is no stored energy.  None where `energy` is.
        base: The material that this one is made of, if it is made of another.
        file: File that the material was read from, None for a built-in one.
        content: Hash of that file.
    """

    name: str
    title: str
    formula: str
    reference: str
    parametrization: Parametrization
    kernel_parameters: tuple[Parameter, ...]
    energy: Callable[..., Any]
    examples: tuple[Mapping[str, Any], ...]
    differentiated: Callable[..., Any] | None = None
    plain: PlainForm | None = None
    measure: Literal["H", "E", "principal"] = "H"
    finite_strain: bool = True
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: Mapping[str, range] = field(default_factory=dict)
    symmetry: Literal["fibres", "none"] = "fibres"
    textbook: Callable[..., Any] | None = None
    history: tuple[Parameter, ...] = ()
    update: Callable[..., Any] | None = None
    prestress: Callable[..., Any] | None = None
    stored_energy: Callable[..., Any] | None = None
    base: "Material | None" = None
    file: Path | None = None
    content: str = ""

    def resolve(
        self, given: Mapping[str, Given], choices: Choices | None = None
    ) -> dict[str, Values]:
        """Return the kernel parameters for what a user gave, arrays entry by entry.

        Args:
            given: Values by name; further axes hold one value for each quadrature point.
            choices: Options by name; those left out take their default.  Sizes are those of the
                values.

        Returns:
            Values by the names of `scalars`, in that order.

        Raises:
            ParameterError: If the parameters or options cannot be used; the message names the
                parameter, the value, what is allowed and what to do.
        """
        sizes = self.sizes_of(given)
        choices = self.resolve_choices({**(choices or {}), **sizes})
        values = self.parametrization.resolve(given, self.name)
        resolved: dict[str, Values] = {}
        for parameter in self.kernel_parameters:
            names = parameter.scalar_names(choices)
            array = np.asarray(values[parameter.name])
            if array.ndim == 0:
                resolved |= dict.fromkeys(names, float(array))
                continue
            entries = array.reshape(len(names), *array.shape[len(parameter.shape) :])
            resolved |= {
                name: entry if entry.ndim else float(entry)
                for name, entry in zip(names, entries, strict=True)
            }
        return resolved

    def scalars(self, choices: Choices | None = None) -> tuple[str, ...]:
        """Return the names of the entries of all kernel parameters, in order."""
        resolved = self.resolve_choices(choices or {})
        return tuple(
            name
            for parameter in self.kernel_parameters
            for name in parameter.scalar_names(resolved)
        )

    @property
    def depends_on_rate(self) -> bool:
        """Return whether the solver must give the time increment."""
        return TIME_INCREMENT in self.parametrization.parameters

    @property
    def at_start(self) -> dict[str, float]:
        """Return what the solver gives at the start of a step, none of which a user may give."""
        return {TIME_INCREMENT.name: 0.0} if self.depends_on_rate else {}

    def check_names(self, given: Iterable[str]) -> None:
        """Check which parameters a user gives, whatever their values.

        Raises:
            ParameterError: If a name is unknown, or if there are too few or too many.
        """
        given = list(given)
        if self.base:
            own = {p.name for p in self.parametrization.parameters}
            own -= {p.name for p in self.base.parametrization.parameters}
            self.base.check_names([name for name in given if name not in own])
            for name in sorted(own - self.at_start.keys() - set(given)):
                raise ParameterError(name, f"{self.name} needs {name}, too")
        self.parametrization.check_names([*self.at_start, *given], self.name)

    def initial_history(self, choices: Choices | None = None) -> dict[str, float]:
        """Return the history at the start by the names of its entries, in order."""
        resolved = self.resolve_choices(choices or {})
        return {
            name: entry.default or 0.0
            for entry in self.history
            for name in entry.scalar_names(resolved)
        }

    def example_history(self, choices: Choices, seed: int) -> dict[str, float]:
        """Return a history to check the material with, the same for each seed.

        Its entries are up to 0.1 away from their initial values: a part of the stresses and strains
        of the examples.
        """
        generator = np.random.default_rng(seed)
        bounds = [
            (entry.minimum, entry.maximum)
            for entry in self.history
            for _ in entry.scalar_names(choices)
        ]
        return {
            name: float(np.clip(value + generator.uniform(-0.1, 0.1), low, high))
            for (name, value), (low, high) in zip(
                self.initial_history(choices).items(), bounds, strict=True
            )
        }

    def sizes_of(self, given: Mapping[str, Given]) -> dict[str, int]:
        """Return the sizes that the values show; those that none shows are left out.

        Raises:
            ParameterError: If two values disagree, or a size is not allowed.
        """
        found: dict[str, tuple[int, str]] = {}
        for parameter in self.parametrization.parameters:
            if parameter.name not in given:
                continue
            for size, length in parameter.sizes(given[parameter.name]):
                allowed = self.sizes[size]
                if length not in allowed:
                    raise ParameterError(
                        parameter.name,
                        f"{parameter.name} gives {length} {size}, {self.name} takes "
                        f"{allowed[0]} to {allowed[-1]}",
                    )
                before, other = found.setdefault(size, (length, parameter.name))
                if before != length:
                    raise ParameterError(
                        parameter.name,
                        f"{parameter.name} gives {length} {size} where {other} gives {before}; "
                        "both must be as long",
                    )
        return {size: length for size, (length, _) in found.items()}

    def resolve_choices(self, choices: Choices) -> dict[str, str | int]:
        """Return every option and size with its value, defaults filled in.

        Raises:
            ParameterError: If an option or its value is unknown.
        """
        for name, value in choices.items():
            if name in self.sizes:
                continue
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
        sizes = self.sizes_of(self.examples[0]) if self.sizes else {}
        return {
            **{name: choices.get(name, values[0]) for name, values in self.options.items()},
            **{name: int(choices.get(name, sizes[name])) for name in self.sizes},
        }

    def kernel_sets(self) -> Iterator[dict[str, str | int]]:
        """Yield the choices whose kernels come compiled: all options, the sizes of the examples."""
        sizes = [
            dict(x) for x in dict.fromkeys(tuple(self.sizes_of(e).items()) for e in self.examples)
        ]
        for size in sizes:
            for values in itertools.product(*self.options.values()):
                yield {**dict(zip(self.options, values, strict=True)), **size}

    def examples_of(self, choices: Choices) -> tuple[Mapping[str, Any], ...]:
        """Return the examples of the sizes chosen; the first one made to fit if there is none."""
        sizes = {
            name: size for name, size in self.resolve_choices(choices).items() if name in self.sizes
        }
        found = tuple(example for example in self.examples if self.sizes_of(example) == sizes)
        if found:
            return found
        known = {parameter.name: parameter for parameter in self.parametrization.parameters}
        return (
            {
                name: np.resize(value, known[name].extent(sizes)) if known[name].shape else value
                for name, value in self.examples[0].items()
            },
        )

    def energy_options(self, choices: Choices) -> dict[str, str]:
        """Return the options that the energy takes by keyword."""
        return {name: str(choices[name]) for name in self.options}

    def kernel_name(self, choices: Choices | None = None) -> str:
        """Return the name of the compiled kernels, e.g. "neo-hookean-isochoric-quadratic"."""
        return "-".join([self.name, *map(str, self.resolve_choices(choices or {}).values())])

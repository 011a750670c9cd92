"""Consistent sets of units, and quantities such as "3 MPa" converted to them.

A set fixes the units of length, force and time; every other unit is a product of their powers.
Factors are fractions, so that "3 MPa" is exactly 3 in millimetres and newtons.  An angle is in
degrees, whatever the set.

A unit is written as `N/mm^2`: symbols with powers (`mm^2`, `mm**2` or `mm²`), a product by `*` or
`·`, and at most one `/` with one symbol behind it, which leaves nothing to guess.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from math import pi

from elastane.jobs.faults import nearest

#: Powers of length, force, time and angle.
Powers = tuple[int, int, int, int]

DIMENSIONS: Mapping[str, Powers] = {
    "length": (1, 0, 0, 0),
    "area": (2, 0, 0, 0),
    "force": (0, 1, 0, 0),
    "stress": (-2, 1, 0, 0),
    "force per volume": (-3, 1, 0, 0),
    "energy": (1, 1, 0, 0),
    "time": (0, 0, 1, 0),
    "angle": (0, 0, 0, 1),
}
RATIO: Powers = (0, 0, 0, 0)

PREFIXES = {
    "": Fraction(1), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "µ": Fraction(1, 10**6),
    "m": Fraction(1, 1000), "c": Fraction(1, 100), "h": Fraction(100), "k": Fraction(1000),
    "M": Fraction(10**6), "G": Fraction(10**9),
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """A unit.

    Attributes:
        factor: How much of the SI unit, or of a degree, it is.
        powers: Its dimension.
    """

    factor: Fraction
    powers: Powers


def _symbols() -> Iterator[tuple[str, Unit]]:
    """Yield the symbols of units: those of SI with prefixes, and some of engineers and doctors."""
    pound = Fraction("4.4482216152605")
    inch = Fraction("0.0254")
    for symbol, prefixes, dimension in (
        ("m", "nuµmck", "length"),
        ("N", "nuµmkMG", "force"),
        ("Pa", "mhkMG", "stress"),
        ("s", "nuµm", "time"),
    ):
        for prefix in ("", *prefixes):
            yield prefix + symbol, Unit(PREFIXES[prefix], DIMENSIONS[dimension])
    for symbol, factor, dimension in (
        ("in", inch, "length"),
        ("ft", 12 * inch, "length"),
        ("dyn", Fraction(1, 10**5), "force"),
        ("lbf", pound, "force"),
        ("kip", 1000 * pound, "force"),
        ("bar", Fraction(10**5), "stress"),
        ("mmHg", Fraction("133.322387415"), "stress"),
        ("psi", pound / inch**2, "stress"),
        ("ksi", 1000 * pound / inch**2, "stress"),
        ("J", Fraction(1), "energy"),
        ("min", Fraction(60), "time"),
        ("h", Fraction(3600), "time"),
        ("d", Fraction(86400), "time"),
        ("deg", Fraction(1), "angle"),
        ("°", Fraction(1), "angle"),
        ("rad", 180 / Fraction(pi), "angle"),
    ):
        yield symbol, Unit(factor, DIMENSIONS[dimension])


UNITS: Mapping[str, Unit] = dict(_symbols())

#: Names that a set's own unit goes by where they fit, rather than by a product of powers.
PREFERRED = ("Pa", "kPa", "MPa", "GPa", "psi", "ksi", "J")

#: Products that messages offer besides the symbols.
PRODUCTS = ("N/m^2", "N/mm^2", "kN/m^2", "kN/mm^2", "N/m^3", "N/mm^3", "kN/m^3", "N*m", "N*mm")

NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
#: A unit behind a number; the digits of an exponent that is too long are none.
UNIT = r"(?![eE][-+]?[0-9])[A-Za-zµμ°][A-Za-zµμ°0-9*·/^²³ ]*"
#: What stands for a number with its unit; no formula has a name right behind a number.
QUANTITY_PATTERN = rf"^\s*{NUMBER}\s*{UNIT}$"
_QUANTITY = re.compile(rf"\s*(?P<number>{NUMBER})\s*(?P<unit>{UNIT})")
_FORMULA_NAMES = re.compile(r"\b(?:x|y|z|t|pi)\b")
_POWER = re.compile(r"(?P<symbol>[A-Za-zµ°]+)(?:\^(?P<power>[1-9]))?")


class UnitError(ValueError):
    """A unit cannot be read, or is not one of what is needed."""


@dataclass(frozen=True)
class UnitSystem:
    """A consistent set of units.

    Attributes:
        length: Symbol of the unit of length.
        force: Symbol of the unit of force.
        time: Symbol of the unit of time.
    """

    length: str
    force: str
    time: str = "s"

    def unit(self, powers: Powers) -> Unit:
        """Return the unit that the set has for a dimension."""
        factor = Fraction(1)
        for symbol, power in zip(self._symbols(), powers, strict=True):
            factor *= UNITS[symbol].factor ** power
        return Unit(factor, powers)

    def symbol(self, dimension: str) -> str:
        """Return how the unit of a dimension, a name in `DIMENSIONS`, is written."""
        unit = self.unit(DIMENSIONS[dimension])
        for name in PREFERRED:
            if UNITS[name] == unit:
                return name
        parts = [
            (symbol, power)
            for symbol, power in zip(self._symbols(), unit.powers, strict=True)
            if power
        ]
        above = "*".join(_written(symbol, power) for symbol, power in reversed(parts) if power > 0)
        below = "".join(f"/{_written(symbol, -power)}" for symbol, power in parts if power < 0)
        return above + below

    def symbols(self) -> dict[str, str]:
        """Return how the units of all dimensions are written."""
        return {dimension: self.symbol(dimension) for dimension in DIMENSIONS}

    def _symbols(self) -> tuple[str, ...]:
        return (*(str(getattr(self, field.name)) for field in fields(self)), "deg")


SI = UnitSystem("m", "N")


def powers_of(unit: str) -> Powers | None:
    """Return the dimension of a unit as materials tell it; None if it is not one known here."""
    try:
        return RATIO if unit == "1" else parse_unit(unit).powers
    except UnitError:
        return None


def symbols_of(dimension: str) -> tuple[str, ...]:
    """Return the symbols of units of a dimension, a name in `DIMENSIONS`."""
    return tuple(name for name, unit in UNITS.items() if unit.powers == DIMENSIONS[dimension])


def is_quantity(text: str) -> bool:
    """Return whether a text is meant as a number with a unit rather than as a formula."""
    match = _QUANTITY.fullmatch(text)
    return match is not None and not _FORMULA_NAMES.search(match["unit"])


def read_quantity(text: str, powers: Powers, system: UnitSystem | None) -> float:
    """Return the number that a quantity is in a set of units.

    Args:
        text: A number with its unit.
        powers: The dimension that is needed.
        system: The set; None where none is fixed, which only an angle can do without.

    Raises:
        UnitError: If it is no quantity of that dimension, or there is no set to convert it to.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError(f"a number with a unit is needed, got {text!r}")
    unit = parse_unit(match["unit"], powers)
    if unit.powers != powers:
        hint = "" if powers == RATIO else f"; {_nearest(match['unit'].strip(), powers)}"
        raise UnitError(f"{_needed(powers)}, got {text!r}, {_named(unit)}{hint}")
    if system is None and powers != DIMENSIONS["angle"]:
        raise UnitError(
            f"{text!r} has a unit, but the file fixes no set of units: write it as a plain number "
            "like all others, or fix a set by a line such as units: {length: mm, force: N}"
        )
    exact = Fraction(match["number"]) * unit.factor / (system or SI).unit(powers).factor
    try:
        return float(exact)
    except OverflowError:
        raise UnitError(f"{text!r} is too large a number in the units of the file") from None


def parse_unit(text: str, wanted: Powers | None = None) -> Unit:
    """Return the unit that a text writes.

    Args:
        text: Symbols with powers, `*`, and one `/`.
        wanted: The dimension that is needed, for the message only.

    Raises:
        UnitError: If it is none; the message says the nearest.
    """
    plain = text.strip().replace("μ", "µ").replace("²", "^2").replace("³", "^3")
    plain = re.sub(r"\s*([*/^])\s*", r"\1", plain.replace("**", "^").replace("·", "*"))
    above, slash, below = plain.partition("/")
    factor, powers = Fraction(1), RATIO
    signed = [(part, 1) for part in above.split("*")] + ([(below, -1)] if slash else [])
    for part, sign in signed:
        match = _POWER.fullmatch(part)
        if match is None:
            raise UnitError(f"a unit such as N/mm^2 is needed, got {text.strip()!r}")
        if match["symbol"] not in UNITS:
            raise UnitError(f"unknown unit {match['symbol']!r}; {_nearest(plain, wanted)}")
        unit, power = UNITS[match["symbol"]], sign * int(match["power"] or 1)
        factor *= unit.factor**power
        powers = _sum(powers, unit.powers, power)
    return Unit(factor, powers)


def _sum(powers: Powers, further: Powers, times: int) -> Powers:
    length, force, time, angle = (a + times * b for a, b in zip(powers, further, strict=True))
    return length, force, time, angle


def _written(symbol: str, power: int) -> str:
    return symbol if power == 1 else f"{symbol}^{power}"


def _nearest(text: str, wanted: Powers | None) -> str:
    """Return a hint at the nearest units, those of the dimension that is needed if it is known."""
    known = [name for name, unit in UNITS.items() if wanted is None or unit.powers == wanted]
    known += [name for name in PRODUCTS if wanted is None or parse_unit(name).powers == wanted]
    # 'mpa' is as near to mPa as to MPa: say both.
    alike = [name for name in known if name.lower() == text.lower()]
    if alike:
        return f"did you mean {' or '.join(map(repr, alike))}?"
    # What is a unit already, of another dimension, is no slip of the pen.
    return f"known: {', '.join(known)}" if text in UNITS else nearest(text, known)


def _needed(powers: Powers) -> str:
    """Return what is needed, in words."""
    if powers == RATIO:
        return "a number without unit is needed"
    return f"{_named(Unit(Fraction(1), powers))} is needed"


def _named(unit: Unit) -> str:
    """Return the dimension of a unit with its article."""
    for name, powers in DIMENSIONS.items():
        if unit.powers == powers:
            return f"{'an' if name[0] in 'ae' else 'a'} {name}"
    return "of another dimension"

"""Follower pressure: force per current area along the current inward normal."""

from dataclasses import dataclass

from elastane.solver.formula import Formula


@dataclass(frozen=True)
class Pressure:
    """Pressure on a surface; it follows the surface as the body deforms.

    Attributes:
        surface: Name of the surface.
        pressure: Force per current area, positive inwards, in units of stress.
    """

    surface: str
    pressure: Formula

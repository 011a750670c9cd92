"""Dead traction: force per initial area, its direction fixed in space."""

from dataclasses import dataclass

from elastane.solver.formula import Formula


@dataclass(frozen=True)
class Traction:
    """Dead load on a surface.

    Attributes:
        surface: Name of the surface.
        components: Force per initial area, in units of stress.
    """

    surface: str
    components: tuple[Formula, Formula, Formula]

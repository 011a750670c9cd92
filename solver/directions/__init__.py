"""Directions in space, such as those of fibres: one file per kind."""

from elastane.solver.directions.ellipsoid import EllipsoidFibres
from elastane.solver.sources import FieldValues

#: The key of the job file that names each kind; three numbers or formulas need none.
DIRECTIONS = {"field": FieldValues, "ellipsoid": EllipsoidFibres}

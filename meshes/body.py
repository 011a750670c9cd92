"""What a body is: something that can be meshed and knows the names of its surfaces and regions."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from elastane.meshes.mesh import Mesh

#: Highest degree of an element map; the displacement goes as far.
MAX_GEOMETRY_DEGREE = 8
#: More refinements than this multiply the cells by more than 10⁹.
MAX_REFINE = 10


class Body(ABC):
    """A solid in its initial configuration."""

    @property
    @abstractmethod
    def surface_names(self) -> tuple[str, ...]:
        """Return the names of the surfaces that `build` gives."""

    @property
    @abstractmethod
    def region_names(self) -> tuple[str, ...]:
        """Return the names of the regions that `build` gives."""

    @property
    def field_components(self) -> Mapping[str, int]:
        """Return the components of each field that comes with the mesh: only files have any."""
        return {}

    @abstractmethod
    def num_cells(self, refine: int) -> int:
        """Return the number of cells after that many uniform refinements, without building."""

    @abstractmethod
    def default_geometry_degree(self, degree: int) -> int:
        """Return the degree of the element map for displacements of that degree."""

    @abstractmethod
    def build(self, geometry_degree: int, refine: int) -> Mesh:
        """Return the mesh, each direction's cells doubled `refine` times."""


def check_positive(body: str, field: str, value: float) -> None:
    """Raise ValueError unless the value is finite and positive."""
    if not (math.isfinite(value) and value > 0.0):
        raise ValueError(f"{body}: {field} must be positive and finite, got {value}")


def check_finite(body: str, field: str, values: Sequence[float]) -> None:
    """Raise ValueError unless all three values are finite."""
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise ValueError(f"{body}: {field} must be three finite numbers, got {list(values)}")


def check_counts(body: str, field: str, counts: Sequence[int], meaning: Sequence[str]) -> None:
    """Raise ValueError unless there is one positive whole number for each meaning."""
    whole = all(isinstance(count, int) and count >= 1 for count in counts)
    if len(counts) != len(meaning) or not whole:
        raise ValueError(
            f"{body}: {field} must be {len(meaning)} positive whole numbers "
            f"({', '.join(meaning)}), got {list(counts)}"
        )


def check_radii(body: str, inner: float, outer: float) -> None:
    """Raise ValueError unless 0 < inner < outer."""
    check_positive(body, "inner", inner)
    check_positive(body, "outer", outer)
    if inner >= outer:
        raise ValueError(f"{body}: inner must be smaller than outer, got {inner} and {outer}")


def check_resolution(geometry_degree: int, refine: int) -> None:
    """Raise ValueError if degree of the element map or number of refinements is out of range."""
    if not 1 <= geometry_degree <= MAX_GEOMETRY_DEGREE:
        raise ValueError(
            f"geometry_degree must lie in 1..{MAX_GEOMETRY_DEGREE}, got {geometry_degree}"
        )
    if not 0 <= refine <= MAX_REFINE:
        raise ValueError(f"refine must lie in 0..{MAX_REFINE}, got {refine}")

"""What every output format is given and has to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class OutputMesh:
    """The part of the mesh of the initial configuration that a rank writes.

    Nodes are equispaced in the reference element and shared by the cells around them.  They are
    numbered over all ranks: first those that rank 0 owns, then those of rank 1, and so on.

    Attributes:
        degree: Degree of the cells.
        points: Initial coordinates of the owned nodes, shape (num_owned_points, 3).
        cells: Node numbers of the cells of this rank in tensor order (ξ₁ fastest), shape
            (num_local_cells, (degree + 1)³).
        cell_regions: Region number of each of these cells.
        units: Symbols of units by dimension, which label the fields; none where they are unknown.
    """

    degree: int
    points: Floats
    cells: Ints
    cell_regions: Ints
    units: Mapping[str, str] = field(default_factory=dict)


class OutputFormat(ABC):
    """A way to write the fields of a run, one load step after the other."""

    @abstractmethod
    def write(self, step: int, load: float, point_fields: Mapping[str, Floats]) -> Path:
        """Write a load step and return the file that holds it; collective.

        A step replaces every earlier one of the same or a larger load fraction, which a resumed
        run computes again.

        Args:
            step: Number of the load step.
            load: Load fraction.
            point_fields: Values at the owned points by name, each of shape (num_owned_points,
                number of components); NaN where there is none.

        Raises:
            OSError: On all ranks, with path and errno, if one of them could not write.
        """


#: Makes the output of a run from the run folder, the ranks, what they write, and whether the folder
#: holds earlier steps of the same run that are to be kept; collective.
FormatMaker = Callable[[Path, "Intracomm", OutputMesh, bool], OutputFormat]

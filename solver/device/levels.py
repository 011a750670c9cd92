"""Multigrid levels on a device: what the host does with C of its own, see the classes there."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.solver.assembled import operator_pattern, operator_values
from elastane.solver.ceed import Ceed
from elastane.solver.device.elements import FastDiagonalKernel, TransferKernels
from elastane.solver.device.memory import DeviceMemory
from elastane.solver.fast_diagonal import RATIO, FastDiagonal
from elastane.solver.memory import Memory, Vector
from elastane.solver.space import Space
from elastane.solver.surfaces import PressureLoad
from elastane.solver.transfer import Interpolation

Floats = NDArray[np.float64]


class DeviceFastDiagonal(FastDiagonal):
    """The preconditioner of one level, see `FastDiagonal`."""

    def _bind(self, space: Space, blocks: list[Vector]) -> Callable[[Vector, Vector], None]:
        memory = self._memory
        assert isinstance(memory, DeviceMemory)
        return FastDiagonalKernel(memory.device, space.degree, RATIO, *blocks)


class DeviceInterpolation(Interpolation):
    """The transfer between two degrees, see `Interpolation`."""

    def _bind(
        self, coarse: Space, fine: Space, dtype: np.dtype[Any], nodes: list[Vector]
    ) -> tuple[Callable[[Vector, Vector], None], Callable[[Vector, Vector], None]]:
        memory = self._memory
        assert isinstance(memory, DeviceMemory)
        kernels = TransferKernels(memory.device, coarse.degree, fine.degree, dtype, *nodes)
        return kernels.restrict_add, kernels.prolong


class DeviceTangent:
    """The tangent of a follower load on a level, a `LevelTangent`.

    libCEED assembles it on the host at every new state; the entries, those of a surface only, go to
    the device once.

    Args:
        ceed: The libCEED context of the host.
        load: The load.
        space: The space of the level.
        dtype: Precision of the vectors.
        memory: Where they lie.
    """

    def __init__(
        self, ceed: Ceed, load: PressureLoad, space: Space, dtype: np.dtype[Any], memory: Memory
    ) -> None:
        self._ceed, self._load, self._space, self._memory = ceed, load, space, memory
        patterns = [operator_pattern(ceed, term) for term in load.jacobian(space)]
        self._counts = [len(rows) for rows, _ in patterns]
        rows, columns = (np.concatenate(parts) for parts in zip(*patterns, strict=True))
        on_diagonal = rows == columns
        self._on_diagonal, self._diagonal_rows = on_diagonal, rows[on_diagonal]
        self._rows, self._columns = (
            memory.take(indices.astype(np.int32)) for indices in (rows, columns)
        )
        self._diagonal: Floats = np.zeros(np.count_nonzero(on_diagonal))
        self._values = memory.zeros(len(rows), dtype)
        self._add = memory.functions("cycle", dtype).add_entries

    def update(self) -> None:
        """Assemble the tangent at the last residual."""
        # An operator that assembles once more may take the state of the first time.
        terms = self._load.jacobian(self._space)
        values = np.concatenate(
            [
                operator_values(self._ceed, term, count)
                for term, count in zip(terms, self._counts, strict=True)
            ]
        )
        self._diagonal = values[self._on_diagonal]
        self._memory.write(values.astype(self._values.dtype), self._values)

    def apply_add(self, x: Vector, y: Vector) -> None:
        """Add the tangent times x to y."""
        arrays = self._rows, self._columns, self._values, x, y
        self._memory.bound(self._add, self._values.size, *arrays)()

    def add_diagonal(self, diagonal: Vector) -> None:
        """Add its diagonal."""
        values = self._memory.read(diagonal)
        np.add.at(values, self._diagonal_rows, self._diagonal.astype(values.dtype))
        self._memory.write(values, diagonal)

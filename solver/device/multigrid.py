"""The Jacobian on all levels, its preconditioner and the Krylov method on a device."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.ceed import CeedVector
from elastane.solver.ceed_mat import LVector, Operator
from elastane.solver.cycle import LevelJacobian
from elastane.solver.device.body import DeviceBody, DeviceJacobian
from elastane.solver.device.coarse import DeviceAggregateSolver
from elastane.solver.device.krylov import RESTART, DeviceCycle, DeviceKrylov
from elastane.solver.device.levels import DeviceFastDiagonal, DeviceInterpolation, DeviceTangent
from elastane.solver.exchange import Exchange, find_sharing
from elastane.solver.fast_diagonal import FastDiagonal
from elastane.solver.fused.level import FusedLevel
from elastane.solver.level_operator import CoarseSolver
from elastane.solver.multigrid import Multigrid
from elastane.solver.options import COARSE_PREFIX, PREFIX
from elastane.solver.problem import MultigridSettings
from elastane.solver.space import Space
from elastane.solver.surfaces import PressureLoad
from elastane.solver.transfer import Transfer

#: Krylov methods that run on devices, and the norm of the residual by which each of them ends.
METHODS = {
    "cg": PETSc.KSP.NormType.NATURAL,
    "fgmres": PETSc.KSP.NormType.UNPRECONDITIONED,
}


class DeviceMultigrid(Multigrid):
    """The Jacobian on all levels and the preconditioner made of them, see `Multigrid`.

    Args:
        body: The body on the device.
        pressures, spaces, settings, single: See `Multigrid`.
    """

    def __init__(
        self,
        body: DeviceBody,
        pressures: list[PressureLoad],
        spaces: list[Space],
        settings: MultigridSettings,
        *,
        single: bool = True,
    ) -> None:
        fine, memory = spaces[-1], body.memory
        self._memory = memory
        self._tangents = [
            DeviceTangent(body.ceed, load, fine, np.dtype(np.float64), memory)
            for load in pressures
            if len(load.surface.facets)
        ]
        self._in_double = LevelJacobian(
            fine,
            DeviceJacobian(body, fine),
            self._tangents,
            Exchange(fine, np.float64, find_sharing(fine), memory),
        )
        super().__init__(body, pressures, spaces, settings, single=single)

    def _coarse_solver(self, kind: str) -> CoarseSolver:
        if kind != "gamg":
            return super()._coarse_solver(kind)
        level = self.levels[0]
        operator = level.operator
        assert isinstance(operator, FusedLevel)
        return DeviceAggregateSolver(
            operator.element_matrices, level.space, level.dtype, COARSE_PREFIX, level.memory
        )

    def _between(
        self, coarse: LevelJacobian, finer: LevelJacobian
    ) -> tuple[Transfer, FastDiagonal]:
        transfer = DeviceInterpolation(coarse.space, finer.space, coarse.exchange, finer.exchange)
        return transfer, DeviceFastDiagonal(finer.space, finer.exchange)

    def _fine_operator(self, space: Space) -> Operator:
        return _HostView(self._in_double)

    def _tangent(self, load: PressureLoad, space: Space, dtype: np.dtype[Any]) -> DeviceTangent:
        return DeviceTangent(self._body.ceed, load, space, dtype, self._body.memory)

    def _add_diagonal(self, space: Space) -> Callable[[CeedVector], None]:
        def add(diagonal: CeedVector) -> None:
            with diagonal.array() as values:
                values += self._in_double.own_diagonal()

        return add

    def update(self, u: NDArray[np.float64]) -> None:
        """Take over a new state, see `Multigrid.update`."""
        self._in_double.update(u)
        super().update(u)

    def take_over(self, ksp: PETSc.KSP) -> str:
        """Let the Krylov method run on the device.

        Raises:
            ValueError: If it is one that does not run there, or not with its norm.
        """
        method = str(ksp.getType())
        if method not in METHODS:
            raise ValueError(
                f"petsc_options: ksp_type {method} does not run on a device; those that do are "
                f"{' and '.join(METHODS)}"
            )
        if ksp.getNormType() != METHODS[method]:
            raise ValueError(
                f"petsc_options: on a device {method} ends by another norm of the residual than "
                "ksp_norm_type asks for; leave that out"
            )
        cycle = DeviceCycle(self.finest, self._fine_space, self._pc)
        restart = PETSc.Options(PREFIX).getInt("ksp_gmres_restart", RESTART)
        mat = self.jacobian.getPythonContext()
        self._krylov = DeviceKrylov(method, self._in_double, cycle, mat, restart)
        ksp.setType(PETSc.KSP.Type.PYTHON)
        # PETSc wants to hear one that Python may have; which it is, the context decides.
        ksp.setNormType(PETSc.KSP.NormType.PRECONDITIONED)
        ksp.setPCSide(PETSc.PC.Side.LEFT)
        ksp.setPythonContext(self._krylov)
        return method

    def statistics(self) -> dict[str, Any]:
        """Return what was done so far, see `Multigrid.statistics`, and what crossed the bus.

        `in_krylov` is what did so between a right-hand side and its solution: inner products, the
        coarse problem and halos.
        """
        return {
            **super().statistics(),
            "device": {
                "description": self._memory.device.description,
                "transfers": asdict(self._memory.device.transfers),
                "in_krylov": asdict(self._krylov.transfers),
            },
        }


class _HostView:
    """The Jacobian on the device as an operator on L-vectors of the host, for what is rare.

    Args:
        jacobian: The Jacobian.
    """

    def __init__(self, jacobian: LevelJacobian) -> None:
        self._jacobian, self._memory = jacobian, jacobian.memory
        self._x, self._y = jacobian.zeros(), jacobian.zeros()

    def apply(self, u: LVector, v: LVector) -> None:
        """Overwrite v with this rank's part of the Jacobian applied to u."""
        self._memory.write(u.array.reshape(-1), self._x)
        self._memory.clear(self._y)
        self._jacobian.apply_own(self._x, self._y)
        v.array.reshape(-1)[:] = self._memory.read(self._y)

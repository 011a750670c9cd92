"""Krylov methods on a device: vectors stay there from the right-hand side to the solution.

They work on L-vectors, in which a node that ranks share has its whole value on each of them.  What
comes back in an iteration are inner products, what ranks exchange, and the coarse problem.  PETSc
sees one linear solve, of type `python`, with its tolerances, monitors and reasons.

Reference: Y. Saad, Iterative methods for sparse linear systems, SIAM 2003, algorithms 9.1 and 9.6.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.ceed_mat import JacobianMat
from elastane.solver.cycle import Below, CyclePC, LevelJacobian, t_positions
from elastane.solver.device.base import Transfers
from elastane.solver.device.memory import DeviceMemory
from elastane.solver.log import logged
from elastane.solver.memory import Memory, Vector
from elastane.solver.space import Space

Reason = PETSc.KSP.ConvergedReason

#: The same as PETSc's, where the user asks for no other.
RESTART = 30


class Vectors:
    """What Krylov methods do with L-vectors on a device.

    Args:
        memory: Where they lie.
        space: Their space.
    """

    def __init__(self, memory: Memory, space: Space) -> None:
        self.memory = memory
        self._size, self._space = 3 * space.num_nodes, space
        self._comm: MPI.Comm = space.dm.comm.tompi4py()
        self._functions = memory.functions("cycle", np.float64)
        counted = space.owned[:, None] & ~space.prescribed
        self._counted = memory.take(counted.astype(np.float64).reshape(-1))
        self._product = memory.zeros(1, np.float64)
        self._positions = t_positions(space)
        self._local = space.dm.createLocalVec()
        self._local.zeroEntries()

    def zeros(self) -> Vector:
        """Return a vector of zeros."""
        return self.memory.zeros(self._size, np.float64)

    def dot(self, x: Vector, y: Vector) -> float:
        """Return the inner product over the unknowns; collective."""
        self.memory.clear(self._product)
        arrays = self._counted, x, y, self._product
        self.memory.bound(self._functions.dot, self._size, *arrays)()
        return float(self._comm.allreduce(float(self.memory.read(self._product)[0])))

    def add(self, x: Vector, y: Vector, scale: float) -> None:
        """Add scale x to y."""
        self.memory.bound(self._functions.add_scaled, self._size, x, y)(scale)

    def scale_and_add(self, x: Vector, y: Vector, scale: float) -> None:
        """Set y to x + scale y."""
        self.memory.bound(self._functions.scale_and_add, self._size, x, y)(scale)

    def from_petsc(self, t_vector: PETSc.Vec, x: Vector) -> None:
        """Bring a T-vector to the device; collective."""
        self._space.dm.globalToLocal(t_vector, self._local)
        self.memory.write(self._local.array_r, x)

    def to_petsc(self, x: Vector, t_vector: PETSc.Vec) -> None:
        """Bring a vector back as a T-vector."""
        t_vector.setArray(self.memory.read(x)[self._positions])


class DeviceCycle:
    """The multigrid cycle as a preconditioner of vectors on the device.

    Args:
        level: The finest level.
        space: Its space.
        pc: The same for PETSc, which counts the cycles.
    """

    def __init__(self, level: Below, space: Space, pc: CyclePC) -> None:
        self._level, self._pc = level, pc
        memory, dtype = level.exchange.memory, level.exchange.dtype
        self._memory, self._functions = memory, memory.functions("cycle", dtype)
        self._free = memory.take((~space.prescribed).astype(dtype).reshape(-1))

    @logged("cycle")
    def apply(self, r: Vector, z: Vector, norm: float) -> None:
        """Set z to the approximate solution for r, which has about that norm; collective."""
        self._pc.num_cycles += 1
        level, bound, size = self._level, self._memory.bound, self._free.size
        # Residuals get as small as single precision cannot tell from zero.
        bound(self._functions.convert, size, self._free, r, level.b)(1.0 / norm)
        level.cycle()
        bound(self._functions.convert_back, size, level.x, z)(norm)


class DeviceKrylov:
    """Context of a PETSc Krylov method: the solve on the device.

    Args:
        method: "cg" or "fgmres".
        jacobian: The Jacobian in double precision.
        cycle: The preconditioner.
        mat: Context of the Jacobian as PETSc knows it, which counts the applies.
        restart: Vectors that GMRES keeps before it begins anew.

    Attributes:
        method: See above.
        transfers: What crossed the bus between right-hand sides and solutions.
    """

    def __init__(
        self,
        method: str,
        jacobian: LevelJacobian,
        cycle: DeviceCycle,
        mat: JacobianMat,
        restart: int = RESTART,
    ) -> None:
        self.method, self._mat, self._restart = method, mat, restart
        self._jacobian, self._cycle = jacobian, cycle
        self.transfers = Transfers()
        assert isinstance(jacobian.memory, DeviceMemory)
        self._device = jacobian.memory.device
        self._vectors = vectors = Vectors(jacobian.memory, jacobian.space)
        self._b, self._x, self._y = (vectors.zeros() for _ in range(3))

    def solve(self, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:
        """Solve from x = 0; collective."""
        self._vectors.from_petsc(b, self._b)
        self._vectors.memory.clear(self._x)
        ksp.setConvergedReason(Reason.CONVERGED_ITERATING)
        before = replace(self._device.transfers)
        {"cg": self._cg, "fgmres": self._fgmres}[self.method](ksp)
        self.transfers += self._device.transfers - before
        self._vectors.to_petsc(self._x, x)

    @logged("jacobian")
    def _apply(self, x: Vector) -> Vector:
        """Return the Jacobian times x, in a vector that the next call overwrites."""
        self._mat.num_applies += 1
        self._vectors.memory.clear(self._y)
        self._jacobian.apply(x, self._y)
        return self._y

    def _cg(self, ksp: PETSc.KSP) -> None:
        v, x, r = self._vectors, self._x, self._b
        z, p = v.zeros(), v.zeros()
        rho, iteration, size = 0.0, 0, np.sqrt(v.dot(r, r))
        while True:
            # Without a right-hand side z stays zero, and so does the solution.
            if size > 0.0:
                self._cycle.apply(r, z, size)
            before, rho = rho, v.dot(r, z)
            if rho < 0.0:
                ksp.setConvergedReason(Reason.DIVERGED_INDEFINITE_PC)
                return
            # The energy norm is what the method minimises.
            if _ended(ksp, iteration, np.sqrt(rho)):
                return
            if iteration:
                v.scale_and_add(z, p, rho / before)
                # Good enough to scale the next residual by, and costs no inner product.
                size *= np.sqrt(rho / before)
            else:
                v.memory.copy(z, p)
            image = self._apply(p)
            curvature = v.dot(p, image)
            if not curvature > 0.0:
                indefinite = np.isfinite(curvature)
                ksp.setConvergedReason(
                    Reason.DIVERGED_INDEFINITE_MAT if indefinite else Reason.DIVERGED_NANORINF
                )
                return
            v.add(p, x, rho / curvature)
            v.add(image, r, -rho / curvature)
            iteration += 1

    def _fgmres(self, ksp: PETSc.KSP) -> None:
        v, x, r, iteration = self._vectors, self._x, self._b, 0
        norm = np.sqrt(v.dot(r, r))
        if _ended(ksp, iteration, norm):
            return
        while True:
            basis, preconditioned = [v.zeros()], []
            v.add(r, basis[0], 1.0 / norm)
            H = np.zeros((self._restart + 1, self._restart))
            for column in range(self._restart):
                z = v.zeros()
                self._cycle.apply(basis[-1], z, 1.0)
                preconditioned.append(z)
                w = v.zeros()
                v.memory.copy(self._apply(z), w)
                for row, vector in enumerate(basis):
                    H[row, column] = v.dot(vector, w)
                    v.add(vector, w, -H[row, column])
                length = H[column + 1, column] = np.sqrt(v.dot(w, w))
                iteration += 1
                size = column + 1
                coefficients, left = _least_squares(H[: size + 1, :size], norm)
                ended = _ended(ksp, iteration, left)
                if ended or not length > 0.0:
                    break
                basis.append(v.zeros())
                v.add(w, basis[-1], 1.0 / length)
            update = v.zeros()
            for coefficient, z in zip(coefficients, preconditioned, strict=True):
                v.add(z, update, coefficient)
            v.add(update, x, 1.0)
            if ended:
                return
            v.add(self._apply(update), r, -1.0)
            norm = np.sqrt(v.dot(r, r))


def _least_squares(H: NDArray[np.float64], norm: float) -> tuple[NDArray[np.float64], float]:
    """Return the minimiser of |norm e₁ - H y| and the minimum."""
    rhs = np.zeros(len(H))
    rhs[0] = norm
    if not np.isfinite(H).all():
        return np.zeros(H.shape[1]), np.nan
    y: NDArray[np.float64] = np.linalg.lstsq(H, rhs, rcond=None)[0].astype(np.float64)
    return y, float(np.linalg.norm(rhs - H @ y))


def _ended(ksp: PETSc.KSP, iteration: int, norm: float) -> bool:
    """Tell PETSc of an iteration; return whether it was the last one."""
    ksp.setIterationNumber(iteration)
    ksp.setResidualNorm(norm)
    ksp.logConvergenceHistory(norm)
    ksp.monitor(iteration, norm)
    reason: Any = ksp.callConvergenceTest(iteration, norm)
    if not reason and iteration >= ksp.max_it:
        reason = Reason.DIVERGED_MAX_IT
    ksp.setConvergedReason(reason)
    return bool(reason)

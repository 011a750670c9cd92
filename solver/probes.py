"""Displacements at chosen points of the initial configuration."""

from collections.abc import Mapping

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.meshes.lagrange import gauss_lobatto, interpolation
from elastane.meshes.locate import locate
from elastane.meshes.topology import Topology
from elastane.solver.space import Space

Floats = NDArray[np.float64]


class Probes:
    """Points followed through the deformation.

    Args:
        topology: The distributed mesh.
        space: The space of the displacement.
        points: Initial coordinates by name.

    Raises:
        ValueError: On all ranks, if a point lies outside the body.
    """

    def __init__(
        self, topology: Topology, space: Space, points: Mapping[str, tuple[float, float, float]]
    ) -> None:
        self._comm: MPI.Comm = space.dm.comm.tompi4py()
        self._names = tuple(points)
        X = np.array([points[name] for name in self._names], dtype=float).reshape(-1, 3)
        cell, xi = locate(topology.coordinates, topology.geometry_degree, X)
        # A point on the border of two ranks belongs to the lower one.
        holder = np.where(cell >= 0, self._comm.rank, self._comm.size)
        first = np.empty_like(holder)
        self._comm.Allreduce(holder, first, op=MPI.MIN)
        for name, where, rank in zip(self._names, X, first, strict=True):
            if rank == self._comm.size:
                raise ValueError(f"probe {name!r} at {where.tolist()} lies outside the body")
        self._mine = np.flatnonzero(first == self._comm.rank)
        nodes, _ = gauss_lobatto(space.degree + 1)
        along = [interpolation(nodes, xi[self._mine, d]) for d in range(3)]
        weights = np.einsum("pk,pj,pi->pkji", along[2], along[1], along[0])
        self._weights = weights.reshape(len(self._mine), len(nodes) ** 3)
        self._nodes = space.nodes[cell[self._mine]]

    def displacements(self, u: Floats) -> dict[str, tuple[float, float, float]]:
        """Return the displacement of each point, for nodal values of shape (num_nodes, 3)."""
        values = np.zeros((len(self._names), 3))
        values[self._mine] = np.einsum("pn,pnc->pc", self._weights, u[self._nodes])
        total = self._comm.allreduce(values)
        return {
            name: (x, y, z) for name, (x, y, z) in zip(self._names, total.tolist(), strict=True)
        }

"""The discrete problem: mesh, spaces of all levels, operators, and the residual.

build the mesh -> distribute -> spaces -> operators of the body -> loads and supports
"""

import os
import platform
from dataclasses import dataclass, replace

import libceed
import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from elastane.meshes.fingerprint import fingerprint
from elastane.meshes.mesh import Mesh
from elastane.meshes.names import unknown_name
from elastane.meshes.topology import Topology, distribute
from elastane.solver.backends import Backend, device_resource, find_backend
from elastane.solver.body import Body
from elastane.solver.ceed import Points, check_resource
from elastane.solver.ceed_body import CeedBody
from elastane.solver.collective import on_all, on_root
from elastane.solver.device import open_device
from elastane.solver.device.body import DeviceBody
from elastane.solver.device.memory import DeviceMemory
from elastane.solver.device.mpi import gpu_aware_mpi
from elastane.solver.fused.body import FusedBody
from elastane.solver.journal import Journal
from elastane.solver.kernel_sources import (
    build_fused_kernels,
    build_kernels,
    fused_kernels,
    fused_sources,
)
from elastane.solver.levels import multigrid_degrees
from elastane.solver.mechanics import Mechanics, prescribed_points
from elastane.solver.problem import Problem, RegionMaterial
from elastane.solver.space import Space, build_space

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Discretisation:
    """A discrete problem on one rank.

    Attributes:
        topology: The distributed mesh.
        mesh_hash: Hash of the whole mesh, empty if it was not asked for.
        spaces: The spaces of the multigrid levels, from coarse to fine.
        body: Operators of the body.
        mechanics: The residual in the finest space.
    """

    topology: Topology
    mesh_hash: str
    spaces: list[Space]
    body: Body
    mechanics: Mechanics


def discretise(
    problem: Problem, journal: Journal, comm: MPI.Intracomm, *, with_hash: bool = False
) -> Discretisation:
    """Return the discrete form of a problem; collective.

    Args:
        problem: The problem.
        journal: Told of the phases.
        comm: The ranks that share the mesh.
        with_hash: Whether the mesh is hashed.

    Raises:
        ValueError: On all ranks, if the mesh or its fields are not what the problem needs.
        RuntimeError: On all ranks, if libCEED cannot run on the backend, or there is no compiler.
        StopRequest: On all ranks, if one was asked to stop.
    """
    backend = find_backend(problem.backend)
    memory = _open_device(backend.device, journal, comm) if backend.device else None
    if not backend.fused:
        on_root(comm, lambda: check_resource(backend.resource))
    with journal.phase("kernels"):
        # One compiler for all ranks: the others find its work in the cache.
        on_root(comm, lambda: build_kernels(problem.materials.values()))
    with journal.phase("mesh"):
        mesh = on_root(comm, lambda: _build_mesh(problem))
        mesh_hash = comm.bcast(fingerprint(mesh) if mesh is not None and with_hash else "")
    with journal.phase("distribution"):
        topology = distribute(mesh, comm)
        del mesh
        if topology.partitioner == "simple":
            journal.warn(
                "PETSc has no graph partitioner (PT-Scotch or ParMETIS): cells are split in "
                "the order of the mesh, which costs communication"
            )
    degrees = multigrid_degrees(problem.degree, problem.solver.multigrid.levels)
    if backend.fused:
        with journal.phase("fused kernels"):
            kernels = fused_kernels(problem, degrees, topology.geometry_degree)
            on_root(comm, lambda: build_fused_kernels(kernels))
        journal.event("fused_kernels", sources=fused_sources(kernels))
    with journal.phase("operators"):
        ceed = libceed.Ceed(_resource(backend, comm))
        prescribed = prescribed_points(topology, problem.boundary)
        spaces = [build_space(topology, p, prescribed) for p in degrees]
        discrete = (
            ceed,
            topology.coordinates,
            topology.geometry_degree,
            Points.gauss(problem.num_points_1d),
            _materials(problem, topology),
            topology.fields,
            problem.loading.duration,
        )
        body: Body
        if memory is not None:
            body = DeviceBody(*discrete, memory)
        else:
            body = (FusedBody if backend.fused else CeedBody)(*discrete)
        mechanics = Mechanics(
            ceed, topology, spaces[-1], body, problem.boundary, problem.body_force
        )
    return Discretisation(topology, mesh_hash, spaces, body, mechanics)


def _open_device(name: str, journal: Journal, comm: MPI.Intracomm) -> DeviceMemory:
    """Return the memory of this rank's device, and tell who took which; collective.

    Raises:
        DeviceError: On all ranks, if one of them has none.
    """
    local_rank = _local_rank(comm)
    direct = on_all(comm, lambda: gpu_aware_mpi(name))
    device = on_all(comm, lambda: open_device(name, local_rank))
    mine = {
        "host": platform.node(),
        "local_rank": local_rank,
        "number": device.number,
        "description": device.description,
    }
    journal.event("devices", devices=comm.gather(mine) or [], direct_messages=direct)
    return DeviceMemory(device, direct=direct)


def _resource(backend: Backend, comm: MPI.Intracomm) -> str:
    """Return the libCEED resource of this rank: on GPUs its own device."""
    return device_resource(backend.resource, _local_rank(comm), os.environ)


def _local_rank(comm: MPI.Intracomm) -> int:
    """Return the number of this rank among those of its node; collective."""
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    try:
        return node.rank
    finally:
        node.Free()


def _build_mesh(problem: Problem) -> Mesh:
    """Return the mesh with those fields that the materials need."""
    mesh = problem.mesh.build(problem.degree)
    needed = {name for material in problem.materials.values() for name in material.fields}
    for name in needed - set(mesh.fields):
        raise ValueError(unknown_name("field of the mesh", name, mesh.fields))
    return replace(mesh, fields={name: mesh.fields[name] for name in sorted(needed)})


def _materials(problem: Problem, topology: Topology) -> list[tuple[RegionMaterial, Ints]]:
    """Return the pairs of material and elements; regions of one material are one part."""
    materials = problem.materials
    of_region = [
        materials[name] if name in materials else materials["all"] for name in topology.regions
    ]
    distinct = list({id(material): material for material in of_region}.values())
    return [
        (
            material,
            np.flatnonzero(
                np.isin(
                    topology.cell_regions,
                    [r for r, other in enumerate(of_region) if other is material],
                )
            ),
        )
        for material in distinct
    ]

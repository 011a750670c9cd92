"""Which rigid motions the supports leave free.

A body that can move without straining has a singular Jacobian, and Newton's method fails on it
late and obscurely.  Each connected part of the mesh has six rigid motions, displacements a + b × r
with r the place relative to the middle of the part.  Restricted to the components that supports
prescribe, at the nodes where they do, these are the columns of a matrix; its null space are the
motions that stay free.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elastane.meshes.element_map import facet_nodes
from elastane.meshes.entities import connected_components
from elastane.meshes.mesh import Mesh
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.rotation import Rotation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Singular values below this, relative to a full clamp, count as zero.  Coordinates from files in
#: single precision make a flat support uneven by 1e-7 of its size; that must not hold a rotation.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class FreeMotions:
    """The rigid motions that one connected part of the mesh can still make.

    Attributes:
        regions: Names of the regions that the part touches.
        center: Middle of the part, in the initial configuration.
        translations: Orthonormal directions of free translations, shape (num_translations, 3).
        rotations: Orthonormal axes of the further free motions, shape (num_rotations, 3).
    """

    regions: tuple[str, ...]
    center: tuple[float, float, float]
    translations: Floats
    rotations: Floats

    def __str__(self) -> str:
        """Return the motions in words."""
        kinds = (("translation", "along", self.translations), ("rotation", "about", self.rotations))
        motions = ", ".join(_in_words(*kind) for kind in kinds if len(kind[2]))
        noun = "region" if len(self.regions) == 1 else "regions"
        place = ", ".join(f"{coordinate:.4g}" for coordinate in self.center)
        return f"{motions} of {noun} {', '.join(self.regions)} (the part around ({place}))"


def free_motions(mesh: Mesh, boundary: Sequence[BoundaryCondition]) -> tuple[FreeMotions, ...]:
    """Return the free rigid motions of every part of the mesh that has any."""
    parts = connected_components(mesh.cells)
    supports = [entry for entry in boundary if isinstance(entry, Displacement | Rotation)]
    return tuple(
        motions
        for part in range(int(parts.max(initial=-1)) + 1)
        if (motions := _part_motions(mesh, parts == part, supports)) is not None
    )


def _part_motions(
    mesh: Mesh, in_part: NDArray[np.bool_], supports: Sequence[Displacement | Rotation]
) -> FreeMotions | None:
    """Return the free motions of one part of the mesh, None if it is held."""
    X = mesh.coordinates[in_part].reshape(-1, 3)
    center = 0.5 * (X.min(axis=0) + X.max(axis=0))
    size = float(np.abs(X - center).max())
    # A full clamp of the part would have singular values of about 1 with these scales.
    rows = [np.zeros((1, 6))]
    for support in supports:
        facets = mesh.surfaces[support.surface]
        facets = facets[in_part[facets[:, 0]]]
        r = (facet_coordinates(mesh, facets) - center) / size
        rows += [
            _motions(r)[:, component]
            for component, prescribed in enumerate(support.constrained)
            if prescribed and len(r)
        ]
    held = np.linalg.qr(np.concatenate(rows), mode="r")
    largest = np.sqrt(max(len(row) for row in rows))
    _, values, directions = np.linalg.svd(held / largest)
    rank = int(np.count_nonzero(values > TOLERANCE))
    if rank == 6:
        return None
    translations, rotations = _split(directions[rank:])
    names = np.unique(mesh.cell_regions[in_part])
    x, y, z = center.tolist()
    return FreeMotions(
        tuple(mesh.regions[name] for name in names), (x, y, z), translations, rotations
    )


def facet_coordinates(mesh: Mesh, facets: Ints) -> Floats:
    """Return the initial coordinates of all element-map nodes on facets, shape (n, 3)."""
    nodes = facet_nodes(mesh.geometry_degree)[facets[:, 1]]
    return mesh.coordinates[facets[:, :1], nodes].reshape(-1, 3)


def _motions(r: Floats) -> Floats:
    """Return the six rigid motions at places r of shape (n, 3): [n, component, motion]."""
    motions = np.zeros((len(r), 3, 6))
    for axis in range(3):
        motions[:, axis, axis] = 1.0
        motions[:, :, 3 + axis] = np.cross(np.eye(3)[axis], r)
    return motions


def _split(free: Floats) -> tuple[Floats, Floats]:
    """Return the pure translations in a space of motions, and the axes of the other motions."""
    weights, values, axes = np.linalg.svd(free[:, 3:])
    num_rotations = int(np.count_nonzero(values > TOLERANCE))
    translations = (weights.T @ free)[num_rotations:, :3]
    return translations, axes[:num_rotations]


def _in_words(noun: str, preposition: str, directions: Floats) -> str:
    """Return e.g. "2 free translations along x and y"."""
    count = len(directions)
    text = f"{count} free {noun}{'s' if count > 1 else ''}"
    if count == 3:
        return text
    # The space is spanned by coordinate axes if its projector is diagonal.
    projector = directions.T @ directions
    weights = np.diag(projector)
    if np.allclose(projector, np.diag(np.round(weights)), atol=1e-4):
        axes = [name for name, weight in zip("xyz", weights, strict=True) if weight > 0.5]
        return f"{text} {preposition} {' and '.join(axes)}"
    listed = [f"({', '.join(f'{value:.3g}' for value in axis)})" for axis in directions]
    return f"{text} {preposition} {' and '.join(listed)}"

"""The hash that tells whether a state belongs to a mesh."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from elastane.meshes.box import Box
from elastane.meshes.fingerprint import fingerprint
from elastane.meshes.mesh import Mesh, MeshField


def cube() -> Mesh:
    mesh = Box(cells=(2, 2, 1)).build(1, 0)
    return replace(mesh, fields={"stiffness": MeshField(np.arange(4.0).reshape(4, 1, 1))})


def test_equal_meshes_have_equal_hashes() -> None:
    assert fingerprint(cube()) == fingerprint(cube())


def nudged(values: np.ndarray) -> np.ndarray:
    """Return the values with the last bit of one of them changed."""
    changed = values.astype(float)
    changed.flat[-1] = np.nextafter(changed.flat[-1], np.inf)
    return changed


CHANGES: dict[str, Callable[[Mesh], Mesh]] = {
    "a node": lambda mesh: replace(mesh, coordinates=nudged(mesh.coordinates)),
    "a neighbour": lambda mesh: replace(mesh, cells=mesh.cells[::-1].copy()),
    "a region": lambda mesh: replace(mesh, cell_regions=mesh.cell_regions + 1),
    "the name of a region": lambda mesh: replace(mesh, regions=("other",)),
    "a surface": lambda mesh: replace(
        mesh, surfaces={**mesh.surfaces, "x-min": mesh.surfaces["x-max"]}
    ),
    "the name of a surface": lambda mesh: replace(
        mesh, surfaces={f"{name}.": facets for name, facets in mesh.surfaces.items()}
    ),
    "the degree": lambda mesh: Box(cells=(2, 2, 1)).build(2, 0),
    "a field": lambda mesh: replace(
        mesh, fields={"stiffness": MeshField(nudged(mesh.fields["stiffness"].values))}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_mesh_has_another_hash(change: str) -> None:
    assert fingerprint(CHANGES[change](cube())) != fingerprint(cube())

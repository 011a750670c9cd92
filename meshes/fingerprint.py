"""A hash of a mesh, to tell whether a state belongs to it."""

import json
from hashlib import blake2b

import numpy as np

from elastane.meshes.mesh import Mesh


def fingerprint(mesh: Mesh) -> str:
    """Return a hash of a mesh: of every number and every name, and of their order."""
    named = {"cells": mesh.cells, "coordinates": mesh.coordinates, "regions": mesh.cell_regions}
    named |= {f"surface {name}": facets for name, facets in mesh.surfaces.items()}
    named |= {f"field {name}": field.values for name, field in mesh.fields.items()}
    result = blake2b(json.dumps([mesh.geometry_degree, mesh.regions]).encode(), digest_size=16)
    for name, values in named.items():
        numbers = values.astype("<f8" if values.dtype.kind == "f" else "<i8", order="C", copy=False)
        # Each part tells its length, so that no two meshes give the same bytes.
        result.update(json.dumps([name, numbers.dtype.str, numbers.shape]).encode())
        result.update(np.ascontiguousarray(numbers).reshape(-1).view(np.uint8).data)
    return result.hexdigest()

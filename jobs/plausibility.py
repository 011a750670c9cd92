"""What is allowed in a job and yet looks like a mistake: warnings, never faults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from elastane.jobs.faults import dotted
from elastane.jobs.gpu_request import gpu_warnings
from elastane.jobs.job import Reading
from elastane.jobs.mesh_checks import formulas_of, key_path
from elastane.jobs.sources import constant_values
from elastane.jobs.units import DIMENSIONS, UnitSystem
from elastane.meshes.element_map import corner_coordinates
from elastane.meshes.file_body import MeshFile
from elastane.meshes.mesh import FACET_CORNERS, Ints, Mesh
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.problem import RegionMaterial
from elastane.solver.sources import ANYWHERE

Floats = NDArray[np.float64]

#: Poisson's ratio from which elements of low degree lock.
LOCKING_RATIO = 0.49
#: Moduli between those of the softest gels and that of diamond, in Pa.
PLAUSIBLE_MODULI = (1.0, 1.5e12)
#: Sizes between those of macromolecules and of mountains, in m.
PLAUSIBLE_SIZES = (1e-8, 1e5)


def warnings(reading: Reading, mesh: Mesh) -> Iterator[str]:
    """Yield what is allowed and yet looks like a mistake."""
    if reading.source is not None and isinstance(reading.source.body, MeshFile):
        yield from reading.source.body.content.warnings
    yield from _meeting_supports(reading, mesh)
    stiffness = 0.0
    units = reading.draft.units
    for region, material in reading.materials.items():
        if material.varies:
            continue
        kernel = material.resolve(ANYWHERE)
        pascals = [
            float(np.max(kernel[name]))
            for parameter in material.model.kernel_parameters
            if parameter.unit == "Pa"
            for name in parameter.scalar_names(material.options)
        ]
        stiffness = max([stiffness, *pascals])
        yield from _locking(region, kernel, reading.draft.file.degree)
        if units is not None:
            yield from _moduli(region, material, units)
    yield from _scales(reading, mesh, stiffness)
    yield from gpu_warnings(reading.draft.file)


@dataclass(frozen=True)
class _Support:
    """What an entry prescribes at the vertices of its surface, at the full load."""

    index: int
    constrained: tuple[bool, bool, bool]
    vertices: Ints
    u: Floats

    def differing_vertices(self, other: "_Support") -> int:
        """Return at how many common vertices the two prescribe different displacements."""
        both = np.array(self.constrained) & np.array(other.constrained)
        _, mine, others = np.intersect1d(self.vertices, other.vertices, return_indices=True)
        difference = np.abs(self.u[mine] - other.u[others])[:, both]
        scale = max(np.abs(self.u).max(initial=0.0), np.abs(other.u).max(initial=0.0))
        return int(np.count_nonzero((difference > 1e-9 * scale).any(axis=1)))


def _meeting_supports(reading: Reading, mesh: Mesh) -> Iterator[str]:
    """Warn of supports that prescribe different displacements where their surfaces meet."""
    for one, other in combinations(_supports(reading, mesh), 2):
        differing = one.differing_vertices(other)
        if differing:
            yield (
                f"boundary[{one.index}] and boundary[{other.index}] prescribe different "
                f"displacements at {differing} vertices where their surfaces meet; the later holds"
            )


def _supports(reading: Reading, mesh: Mesh) -> Iterator[_Support]:
    corners = corner_coordinates(mesh)
    for index, entry in zip(reading.draft.boundary, reading.draft.file.boundary, strict=True):
        condition = entry.condition()
        if isinstance(condition, Displacement | Rotation):
            facets = mesh.surfaces[condition.surface]
            cell, corner = facets[:, :1], FACET_CORNERS[facets[:, 1]]
            vertices, first = np.unique(mesh.cells[cell, corner], return_index=True)
            u = condition.values(corners[cell, corner].reshape(-1, 3)[first], 1.0)
            yield _Support(index, condition.constrained, vertices, u)


def _locking(region: str, kernel: Mapping[str, float | Floats], degree: int) -> Iterator[str]:
    """Warn of a nearly incompressible material in elements of low degree."""
    shear = kernel.get("lame_mu")
    if shear is None:
        return
    if "lame_lambda" in kernel:
        ratio = np.divide(kernel["lame_lambda"], shear)
    elif "bulk_modulus" in kernel:
        ratio = np.divide(kernel["bulk_modulus"], shear) - 2.0 / 3.0
    else:
        return
    nu = float(np.max(ratio / (2.0 * (ratio + 1.0))))
    if nu >= LOCKING_RATIO and degree < 4:
        yield (
            f"Poisson's ratio {nu:.6g} of {region} is nearly incompressible: degree {degree} may "
            "lock and be too stiff; use degree 4 or more, and compare with one degree less"
        )


def _moduli(region: str, material: RegionMaterial, units: UnitSystem) -> Iterator[str]:
    """Warn of a material that is none in these units, such as steel in Pa where mm and N are."""
    given = constant_values(material.parameters)
    moduli = {
        parameter.name: float(np.max(given[parameter.name]))
        for parameter in material.model.parametrization.parameters
        if parameter.unit == "Pa" and parameter.name in given and np.max(given[parameter.name]) > 0
    }
    if not moduli:
        return
    pascal = float(units.unit(DIMENSIONS["stress"]).factor)
    softest, stiffest = PLAUSIBLE_MODULI
    # Of several moduli one may be meant to be out of proportion, as to forbid a change of volume.
    low, high = min(moduli, key=moduli.__getitem__), max(moduli, key=moduli.__getitem__)
    for name, beyond, what in (
        (low, moduli[low] * pascal > stiffest, "stiffer than diamond"),
        (high, moduli[high] * pascal < softest, "softer than any gel"),
    ):
        if beyond:
            value, symbol = moduli[name], units.symbol("stress")
            yield (
                f"{dotted(key_path(region, name))} is {value:.4g} {symbol}, which is "
                f"{value * pascal:.3g} Pa and {what}; was another unit meant, as in "
                f"'{value:.4g} Pa'? A number without unit is in {symbol} here"
            )


def _scales(reading: Reading, mesh: Mesh, stiffness: float) -> Iterator[str]:
    """Warn of sizes and loads that are not plausible in the units of the job, or in none."""
    size = float(np.ptp(mesh.coordinates.reshape(-1, 3), axis=0).max())
    units = reading.draft.units
    if units is not None:
        metre = float(units.unit(DIMENSIONS["length"]).factor)
        smallest, largest = PLAUSIBLE_SIZES
        if not smallest < size * metre < largest:
            yield (
                f"the body has a size of {size:.4g} {units.length} or {size * metre:.3g} m; are "
                f"its coordinates in {units.length}?"
            )
    elif stiffness > 1e8 and size > 1e3:
        yield (
            f"a body of size {size:.4g} with moduli of {stiffness:.3g}: if lengths are in mm, "
            "moduli and loads must be in MPa (N/mm²)"
        )
    for index, entry in zip(reading.draft.boundary, reading.draft.file.boundary, strict=True):
        condition = entry.condition()
        values = [abs(f.value) for f in formulas_of(condition) if f.value is not None]
        largest = max(values, default=0.0)
        if largest == 0.0 or isinstance(condition, Rotation):
            continue
        if isinstance(condition, Displacement):
            if largest > 10.0 * size:
                yield (
                    f"boundary[{index}]: a displacement of {largest:.4g} on a body of size "
                    f"{size:.4g}; is the unit of length the same?"
                )
        elif stiffness > 0.0 and not 1e-8 < largest / stiffness < 10.0:
            yield (
                f"boundary[{index}]: a load of {largest:.4g} on moduli of {stiffness:.3g}, a ratio "
                f"of {largest / stiffness:.1e}; are the units of stress the same?"
            )

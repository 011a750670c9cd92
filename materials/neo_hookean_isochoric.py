"""Neo-Hookean solid split into a part for shape and a part for volume.

    ψ = μ/2 (J^(-2/3) I₁ - 3) + κ U(J)        with I₁ = tr C = 3 + 2 tr E

`volumetric: quadratic` is U = (J - 1)²/2, `volumetric: j2` is U = (J² - 1 - 2 ln J)/4.

Reference: G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, sections 6.4 and 6.5.
"""

from typing import TYPE_CHECKING

from elastane.materials.invariants import (
    expm1_minus,
    log1p_minus,
    log_volume_ratio,
    shape_change,
    trace_green_lagrange,
    volume_change,
)
from elastane.materials.isotropic import BULK_MODULUS, EXAMPLES, ISOTROPIC, LAME_MU
from elastane.materials.model import Material

if TYPE_CHECKING:
    from jax import Array


def strain_energy(
    H: "Array", lame_mu: "Array", bulk_modulus: "Array", *, volumetric: str
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    return lame_mu * isochoric(H) + bulk_modulus * VOLUMETRIC[volumetric](volume_change(H))


def isochoric(H: "Array") -> "Array":
    """Return (J^(-2/3) I₁ - 3) / 2.

    With a = -2/3 ln J, J^(-2/3) = 1 + a + expm1_minus(a); inserted and sorted by order in the
    strain, the terms of first order leave tr E - ln J, which `shape_change` holds exactly.
    """
    a = (-2.0 / 3.0) * log_volume_ratio(H)
    curved = expm1_minus(a)
    return shape_change(H) + 1.5 * curved + trace_green_lagrange(H) * (a + curved)


def quadratic(x: "Array") -> "Array":
    """Return U = (J - 1)²/2 for x = J - 1."""
    return 0.5 * x * x


def j2(x: "Array") -> "Array":
    """Return U = (J² - 1 - 2 ln J)/4 for x = J - 1."""
    return 0.25 * x * x - 0.5 * log1p_minus(x)


VOLUMETRIC = {"quadratic": quadratic, "j2": j2}

NEO_HOOKEAN_ISOCHORIC = Material(
    name="neo-hookean-isochoric",
    title="neo-Hookean solid, shape and volume apart",
    formula="μ/2 (J^(-2/3) I₁ - 3) + κ U(J), U = (J - 1)²/2 (quadratic) or "
    "(J² - 1 - 2 ln J)/4 (j2)",
    reference="G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, sections 6.4 and 6.5",
    parametrization=ISOTROPIC,
    kernel_parameters=(LAME_MU, BULK_MODULUS),
    energy=strain_energy,
    options={"volumetric": tuple(VOLUMETRIC)},
    examples=EXAMPLES,
)

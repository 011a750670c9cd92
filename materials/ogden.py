"""Ogden's solid: a sum of powers of the principal stretches, for rubber.

    compressible    ψ = Σ_p μ_p/α_p (Σ_i λ_i^α_p - 3 - α_p ln J) + λ/2 (ln J)²
    isochoric       ψ = Σ_p μ_p/α_p (Σ_i λ̄_i^α_p - 3) + κ (J² - 1 - 2 ln J)/4

with λ̄_i = J^(-1/3) λ_i.  At small strain the shear modulus of both is μ = Σ_p μ_p α_p / 2 and the
bulk modulus κ; λ = κ - 2 μ/3.  A term with α = 2 is neo-Hookean, isochoric terms with α = 2 and
α = -2 are Mooney's.  Where each μ_p α_p is positive, the stress grows with every stretch; other
signs fit data well and may lose stability beyond them.

References: R. Ogden, Proceedings of the Royal Society A 326 (1972) 565-584 and 328 (1972) 567-583;
G. Holzapfel, Nonlinear Solid Mechanics, Wiley 2000, section 6.5.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from elastane.materials import textbook
from elastane.materials.invariants import expm1_minus, jnp
from elastane.materials.isotropic import BULK_MODULUS, with_bulk
from elastane.materials.model import Material, Parameter, Values, require
from elastane.materials.stretches import log_stretches

if TYPE_CHECKING:
    from jax import Array

MU = Parameter("mu", "Pa", "modulus μ_p of each term", shape=("terms",))
ALPHA = Parameter("alpha", "1", "exponent α_p of each term, not 0", shape=("terms",))


def strain_energy(
    e: "Array", mu: "Array", alpha: "Array", bulk_modulus: "Array", *, form: str
) -> "Array":
    """Return ψ in J/m³ for the principal Green-Lagrange strains, shape (3,)."""
    return _strain_energy(expm1_minus, e, (mu, alpha), bulk_modulus, form)


def differentiated(
    e: "Array", mu: "Array", alpha: "Array", bulk_modulus: "Array", *, form: str
) -> "Array":
    """Return ψ in a form of short derivatives: those of eˣ - 1 - x need no series near 0."""
    return _strain_energy(lambda x: jnp.expm1(x) - x, e, (mu, alpha), bulk_modulus, form)


def _strain_energy(
    excess: "Callable[[Array], Array]",
    e: "Array",
    terms: "tuple[Array, Array]",
    bulk_modulus: "Array",
    form: str,
) -> "Array":
    """Return ψ from a function that returns eˣ - 1 - x.

    Σ_i λ_i^α - 3 - α ln J is the sum of this function of α ln λ_i, and Σ_i λ̄_i^α - 3 that of
    α ln λ̄_i, since Σ_i ln λ̄_i is 0.
    """
    mu, alpha = terms
    logs = log_stretches(e)
    L = jnp.sum(logs)
    if form == "isochoric":
        logs = logs - L / 3.0
        volumetric = 0.25 * bulk_modulus * excess(2.0 * L)
    else:
        lame_lambda = bulk_modulus - jnp.sum(mu * alpha) / 3.0
        volumetric = 0.5 * lame_lambda * L * L
    powers = jnp.sum(excess(alpha[:, None] * logs[None, :]), axis=1)
    return jnp.sum(mu / alpha * powers) + volumetric


def textbook_energy(F: Any, *, bulk_modulus: Any, form: str, **terms: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    stretches, J = textbook.principal_stretches(F), textbook.determinant(F)
    L = textbook.log(J)
    pairs = [(terms[f"mu_{p}"], terms[f"alpha_{p}"]) for p in range(len(terms) // 2)]
    if form == "isochoric":
        stretches = [stretch / textbook.cbrt(J) for stretch in stretches]
        powers = sum(mu / a * (sum(x**a for x in stretches) - 3) for mu, a in pairs)
        return powers + bulk_modulus * (J**2 - 1 - 2 * L) / 4
    powers = sum(mu / a * (sum(x**a for x in stretches) - 3 - a * L) for mu, a in pairs)
    lame_lambda = bulk_modulus - sum(mu * a for mu, a in pairs) / 3
    return powers + lame_lambda / 2 * L**2


def shear_modulus(given: Mapping[str, Values]) -> Values:
    """Return Σ_p μ_p α_p / 2.

    Raises:
        ParameterError: If it is not positive, or an exponent is 0.
    """
    mu, alpha = np.asarray(given["mu"]), np.asarray(given["alpha"])
    require(alpha != 0, "alpha", alpha, "alpha must not be 0, got {value}; leave that term out")
    # Axes of quadrature points, which only one of the two may have, are the last ones.
    axes = max(mu.ndim, alpha.ndim)
    mu, alpha = (x.reshape(x.shape + (1,) * (axes - x.ndim)) for x in (mu, alpha))
    shear = np.sum(mu * alpha, axis=0) / 2
    require(
        shear > 0,
        "mu",
        shear,
        "mu and alpha must make the shear modulus at rest, the sum of mu * alpha / 2 over all "
        "terms, greater than 0, got {value}; a modulus mostly has the sign of its exponent",
    )
    return shear


OGDEN = Material(
    name="ogden",
    title="Ogden's solid of 1 to 6 terms",
    formula="Σ_p μ_p/α_p (Σ_i λ_i^α_p - 3 - α_p ln J) + λ/2 (ln J)² (compressible) or "
    "Σ_p μ_p/α_p (Σ_i λ̄_i^α_p - 3) + κ (J² - 1 - 2 ln J)/4 (isochoric), λ_i the principal "
    "stretches, λ̄_i = J^(-1/3) λ_i, λ = κ - Σ_p μ_p α_p / 3",
    reference="R. Ogden, Proceedings of the Royal Society A 326 (1972) 565-584, 328 (1972) 567-583",
    parametrization=with_bulk(shear_modulus, MU, ALPHA),
    kernel_parameters=(MU, ALPHA, BULK_MODULUS),
    energy=strain_energy,
    differentiated=differentiated,
    measure="principal",
    options={"form": ("compressible", "isochoric")},
    sizes={"terms": range(1, 7)},
    examples=(
        # Ogden's three terms for Treloar's rubber, in MPa; it is nearly incompressible.
        {"mu": [0.63, 0.0012, -0.01], "alpha": [1.3, 5.0, -2.0], "poissons_ratio": 0.49},
        {"mu": [0.8, -0.2], "alpha": [2.0, -2.0], "bulk_modulus": 5.0},
        {"mu": [1.0], "alpha": [2.0], "bulk_modulus": 4.0},
    ),
    textbook=textbook_energy,
)

"""Composite with one family of stiff fibres, of Bonet and Burton: neo-Hookean across.

    ψ = μ/2 (I₁ - 3) - μ ln J + λ/2 (J - 1)² + (α + 2 β ln J + γ (I₄ - 1))(I₄ - 1) - α/2 (I₅ - 1)

with I₄ = a·C a and I₅ = a·C² a for fibres along the unit vector a.  At small strain it is the
general transversely isotropic solid, so that users give the five constants of a ply.  With

    m = 1 - ν_T - 2 ν_A² E_T/E_A

they make λ = E_T (ν_T + ν_A² E_T/E_A) / (m (1 + ν_T)), μ = E_T / (2 (1 + ν_T)), α = μ - G_A,
β = (E_T ν_A/m - λ)/4 and γ = (E_A (1 - ν_T)/m - λ - 2 μ)/8 + α/2 - β.  The reference has four
constants: both of Poisson's ratios are its ν.  Fibres bear compression as well as tension.

Reference: J. Bonet and A. Burton, Computer Methods in Applied Mechanics and Engineering 162 (1998)
151-164.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from elastane.materials import textbook
from elastane.materials.invariants import (
    green_lagrange,
    jnp,
    log_volume_ratio,
    shape_change,
    volume_change,
)
from elastane.materials.isotropic import LAME_LAMBDA, LAME_MU
from elastane.materials.model import Material, Parameter, Parametrization, Values, require

if TYPE_CHECKING:
    from jax import Array

FIBRE = Parameter("fibre", "1", "direction of the fibres", shape=(3,), direction=True)
GIVEN = (
    Parameter("axial_modulus", "Pa", "Young's modulus E_A along the fibres", minimum=0.0),
    Parameter("transverse_modulus", "Pa", "Young's modulus E_T across the fibres", minimum=0.0),
    Parameter("axial_shear_modulus", "Pa", "shear modulus G_A along the fibres", minimum=0.0),
    Parameter(
        "axial_poissons_ratio",
        "1",
        "Poisson's ratio ν_A: how much a pull along the fibres contracts across",
    ),
    Parameter(
        "transverse_poissons_ratio",
        "1",
        "Poisson's ratio ν_T in the plane across the fibres",
        minimum=-1.0,
        maximum=1.0,
    ),
)
ALPHA = Parameter("alpha", "Pa", "weight α of I₄ and I₅, μ - G_A")
BETA = Parameter("beta", "Pa", "weight β of ln J (I₄ - 1)")
GAMMA = Parameter("gamma", "Pa", "weight γ of (I₄ - 1)²")


def strain_energy(
    H: "Array",
    lame_lambda: "Array",
    lame_mu: "Array",
    alpha: "Array",
    beta: "Array",
    gamma: "Array",
    fibre: "Array",
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    I₄ - 1 is 2 e with e = a·E a and I₅ - 1 is 4 e + 4 |E a|²: the terms of first order leave
    -2 α |E a|².
    """
    along = jnp.sum(green_lagrange(H) * fibre, axis=1)
    e = jnp.sum(along * fibre)
    reinforcement = 4.0 * (beta * log_volume_ratio(H) + gamma * e) * e
    matrix = lame_mu * shape_change(H) + 0.5 * lame_lambda * volume_change(H) ** 2
    return matrix + reinforcement - 2.0 * alpha * jnp.sum(along * along)


def textbook_energy(
    F: Any, *, lame_lambda: Any, lame_mu: Any, alpha: Any, beta: Any, gamma: Any, **fibre: Any
) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    a = textbook.direction("fibre", fibre)
    I1, _, J = textbook.invariants(F)
    along = F.T @ F @ a
    I4, I5 = a @ along, along @ along
    L = textbook.log(J)
    return (
        lame_mu / 2 * (I1 - 3)
        - lame_mu * L
        + lame_lambda / 2 * (J - 1) ** 2
        + (alpha + 2 * beta * L + gamma * (I4 - 1)) * (I4 - 1)
        - alpha / 2 * (I5 - 1)
    )


def convert(given: Mapping[str, Values]) -> dict[str, Values]:
    """Return λ, μ, α, β, γ and the fibre.

    Raises:
        ParameterError: If the solid would not be stable at rest.
    """
    E_A, E_T, G_A, nu_A, nu_T = (given[parameter.name] for parameter in GIVEN)
    product = nu_A * nu_A * E_T / E_A
    m = 1.0 - nu_T - 2.0 * product
    require(
        np.asarray(m) > 0,
        "axial_poissons_ratio",
        nu_A,
        "axial_poissons_ratio {value} is too large: 1 - transverse_poissons_ratio - "
        "2 axial_poissons_ratio² transverse_modulus / axial_modulus must be greater than 0, or the "
        "solid would not be stable; take smaller ratios",
    )
    lmbda = E_T * (nu_T + product) / (m * (1.0 + nu_T))
    mu = E_T / (2.0 * (1.0 + nu_T))
    alpha = mu - G_A
    beta = (E_T * nu_A / m - lmbda) / 4.0
    gamma = (E_A * (1.0 - nu_T) / m - lmbda - 2.0 * mu) / 8.0 + alpha / 2.0 - beta
    return {
        "lame_lambda": lmbda,
        "lame_mu": mu,
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
        "fibre": given["fibre"],
    }


TAKEN = (*GIVEN, FIBRE)

TRANSVERSELY_ISOTROPIC = Material(
    name="transversely-isotropic",
    title="composite with one family of stiff fibres, of Bonet and Burton",
    formula="μ/2 (I₁ - 3) - μ ln J + λ/2 (J - 1)² + (α + 2 β ln J + γ (I₄ - 1))(I₄ - 1) - "
    "α/2 (I₅ - 1), of the five constants at small strain",
    reference="J. Bonet, A. Burton, Comput. Methods Appl. Mech. Eng. 162 (1998) 151-164",
    parametrization=Parametrization(
        parameters=TAKEN,
        combinations=(frozenset(parameter.name for parameter in TAKEN),),
        takes=", ".join(parameter.name for parameter in TAKEN),
        convert=convert,
    ),
    kernel_parameters=(LAME_LAMBDA, LAME_MU, ALPHA, BETA, GAMMA, FIBRE),
    energy=strain_energy,
    examples=(
        {
            "axial_modulus": 10.0,
            "transverse_modulus": 1.0,
            "axial_shear_modulus": 0.6,
            "axial_poissons_ratio": 0.3,
            "transverse_poissons_ratio": 0.4,
            "fibre": [1.0, 0.0, 0.0],
        },
        {
            "axial_modulus": 3.0,
            "transverse_modulus": 1.0,
            "axial_shear_modulus": 0.3,
            "axial_poissons_ratio": 0.25,
            "transverse_poissons_ratio": 0.45,
            "fibre": [0.3, -0.5, 1.0],
        },
    ),
    textbook=textbook_energy,
)

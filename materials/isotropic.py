"""The elastic constants of an isotropic solid: any two determine all.

λ and μ are the Lamé parameters, κ = λ + 2μ/3 the bulk modulus, E Young's modulus and ν Poisson's
ratio, all of the small-strain limit.  The solid is stable at rest where μ > 0 and κ > 0.

Reference: W. Slaughter, The Linearized Theory of Elasticity, Birkhäuser 2002, chapter 5.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from elastane.materials.model import Parameter, Parametrization, Values, require

LAME_LAMBDA = Parameter("lame_lambda", "Pa", "first Lamé parameter λ")
LAME_MU = Parameter("lame_mu", "Pa", "second Lamé parameter μ, the shear modulus", minimum=0.0)
BULK_MODULUS = Parameter(
    "bulk_modulus",
    "Pa",
    "bulk modulus κ, pressure per relative change of volume",
    minimum=0.0,
    remedy="give it in units of stress",
)
POISSONS_RATIO = Parameter(
    "poissons_ratio",
    "1",
    "Poisson's ratio ν",
    minimum=-1.0,
    maximum=0.5,
    remedy="a nearly incompressible solid takes 0.49 to 0.4999, an incompressible one needs a "
    "mixed formulation",
)

PARAMETERS = (
    Parameter(
        "youngs_modulus",
        "Pa",
        "Young's modulus E, stress per strain in a tension test",
        minimum=0.0,
        remedy="give it in units of stress",
    ),
    POISSONS_RATIO,
    Parameter(
        "shear_modulus",
        "Pa",
        "shear modulus μ",
        minimum=0.0,
        remedy="give it in units of stress",
    ),
    BULK_MODULUS,
    LAME_LAMBDA,
)

#: Two given constants -> (λ, μ).  E, ν, μ, κ, λ are `E`, `nu`, `mu`, `kappa`, `lmbda`.
LAME: dict[tuple[str, str], Callable[[Values, Values], tuple[Values, Values]]] = {
    ("youngs_modulus", "poissons_ratio"): lambda E, nu: (
        E * nu / ((1 + nu) * (1 - 2 * nu)),
        E / (2 * (1 + nu)),
    ),
    ("youngs_modulus", "shear_modulus"): lambda E, mu: (mu * (E - 2 * mu) / (3 * mu - E), mu),
    ("youngs_modulus", "bulk_modulus"): lambda E, kappa: (
        3 * kappa * (3 * kappa - E) / (9 * kappa - E),
        3 * kappa * E / (9 * kappa - E),
    ),
    ("youngs_modulus", "lame_lambda"): lambda E, lmbda: (
        lmbda,
        (E - 3 * lmbda + np.sqrt(E * E + 9 * lmbda * lmbda + 2 * E * lmbda)) / 4,
    ),
    ("poissons_ratio", "shear_modulus"): lambda nu, mu: (2 * mu * nu / (1 - 2 * nu), mu),
    ("poissons_ratio", "bulk_modulus"): lambda nu, kappa: (
        3 * kappa * nu / (1 + nu),
        3 * kappa * (1 - 2 * nu) / (2 * (1 + nu)),
    ),
    ("poissons_ratio", "lame_lambda"): lambda nu, lmbda: (lmbda, lmbda * (1 - 2 * nu) / (2 * nu)),
    ("shear_modulus", "bulk_modulus"): lambda mu, kappa: (kappa - 2 * mu / 3, mu),
    ("shear_modulus", "lame_lambda"): lambda mu, lmbda: (lmbda, mu),
    ("bulk_modulus", "lame_lambda"): lambda kappa, lmbda: (lmbda, 3 * (kappa - lmbda) / 2),
}


def convert(given: Mapping[str, Values]) -> dict[str, Values]:
    """Return `lame_lambda`, `lame_mu` and `bulk_modulus` for any two constants.

    Raises:
        ParameterError: If the two do not belong to a stable solid.
    """
    first, second = (parameter.name for parameter in PARAMETERS if parameter.name in given)
    with np.errstate(divide="ignore", invalid="ignore"):
        lmbda, mu = LAME[first, second](_array(given[first]), _array(given[second]))
        kappa = lmbda + 2 * mu / 3
    for name, symbol, modulus in (("shear", "μ", mu), ("bulk", "κ", kappa)):
        good = np.isfinite(modulus) & (np.asarray(modulus) > 0)
        require(
            good,
            second,
            given[second],
            f"{second} {{value}} does not go with {first} {_text(given[first])}: the {name} "
            f"modulus {symbol} would not be positive; change one of the two",
        )
    values = {"lame_lambda": lmbda, "lame_mu": mu, "bulk_modulus": kappa} | {
        name: value for name, value in given.items() if name in ("lame_lambda", "bulk_modulus")
    }
    return {name: value if np.ndim(value) else float(value) for name, value in values.items()}


def _array(value: Values) -> Values:
    """Return the value as numpy numbers, whose division by zero gives inf instead of raising."""
    return np.asarray(value, dtype=np.float64)


def _text(value: Values) -> str:
    return repr(value) if np.ndim(value) == 0 else "as given"


ISOTROPIC = Parametrization(
    parameters=PARAMETERS,
    combinations=tuple(frozenset(pair) for pair in LAME),
    takes="any two of " + ", ".join(parameter.name for parameter in PARAMETERS),
    convert=convert,
)


def isotropic_with(*further: Parameter) -> Parametrization:
    """Return the parametrization by any two elastic constants and further parameters."""
    needed = [parameter.name for parameter in further if parameter.default is None]
    free = [parameter.name for parameter in further if parameter.default is not None]
    names = frozenset(parameter.name for parameter in further)
    return Parametrization(
        parameters=(*PARAMETERS, *further),
        combinations=tuple(frozenset((*pair, *needed)) for pair in LAME),
        takes=(f"{', '.join(needed)} and " if needed else "")
        + ISOTROPIC.takes
        + (f"; if wanted, {', '.join(free)}" if free else ""),
        # Not a function inside this one: ranks send materials to each other.
        convert=partial(_convert_with, names),
    )


def _convert_with(names: frozenset[str], given: Mapping[str, Values]) -> dict[str, Values]:
    """Return the elastic constants for two of them, and the further parameters of these names."""
    elastic = {name: value for name, value in given.items() if name not in names}
    return convert(elastic) | {name: given[name] for name in sorted(names)}


def with_bulk(
    shear: Callable[[Mapping[str, Values]], Values], *parameters: Parameter
) -> Parametrization:
    """Return the parametrization by parameters of one's own and κ, or ν in its place.

    Args:
        shear: Returns μ of the small-strain limit for the parameters; raises ParameterError where
            it is not positive.
        parameters: Those of the change of shape.
    """
    names = [parameter.name for parameter in parameters]
    volume = (BULK_MODULUS, POISSONS_RATIO)
    return Parametrization(
        parameters=(*parameters, *volume),
        combinations=tuple(frozenset((*names, constant.name)) for constant in volume),
        takes=f"{', '.join(names)} and one of bulk_modulus, poissons_ratio",
        convert=partial(_convert_bulk, shear),
    )


def _convert_bulk(
    shear: Callable[[Mapping[str, Values]], Values], given: Mapping[str, Values]
) -> dict[str, Values]:
    """Return what is given with κ = 2 μ (1 + ν) / (3 (1 - 2 ν)) in place of ν."""
    values = dict(given)
    mu = shear(given)
    if "poissons_ratio" in values:
        ratio = values.pop("poissons_ratio")
        values["bulk_modulus"] = 2 * mu * (1 + ratio) / (3 * (1 - 2 * ratio))
    return values


#: Two ordinary solids: a stiff compressible and a soft, nearly incompressible one.
EXAMPLES: tuple[Mapping[str, float], ...] = (
    {"youngs_modulus": 2.8, "poissons_ratio": 0.4},
    {"youngs_modulus": 1.0, "poissons_ratio": 0.49},
)

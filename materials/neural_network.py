"""Polyconvex input-convex neural network, whose weights a file holds.

    ψ = N(x) - N(0) - n (J - 1) + κ (J² - 1 - 2 ln J)/4,   x = (Ī₁ - 3, Ī₂^(3/2) - 3√3, J - 1)

N has softplus after each hidden layer.  Weights that are not negative make N convex in x and
nondecreasing in its first two entries; those of J - 1 in the first layer may have either sign.
Ī₁ = J^(-2/3) I₁ and Ī₂^(3/2) with Ī₂ = J^(-4/3) I₂ are polyconvex, and so is then N(x).  The
constant n = ∂N/∂J at rest makes rest free of stress: Ī₁ and Ī₂ are of second order there, and
n (J - 1) is linear in det F, so that subtracting it leaves ψ polyconvex.  The last term is convex
in J and goes to infinity as J goes to 0, whatever N does.  ψ ≥ 0, and it depends on C alone.

No digit is lost at small strain, since nothing is subtracted in floating point: a layer of

    s(b + d) - s(b) = σ(b) d + g_b(d)        s softplus, σ = s' the logistic function, b at rest

is kept as its linear part, which adds up to constants times x, and as g_b ≥ 0, which is of second
order.  What remains of N(x) - N(0) - n (J - 1) is a sum of terms none of which is negative.

The weights are constants of the kernels: zeros and linear parts fold away, and no quadrature point
reads them.  A file with other weights makes other kernels.

References: B. Amos, L. Xu, Z. Kolter, International Conference on Machine Learning (2017) 146-155,
input-convex networks; D. Klein, M. Fernández, R. Martin, P. Neff, O. Weeger, Journal of the
Mechanics and Physics of Solids 159 (2022) 104703; L. Linden, D. Klein, K. Kalina, J. Brummund,
O. Weeger, M. Kästner, ibid. 179 (2023) 105363, growth and rest; S. Hartmann, P. Neff,
International Journal of Solids and Structures 40 (2003) 2767-2791, Ī₂^(3/2).
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elastane.materials import textbook
from elastane.materials.files import FileModel, MaterialFileError, hash_of, name_of, read_bytes
from elastane.materials.invariants import jnp, volume_change
from elastane.materials.isochoric import VOLUMETRIC, first_isochoric, second_isochoric
from elastane.materials.isotropic import BULK_MODULUS
from elastane.materials.model import Material, Parametrization
from elastane.materials.network_file import LARGEST, NUM_MONOTONE, READERS, Network, read_network

if TYPE_CHECKING:
    from jax import Array

#: |d| below which g_b(d) is a polynomial, and its degree.  The coefficients fall with π^-k: the
#: first term left out of its derivative is (r/π)^8, 2e-18, of the sum.  Beyond, 1/r times the
#: rounding error of doubles is lost at most, 1e-14.
RADIUS, DEGREE = 0.02, 9

#: Beyond, s(x) is x: what is left out, e^-x, is 1e-18 of it.
LARGE = 38.0

Constants = NDArray[np.float64]

BULK = replace(
    BULK_MODULUS,
    meaning="bulk modulus κ of the term that goes to infinity as J goes to 0; the network adds its "
    "own",
)


def load(path: Path) -> Material:
    """Return the material whose network a file holds.

    Raises:
        MaterialFileError: If the file holds none, or one that is not polyconvex.
    """
    path = path.resolve()
    content = read_bytes(path, tuple(READERS), LARGEST)
    network = read_network(path, content)
    if not _slopes(network)[:NUM_MONOTONE].any():
        raise MaterialFileError(
            f"{path}: no path of positive weights leads from Ī₁ or Ī₂ to the output: at rest the "
            "solid would have no shear stiffness"
        )
    sizes = "-".join(map(str, network.sizes))
    return Material(
        name=name_of(path),
        title=f"polyconvex neural network of layers {sizes}",
        formula="N(x) - N(0) - n (J - 1) + κ (J² - 1 - 2 ln J)/4, "
        "x = (Ī₁ - 3, Ī₂^(3/2) - 3√3, J - 1)",
        reference="L. Linden, D. Klein, K. Kalina, J. Brummund, O. Weeger, M. Kästner, Journal of "
        "the Mechanics and Physics of Solids 179 (2023) 105363",
        parametrization=Parametrization.direct(BULK),
        kernel_parameters=(BULK,),
        energy=partial(strain_energy, network),
        textbook=partial(textbook_energy, network),
        examples=({"bulk_modulus": 10.0 * shear_modulus(network)},),
        file=path,
        content=hash_of(content),
    )


def strain_energy(network: Network, H: "Array", bulk_modulus: "Array") -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3)."""
    change = volume_change(H)
    second = 3.0 * math.sqrt(3.0) * jnp.expm1(1.5 * jnp.log1p(second_isochoric(H) / 3.0))
    x = [first_isochoric(H), second, change]
    linear = np.eye(len(x))
    remainders: list[Any] = [0.0] * len(x)
    for weight, at_rest in zip(network.weights, _at_rest(network), strict=True):
        linear, remainders = weight @ linear, [_sum(row, remainders) for row in weight]
        increments = [_sum(row, x) + r for row, r in zip(linear, remainders, strict=True)]
        slopes = _logistic(at_rest)
        linear = slopes[:, None] * linear
        remainders = [
            s * r + _beyond_linear(b, d)
            for s, r, b, d in zip(slopes, remainders, at_rest, increments, strict=True)
        ]
    monotone = (network.output @ linear)[:NUM_MONOTONE]
    shape = _sum(monotone, x[:NUM_MONOTONE]) + _sum(network.output, remainders)
    return shape + bulk_modulus * VOLUMETRIC["j2"](change)


def textbook_energy(network: Network, F: Any, *, bulk_modulus: Any) -> Any:
    """Return ψ as printed, of mpmath numbers; see `Material.textbook`."""
    I1, I2, J = textbook.isochoric_invariants(F)
    root = textbook.exp(textbook.log(I2) * 3 / 2) - textbook.exp(textbook.log(27 + 0 * J) / 2)
    rest = 0 * J
    value, _ = _forward(network, np.array([I1 - 3, root, J - 1]))
    at_rest, slopes = _forward(network, np.array([rest, rest, rest]))
    growth = (J**2 - 1 - 2 * textbook.log(J)) / 4
    return value - at_rest - slopes[2] * (J - 1) + bulk_modulus * growth


def shear_modulus(network: Network) -> float:
    """Return the shear modulus at rest, Pa."""
    first, second, _ = _slopes(network)
    return float(2.0 * first + 3.0 * math.sqrt(3.0) * second)


def _forward(network: Network, x: Any) -> tuple[Any, Any]:
    """Return N and its derivatives, layer by layer, of mpmath numbers."""
    values, slopes = x, np.eye(len(x), dtype=int)
    for weight, bias in zip(network.weights, network.biases, strict=True):
        exponentials = [textbook.exp(y) for y in weight @ values + bias]
        values = np.array([textbook.log(1 + e) for e in exponentials])
        slopes = np.array([e / (1 + e) for e in exponentials])[:, None] * (weight @ slopes)
    return network.output @ values, network.output @ slopes


def _slopes(network: Network) -> Constants:
    """Return the derivatives of N at rest by its three inputs."""
    slopes = np.eye(network.sizes[0])
    for weight, at_rest in zip(network.weights, _at_rest(network), strict=True):
        slopes = _logistic(at_rest)[:, None] * (weight @ slopes)
    return network.output @ slopes


def _at_rest(network: Network) -> Iterator[Constants]:
    """Yield what each softplus is taken of at rest."""
    values = np.zeros(network.sizes[0])
    for weight, bias in zip(network.weights, network.biases, strict=True):
        values = weight @ values + bias
        yield values
        values = np.logaddexp(values, 0.0)


def _logistic(b: Constants) -> Constants:
    """Return 1 / (1 + e^-b)."""
    return np.exp(-np.logaddexp(0.0, -b))


def _sum(weights: Constants, terms: list[Any]) -> Any:
    """Return Σ weights[k] terms[k] without the terms whose weight is zero."""
    products = [float(w) * t for w, t in zip(weights, terms, strict=True) if w != 0.0]
    return sum(products[1:], start=products[0]) if products else 0.0


def _beyond_linear(b: float, d: "Array") -> "Array":
    """Return g_b(d) = s(b + d) - s(b) - σ(b) d with s the softplus, for a constant b.

    g_b(d) = g_-b(-d) holds; with b ≤ 0, σ ≤ 1/2 is never nearly 1.  Far from 0,
    s(b + d) - s(b) is ln(1 + σ(b) (e^d - 1)), and b + d - s(b) where e^(b + d) is large; near 0 the
    Taylor series has no linear part that would cancel.
    """
    if b > 0.0:
        b, d = -b, -d
    slope = math.exp(b) / (1.0 + math.exp(b))
    is_near = jnp.abs(d) < RADIUS
    near = jnp.where(is_near, d, 0.0)
    series = 0.0 * near
    for coefficient in reversed(_taylor(slope)):
        series = coefficient + near * series
    is_large = d > LARGE - b
    # The branch not taken must not overflow either.
    logarithm = jnp.log1p(slope * jnp.expm1(jnp.where(is_large, 0.0, d)))
    risen = jnp.where(is_large, d + (b - math.log1p(math.exp(b))), logarithm)
    return jnp.where(is_near, near * near * series, risen - slope * d)


def _taylor(slope: float) -> list[float]:
    """Return the coefficients of g_b(d) / d² up to DEGREE, for σ(b) = slope.

    σ' = σ (1 - σ) gives those of σ(b + d) one after the other; integration gives those of s.
    """
    sigma = [slope]
    for k in range(DEGREE):
        square = sum(sigma[i] * sigma[k - i] for i in range(k + 1))
        sigma.append((sigma[k] - square) / (k + 1))
    return [sigma[k] / (k + 1) for k in range(1, DEGREE)]


NEURAL_NETWORK = FileModel("weights", tuple(READERS), load, load)

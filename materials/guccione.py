"""Passive heart muscle, of Guccione, McCulloch and Waldman, alike in all directions across fibres.

    ψ = C/2 (exp(Q) - 1) + κ (J² - 1 - 2 ln J)/4
    Q = b_f E_ff² + b_t (E_ss² + E_nn² + 2 E_sn²) + 2 b_fs (E_fs² + E_fn²)

with the components of the Green-Lagrange strain along the fibre f and along any two directions s
and n across.  It is the law of Land's benchmarks, where C = 2 kPa, b_f = 8, b_t = 2, b_fs = 4
(problems 1 and 3) or C = 10 kPa and 1, 1, 1 (problem 2).  There the muscle keeps its volume; here κ
does so nearly.  Q is made of the whole E, volume included, so that at rest κ adds to a bulk
modulus C (b_f + 2 b_t)/9.

References: J. Guccione, A. McCulloch, L. Waldman, Journal of Biomechanical Engineering 113 (1991)
42-55; S. Land et al., Proceedings of the Royal Society A 471 (2015) 20150641.
"""

from typing import TYPE_CHECKING, Any

from elastane.materials import textbook
from elastane.materials.invariants import green_lagrange, inner, jnp, volume_change
from elastane.materials.isochoric import j2, volumetric_textbook
from elastane.materials.isotropic import BULK_MODULUS
from elastane.materials.model import Material, Parameter, Parametrization

if TYPE_CHECKING:
    from jax import Array

FIBRE = Parameter("fibre", "1", "direction f of the fibres", shape=(3,), direction=True)
STIFFNESS = Parameter("stiffness", "Pa", "scale C of the energy", minimum=0.0)
B_F = Parameter("b_f", "1", "weight b_f of strain along the fibres", minimum=0.0)
B_T = Parameter("b_t", "1", "weight b_t of strain across the fibres", minimum=0.0)
B_FS = Parameter("b_fs", "1", "weight b_fs of shear between along and across", minimum=0.0)


def strain_energy(
    H: "Array",
    fibre: "Array",
    stiffness: "Array",
    b_f: "Array",
    b_t: "Array",
    b_fs: "Array",
    bulk_modulus: "Array",
) -> "Array":
    """Return ψ in J/m³ for a displacement gradient of shape (3, 3).

    With E f, E_fs² + E_fn² is |E f - E_ff f|², and what is left of E once its parts along the
    fibre are taken away is its part across: neither takes a small difference of large numbers.
    """
    E = green_lagrange(H)
    along = jnp.sum(E * fibre, axis=1)
    E_ff = jnp.sum(along * fibre)
    shear = along - E_ff * fibre
    mixed = shear[:, None] * fibre + fibre[:, None] * shear
    across = E - mixed - E_ff * fibre[:, None] * fibre
    Q = b_f * E_ff**2 + b_t * inner(across, across) + 2.0 * b_fs * jnp.sum(shear * shear)
    return 0.5 * stiffness * jnp.expm1(Q) + bulk_modulus * j2(volume_change(H))


def textbook_energy(
    F: Any, *, stiffness: Any, b_f: Any, b_t: Any, b_fs: Any, bulk_modulus: Any, **fibre: Any
) -> Any:
    """Return ψ as printed, of mpmath numbers, in a basis (f, s, n); see `Material.textbook`."""
    f, s, n = textbook.basis(textbook.direction("fibre", fibre))
    E = (F.T @ F - textbook.identity()) / 2
    Q = (
        b_f * (f @ E @ f) ** 2
        + b_t * ((s @ E @ s) ** 2 + (n @ E @ n) ** 2 + 2 * (s @ E @ n) ** 2)
        + 2 * b_fs * ((f @ E @ s) ** 2 + (f @ E @ n) ** 2)
    )
    J = textbook.determinant(F)
    return stiffness / 2 * (textbook.exp(Q) - 1) + bulk_modulus * volumetric_textbook(J, "j2")


GUCCIONE = Material(
    name="guccione",
    title="passive heart muscle, of Guccione, McCulloch and Waldman",
    formula="C/2 (exp(Q) - 1) + κ (J² - 1 - 2 ln J)/4, Q = b_f E_ff² + b_t (E_ss² + E_nn² + "
    "2 E_sn²) + 2 b_fs (E_fs² + E_fn²)",
    reference="J. Guccione, A. McCulloch, L. Waldman, J. Biomech. Eng. 113 (1991) 42-55; "
    "S. Land et al., Proc. R. Soc. A 471 (2015) 20150641",
    parametrization=Parametrization.direct(FIBRE, STIFFNESS, B_F, B_T, B_FS, BULK_MODULUS),
    kernel_parameters=(FIBRE, STIFFNESS, B_F, B_T, B_FS, BULK_MODULUS),
    energy=strain_energy,
    examples=(
        # Land's problems 1 and 3, and 2, in kPa.
        {
            "fibre": [1.0, 0.0, 0.0],
            "stiffness": 2.0,
            "b_f": 8.0,
            "b_t": 2.0,
            "b_fs": 4.0,
            "bulk_modulus": 200.0,
        },
        {
            "fibre": [0.6, 0.7, -0.4],
            "stiffness": 10.0,
            "b_f": 1.0,
            "b_t": 1.0,
            "b_fs": 1.0,
            "bulk_modulus": 100.0,
        },
    ),
    textbook=textbook_energy,
)

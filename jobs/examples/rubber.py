"""Rubber that stiffens."""  # the title; everything but the function may be left out

from elastane.materials.invariants import shape_change, volume_change
from elastane.materials.model import Parameter

# What a job may give: name, unit, meaning and bounds.  Parameters that are not here, such as
# shear_modulus, are known by their names, or are any finite numbers.
PARAMETERS = (Parameter("stiffening", "1", "growth of the shear modulus with strain", minimum=0.0),)


# H is the displacement gradient; E (Green-Lagrange) and principal_strains (those of E) may stand in
# its place.  The defaults are the example that the energy is checked with; a job gives its own.
# Use jax.numpy and the functions of elastane.materials.invariants, which keep every digit: 1 + H
# loses those of small strains.
def strain_energy(H, shear_modulus=1.0, bulk_modulus=10.0, stiffening=0.5):
    """Return the strain energy per initial volume: stress and tangent follow from it."""
    s = shape_change(H)  # tr E - ln J
    shape = shear_modulus * (s + stiffening * s**2)
    return shape + 0.5 * bulk_modulus * volume_change(H) ** 2  # J - 1

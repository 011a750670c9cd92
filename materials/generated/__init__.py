"""The generated C of the built-in materials, checked in: a run needs no compiler of energies."""

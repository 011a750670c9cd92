"""The audit of a material: what differentiation gets wrong even when the tool is right.

    states        the designed set of displacement gradients
    derive        one material seen as formulas by Enzyme, formulas by JAX, and C
    subject       the material at one set of parameters, evaluated in doubles, 50 digits and floats
    derivatives   Taylor slopes, dot products, complex steps, Enzyme against JAX
    precision     double against 50 digits, textbook, C in double and single precision
    invariance    rotations of space and of the material
    energy        rest, sign and growth of the energy
    kinks         one-sided derivatives; no number in branches that are not taken
    ellipticity   the smallest eigenvalue of the acoustic tensor over a stretch plane
    one_element   quadratic convergence of Newton's method on one element
    tests         the table of all tests, and what runs them
    findings      what a test says; `report` shows it, `verdict` keeps it

`python -m elastane.materials.audit` runs all of it in this process; `verdict.find_verdict` runs it
apart, with limits, and keeps the answer.  The subject matter: J. Hückelheim et al., A taxonomy of
automatic differentiation pitfalls, WIREs Data Mining and Knowledge Discovery 14 (2024) e1555.
"""

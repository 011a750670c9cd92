"""From a strain energy in Python to C QFunctions, in stages.

    lower       the energy to StableHLO; what cannot be differentiated is refused by name
    enzyme      StableHLO to its derivatives: S, and dS along an increment
    formulas    both interpreted on scalars (`interpret`, `graph`): ψ, P and dP as one graph
    check       Enzyme against JAX, Taylor, symmetry, rotations and 50 digits; any doubt refuses
    split       what the residual stores for the Jacobian (`accumulate` shortens it first)
    emit        libCEED QFunctions (`qfunctions`) as straight-line scalar C99

`pipeline.compile_material` calls them in this order.  `python -m elastane.materials.compiler` makes
the checked-in kernels anew, each in a process of its own since Enzyme can crash an interpreter.

`native` and `cache` serve runs as well; they, and this package itself, need neither JAX nor Enzyme.
"""

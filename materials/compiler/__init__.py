"""From a strain energy in Python to C QFunctions, in stages.

    lower       the energy to StableHLO; `refusals` names what cannot be compiled, and its line
    enzyme      StableHLO to its derivatives: S, and dS along an increment; JAX where Enzyme cannot
    formulas    both interpreted on scalars (`interpret`, `stablehlo`, `graph`, `operations`): ψ, P
                and dP as one graph; `principal` for energies of principal strains, `history` for
                materials that remember
    check       Enzyme against JAX, Taylor, symmetry, rotations, 50 digits (`evaluate`); any doubt
                refuses
    split       what the residual stores for the Jacobian; `accumulate` or `eliminate` shortens the
                tangent before, `factor` after
    emit        libCEED QFunctions (`qfunctions`) as straight-line scalar C99, in an `order` in
                which few values are alive at once

`pipeline.compile_material` calls them in this order.  `build.compile_apart` does so in a process of
its own, since Enzyme can crash the interpreter, and keeps the result in the cache; `apart` bounds
that process (`limiter` from within), where alone the code of a user's file runs (`describe`).
`python -m elastane.materials.compiler` makes the checked-in kernels anew.

`native`, `cache`, `texts` and `apart` serve runs as well; they, and this package itself, need
neither JAX nor Enzyme.
"""

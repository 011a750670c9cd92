"""Second stage: differentiate StableHLO with Enzyme, reverse for S and forward over reverse for dS.

Enzyme runs on the text of a module as MLIR passes; nothing is executed.  The strings are those of
enzyme_ad 0.0.16: `enzyme-wrap` replaces a function by its derivative, and the passes between clean
up what it leaves, without which the second derivative is several times as long.
"""

from enzyme_ad.jax import enzyme_call, primitives  # type: ignore[import-untyped]

from elastane.materials.compiler.errors import UnsupportedError

INLINE = "inline{default-pipeline=canonicalize max-iterations=4}"
CLEAN = (
    "arith-raise{stablehlo=true},enzyme-batch-to-stablehlo,canonicalize,cse,canonicalize,"
    "remove-unnecessary-enzyme-ops,enzyme-simplify-math,canonicalize,cse"
)
TIDY = "canonicalize,cse"


def differentiate(text: str, num_parameters: int) -> str:
    """Return a module whose `main` is (measure, increment, parameters..., seed) -> (S, dS).

    Args:
        text: Module whose `main` is (measure, parameters...) -> ψ.
        num_parameters: Number of parameters, the arrays of the history included.

    Raises:
        UnsupportedError: If Enzyme cannot differentiate the module.
    """
    constants = ["enzyme_const"] * num_parameters
    # Loops must be unrolled before they are differentiated; only Enzyme's own optimiser does it,
    # which otherwise lengthens the result.
    tidy = primitives.optimization_passes() if "stablehlo.while" in text else TIDY
    passes = ",".join(
        [
            INLINE,
            tidy,
            _wrap(["enzyme_active", *constants], "enzyme_active", "ReverseModeCombined"),
            CLEAN,
            TIDY,
            TIDY,
            _wrap(["enzyme_dup", *constants, "enzyme_const"], "enzyme_dup", "ForwardMode"),
            CLEAN,
            TIDY,
            TIDY,
        ]
    )
    try:
        _, result = enzyme_call.run_pass_pipeline([], text, passes)
    except Exception as error:
        raise UnsupportedError(f"Enzyme cannot differentiate the energy: {error}") from error
    return str(result)


def _wrap(arguments: list[str], result: str, mode: str) -> str:
    return (
        f"enzyme-wrap{{infn=main outfn= retTys={result} argTys={','.join(arguments)} mode={mode}}}"
    )

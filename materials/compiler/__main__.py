"""Generate the C of materials: `python -m elastane.materials.compiler [MATERIAL ...]`.

Without arguments the checked-in kernels of all built-in materials are made anew.
"""

import argparse
import json
import sys
from pathlib import Path

from elastane.materials import MODELS
from elastane.materials.compiler.build import (
    CompileError,
    KernelSet,
    compile_apart,
    copy_kernels,
    find_kernel_sets,
    find_material,
)
from elastane.materials.compiler.errors import CheckError, UnsupportedError
from elastane.materials.kernels import GENERATED
from elastane.materials.model import Choices


def main() -> int:
    """Compile what the command line names; return 0, or 2 if a material cannot be compiled."""
    parser = argparse.ArgumentParser(
        prog="python -m elastane.materials.compiler", description="Generate the C of materials."
    )
    parser.add_argument(
        "materials",
        nargs="*",
        metavar="MATERIAL",
        default=list(MODELS),
        help=f"{', '.join(MODELS)}, a file that defines one, or module:NAME for a Material of your "
        "own (default: all)",
    )
    parser.add_argument(
        "--choices", type=json.loads, help='options and sizes as JSON, such as {"terms": 4}'
    )
    parser.add_argument("--output", type=Path, default=GENERATED, help="folder of the C files")
    parser.add_argument("--here", action="store_true", help="compile in this process, uncached")
    parser.add_argument("--report", type=Path, help="file for what is wrong, instead of stderr")
    arguments = parser.parse_args()
    try:
        for reference in arguments.materials:
            for kernels in _kernel_sets(reference, arguments.choices, arguments.here):
                _compile(kernels, arguments.output, here=arguments.here)
    except (CompileError, CheckError, UnsupportedError, ValueError) as error:
        if arguments.report:
            arguments.report.write_text(str(error), encoding="utf-8")
        else:
            sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _kernel_sets(reference: str, choices: Choices | None, here: bool) -> list[KernelSet]:
    if choices is None:
        return find_kernel_sets(reference)
    material = find_material(reference, in_process=here)
    return [KernelSet(reference, material, material.resolve_choices(choices))]


def _compile(kernels: KernelSet, folder: Path, *, here: bool) -> None:
    if here:
        # Imports Enzyme, which must not happen in the process that waits for this one.
        from elastane.materials.compiler.pipeline import compile_material

        compile_material(kernels.material, kernels.choices, folder)
    else:
        copy_kernels(compile_apart(kernels), folder)
        sys.stdout.write(f"{folder / kernels.name}.c\n")


if __name__ == "__main__":
    sys.exit(main())

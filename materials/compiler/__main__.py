"""Generate the C of the built-in materials: `python -m elastane.materials.compiler [NAME ...]`.

Each kernel set is compiled by a process of its own: Enzyme can crash the interpreter, and a crash
must name its material and leave the others alone.
"""

import argparse
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from elastane.materials import MODELS
from elastane.materials.kernels import GENERATED
from elastane.materials.model import Material, nearest


def kernel_sets() -> Iterator[tuple[str, Material, dict[str, str]]]:
    """Yield name, material and options of every kernel set of the built-in materials."""
    for material in MODELS.values():
        for values in itertools.product(*material.options.values()):
            options = dict(zip(material.options, values, strict=True))
            yield material.kernel_name(options), material, options


def main() -> int:
    """Compile the kernel sets that the command line names; return the exit code."""
    known = {name: (material, options) for name, material, options in kernel_sets()}
    parser = argparse.ArgumentParser(
        prog="python -m elastane.materials.compiler", description=__doc__.split(":")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--output", type=Path, default=GENERATED, help="folder of the C files")
    parser.add_argument("--here", action="store_true", help="compile in this process")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in known:
            parser.error(f"unknown kernels {name!r}{nearest(name, known)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    names = arguments.names or list(known)
    if arguments.here:
        from elastane.materials.compiler.pipeline import compile_material

        for name in names:
            compile_material(*known[name], arguments.output)
        return 0
    return max(_compile_apart(name, arguments.output) for name in names)


def _compile_apart(name: str, folder: Path) -> int:
    command = [sys.executable, "-m", "elastane.materials.compiler", "--here", name]
    code = subprocess.run([*command, "--output", str(folder)], check=False).returncode
    outcome = "compiled" if code == 0 else f"failed with exit code {code}"
    sys.stdout.write(f"{name}: {outcome}\n")
    return abs(code)


if __name__ == "__main__":
    sys.exit(main())

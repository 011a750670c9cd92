"""Run a user's material file and write down what it defines: the other half of `materials.user`.

    python -m elastane.materials.compiler.describe FILE ANSWER

ANSWER is JSON: {"material": description}, or {"error": message} where something is wrong with the
file.  The energy is traced once, so that what the compiler would refuse is refused here, too.
"""

import json
import sys
from pathlib import Path
from typing import Any

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.description import UnknownConversionError, describe_as_json
from elastane.materials.files import MaterialFileError
from elastane.materials.user import faults_named, read_in_process


def main() -> None:
    """Describe the file that the command line names."""
    file, answer = map(Path, sys.argv[1:])
    answer.write_text(json.dumps(described(file)), encoding="utf-8")


def described(file: Path) -> dict[str, Any]:
    """Return what is written down of a file; runs it."""
    try:
        material = read_in_process(file)
        description = describe_as_json(material)
        with faults_named(file.resolve()):
            # Here, because it imports JAX, which a file with plain faults need not wait for.
            from elastane.materials.compiler.lower import lower

            for choices in material.kernel_sets():
                lower(material, choices)
    except UnknownConversionError as error:
        return {"error": f"{file}: {error}"}
    except (MaterialFileError, UnsupportedError) as error:
        return {"error": str(error)}
    return {"material": description}


if __name__ == "__main__":
    main()

"""Write the tables of benchmarks/README.md from the numbers in benchmarks/results.

python -m benchmarks.report
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import box, schwarz, tangent

PAGE = Path(__file__).parent / "README.md"

#: How the content of each file of results becomes Markdown.
TABLES: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "tangent": lambda content: tangent.table(content["rows"]),
    "box": box.table,
    "schwarz": lambda content: schwarz.table(content["rows"]),
}


def main() -> None:
    """Renew the page."""
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def renewed(page: str) -> str:
    """Return the page with the text between its markers renewed."""
    for name, table in TABLES.items():
        content = json.loads((PAGE.parent / "results" / f"{name}.json").read_text(encoding="utf-8"))
        before, marker, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert end, f"the page has no place for {name}"
        text = f"{circumstances(content['machine'])}\n\n{table(content)}\n"
        page = before + marker + text + end + after
    return page


def circumstances(machine: dict[str, Any]) -> str:
    """Return on what the numbers were measured."""
    versions = ", ".join(
        f"{name} {version}"
        for name, version in machine["versions"].items()
        if name in ("petsc", "libceed")
    )
    return (
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_average']:.1f} "
        f"from others and this run; {machine['compiler']}; QFunctions "
        f"`{machine['flags']['qfunctions']}`, PETSc `{machine['flags']['petsc']}`, libCEED from "
        f"its wheel; {versions}; commit {machine['commit']}."
    )


if __name__ == "__main__":
    main()

"""Write the tables of the pages from the numbers in benchmarks/results.

python -m elastane.benchmarks.report
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from elastane.benchmarks import materials, operators, scaling, solves, verification

ROOT = Path(__file__).parent.parent

#: Pages with places for tables.
PAGES = (ROOT / "benchmarks/README.md", ROOT / "docs/verification.md")

#: How the content of each file of results becomes Markdown.
TABLES: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "operator": operators.table,
    "solve": solves.table,
    "scaling": scaling.table,
    "verification": verification.table,
    "materials": materials.table,
}


def main() -> None:
    """Renew the pages."""
    for page in PAGES:
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


def renewed(page: str) -> str:
    """Return the text of a page with what stands between its markers renewed."""
    for name, table in TABLES.items():
        before, marker, rest = page.partition(f"<!-- {name} -->\n")
        if not marker:
            continue
        _, end, after = rest.partition("<!-- end -->")
        assert end, f"the place of {name} has no end"
        path = ROOT / "benchmarks/results" / f"{name}.json"
        content = json.loads(path.read_text(encoding="utf-8"))
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
    fused = machine.get("compilers_of_fused_kernels", {}).get("arithmetic")
    return (
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_average']:.1f} "
        f"from others and this run; {machine['compiler']}; "
        f"{f'fused kernels {fused}; ' if fused else ''}QFunctions "
        f"`{machine['flags']['qfunctions']}`, PETSc `{machine['flags']['petsc']}`, libCEED "
        f"from its wheel; {versions}; commit {machine['commit']}."
    )


if __name__ == "__main__":
    main()

"""Audit materials in this process: `python -m elastane.materials.audit REFERENCE`.

`--renew` audits the built-in materials whose energies have changed, or those named, each in a
process of its own, and writes the verdicts that are checked in.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from elastane.materials import MODELS
from elastane.materials.audit.findings import Status
from elastane.materials.audit.report import Report
from elastane.materials.audit.verdict import CHECKED_IN, audit_apart, checked_in
from elastane.materials.compiler.build import find_material
from elastane.materials.compiler.cache import written_aside
from elastane.materials.kernels import source_hash
from elastane.materials.model import Choices


def main() -> int:
    """Audit what the command line names; return 0, or 2 if a material fails."""
    parser = argparse.ArgumentParser(
        prog="python -m elastane.materials.audit", description="Audit a material."
    )
    parser.add_argument("reference", nargs="?", help="as for the compiler")
    parser.add_argument("--choices", type=json.loads, default={}, help="options and sizes as JSON")
    parser.add_argument("--given", type=json.loads, default={}, help="parameters as JSON")
    parser.add_argument("--plot", type=Path, help="folder for the ellipticity map")
    parser.add_argument("--output", type=Path, help="file for the report as JSON")
    parser.add_argument("--without-enzyme", action="store_true", help="use JAX's derivatives only")
    parser.add_argument("--renew", nargs="*", metavar="MODEL", help="renew the checked-in verdicts")
    options = parser.parse_args()
    if options.renew is not None:
        return renew(options.renew)
    try:
        found = _audit(options).as_json()
    except Exception as error:
        if options.output is None:
            raise
        # The process that waits for this one tells the user.
        options.output.write_text(json.dumps({"error": str(error)}), encoding="utf-8")
        return 2
    if options.output is not None:
        options.output.write_text(json.dumps(found), encoding="utf-8")
    else:
        sys.stdout.write(Report.from_json(found).as_text() + "\n")
    return 2 if found["verdict"] == Status.FAIL else 0


def _audit(options: argparse.Namespace) -> Report:
    # Import Enzyme, which must not happen in a process that waits for this one.
    from elastane.materials.audit.ellipticity import draw_map
    from elastane.materials.audit.tests import audit

    material = find_material(options.reference, in_process=True)
    choices: Choices = {**options.choices, **material.sizes_of(options.given)}
    report, subject = audit(
        material, choices, given=options.given, with_enzyme=not options.without_enzyme
    )
    if options.plot is None or subject is None:
        return report
    path = options.plot / f"{report.name}-ellipticity.png"
    options.plot.mkdir(parents=True, exist_ok=True)
    draw_map(subject, path)
    return Report(report.name, report.findings, report.seconds, (str(path),))


def renew(names: list[str]) -> int:
    """Write the verdicts of built-in materials, those named or else those out of date.

    Returns 2 if one fails.
    """
    verdicts: dict[str, Any] = dict(checked_in())
    failed = False
    known: list[str] = []
    for name, material in MODELS.items():
        for choices in material.kernel_sets():
            kernels = material.kernel_name(choices)
            known.append(kernels)
            fresh = verdicts.get(kernels, {}).get("source_hash") == source_hash(material)
            if (name not in names) if names else fresh:
                continue
            report = audit_apart(name, choices)
            failed |= report.status is Status.FAIL
            sys.stdout.write(f"{report.as_text()}\n")
            verdicts[report.name] = {
                "source_hash": source_hash(material),
                **Report(report.name, report.bad, report.seconds).as_json(),
            }
    kept = {name: verdicts[name] for name in known if name in verdicts}
    with written_aside(CHECKED_IN) as aside:
        text = json.dumps(kept, indent=2, ensure_ascii=False)
        aside.write_text(text + "\n", encoding="utf-8")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

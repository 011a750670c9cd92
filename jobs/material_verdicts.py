"""What the audit says of the materials of a job, before it is solved.

A material that fails `elastane materials check` is refused, unless the user insists.
"""

from collections.abc import Callable, Mapping

from elastane.materials.audit.findings import Status
from elastane.materials.audit.verdict import find_verdict
from elastane.solver.problem import RegionMaterial


class MaterialFailsError(ValueError):
    """A material of the job fails its check; the message says how."""


def require_verdicts(
    materials: Mapping[str, RegionMaterial], unchecked: bool, say: Callable[[str], None]
) -> list[str]:
    """Return warnings for the result of the run; tell all warnings.

    Args:
        materials: The materials by region.
        unchecked: Whether materials that fail are to be used all the same.
        say: Takes one line.

    Raises:
        MaterialFailsError: If a material fails and `unchecked` is false.
        AuditError: If a material cannot be audited.
    """
    kept: list[str] = []
    told: set[str] = set()
    for region, material in materials.items():
        report = find_verdict(material.model, material.options, say)
        if report.name in told:
            continue
        told.add(report.name)
        name = material.model.file or material.model.name
        for finding in report.bad:
            line = f"{report.name}: {finding.test}: {finding.sentence}"
            if finding.status is Status.WARN:
                say(f"warning: {line}")
            elif unchecked:
                kept.append(f"unchecked material of region {region}: {line}")
                say(f"warning: {kept[-1]}")
        if report.status is Status.FAIL and not unchecked:
            failures = [f for f in report.bad if f.status is Status.FAIL]
            lines = [f"  {f.test} ({f.category}): {f.sentence}" for f in failures]
            head = f"the material of region {region}, {report.name}, fails its check:"
            tail = f"`elastane materials check {name}` shows where; `--unchecked` runs all the same"
            raise MaterialFailsError("\n".join([head, *lines, tail]))
    return kept

"""Verdicts on materials: from the audit, run apart, kept in the cache by content.

Those of the built-in materials, as their kernels, are checked in, so that a run needs no audit and
a login node no JAX.  `python -m elastane.materials.audit --renew` makes them anew.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.report import Report
from elastane.materials.compiler.apart import ApartError, run_apart
from elastane.materials.compiler.build import kernel_set
from elastane.materials.compiler.cache import cache_folder, digest, written_aside
from elastane.materials.compiler.texts import compiler_text, package_versions
from elastane.materials.kernels import GENERATED, source_hash
from elastane.materials.model import Choices, Material

#: The verdicts of the kernel sets that come compiled.
CHECKED_IN = GENERATED / "verdicts.json"

#: What audits, in a process of its own.
AUDIT = "elastane.materials.audit"


class AuditError(ValueError):
    """A material could not be audited; the message says why."""


def find_verdict(
    material: Material, choices: Choices, announce: Callable[[str], None] = lambda _: None
) -> Report:
    """Return the verdict on a material: the one checked in, the one in the cache, or a new one.

    Of a viscoelastic material the instantaneous response is audited, which all else follows from.

    Args:
        material: The material.
        choices: Its options and sizes.
        announce: Told in one line what takes the time, where it takes some.

    Raises:
        AuditError: If the material cannot be audited.
    """
    if material.base is not None:
        base = material.base
        return find_verdict(
            base, {k: v for k, v in choices.items() if k in {*base.options, *base.sizes}}, announce
        )
    known = known_verdict(material, choices)
    if known is not None:
        return known
    choices = material.resolve_choices(choices)
    announce(f"auditing {material.kernel_name(choices)}, which is new here (some seconds, once)")
    report = audit_apart(kernel_set(material, choices).reference, choices)
    kept = _place_in_cache(material, choices)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(kept) as aside:
        aside.write_text(json.dumps(report.as_json()), encoding="utf-8")
    return report


def known_verdict(material: Material, choices: Choices) -> Report | None:
    """Return the verdict checked in or in the cache, None if there is none."""
    choices = material.resolve_choices(choices)
    found = checked_in().get(material.kernel_name(choices)) if material.file is None else None
    if found is not None and found["source_hash"] == source_hash(material):
        return Report.from_json(found)
    kept = _place_in_cache(material, choices)
    if not kept.exists():
        return None
    return Report.from_json(json.loads(kept.read_text(encoding="utf-8")))


def _place_in_cache(material: Material, choices: Choices) -> Path:
    name = material.kernel_name(choices)
    key = digest(source_hash(material), name, compiler_text(), audit_text(), *package_versions())
    return cache_folder() / "verdicts" / f"{name}-{key}.json"


def audit_apart(
    reference: str,
    choices: Choices,
    given: Mapping[str, Any] | None = None,
    plot: Path | None = None,
) -> Report:
    """Return a new audit, made in a process of its own.

    A crash of Enzyme is a finding; the rest is then found with JAX's derivatives alone.

    Args:
        reference: What `compiler.build.find_material` finds the material by.
        choices: Its options and sizes.
        given: Parameters as a user gives them, instead of those of the examples.
        plot: Folder for the ellipticity map.

    Raises:
        AuditError: If the material cannot be audited at all.
    """
    arguments = ["--choices", json.dumps(choices), "--given", json.dumps(given or {})]
    arguments += ["--plot", str(plot)] if plot is not None else []
    try:
        return _run([*arguments, reference])
    except ApartError as error:
        crash = Finding("compiler", Status.FAIL, f"the compiler: {error}", Category.REFUSED)
    try:
        report = _run([*arguments, "--without-enzyme", reference])
    except ApartError as error:
        raise AuditError(f"{reference}: {error}") from None
    others = (finding for finding in report.findings if finding.test != "compiler")
    return Report(report.name, (crash, *others), report.seconds, report.files)


def _run(arguments: list[str]) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "report.json"
        ended = run_apart(AUDIT, ["--output", str(answer), *arguments])
        if not answer.exists():
            raise AuditError(ended.errors.strip() or f"the audit ended with code {ended.code}")
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        raise AuditError(found["error"])
    return Report.from_json(found)


@cache
def checked_in() -> dict[str, Any]:
    """Return the verdicts that are checked in, by kernel set."""
    try:
        return dict(json.loads(CHECKED_IN.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


@cache
def audit_text() -> str:
    """Return a hash of the text of the audit."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(
        "\0".join(path.read_text(encoding="utf-8") for path in files).encode()
    ).hexdigest()

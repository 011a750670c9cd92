"""The audit of materials: it names what is wrong, and leaves what is right alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("enzyme_ad", reason="needs pip install 'elastane[materials]'")
import jax

from elastane.jobs.cli import main
from elastane.materials import MODELS
from elastane.materials.audit import derive, ellipticity, one_element, verdict
from elastane.materials.audit.findings import Category, Finding, Status
from elastane.materials.audit.points import GraphPoints
from elastane.materials.audit.report import Report
from elastane.materials.audit.states import STRAINS, VOLUME_RATIOS, designed_states
from elastane.materials.audit.subject import subjects
from elastane.materials.audit.tests import TESTS, audit, condense, run_test
from elastane.materials.compiler import refusals, stablehlo
from elastane.materials.compiler.graph import Graph, log1p
from elastane.materials.compiler.operations import OPERATIONS
from elastane.materials.kernels import source_hash
from elastane.materials.maxwell import EXAMPLE, generalised_maxwell
from tests.materials.conftest import KERNEL_SETS
from tests.materials.zoo.defects import DEFECTS, Defect, arctanh, material
from tests.materials.zoo.matrix import catches, matrix_text, split_page, without_textbook
from tests.materials.zoo.sound import SOUND


@pytest.fixture(autouse=True, scope="module")
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def names(findings: tuple[Finding, ...]) -> set[tuple[str, Category | None, Status]]:
    return {(finding.test, finding.category, finding.status) for finding in findings}


# The zoo -----------------------------------------------------------------------------------------


#: The first defect that is to be found by a test as a category; the others are long tests.
FIRST = {(defect.test, defect.category): name for name, defect in reversed(list(DEFECTS.items()))}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FIRST.values() else [pytest.mark.long])
        for name in DEFECTS
    ],
)
def test_a_planted_defect_is_named(name: str) -> None:
    """By the test that is made for it; the full matrix of tests and defects is a long test."""
    defect = DEFECTS[name]
    tests = [defect.test] if defect.test in TESTS else []
    report, _ = audit(defect.material, {}, tests, given=defect.material.examples[0])
    assert (defect.test, defect.category, defect.status) in names(report.findings)


def test_the_zoo_is_large_enough() -> None:
    assert len(DEFECTS) >= 25
    assert len({defect.test for defect in DEFECTS.values()}) >= 9


def test_a_wrong_derivative_of_enzyme_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """arctanh, let past all refusals: the installed Enzyme differentiates it wrongly."""

    def in_plain_terms(graph: Graph, x: int) -> int:
        difference = graph.subtract(log1p(graph, x), log1p(graph, graph.negate(x)))
        return graph.multiply(graph.constant(0.5), difference)

    monkeypatch.setattr(refusals, "REFUSED", {})
    monkeypatch.setitem(stablehlo.ELEMENTWISE, "atanh", in_plain_terms)
    planted = material(arctanh)
    report, _ = audit(planted, {}, ["enzyme-jax", "taylor"], given=planted.examples[0])
    wrong = Category.WRONG_DERIVATIVE
    assert {
        ("enzyme-jax", wrong, Status.FAIL),
        ("taylor", wrong, Status.FAIL),
    } <= names(report.findings)


def test_wrong_c_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dataclasses import replace

    monkeypatch.setenv("ELASTANE_CACHE", str(tmp_path))
    monkeypatch.setitem(OPERATIONS, "log", replace(OPERATIONS["log"], c="log10({0})"))
    copy = replace(MODELS["neo-hookean"], name="copy")  # so that its C is written here
    report, _ = audit(copy, {}, ["c-double"], given=copy.examples[0])
    assert ("c-double", Category.WRONG_CODE, Status.FAIL) in names(report.findings)


@pytest.mark.long
@pytest.mark.parametrize("name", SOUND)
def test_a_sound_material_does_not_fail(name: str) -> None:
    report, _ = audit(SOUND[name], {})
    assert report.status is not Status.FAIL, report.as_text()


def test_a_sound_switch_warns_and_a_smooth_one_does_not() -> None:
    expected = {"switch_of_second_order": Status.WARN, "smooth_switch": Status.PASS}
    for name, status in expected.items():
        report, _ = audit(SOUND[name], {}, ["kinks"], given=SOUND[name].examples[0])
        assert report.status is status


@pytest.mark.long
@pytest.mark.parametrize("chosen", KERNEL_SETS, ids=lambda chosen: chosen.name)
def test_checked_in_verdicts_are_those_of_the_audit(chosen: object) -> None:
    report, _ = audit(chosen.material, chosen.choices)  # type: ignore[attr-defined]
    kept = Report.from_json(verdict.checked_in()[report.name])
    assert report.status is kept.status is not Status.FAIL
    assert names(report.bad) == names(kept.bad)


@pytest.mark.long
def test_the_matrix_of_the_documentation_is_what_the_audit_finds() -> None:
    """To accept a difference: ACCEPT=1 pytest -m long tests/materials/test_audit.py -k matrix."""
    found = matrix_text(catches())
    assert split_page()[1] == found


def test_some_defects_only_the_textbook_knows() -> None:
    """Every derivative is right and every law holds: of another formula than the one meant."""
    by_textbook = [name for name, defect in DEFECTS.items() if defect.test == "textbook"]
    assert len(by_textbook) >= 4
    name = "another volumetric form"
    report, _ = audit(without_textbook(DEFECTS[name]).material, {}, ["textbook", "taylor", "rest"])
    assert report.status is Status.PASS


# Its parts ---------------------------------------------------------------------------------------


def test_every_state_keeps_its_orientation() -> None:
    states = designed_states(np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]]))
    assert min(np.linalg.det(np.eye(3) + state.H) for state in states) > 0.09
    names = {state.name for state in states}
    assert len(names) == len(states)
    assert {f"strain {x:g}" for x in STRAINS} | {f"volume {x:g}" for x in VOLUME_RATIOS} <= names


def test_a_finding_tells_what_reproduces_it() -> None:
    """ψ at the F and the parameters of a finding is the figure that it tells."""
    defect = DEFECTS["energy negative near rest"]
    report, subject = audit(defect.material, {}, ["energy-sign"])
    assert subject is not None
    (finding,) = report.bad
    assert finding.F is not None
    H = np.asarray(finding.F) - np.eye(3)
    energy = float(defect.material.energy(H, *finding.parameters.values()))
    assert float(finding.figure) == pytest.approx(energy, rel=1e-2)


def test_the_instantaneous_response_of_a_viscoelastic_material_is_audited() -> None:
    given = {"youngs_modulus": 1.0, "poissons_ratio": 0.3, **EXAMPLE}
    material = generalised_maxwell(MODELS["neo-hookean"])
    report, _ = audit(material, material.sizes_of(given), ["rest", "taylor"], given=given)
    assert {finding.test for finding in report.findings} == {"compiler", "rest", "taylor"}
    assert report.status is Status.PASS


def test_an_energy_that_cannot_be_evaluated_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elastane.materials.audit.tests.places_of_kinks", None)
    report, subject = audit(MODELS["linear"], {}, ["rest"])
    assert subject is None
    assert report.status is Status.FAIL


def test_reports_survive_json() -> None:
    report, _ = audit(DEFECTS["wrong sign"].material, {}, ["rest", "taylor"])
    again = Report.from_json(json.loads(json.dumps(report.as_json())))
    assert again.as_text() == report.as_text()
    assert again.bad[0].H == report.bad[0].H


def test_the_worst_finding_of_a_test_is_kept() -> None:
    good, warning, failure = (
        Finding("kinks", status, "", category)
        for status, category in (
            (Status.PASS, None), (Status.WARN, Category.KINK), (Status.FAIL, Category.KINK)
        )
    )  # fmt: skip
    assert list(condense([good, warning, failure])) == [failure]
    assert list(condense([good, good])) == [good]


def test_linear_elasticity_is_elliptic_as_its_moduli_say() -> None:
    """The eigenvalues of its acoustic tensor are λ + 2μ, μ, μ for every direction."""
    linear = MODELS["linear"]
    derivation = derive.derive(linear, {})
    (subject, *_) = subjects(derivation, linear.examples)
    assert isinstance(subject.doubles, GraphPoints)
    smallest = ellipticity.acoustic_eigenvalues(subject.tangent)
    np.testing.assert_allclose(smallest, subject.parameters["lame_mu"], rtol=1e-12)


@pytest.mark.parametrize(
    ("residuals", "slow"),
    [
        ([1.0, 1e-1, 1e-3, 1e-6, 1e-13], False),
        ([1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12], True),
        ([1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5], True),
        ([1.0, 1e-5, 1e-16], False),
    ],
)
def test_convergence_that_is_not_quadratic_is_seen(residuals: list[float], slow: bool) -> None:
    assert (one_element.slowest_step(residuals) is not None) == slow


def test_a_test_that_breaks_is_a_failure_and_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    neo_hookean = MODELS["neo-hookean"]
    (subject, *_) = subjects(derive.derive(neo_hookean, {}), neo_hookean.examples)
    monkeypatch.setitem(TESTS, "rest", None)
    (finding,) = run_test("rest", subject)
    assert finding.status is Status.FAIL
    assert "cannot be carried out" in finding.sentence


# Verdicts and commands ---------------------------------------------------------------------------


def test_verdicts_of_built_in_materials_are_fresh() -> None:
    """To renew them: python -m elastane.materials.audit --renew."""
    kept = verdict.checked_in()
    assert kept.keys() == {chosen.name for chosen in KERNEL_SETS}
    for chosen in KERNEL_SETS:
        entry = kept[chosen.name]
        assert entry["source_hash"] == source_hash(chosen.material), chosen.name
        assert Report.from_json(entry).status is not Status.FAIL, chosen.name


def test_built_in_materials_need_no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "audit_apart", None)
    assert verdict.find_verdict(MODELS["neo-hookean"], {}).status is Status.PASS


USER = '''"""Rubber of mine."""

from elastane.materials.invariants import {imports}


def strain_energy(H, lame_lambda=1.0, lame_mu=1.0):
    return 0.5 * lame_lambda * log_volume_ratio(H) ** 2 + lame_mu * {shape}
'''
GOOD = USER.format(imports="log_volume_ratio, shape_change", shape="shape_change(H)")
BAD = USER.format(imports="log_volume_ratio, trace_green_lagrange", shape="trace_green_lagrange(H)")

JOB = """
mesh: {box: {size: [1, 1, 1], cells: [1, 1, 1]}}
degree: 1
materials: {all: {model: user, file: rubber.py, lame_lambda: 1.0, lame_mu: 1.0}}
boundary:
  - {surface: x-min, displacement: [0, 0, 0]}
  - {surface: x-max, displacement: [0.1, 0, 0]}
"""


@pytest.fixture
def rubber(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELASTANE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.yml").write_text(JOB, encoding="utf-8")
    return tmp_path / "rubber.py"


def test_the_command_checks_a_file(rubber: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rubber.write_text(BAD, encoding="utf-8")
    assert main(["materials", "check", str(rubber), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "FAIL"
    rest = next(entry for entry in found["findings"] if entry["test"] == "rest")
    assert rest["category"] == Category.NOT_AT_REST
    assert rest["F"] == np.eye(3).tolist()


def test_a_run_refuses_what_fails_unless_told_otherwise(
    rubber: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rubber.write_text(BAD, encoding="utf-8")
    assert main(["run", "job.yml", "-o", "run"]) == 2
    told = capsys.readouterr()
    assert "auditing rubber" in told.out
    assert "fails its check:\n  rest (not at rest): there is stress at rest" in told.err
    assert not Path("run").exists()
    main(["run", "job.yml", "-o", "run", "--unchecked"])
    told = capsys.readouterr()
    assert "auditing" not in told.out  # the verdict is in the cache
    assert "warning: unchecked material of region all: rubber: rest" in told.out


def test_a_run_takes_what_passes_and_says_so_in_the_result(
    rubber: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rubber.write_text(GOOD, encoding="utf-8")
    assert main(["run", "job.yml", "-o", "run"]) == 0
    assert json.loads(Path("run/result.json").read_text("utf-8"))["warnings"] == []


__all__ = ["Defect"]

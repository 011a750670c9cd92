from pathlib import Path

import pytest

from elastane.jobs import doctor
from elastane.jobs.doctor import examine, is_able_to_solve, probe, report


def test_what_a_probe_does_is_told() -> None:
    assert probe("print('yes')") == (True, "yes")
    assert probe("import nothing_of_this_name")[0] is False
    assert "nothing_of_this_name" in probe("import nothing_of_this_name")[1]
    assert probe("import os, signal; os.kill(os.getpid(), signal.SIGILL)") == (
        False,
        "dies of SIGILL",
    )
    assert probe("raise SystemExit(7)") == (False, "ends with code 7")


def test_a_machine_without_anything_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(doctor, "probe", lambda code, *arguments: (False, "ImportError: no"))
    monkeypatch.setattr(doctor, "installed_version", lambda package: None)
    findings = list(examine())
    assert not is_able_to_solve(findings)
    text = report(findings)
    for words in ("MISSING  MPI", "MISSING  PETSc", "MISSING  libCEED", "MISSING  C compiler"):
        assert words in text
    assert "apt install openmpi-bin" in text


def test_a_libceed_for_another_processor_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "probe", lambda code, *arguments: (False, "dies of SIGILL"))
    monkeypatch.setattr(doctor, "installed_version", lambda package: "0.12.0")
    (libceed,) = [finding for finding in examine() if finding.what == "libCEED"]
    assert (libceed.state, libceed.text) == ("missing", "0.12.0, but dies of SIGILL")


@pytest.mark.parametrize(
    ("programs", "state", "words"),
    [
        (("gcc",), "optional", "gcc; tangents are faster by clang: apt-get install clang-19"),
        (("gcc", "clang-19"), "ok", "clang-19"),
    ],
)
def test_the_compiler_of_fused_kernels_is_named(
    programs: tuple[str, ...],
    state: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in programs:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(doctor, "probe", lambda code, *arguments: (False, "ImportError: no"))
    findings = {finding.what: finding for finding in examine()}
    assert findings["C compiler"].text == str(tmp_path / "gcc")
    assert findings["fused kernels"].state == state
    assert findings["fused kernels"].text == f"built by {tmp_path / words}"

from pathlib import Path

import pytest

from elastane.jobs import doctor
from elastane.jobs.cli import main
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


def tool(folder: Path, name: str, text: str) -> None:
    """Write a program that prints a text, or fails if that begins with a dash."""
    code, out = (1, ">&2") if text.startswith("-") else (0, "")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(
        f"#!/bin/sh\ncat {out} <<'END'\n{text.lstrip('-')}\nEND\nexit {code}\n"
    )
    (folder / name).chmod(0o755)


SINFO = """\
PARTITION|AVAIL|TIMELIMIT|NODES|CPUS|GRES|JOB_SIZE
main*|up|infinite|2|4|(null)|1-infinite
gpu|up|5:00|1|64|gpu:a100:4|1-2"""


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ({}, {"SLURM": ("optional", "uses a queue on this machine")}),
        ({"sbatch": "x"}, {"SLURM": ("optional", "sbatch, but not squeue, sinfo")}),
        (
            dict.fromkeys(doctor.SLURM_TOOLS, "-slurm_load: Unable to contact slurm controller"),
            {
                "SLURM": ("ok", "sbatch, squeue"),
                "SLURM's controller": ("optional", "Unable to contact slurm controller"),
            },
        ),
        (
            {**dict.fromkeys(doctor.SLURM_TOOLS, "slurm 22.05.8"), "sinfo": SINFO},
            {
                "SLURM": ("ok", "slurm 22.05.8: sbatch"),
                "SLURM's controller": ("ok", "answers: partitions gpu, main (the default)"),
                "SLURM's accounting": ("optional", "no sacct"),
            },
        ),
        (
            {
                **dict.fromkeys(doctor.SLURM_TOOLS, "slurm 22.05.8"),
                "sinfo": SINFO,
                "sacct": "-Slurm accounting storage is disabled",
            },
            {"SLURM's accounting": ("optional", "storage is disabled: a run that has left")},
        ),
    ],
    ids=["none", "some", "silent", "without sacct", "accounting off"],
)
def test_what_there_is_of_slurm_is_told(
    tools: dict[str, str],
    expected: dict[str, tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, text in tools.items():
        tool(tmp_path / "bin", name, text)
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin/cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    findings = {finding.what: finding for finding in doctor._slurm()}
    assert set(expected) <= set(findings)
    for what, (state, words) in expected.items():
        assert findings[what].state == state
        assert words in findings[what].text


def test_the_site_profile_is_named_with_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "elastane/sites"
    assert doctor._site(None).text.startswith("generic, ranks by srun")
    folder.mkdir(parents=True)
    (folder / "here.yaml").write_text("name: here\nhosts: ['.*']\nlauncher: mpiexec\n")
    found = doctor._site(None)
    assert found.text.startswith(f"here, ranks by mpiexec; from {folder / 'here.yaml'}; others: ")
    assert doctor._site("generic").text.startswith("generic")
    assert doctor._site("nowhere").state == "missing"
    (folder / "here.yaml").write_text("name: here\nlauncher: magic\n")
    broken = doctor._site("here")
    assert (broken.state, "here.yaml:2:11" in broken.text) == ("missing", True)


def test_a_new_job_file_says_how_to_submit_it_where_there_is_a_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--site", "nowhere"]) == 2
    assert not list(tmp_path.iterdir())
    assert main(["init", "--site", "example-nvidia"]) == 0
    assert "elastane submit --site example-nvidia cantilever.yml" in capsys.readouterr().out

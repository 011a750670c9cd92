"""What `setup.sh` does, with stand-ins for the programs that it calls."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = r"""#!/bin/bash
echo "python $*" >> "$CALLS"
if [[ -n $FAILS && "$*" == *$FAILS* ]]; then
    echo "no space left on device"
    exit 1
fi
case "$*" in
*"import sys; assert"*) echo "$0" ;;
"-m venv "*)
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    ln -sf /bin/true "$3/bin/patchelf"
    touch "$3/pyvenv.cfg"
    ;;
"-m pip --version") [[ -e $(dirname "$0")/../pyvenv.cfg ]] ;;
*"import petsc;"*) echo /petsc ;;
"-m pip wheel "*petsc==*) touch "$(dirname "$0")/../../petsc-3.21.6-py3-none-linux.whl" ;;
"-m pip wheel "*petsc4py==*) touch "$(dirname "$0")/../../petsc4py-3.21.6-cp311-linux.whl" ;;
esac
"""
PROGRAMS = {
    "python3.11": PYTHON,
    "gcc": '#!/bin/bash\necho "$PROCESSOR"\n',
    "id": '#!/bin/bash\necho "$USER_NUMBER"\n',
    "apt-get": '#!/bin/bash\necho "apt-get $*" >> "$CALLS"\n'
    '[[ ! -x $ELASTANE_POLICY ]] || echo "forbidden" >> "$CALLS"\n',
    "dpkg-query": '#!/bin/bash\n[[ " $MISSING " == *" ${@: -1} "* ]] || printf installed\n',
}


@dataclass(frozen=True)
class Checkout:
    """A copy of the files that set-up reads, on a machine made of stand-ins."""

    folder: Path

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the set-up, as an ordinary user with all packages unless told otherwise."""
        settings: Mapping[str, str] = {
            "PATH": f"{self.folder / 'programs'}:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "CALLS": str(self.folder / "calls"),
            "FAILS": "",
            "MISSING": "",
            "PROCESSOR": "-march=skylake",
            "USER_NUMBER": "1000",
            "ELASTANE_POLICY": str(self.folder / "policy-rc.d"),
        }
        return subprocess.run(
            [self.folder / "setup.sh"],
            env={**settings, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """Return what has been called since this was asked last."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def built(self) -> list[str]:
        """Return which wheels have been built since the calls were asked for last."""
        return [call.split()[-1] for call in self.calls() if "pip wheel" in call]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "with a space"
    (folder / "programs").mkdir(parents=True)
    for name, text in PROGRAMS.items():
        program = folder / "programs" / name
        program.write_text(text)
        program.chmod(0o755)
    for name in ("setup.sh", "pyproject.toml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "setup.sh").chmod(0o755)
    return Checkout(folder)


def test_second_set_up_calls_nothing(checkout: Checkout) -> None:
    first = checkout.setup()
    assert first.returncode == 0, first.stderr
    assert checkout.calls()
    second = checkout.setup()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout.calls() == []


def test_every_step_is_named_with_its_time(checkout: Checkout) -> None:
    lines = checkout.setup().stdout.splitlines()
    assert len(lines) == 7
    for line in lines:
        assert line.startswith("set-up: ")
        assert line.endswith(" s")


def test_changed_requirements_are_installed_without_building_petsc(checkout: Checkout) -> None:
    checkout.setup()
    assert checkout.built() == ["petsc==3.21.6", "petsc4py==3.21.6"]
    with (checkout.folder / "pyproject.toml").open("a") as file:
        file.write("# another requirement\n")
    checkout.setup()
    calls = checkout.calls()
    assert any("pip install --editable" in call for call in calls)
    assert not any("pip wheel" in call for call in calls)


def test_wheels_of_another_processor_are_not_taken(checkout: Checkout) -> None:
    checkout.setup()
    checkout.calls()
    checkout.setup(PROCESSOR="-march=znver4")
    assert checkout.built() == ["petsc==3.21.6", "petsc4py==3.21.6"]


def test_a_second_environment_takes_the_wheels_of_the_first(checkout: Checkout) -> None:
    checkout.setup()
    checkout.calls()
    assert checkout.setup(ELASTANE_VENV="another one").returncode == 0
    assert checkout.built() == []
    assert (checkout.folder / "another one" / "bin" / "python").exists()


def test_a_failed_step_is_named_with_its_log(checkout: Checkout) -> None:
    told = checkout.setup(FAILS="petsc4py==")
    assert told.returncode != 0
    assert "Set-up failed: petsc4py" in told.stderr
    assert "no space left on device" in told.stderr
    assert str(checkout.folder / "build" / "setup" / "petsc4py.log") in told.stderr


def test_set_up_goes_on_where_it_failed(checkout: Checkout) -> None:
    checkout.setup(FAILS="petsc4py==")
    checkout.calls()
    assert checkout.setup().returncode == 0
    assert checkout.built() == ["petsc4py==3.21.6"]


def test_a_user_is_told_the_missing_packages(checkout: Checkout) -> None:
    told = checkout.setup(MISSING="libhypre-dev openmpi-bin")
    assert told.returncode != 0
    assert "apt-get install openmpi-bin libhypre-dev\n" in told.stderr
    assert not any(call.startswith("apt-get") for call in checkout.calls())


def test_root_installs_the_missing_packages_only(checkout: Checkout) -> None:
    told = checkout.setup(MISSING="libhypre-dev", USER_NUMBER="0")
    assert told.returncode == 0, told.stderr
    update, install = (call for call in checkout.calls() if call.startswith("apt-get"))
    assert update == "apt-get update"
    assert install.endswith(" libhypre-dev")
    assert "openmpi" not in install


def test_a_user_without_slurm_can_do_all_but_its_tests(checkout: Checkout) -> None:
    told = checkout.setup(MISSING="slurm-wlm munge")
    assert told.returncode == 0, told.stderr
    log = checkout.folder / "build" / "setup" / "Debian-packages.log"
    assert "will be skipped: slurm-wlm munge" in log.read_text()
    assert not any(call.startswith("apt-get") for call in checkout.calls())


def test_slurm_is_installed_without_starting_its_daemons(checkout: Checkout) -> None:
    assert checkout.setup(MISSING="slurm-wlm", USER_NUMBER="0").returncode == 0
    calls = checkout.calls()
    install = next(call for call in calls if "install --yes" in call)
    assert install.endswith(" slurm-wlm")
    assert calls[calls.index(install) + 1] == "forbidden"
    assert not (checkout.folder / "policy-rc.d").exists()


def test_other_test_packages_do_not_build_petsc_anew(checkout: Checkout) -> None:
    checkout.setup(MISSING="slurm-wlm")
    checkout.calls()
    script = checkout.folder / "setup.sh"
    script.write_text(script.read_text().replace("slurm-wlm munge", "slurm-wlm munge another"))
    assert checkout.setup().returncode == 0
    assert checkout.built() == []


def test_a_folder_that_is_no_environment_is_left_alone(checkout: Checkout) -> None:
    documents = checkout.folder / "documents"
    documents.mkdir()
    (documents / "thesis.tex").write_text("x")
    told = checkout.setup(ELASTANE_VENV=str(documents))
    assert told.returncode != 0
    assert "no virtual environment" in told.stderr
    assert [file.name for file in documents.iterdir()] == ["thesis.tex"]


def test_another_python_is_refused(checkout: Checkout) -> None:
    told = checkout.setup(PYTHON="/bin/false")
    assert told.returncode != 0
    assert "no Python 3.11 found as /bin/false" in told.stderr

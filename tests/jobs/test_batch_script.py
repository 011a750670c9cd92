import difflib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs.batch_script import render
from elastane.jobs.executors.base import JobRequest
from elastane.jobs.faults import JobFileError
from elastane.jobs.sites import SHIPPED, Site, load_site, read_site
from tests.jobs.hostile import hostile

REQUEST = JobRequest(Path("/scratch/runs/beam"), "beam", "elastane-beam-0123456789abcdef", 2, 4,
                     time=90_061)  # fmt: skip
PYTHON = "/opt/elastane/bin/python"
CASES = {
    "default-time": (replace(REQUEST, nodes=1, ranks_per_node=1, time=None), Site(name="plain")),
    "array": (replace(REQUEST, tasks=12), Site(name="plain")),
    "mpiexec": (REQUEST, Site(name="old", launcher="mpiexec", binding=("--bind-to", "core"))),
    "nvidia": (replace(REQUEST, gpus_per_node=4), read_site(SHIPPED / "sites/example-nvidia.yaml")),
    "amd": (
        replace(REQUEST, ranks_per_node=8, gpus_per_node=8),
        read_site(SHIPPED / "sites/example-amd.yaml"),
    ),
}


def is_refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except (ValueError, JobFileError):
        return True
    return False


def test_the_generic_script_is_the_stored_one(golden: Callable[[str, str], None]) -> None:
    golden("batch-generic.sh", render(REQUEST, read_site(SHIPPED / "sites/generic.yaml"), PYTHON))


def test_other_scripts_differ_from_it_as_stored(golden: Callable[[str, str], None]) -> None:
    generic = render(REQUEST, read_site(SHIPPED / "sites/generic.yaml"), PYTHON).splitlines()
    told = []
    for name, (request, site) in CASES.items():
        script = render(request, site, PYTHON).splitlines()
        lines = [*difflib.unified_diff(generic, script, n=0, lineterm="")][2:]
        told += [f"# {name}", *(line for line in lines if not line.startswith("@@")), ""]
    golden("batch-differences.txt", "\n".join(told))


@pytest.mark.parametrize("name", CASES)
def test_bash_can_read_the_script(name: str) -> None:
    script = render(*CASES[name], python=PYTHON)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_warning_comes_within_the_time() -> None:
    site = load_site("generic")
    assert "--signal=B:USR1@120" in render(replace(REQUEST, time=3600), site)
    assert "--signal=B:USR1@30" in render(replace(REQUEST, time=60), site)


def check_texts(texts: list[str], folder: Path) -> None:
    """Check that no text reaches sbatch or bash as anything but itself."""
    site = Site(name="plain")
    lines = len(render(REQUEST, site).splitlines())
    for text in texts:
        for request in (replace(REQUEST, name=text), replace(REQUEST, key=text)):
            if not is_refused(lambda r=request: render(r, site)):  # type: ignore[misc]
                script = render(request, site)
                assert len(script.splitlines()) == lines, repr(text)
                assert "CANARY" not in script
        for field, value in {
            "partition": text, "account": text, "options": [text], "modules": [text],
            "gpu_option": text, "environment": {text: "x"}, "name": text,
        }.items():  # fmt: skip
            content = {"name": "plain", field: value}
            if not is_refused(lambda c=content: Site.model_validate(c)):  # type: ignore[misc]
                script = render(REQUEST, Site.model_validate(content))
                assert "CANARY" not in script, repr(text)
        check_words(text, folder)


def check_words(text: str, folder: Path) -> None:
    """Check that a text given as a variable and as an option arrives as it is, if it is taken."""
    content = {"name": "plain", "environment": {"BAIT": text}, "launcher_options": [text]}
    if is_refused(lambda: Site.model_validate(content)):
        return
    python = folder / "python"
    script = render(REQUEST, Site.model_validate(content), str(python))
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "OUT": str(folder / "out")}
    (folder / "out").unlink(missing_ok=True)
    subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=True)
    assert (folder / "out").read_bytes() == f"{text}\0{text}\0".encode(), repr(text)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with stand-ins for python and srun, which notes what reaches it."""
    (tmp_path / "python").write_text("#!/bin/bash\n[[ $* != *begin* ]] || echo 1\n")
    (tmp_path / "srun").write_text('#!/bin/bash\nprintf "%s\\0" "$BAIT" "$2" > "$OUT"\n')
    for name in ("python", "srun"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_30_hostile_texts_do_nothing(programs: Path) -> None:
    check_texts(list(hostile(30)), programs)
    assert not list(programs.rglob("CANARY"))


@pytest.mark.long
def test_300_hostile_texts_do_nothing(programs: Path) -> None:
    texts = list(hostile(300))
    check_texts(texts, programs)
    assert not list(programs.rglob("CANARY"))
    sys.stdout.write(f"{len(texts)} hostile names and values, 0 executed, 0 changed a script\n")


@pytest.mark.parametrize("folder", ["/runs/a\nb", "/runs/100%", "/runs/a\\b", "/runs/\x1b[31m"])
def test_a_folder_that_sbatch_cannot_name_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="cannot be the folder of a submitted run"):
        render(replace(REQUEST, folder=Path(folder)), Site(name="plain"))

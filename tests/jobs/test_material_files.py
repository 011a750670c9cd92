"""Materials from files in job files: what is refused and where, what is written, what is solved."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elastane.jobs.faults import JobFileError, dotted
from elastane.jobs.job import load_job
from elastane.jobs.json_schema import job_schema
from elastane.jobs.templates import write_template

WriteJob = Callable[[str], Path]

needs_solver = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("petsc4py", "mpi4py", "libceed")),
    reason="needs the run-time of a solve",
)

JOB = """\
mesh: {{box: {{size: [1, 1, 1], cells: [2, 2, 2]}}}}
materials:
  all: {{{}}}
boundary:
  - {{surface: x-min, displacement: [0, 0, 0]}}
  - {{surface: x-max, traction: [0, 0, -0.02]}}
"""

RUBBER = """\
from elastane.materials.invariants import shape_change, volume_change
def strain_energy(H, shear_modulus=1.0, bulk_modulus=10.0):
    return shear_modulus * shape_change(H) + 0.5 * bulk_modulus * volume_change(H) ** 2
"""

GIVEN = "shear_modulus: 1, bulk_modulus: 10"

#: Material section -> key at fault, and what is said.
FAULTS = {
    "model: user": ("materials.all", "user needs the key file: the path of a .py file"),
    "model: user, file: 3": ("materials.all.file", "is needed, got 3"),
    "model: user, file: ''": ("materials.all.file", "is needed, got ''"),
    "model: user, file: gone.py": ("materials.all.file", "there is no file"),
    "model: user, file: rubber.yml": ("materials.all.file", "must end in .py"),
    "model: user, file: sorted.py": ("materials.all.file", "sorted.py:3: the energy uses sort"),
    "model: user, file: rubber.py": ("materials.all", "rubber takes shear_modulus, bulk_modulus"),
    f"model: user, file: rubber.py, {GIVEN}, nu: 1": ("materials.all.nu", "unknown key 'nu'"),
    "model: user, file: rubber.py, shear_modulus: -1, bulk_modulus: 1": (
        "materials.all.shear_modulus",
        "must be greater than 0, got -1.0",
    ),
    "model: neural-network": ("materials.all", "needs the key weights"),
    "model: neural-network, weights: net.py": (
        "materials.all.weights",
        "must end in .npz or .safetensors",
    ),
    "model: neural-network, weights: bad.npz, bulk_modulus: 1": (
        "materials.all.weights",
        "bad.npz is no npz file",
    ),
    "model: usr": ("materials.all.model", "did you mean 'user'?"),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTANE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rubber.py").write_text(RUBBER, encoding="utf-8")
    (tmp_path / "sorted.py").write_text(
        "import jax.numpy as jnp\ndef strain_energy(H, m=1.0):\n    return m * jnp.sort(H[0])[0]\n",
        encoding="utf-8",
    )
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    write_network(tmp_path / "net.npz")


def write_network(path: Path) -> None:
    generator = np.random.default_rng(2)
    weights = {
        f"layers.{k}.weight": generator.uniform(size=s) for k, s in ((0, (2, 3)), (1, (1, 2)))
    }
    np.savez(path, **weights, **{"layers.0.bias": np.zeros(2)})  # type: ignore[arg-type]


@pytest.mark.parametrize("section", FAULTS)
def test_faults_are_told_at_their_key(section: str, write_job: WriteJob) -> None:
    path, words = FAULTS[section]
    with pytest.raises(JobFileError) as caught:
        load_job(write_job(JOB.format(section)))
    told = [(dotted(fault.path), fault.message) for fault in caught.value.faults]
    assert [place for place, _ in told] == [path]
    assert words in told[0][1]


@pytest.mark.parametrize(
    "section",
    [
        f"model: user, file: rubber.py, {GIVEN}",
        "model: neural-network, weights: net.npz, bulk_modulus: 9",
    ],
)
def test_the_effective_job_is_the_same_from_another_folder(
    section: str, write_job: WriteJob, tmp_path: Path
) -> None:
    job = load_job(write_job(JOB.format(section)))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "job.yml").write_text(job.effective_yaml(), encoding="utf-8")
    again = load_job(elsewhere / "job.yml")
    assert again.effective_yaml() == job.effective_yaml()
    ours, theirs = (x.problem.materials["all"].model for x in (job, again))
    assert (ours.file, ours.content) == (theirs.file, theirs.content)


def test_the_schema_knows_the_keys_of_files() -> None:
    choices = job_schema()["$defs"]["MaterialSection"]["oneOf"]
    needed = {choice["title"]: choice["required"] for choice in choices}
    assert needed["user"] == ["model", "file"]
    assert needed["neural-network"] == ["model", "weights"]


def test_init_writes_a_material_with_its_job(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    job = load_job(write_template("material", tmp_path / "new"))
    assert job.problem.materials["all"].model.title == "Rubber that stiffens"


def elastane(*arguments: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "elastane.jobs.cli", *map(str, arguments)],
        cwd=folder,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.parametrize("command", [("check", "job.yml"), ("run", "job.yml"),
                                     ("materials", "show", "sorted.py"),
                                     ("materials", "code", "sorted.py")])  # fmt: skip
def test_a_refusal_is_one_message_and_code_2(
    command: tuple[str, ...], write_job: WriteJob, tmp_path: Path
) -> None:
    write_job(JOB.format("model: user, file: sorted.py, m: 1"))
    answer = elastane(*command, folder=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr.count("sorted.py:3: the energy uses sort: ") == 1
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


SECTIONS = {
    "user": f"model: user, file: rubber.py, {GIVEN}",
    "network": "model: neural-network, weights: net.npz, bulk_modulus: 9",
}


@needs_solver
@pytest.mark.mpi
@pytest.mark.parametrize("name", ["user", pytest.param("network", marks=pytest.mark.long)])
def test_two_ranks_find_what_one_finds(name: str, write_job: WriteJob, tmp_path: Path) -> None:
    """Rank 0 compiles, the other finds the cache; the run folder's job compiles nothing more."""
    write_job(JOB.format(SECTIONS[name]))
    energies, kept = [], []
    for ranks, job in ((2, "job.yml"), (1, "run-2/job.yml")):
        answer = elastane("run", job, "-n", ranks, "-o", f"run-{ranks}", folder=tmp_path)
        assert answer.returncode == 0, answer.stderr
        result = json.loads((tmp_path / f"run-{ranks}/result.json").read_text(encoding="utf-8"))
        energies.append(result["strain_energy"])
        kept.append(sorted((tmp_path / "cache/kernels").rglob("*.json")))
    assert energies[0] == pytest.approx(energies[1], rel=1e-9)  # the tolerance of Newton
    assert len(kept[0]) == 1
    assert kept[0] == kept[1]
    assert list((tmp_path / "run-1/generated").glob("*.c"))

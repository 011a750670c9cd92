"""What is said of GPUs where there are none, and where a driver or CuPy is played."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from elastane.jobs import gpu_doctor, gpu_driver, gpu_probe
from elastane.jobs.cli import main
from elastane.jobs.finding import Finding
from elastane.jobs.gpu_doctor import examine_gpus, probe_gpu, require_gpu, shortly
from elastane.jobs.gpu_driver import DRIVERS, DriverError, ask_driver
from elastane.jobs.gpu_probe import local_rank, look
from elastane.jobs.launchers import MissingDependencyError

#: A driver with two GPUs, or what its variables say.  @ stands for the letters of the maker.
DRIVER = """\
#include <stdlib.h>
#include <stdio.h>
static int told(const char *name, int otherwise) {
  return getenv(name) ? atoi(getenv(name)) : otherwise;
}
int @Init(unsigned flags) { return told("PLAYED_ERROR", 0); }
int @DriverGetVersion(int *version) { *version = 12080; return 0; }
int @COUNT(int *count) { *count = told("PLAYED_COUNT", 2); return 0; }
int @DeviceGetName(char *name, int length, int device) {
  snprintf(name, length, "Played %d", device);
  return 0;
}
int @MEMORY(size_t *bytes, int device) { *bytes = (size_t)141 << 30; return 0; }
int @DeviceComputeCapability(int *major, int *minor, int device) {
  *major = told("PLAYED_MAJOR", 9);
  *minor = 0;
  return 0;
}
"""
NAMES = {
    "cuda": ("cu", "DeviceGetCount", "DeviceTotalMem_v2"),
    "hip": ("hip", "GetDeviceCount", "DeviceTotalMem"),
}


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes a played driver the only one."""

    def play(kind: str) -> None:
        letters, count, memory = NAMES[kind]
        text = DRIVER.replace("COUNT(", f"{count}(").replace("MEMORY(", f"{memory}(")
        (tmp_path / "driver.c").write_text(text.replace("@", letters))
        command = ["cc", "-shared", "-fPIC", "-o", "driver.so", "driver.c"]
        subprocess.run(command, cwd=tmp_path, check=True)
        played = replace(DRIVERS[kind], files=("nothing.so", str(tmp_path / "driver.so")))
        monkeypatch.setitem(gpu_driver.DRIVERS, kind, played)

    return play


@pytest.fixture
def _no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("cuda", "hip"):
        monkeypatch.setitem(
            gpu_driver.DRIVERS, kind, replace(DRIVERS[kind], files=("libnothing.so.1",))
        )


@pytest.mark.parametrize("kind", ["cuda", "hip"])
def test_a_driver_tells_its_gpus(kind: str, play: Callable[[str], None]) -> None:
    play(kind)
    driver = ask_driver(kind, {})
    assert driver.version == 12080
    assert [(gpu.name, gpu.memory >> 30) for gpu in driver.gpus] == [
        ("Played 0", 141),
        ("Played 1", 141),
    ]
    findings = {finding.what: finding for finding in look(kind, {})}
    assert findings[f"{DRIVERS[kind].maker} driver"].text == "version 12080, 2 to be seen"
    assert findings["GPU 1"].text.startswith("Played 1, 141 GiB")
    assert ("compute capability 9.0" in findings["GPU 1"].text) == (kind == "cuda")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PLAYED_COUNT", "0", "sees no GPU (CUDA_VISIBLE_DEVICES='-1'): ask the scheduler"),
        ("PLAYED_ERROR", "100", "sees no GPU (CUDA_VISIBLE_DEVICES='-1'): ask the scheduler"),
        ("PLAYED_ERROR", "803", "answers cuInit by error 803"),
    ],
)
def test_a_driver_without_gpus_is_told_from_a_broken_one(
    variable: str,
    value: str,
    words: str,
    play: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play("cuda")
    monkeypatch.setenv(variable, value)
    with pytest.raises(DriverError) as caught:
        ask_driver("cuda", {"CUDA_VISIBLE_DEVICES": "-1"})
    assert words in str(caught.value)


def test_a_gpu_without_sums_of_doubles_is_too_old(
    play: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    play("cuda")
    monkeypatch.setenv("PLAYED_MAJOR", "5")
    old = next(finding for finding in look("cuda", {}) if finding.what == "GPU 0")
    assert (old.state, "5.0: 6.0 is needed at least" in old.text) == ("missing", True)


@pytest.mark.usefixtures("_no_driver")
@pytest.mark.parametrize(("kind", "maker"), [("cuda", "NVIDIA"), ("hip", "AMD")])
def test_where_there_is_no_driver_its_absence_is_said(kind: str, maker: str) -> None:
    driver = next(look(kind, {}))
    assert (driver.what, driver.state) == (f"{maker} driver", "missing")
    assert driver.text.startswith(f"no {maker} driver here")
    assert "in a job that asks for one; else install the driver" in driver.text


#: CuPy as far as it is asked before a kernel.
CUPY = """\
__version__ = "14.0"
class cuda:
    class runtime:
        is_hip = {is_hip}
    class nvrtc:
        @staticmethod
        def getVersion():
            {version}
"""


@pytest.mark.parametrize(
    ("kind", "wheels", "is_hip", "version", "expected"),
    [
        ("cuda", ["cupy_cuda12x"], False, "return 12, 8", ("CuPy", "ok", "cupy_cuda12x 14.0")),
        ("cuda", [], False, "return 12, 8", ("NVRTC", "ok", "12.8")),
        ("hip", ["amd_cupy"], True, "return 9, 0", ("hipRTC", "ok", "9.0")),
        (
            "cuda",
            ["cupy_cuda12x", "cupy_cuda13x"],
            False,
            "return 12, 8",
            ("CuPy", "missing", "keep one: pip uninstall cupy_cuda12x cupy_cuda13x; then pip"),
        ),
        (
            "hip",
            ["cupy_cuda12x"],
            False,
            "return 12, 8",
            (
                "CuPy",
                "missing",
                "that for NVIDIA is installed: uninstall it, then pip install 'elastane[hip]'",
            ),
        ),
        (
            "cuda",
            ["cupy_cuda12x"],
            False,
            "raise RuntimeError('libnvrtc.so.12: cannot open')",
            ("NVRTC", "missing", "libnvrtc.so.12: cannot open: pip install 'elastane[cuda]'"),
        ),
    ],
    ids=["right", "from source", "hip", "two", "other maker", "without NVRTC"],
)
def test_cupy_must_be_that_of_the_gpu(
    kind: str,
    wheels: Sequence[str],
    is_hip: bool,
    version: str,
    expected: tuple[str, str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy/__init__.py").write_text(CUPY.format(is_hip=is_hip, version=version))
    for wheel in wheels:
        folder = tmp_path / f"{wheel}-14.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {wheel}\nVersion: 14.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    findings = {finding.what: finding for finding in gpu_probe._cupy(kind)}
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    what, state, words = expected
    assert findings[what].state == state
    assert words in findings[what].text


def test_without_cupy_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    (cupy,) = [finding for finding in gpu_probe._cupy("cuda") if finding.what == "CuPy"]
    assert cupy.state == "missing"
    assert "pip install 'elastane[cuda]'" in cupy.text


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        ({"SLURM_LOCALID": "3"}, 3),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "1", "SLURM_LOCALID": "0"}, 1),  # mpiexec within a job
        ({"SLURM_LOCALID": "x"}, 0),
    ],
)
def test_the_launcher_tells_the_local_rank(environment: dict[str, str], rank: int) -> None:
    assert local_rank(environment) == rank


def test_a_kernel_is_tried_from_end_to_end_on_the_simulated_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_LOCALID", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert main(["doctor", "--gpu", "simulated"]) == 0
    told = capsys.readouterr().out
    assert "simulated kernel" in told
    assert "compiled, run and right on" in told
    assert "simulated device 1" in told  # 3 modulo 2
    assert "by local rank 3" in told


def test_a_gpu_that_computes_wrong_numbers_does_not_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = gpu_probe.KERNEL.replace("x[i] * x[i]", "x[i] * x[i] + 1e-9")
    monkeypatch.setattr(gpu_probe, "KERNEL", wrong)
    (kernel,) = look("simulated", {})
    assert kernel.state == "missing"
    assert "computes wrong numbers" in kernel.text


def played_trial(monkeypatch: pytest.MonkeyPatch, told: dict[str, tuple[bool, str, str]]) -> None:
    """Let a trial end as told, by kind of GPU: whether it went well, output, last words."""
    monkeypatch.setattr(gpu_doctor, "run", lambda command, seconds: told[command[-1]])
    monkeypatch.setattr(gpu_doctor, "probe", lambda code, kind: (True, "False Open MPI v4, x"))


FOUND = '{"what": "%s", "state": "ok", "text": "right on H200"}\n'
WORKS = (True, "".join(FOUND % what for what in ("GPU 0", "GPU 1", "kernel")), "")
FAILS = (True, '{"what": "CuPy", "state": "missing", "text": "not here"}\n', "")


def test_one_backend_that_works_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    played_trial(monkeypatch, {"cuda": WORKS, "hip": FAILS})
    assert main(["doctor", "--gpu"]) == 0
    assert main(["doctor", "--gpu", "cuda"]) == 0
    assert main(["doctor", "--gpu", "hip"]) == 4
    states = {finding.what: finding.state for finding in examine_gpus()}
    assert (states["backend cuda"], states["backend hip"]) == ("ok", "optional")
    played_trial(monkeypatch, {"cuda": FAILS, "hip": FAILS})
    assert main(["doctor", "--gpu"]) == 4
    assert main(["doctor", "--gpu", "cuda"]) == 4


def test_a_trial_that_dies_is_told_with_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    out = 'library: hello\n{"what": "NVIDIA driver", "state": "ok", "text": "version 1"}\n'
    played_trial(monkeypatch, {"cuda": (False, out, "dies of SIGSEGV")})
    assert probe_gpu("cuda") == [
        Finding("cuda NVIDIA driver", "ok", "version 1"),
        Finding("cuda trial", "missing", "dies of SIGSEGV"),
    ]
    short = shortly("cuda")
    assert (short.what, short.state) == ("backend cuda", "optional")
    assert short.text == "dies of SIGSEGV; `elastane doctor --gpu cuda` says all"


def test_who_needs_a_gpu_is_told_why_and_what_else(monkeypatch: pytest.MonkeyPatch) -> None:
    played_trial(monkeypatch, {"cuda": WORKS, "hip": FAILS})
    assert require_gpu("cuda") == 2
    with pytest.raises(MissingDependencyError) as caught:
        require_gpu("hip")
    for words in ("hip CuPy: not here", "never falls back to the CPU", "`backend: cpu`"):
        assert words in str(caught.value)

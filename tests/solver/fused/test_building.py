"""What builds a fused kernel, and when."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elastane.materials import find_model
from elastane.materials.compiler import native
from elastane.materials.compiler.native import NativeBuildError
from elastane.materials.kernels import find_kernels
from elastane.solver.fused.kernel import build
from elastane.solver.fused.source import Kernel


@pytest.fixture
def kernel() -> Kernel:
    kernels = find_kernels(find_model("linear"))
    return Kernel.of(
        "jacobian", kernels, varying=False, degree=1, num_points_1d=2, geometry_degree=1
    )


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Return the commands that build libraries, in an empty cache."""
    monkeypatch.setenv("ELASTANE_CACHE", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    commands: list[list[str]] = []
    run = subprocess.run

    def noting(command: list[str], *arguments: Any, **options: Any) -> Any:
        if "-o" in command:
            commands.append(command)
        return run(command, *arguments, **options)

    monkeypatch.setattr(native.subprocess, "run", noting)
    return commands


def libraries(folder: Path) -> set[str]:
    return {path.name for path in (folder / "libraries").glob("*.so")}


def test_the_same_kernel_is_compiled_once(
    kernel: Kernel, compiled: list[list[str]], tmp_path: Path
) -> None:
    build(kernel)
    build(replace(kernel))
    assert len(compiled) == 1
    (name,) = libraries(tmp_path)
    assert name.startswith("linear-jacobian-p1-q2-g1-double-")
    source = (tmp_path / "libraries" / name).with_suffix(".c")
    assert source.read_text(encoding="utf-8") == kernel.source


@pytest.mark.parametrize(
    "change",
    [{"prefetch": 3}, {"recompute_geometry": False}, {"flags": ("-fno-unroll-loops",)}],
    ids=str,
)
def test_another_schedule_is_another_library(
    change: dict[str, Any], kernel: Kernel, compiled: list[list[str]], tmp_path: Path
) -> None:
    build(kernel)
    build(replace(kernel, schedule=replace(kernel.schedule, **change)))
    assert len(compiled) == len(libraries(tmp_path)) == 2


def test_the_first_compiler_that_is_there_builds(kernel: Kernel, compiled: list[list[str]]) -> None:
    schedule = replace(kernel.schedule, compilers=("no-such-compiler", "gcc", "cc"))
    build(replace(kernel, schedule=schedule))
    assert Path(compiled[0][0]).name == "gcc"


def test_the_compiler_that_the_user_chose_goes_before_the_schedule(
    kernel: Kernel, compiled: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "gcc -pipe")
    build(replace(kernel, schedule=replace(kernel.schedule, compilers=("clang-19", "cc"))))
    assert Path(compiled[0][0]).name == "gcc"
    assert compiled[0][1] == "-pipe"


def test_without_a_compiler_the_message_says_what_to_do(
    kernel: Kernel, compiled: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NativeBuildError, match=r"clang.* gcc.*install gcc, .*or set CC"):
        build(kernel)
    assert not compiled

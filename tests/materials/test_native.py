"""Building C for this machine, and the cache it goes to."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from elastane.materials.compiler import cache, native
from elastane.materials.compiler.native import NativeBuildError, build_library
from tests.materials.conftest import CompileByName

SOURCE = "int answer(void) { return 42; }\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELASTANE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_library_is_built_and_loads() -> None:
    library = build_library(SOURCE, "answer")
    assert ctypes.CDLL(str(library)).answer() == 42
    assert library.with_suffix(".c").read_text(encoding="utf-8") == SOURCE


def test_a_library_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    library = build_library(SOURCE, "answer")
    monkeypatch.setattr(native, "_run", None)
    assert build_library(SOURCE, "answer") == library


def test_other_source_gives_another_library() -> None:
    assert build_library(SOURCE, "answer") != build_library(SOURCE.replace("42", "43"), "answer")


def test_processes_may_build_at_the_same_time(own_cache: Path) -> None:
    program = (
        "from elastane.materials.compiler.native import build_library; "
        f"print(build_library({SOURCE!r}, 'answer'))"
    )
    command = [sys.executable, "-c", program]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    paths = {process.communicate()[0].strip() for process in running}
    assert len(paths) == 1
    assert ctypes.CDLL(paths.pop()).answer() == 42
    assert not [path for path in (own_cache / "libraries").iterdir() if path.name.startswith(".")]


def test_wrong_c_is_an_error_with_the_words_of_the_compiler(own_cache: Path) -> None:
    with pytest.raises(NativeBuildError, match=r"(?s)broken does not compile: .*error:"):
        build_library("int answer(void) { return nothing; }\n", "broken")
    assert not list((own_cache / "libraries").glob("*.so"))


def test_a_missing_compiler_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NativeBuildError, match="install gcc, load the compiler's module, or set"):
        build_library(SOURCE, "answer")


def test_a_wrong_cc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(NativeBuildError, match="CC=no-such-compiler -O2 is not a program"):
        build_library(SOURCE, "answer")


def test_cc_may_hold_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "gcc -DANSWER=7")
    library = build_library("int answer(void) { return ANSWER; }\n", "answer")
    assert ctypes.CDLL(str(library)).answer() == 7


@pytest.mark.skipif(shutil.which("nm") is None, reason="needs binutils to look into libraries")
def test_loops_with_a_logarithm_are_vectorised(
    compile_by_name: CompileByName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scalar log in the loop costs four to six times the time."""
    monkeypatch.delenv("CC", raising=False)
    library = compile_by_name("neo-hookean").kernels.build()
    symbols = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True)
    if "GLIBC" not in symbols.stdout or os.uname().machine != "x86_64":
        pytest.skip("only glibc on x86-64 has a vector log")
    assert "_ZGV" in symbols.stdout


def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cache.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("ELASTANE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "elastane"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_folder() == tmp_path / "home" / ".cache" / "elastane"


def test_a_cache_that_cannot_be_written_is_replaced_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("ELASTANE_CACHE", str(blocker / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.warns(UserWarning, match="cannot be written .* set ELASTANE_CACHE"):
        folder = cache.cache_folder()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0


def test_a_temporary_folder_of_somebody_else_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Libraries are loaded from it: others must not be able to put theirs there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    open_to_all = tmp_path / f"elastane-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    folder = cache._temporary_folder()
    assert folder != open_to_all
    assert folder.stat().st_mode & 0o077 == 0


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.c"

    def fail_half_way() -> None:
        with cache.written_aside(path) as aside:
            aside.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []

"""A module that runs apart ends: at a limit, by a signal or by itself; nothing is left behind."""

import os
import time
from pathlib import Path

import pytest

from elastane.materials.compiler.apart import ApartError, Limits, run_apart

#: What a module does -> limits, and what is said of it.
STOPPED = {
    "an endless loop": ("while True: pass", Limits(seconds=1.0), "took longer than 1 s"),
    "sleep": ("import time; time.sleep(100)", Limits(seconds=1.0), "took longer than 1 s"),
    "a list too large": (
        "x = [0.0] * 10**9",
        Limits(memory=10**9),
        r"needs more than the 0.931 GB of memory",
    ),
    "an array too large": (
        "import numpy; numpy.ones(10**9)",
        Limits(memory=10**9),
        r"needs more than the 0.931 GB of memory",
    ),
    "a signal": ("import os; os.kill(os.getpid(), 11)", Limits(), r"crashed \(SIGSEGV\)"),
    "a kill": ("import os; os.kill(os.getpid(), 9)", Limits(), r"crashed \(SIGKILL\)"),
    "abort": ("import os; os.abort()", Limits(), r"crashed \(SIGABRT\)"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose modules a process apart can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", STOPPED)
def test_what_stops_a_process_is_said_in_one_line(name: str, folder: Path) -> None:
    code, limits, words = STOPPED[name]
    (folder / "stopped.py").write_text(code, encoding="utf-8")
    begin = time.monotonic()
    with pytest.raises(ApartError, match=words) as caught:
        run_apart("stopped", [], limits)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - begin < 30.0  # on a busy machine; alone it takes a second


def test_a_process_that_ends_by_itself_tells_how(folder: Path) -> None:
    code = "import sys; print(sys.argv[1:]); sys.stderr.write('oh'); sys.exit(3)"
    (folder / "ending.py").write_text(code, encoding="utf-8")
    answer = run_apart("ending", ["a", "b"])
    assert (answer.code, answer.output, answer.errors) == (3, "['a', 'b']\n", "oh")


def test_children_left_behind_are_killed(folder: Path) -> None:
    """One of them holds stdout open, for which a pipe would wait."""
    code = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True)\n"
        "else: time.sleep(1000)\n"
    )
    (folder / "leaving.py").write_text(code, encoding="utf-8")
    child = int(run_apart("leaving", []).output)
    deadline = time.monotonic() + 10.0
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(child)


def _runs(process: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    return state[0] != "Z"


def test_what_it_writes_is_bounded(folder: Path) -> None:
    code = "import pathlib; pathlib.Path('big').write_bytes(bytes(10**7))"
    (folder / "writing.py").write_text(code, encoding="utf-8")
    here = Path.cwd()
    os.chdir(folder)
    try:
        answer = run_apart("writing", [], Limits(file_size=10**6))
    finally:
        os.chdir(here)
    assert answer.code == 1
    assert "File too large" in answer.errors


def test_limits_cannot_be_raised_again(folder: Path) -> None:
    code = (
        "import resource as r\n"
        "try: r.setrlimit(r.RLIMIT_DATA, (r.RLIM_INFINITY, r.RLIM_INFINITY)); print('raised')\n"
        "except ValueError: print('kept')\n"
    )
    (folder / "raising.py").write_text(code, encoding="utf-8")
    if os.geteuid() == 0:
        pytest.skip("root may raise every limit")
    assert run_apart("raising", []).output == "kept\n"


def test_the_current_folder_is_not_imported_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "beside.py").write_text("", encoding="utf-8")
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.chdir(folder)
    assert "No module named beside" in run_apart("beside", []).errors

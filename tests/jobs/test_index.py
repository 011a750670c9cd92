import os
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import elastane.jobs.index
from elastane.jobs.index import known_runs, rebuild, record, runs_below


def make_run(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "job.yml").write_text("name: a\n")
    (path / "status.json").write_text("{}")
    return path


def add(job: tuple[Path, Path]) -> bool:
    return record([job[0]], job[1])


def test_many_commands_at_once_lose_no_run(tmp_path: Path) -> None:
    index = tmp_path / "state" / "runs.sqlite"
    runs = [make_run(tmp_path / "runs" / f"{number:02}") for number in range(24)]
    with ProcessPoolExecutor(4) as pool:
        assert all(pool.map(add, [(run, index) for run in runs]))
    assert known_runs(index) == runs


def test_no_write_ahead_log_is_left(tmp_path: Path) -> None:
    index = tmp_path / "runs.sqlite"
    record([make_run(tmp_path / "run")], index)
    assert [path.name for path in tmp_path.iterdir() if "sqlite" in path.name] == ["runs.sqlite"]
    connection = sqlite3.connect(index)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


@pytest.mark.parametrize("damage", ["missing", "garbage", "empty", "folder", "other table"])
def test_rebuild_restores_what_lies_below(tmp_path: Path, damage: str) -> None:
    index = tmp_path / "runs.sqlite"
    runs = [make_run(tmp_path / "here" / name) for name in ("a", "deep/er/b", "sweep/0001")]
    if damage == "garbage":
        index.write_bytes(os.urandom(5000))
    elif damage == "empty":
        index.touch()
    elif damage == "folder":
        index.mkdir()
    elif damage == "other table":
        with sqlite3.connect(index) as connection:
            connection.execute("CREATE TABLE runs (other INTEGER)")
    assert known_runs(index) == []
    if damage == "folder":
        assert not record(runs, index)
        with pytest.raises(OSError, match=r"runs\.sqlite"):
            rebuild([tmp_path / "here"], index)
        return
    assert rebuild([tmp_path / "here"], index) == 3
    assert known_runs(index) == sorted(runs)


def test_a_run_that_is_added_while_the_list_is_made_anew_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "runs.sqlite"
    old, late = make_run(tmp_path / "old"), make_run(tmp_path / "late")
    gone = make_run(tmp_path / "gone")
    record([old, gone], index)
    (gone / "job.yml").unlink()
    update = elastane.jobs.index._update

    def update_late(*arguments: Any) -> int:
        assert record([late], index)
        return update(*arguments)

    monkeypatch.setattr(elastane.jobs.index, "_update", update_late)
    with closing(sqlite3.connect(index)) as reader:  # who has the file open keeps it
        assert rebuild([], index) == 2
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (2,)
    assert known_runs(index) == [late, old]


def test_a_list_that_another_writes_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "runs.sqlite"
    record([make_run(tmp_path / "run")], index)
    monkeypatch.setattr(elastane.jobs.index, "BUSY_SECONDS", 0.0)
    before = index.stat().st_ino
    with closing(sqlite3.connect(index)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OSError, match=r"runs\.sqlite"):
            rebuild([tmp_path], index)
    assert index.stat().st_ino == before


def test_a_run_that_was_deleted_is_not_known(tmp_path: Path) -> None:
    index = tmp_path / "runs.sqlite"
    run = make_run(tmp_path / "run")
    record([run], index)
    (run / "job.yml").unlink()
    assert known_runs(index) == []


def test_links_are_not_followed_and_runs_not_entered(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    make_run(run / "inside")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert list(runs_below(tmp_path)) == [run]
    assert list(runs_below(run)) == [run]

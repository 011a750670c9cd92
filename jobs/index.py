"""A list of the runs of a user, so that `elastane status` finds those in other folders.

It is only an index: every run folder says all of itself, and `elastane status --rebuild` makes the
list anew.  SQLite without a write-ahead log, whose shared memory network file systems do not have;
where even its locks fail, the list is left as it is and nothing else suffers.

Reference: https://sqlite.org/wal.html, section 1; https://sqlite.org/lockingv3.html.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from elastane.jobs.executors.local import state_folder
from elastane.jobs.paths import RunFolder

SCHEMA = "CREATE TABLE IF NOT EXISTS runs (folder TEXT PRIMARY KEY)"
#: How deep runs lie below a folder that is searched, and what is never searched.
MAX_DEPTH = 6
BUSY_SECONDS = 5.0
#: What SQLite says of a file that is no list of runs.
DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR}


def record(folders: Iterable[Path], index: Path | None = None) -> bool:
    """Add run folders to the list; return whether that worked."""
    rows = [(str(folder.resolve()),) for folder in folders]
    try:
        with _opened(index) as connection:
            connection.executemany("INSERT OR IGNORE INTO runs VALUES (?)", rows)
    except (sqlite3.Error, OSError):
        return False
    return True


def known_runs(index: Path | None = None) -> list[Path]:
    """Return the run folders of the list that still are there; none if it cannot be read."""
    try:
        with _opened(index) as connection:
            rows = connection.execute("SELECT folder FROM runs ORDER BY folder").fetchall()
    except (sqlite3.Error, OSError):
        return []
    return [path for path in (Path(folder) for (folder,) in rows) if is_run(path)]


def rebuild(roots: Iterable[Path], index: Path | None = None) -> int:
    """Make the list anew from what it knows and what lies below some folders; return its length.

    Raises:
        OSError: If it cannot be written.
    """
    runs = [str(run.resolve()) for root in roots for run in runs_below(root)]
    path = _path(index)
    try:
        return _update(runs, index)
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more of the same
        if code not in DAMAGED:
            raise OSError(
                f"cannot write the list of runs {path}; `elastane status` works without it"
            ) from error
    # Only then: who has it open would go on with a file that has no name any more.
    for leftover in (path, path.with_name(f"{path.name}-journal")):
        leftover.unlink(missing_ok=True)
    return _update(runs, index)


def _update(runs: Iterable[str], index: Path | None) -> int:
    """Add runs to the list, drop those that are gone, and return its length."""
    with _opened(index) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT OR IGNORE INTO runs VALUES (?)", [(run,) for run in runs])
        rows = connection.execute("SELECT folder FROM runs").fetchall()
        gone = [row for row in rows if not is_run(Path(row[0]))]
        connection.executemany("DELETE FROM runs WHERE folder = ?", gone)
        return len(rows) - len(gone)


def runs_below(root: Path) -> Iterator[Path]:
    """Yield the run folders in a folder, itself included; symbolic links are not followed."""
    if is_run(root):
        yield root
        return
    for folder, names, _ in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        runs = [name for name in names if is_run(Path(folder, name))]
        yield from (Path(folder, name) for name in sorted(runs))
        hidden = {name for name in names if name.startswith(".")}
        names[:] = [] if depth >= MAX_DEPTH else sorted({*names} - {*runs} - hidden)


def is_run(path: Path) -> bool:
    """Return whether a folder is that of a run."""
    folder = RunFolder(path)
    return folder.job.is_file() and (folder.status.is_file() or folder.result.is_file())


def _path(index: Path | None) -> Path:
    return index or state_folder() / "runs.sqlite"


@contextmanager
def _opened(index: Path | None) -> Iterator[sqlite3.Connection]:
    """Open the list, and commit at the end."""
    path = _path(index)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection, connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(SCHEMA)
        yield connection

"""events.jsonl: one JSON object per line; a writer that was killed may leave half a line."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elastane.jobs.result import plain


def append_event(path: Path, kind: str, values: Mapping[str, Any]) -> None:
    """Append an event, with the time.

    Raises:
        OSError: If it cannot be written.
    """
    entry = {"event": kind, "time": time.time(), **values}
    line = (json.dumps(plain(entry), allow_nan=False) + "\n").encode()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # the half line of one who was killed stays alone
        # Mostly one write: who reads in between sees all of it.
        while line:
            line = line[os.write(descriptor, line) :]
    finally:
        os.close(descriptor)


def events_in(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of whole lines; a line that is no event is left out."""
    for line in content.split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("event"), str):
            yield entry


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """Yield all events so far."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    yield from events_in(content)


class EventTail:
    """Reads events.jsonl while it is being written.

    Args:
        path: The file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_events(self) -> Iterator[dict[str, Any]]:
        """Yield the events since the last call; half a line waits for its other half."""
        try:
            with self._path.open("rb") as stream:
                if os.fstat(stream.fileno()).st_size < self._offset:
                    self._offset = 0  # another file has its name now
                stream.seek(self._offset)
                content = stream.read()
        except FileNotFoundError:
            return
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        yield from events_in(complete)

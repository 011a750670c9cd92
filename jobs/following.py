"""A run while it goes on, from anywhere: how it stands, its events, and what it prints."""

import time
from pathlib import Path
from typing import TextIO

from elastane.jobs.event_log import EventTail
from elastane.jobs.find_runs import look
from elastane.jobs.paths import RunFolder
from elastane.jobs.progress import Progress
from elastane.jobs.states import FINAL, RunState
from elastane.jobs.view import stored_status

EVENT_SECONDS = 0.2
#: How often an executor is asked while a run is watched: squeue is dear to a busy controller.
QUERY_SECONDS = 5.0


def watch(folder: RunFolder, stream: TextIO) -> RunState:
    """Show a run until it ends; return how."""
    tail, progress = EventTail(folder.events), Progress(stream)
    told, known, asked = "", None, 0.0
    try:
        while True:
            stored = stored_status(folder).state
            if stored is not known or time.monotonic() - asked > QUERY_SECONDS:
                (run,) = look([folder])
                known, asked = stored, time.monotonic()
            for event in tail.new_events():
                progress.show(event)
            if run.standing != told:
                progress.clear()
                told = run.standing
                stream.write(told + "\n")
            if run.state in FINAL:
                return run.state
            if run.state is RunState.RUNNING:
                progress.refresh()
            stream.flush()
            time.sleep(EVENT_SECONDS)
    finally:
        progress.clear()


def follow_log(folder: RunFolder, offset: int, stream: TextIO) -> None:
    """Show what a run prints, from a place in its log, until it ends."""
    while True:
        (run,) = look([folder])
        end = time.monotonic() + QUERY_SECONDS
        while True:
            offset = _show_from(folder.log, offset, stream)
            if run.state in FINAL:
                return
            if time.monotonic() > end:
                break
            time.sleep(EVENT_SECONDS)


def show_end(log: Path, lines: int, stream: TextIO) -> int:
    """Show the last lines of a log; return where it ends."""
    if not log.exists():
        return 0
    content = log.read_bytes()
    shown = content.splitlines(keepends=True)[-lines:]
    stream.write(b"".join(shown).decode(errors="replace"))
    stream.flush()
    return len(content)


def _show_from(log: Path, offset: int, stream: TextIO) -> int:
    """Show what was added to a log; return where it ends now."""
    if not log.exists() or log.stat().st_size <= offset:
        return offset
    with log.open("rb") as file:
        file.seek(offset)
        content = file.read()
    stream.write(content.decode(errors="replace"))
    stream.flush()
    return offset + len(content)

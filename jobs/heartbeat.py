"""Signs of life of an attempt, and its end when it has lost the run.

A heartbeat inside the solver would stand still whenever a linear solve does; this is a process
beside it, or the one that `elastane run` is.
"""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from elastane.jobs import claims, liveness
from elastane.jobs.event_log import EventTail
from elastane.jobs.paths import RunFolder
from elastane.jobs.status_file import LiveStatus, status_of, write_status

BEAT_SECONDS = 10.0
#: Between two writes of what happened.
NEWS_SECONDS = 1.0
POLL_SECONDS = 0.5
#: A step that was asked to end gets this long.
KILL_SECONDS = 30.0


class Heartbeat:
    """Keeps status.json up to date while an attempt runs.

    Args:
        folder: The run folder.
        generation: Of the attempt.
    """

    def __init__(self, folder: RunFolder, generation: int) -> None:
        self._folder = folder
        self._generation = generation
        self._live = LiveStatus(status_of(folder))
        self._written = self._live.status
        self._last = float("-inf")

    def note(self, event: Mapping[str, Any]) -> None:
        """Take note of an event of the run."""
        self._live.note(event)

    def beat(self) -> bool:
        """Write status.json if it is time; return whether the run is still ours."""
        since = time.monotonic() - self._last
        news = self._live.status != self._written
        if since < (NEWS_SECONDS if news else BEAT_SECONDS):
            return True
        self._last = time.monotonic()
        if not claims.still_ours(self._folder, self._generation):
            return False
        self._written = replace(self._live.status, beat=time.time())
        self._live.status = self._written
        # A full disk is the solve's to complain of.
        with suppress(OSError):
            write_status(self._folder, self._written)
        return True


def beat(folder: RunFolder, generation: int, pid: int) -> None:
    """Give signs of life while a process runs, and end it when it has lost the run.

    The run is lost when another attempt has taken it, or when the shell of this one is gone: then
    nobody would be told how the process ends.  The claim names the shell: this process may have
    another parent already.

    Args:
        folder: The run folder.
        generation: Of this attempt.
        pid: The process.

    Raises:
        OSError: If the claim cannot be read.
        ValueError: If it is damaged.
    """
    identity = liveness.process(pid)
    shell = claims.read_claim(folder, generation)
    heart = Heartbeat(folder, generation)
    tail = EventTail(folder.events)
    while identity is not None and liveness.is_alive(pid, identity):
        for event in tail.new_events():
            heart.note(event)
        if not liveness.is_alive(shell.pid, shell.process) or not heart.beat():
            _end_process(pid, identity)
            return
        time.sleep(POLL_SECONDS)


def _end_process(pid: int, identity: str) -> None:
    """End a process: a launcher passes SIGTERM on to its ranks."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + KILL_SECONDS
        while liveness.is_alive(pid, identity):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        else:
            return

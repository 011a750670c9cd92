"""Run a Python module in a process of its own, with limits: the only place where users' code runs.

    run_apart("elastane.materials.compiler", ["--here", ...])

is `python -m elastane.materials.compiler --here ...`, except that it ends: its time, its memory and
what it writes are bounded, and whatever processes it leaves behind are killed with it.  The limits
guard against mistakes - an endless loop, an array far too large, a crash of the compiler -, not
against malice: whoever may run a job may run any program.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

POLL_SECONDS = 0.01

#: What sets the limits, in the new process, before anything else runs there.
LIMITER = "elastane.materials.compiler.limiter"

#: Length of what is kept of the messages of a process.
MESSAGE_LENGTH = 20_000

#: What Python and C++ say when there is no memory left.
OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "Cannot allocate memory", "Unable to allocate")


class ApartError(RuntimeError):
    """A process was stopped at a limit or crashed; the message, "took ...", follows a subject."""


@dataclass(frozen=True)
class Limits:
    """What a process may use.

    Attributes:
        seconds: From start to end.
        memory: Bytes of data, stacks of threads included.
        file_size: Bytes of each file it writes, of its output, too.
    """

    seconds: float = 300.0
    memory: int = 8 * 1024**3
    file_size: int = 64 * 1024**2


#: Generous: the largest built-in material takes some seconds and 0.5 GB.
LIMITS = Limits()


@dataclass(frozen=True)
class Answer:
    """How a process ended by itself.

    Attributes:
        code: Its exit code.
        output: What it wrote to stdout.
        errors: What it wrote last to stderr.
    """

    code: int
    output: str
    errors: str


def run_apart(module: str, arguments: Sequence[str], limits: Limits | None = None) -> Answer:
    """Return how `python -m MODULE ARGUMENTS` ended, run with limits in a process of its own.

    The current folder is not on its path for imports.

    Raises:
        ApartError: If a limit stopped it, or a signal; the message is one line.
    """
    limits = limits or LIMITS
    command = [sys.executable, "-P", "-m", LIMITER, *_written(limits), module, *arguments]
    # Files, not pipes: a pipe stays open as long as a process that was left behind.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,  # a process group that can be killed as a whole
        )
        try:
            in_time = _wait(process.pid, limits.seconds)
        finally:
            # Before its number is free for others: the process itself has not been waited for yet.
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        said = _text(errors)[-MESSAGE_LENGTH:]
        if not in_time or code == -signal.SIGXCPU:
            raise ApartError(
                f"took longer than {limits.seconds:g} s and was stopped; is there an endless "
                "loop, or a very long formula?"
            )
        if code != 0 and any(word in said for word in OUT_OF_MEMORY):
            raise ApartError(
                f"needs more than the {limits.memory / 1024**3:.3g} GB of memory that it may "
                "have; is an array far too large?"
            )
        if code < 0:
            raise ApartError(f"crashed ({signal.Signals(-code).name}){_last_line(said)}")
        return Answer(code, _text(output), said)


def _written(limits: Limits) -> list[str]:
    return [f"{limits.seconds:g}", str(limits.memory), str(limits.file_size)]


def _wait(process: int, seconds: float) -> bool:
    """Return whether a process ends in time; it stays to be waited for."""
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _text(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1]}" if lines else ""

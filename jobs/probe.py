"""Tries what may crash in a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Sequence

PROBE_SECONDS = 60.0


def probe(code: str, *arguments: str) -> tuple[bool, str]:
    """Run Python code in a process of its own; return whether it went well, and its last words."""
    fine, out, words = run([sys.executable, "-c", code, *arguments], PROBE_SECONDS)
    return fine, out.strip() if fine else words


def run(command: Sequence[str], seconds: float) -> tuple[bool, str, str]:
    """Run a command; return whether it went well, what it printed, and why it failed."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
        told = out.decode(errors="replace") if isinstance(out, bytes) else out
        return False, told, f"no answer within {seconds:.0f} s"
    if done.returncode == 0:
        return True, done.stdout, ""
    if done.returncode < 0:
        return False, done.stdout, f"dies of {signal.Signals(-done.returncode).name}"
    lines = done.stderr.strip().splitlines()
    words = lines[-1][:200] if lines else f"ends with code {done.returncode}"
    return False, done.stdout, words

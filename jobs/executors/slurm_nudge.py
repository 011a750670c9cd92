"""Starts a requeued job of SLURM at once."""

import time
from contextlib import suppress

from elastane.jobs.executors.base import SilentError
from elastane.jobs.executors.slurm_commands import run_tool

POLL_SECONDS = 0.5
#: A requeued job shows as pending within a few seconds.
NUDGE_SECONDS = 60.0
CLEAN_UP_SECONDS = 5.0


def nudge(job_id: str) -> bool:
    """Start a requeued job of SLURM at once; return whether it took it.

    SLURM puts a start two minutes off into a requeued job when its old script has ended, and
    forgets what it was told before; so this runs beside the script, and waits.
    """
    is_told = False
    deadline = time.monotonic() + NUDGE_SECONDS
    while time.monotonic() < deadline:
        with suppress(SilentError):
            query = ["squeue", "--noheader", f"--jobs={job_id}", "--states=all", "--format=%T|%r"]
            waits = run_tool(query, NUDGE_SECONDS).out.strip() == "PENDING|BeginTime"
            if is_told and not waits:
                return True
            if waits:
                # A step keeps its sockets for a while after srun's end, and the next attempt's
                # step has the same number.
                time.sleep(CLEAN_UP_SECONDS)
                order = ["scontrol", "update", f"JobId={job_id}", "StartTime=now"]
                is_told = run_tool(order, NUDGE_SECONDS).code == 0
        time.sleep(POLL_SECONDS)
    return False

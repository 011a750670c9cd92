"""An attempt at a run, on the machine where it runs: what its script does beside the solve.

    python -m elastane.jobs.attempt begin RUN --pid PID     claims the run, prints the generation
    python -m elastane.jobs.attempt beat RUN GENERATION PID gives signs of life while PID runs
    python -m elastane.jobs.attempt end RUN GENERATION CODE says how it ended, gives the run back
    python -m elastane.jobs.attempt nudge JOB_ID            starts a requeued SLURM job at once

Nothing here needs PETSc or MPI, or holds the solve up: a heartbeat inside the solver would stand
still whenever a linear solve does.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from elastane.jobs.attempt_begin import NothingToDoError, PredecessorError, begin
from elastane.jobs.attempt_end import end
from elastane.jobs.claims import RunningElsewhereError
from elastane.jobs.ending import ending
from elastane.jobs.executors.slurm_nudge import nudge
from elastane.jobs.heartbeat import beat
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.states import ExitCode, RunState
from elastane.jobs.status_file import status_of


class BeginCode(IntEnum):
    """Exit codes of `begin` beside those of all commands."""

    TAKEN = 0
    PREDECESSOR = 3
    UNKNOWN = 4
    NOTHING_TO_DO = 75


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands above; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except NothingToDoError as error:
        sys.stderr.write(f"{error}\n")
        return BeginCode.NOTHING_TO_DO
    except RunningElsewhereError as error:
        sys.stderr.write(f"{error}\n")
        return BeginCode.NOTHING_TO_DO if error.certain else BeginCode.UNKNOWN
    except PredecessorError as error:
        sys.stderr.write(f"{error}\n")
        return BeginCode.PREDECESSOR
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.ENVIRONMENT


def _begin_command(options: argparse.Namespace) -> int:
    sys.stdout.write(f"{begin(RunFolder(options.run), options.pid, os.environ)}\n")
    return BeginCode.TAKEN


def _beat_command(options: argparse.Namespace) -> int:
    beat(RunFolder(options.run), options.generation, options.pid)
    return 0


def _end_command(options: argparse.Namespace) -> int:
    folder = RunFolder(options.run)
    code = end(folder, options.generation, options.code, os.environ, options.max_restarts)
    status = status_of(folder)
    # What the log of the run closes with.
    if status.state is not RunState.CONVERGED:
        sys.stdout.write(f"{status.state.value}{status.message and ': '}{status.message}\n")
    sys.stdout.writelines(f"{line}\n" for line in ending(read_result(folder.result)))
    return code


def _nudge_command(options: argparse.Namespace) -> int:
    return 0 if nudge(options.job_id) else ExitCode.ENVIRONMENT


def _job_id(text: str) -> str:
    """Return the id of a job of SLURM."""
    if not re.fullmatch(r"[0-9]+(_[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no id of a job")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m elastane.jobs.attempt")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    begin = commands.add_parser("begin", help="claim a run and print the generation")
    begin.set_defaults(command=_begin_command)
    begin.add_argument("run", type=Path)
    begin.add_argument("--pid", type=int, required=True, help="the attempt lives and dies with it")
    beat = commands.add_parser("beat", help="give signs of life while a process runs")
    beat.set_defaults(command=_beat_command)
    beat.add_argument("run", type=Path)
    beat.add_argument("generation", type=int)
    beat.add_argument("pid", type=int, help="the process of the step")
    end = commands.add_parser("end", help="write how an attempt ended, give the run back")
    end.set_defaults(command=_end_command)
    end.add_argument("run", type=Path)
    end.add_argument("generation", type=int)
    end.add_argument("code", type=int, help="exit code of the step")
    end.add_argument("--max-restarts", type=int, help="default: as submitted")
    nudge = commands.add_parser("nudge", help="start a requeued job of SLURM at once")
    nudge.set_defaults(command=_nudge_command)
    nudge.add_argument("job_id", type=_job_id)
    return parser


if __name__ == "__main__":
    sys.exit(main())

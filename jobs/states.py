"""How a run can stand, and the exit codes that tell it to a shell."""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of `elastane` and of the worker."""

    CONVERGED = 0
    BAD_INPUT = 2
    NOT_CONVERGED = 3
    ENVIRONMENT = 4
    INTERRUPTED = 130


class Status(StrEnum):
    """The `status` of result.json; all but `running` are final."""

    RUNNING = "running"
    CONVERGED = "converged"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


#: A run that failed without bad input is the fault of its surroundings: a missing library, a killed
#: process, a full disk.
EXIT_CODES = {
    Status.CONVERGED: ExitCode.CONVERGED,
    Status.DIVERGED: ExitCode.NOT_CONVERGED,
    Status.INTERRUPTED: ExitCode.INTERRUPTED,
    Status.FAILED: ExitCode.ENVIRONMENT,
}

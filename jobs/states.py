"""How a run can stand, and the exit codes that tell it to a shell."""

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of `elastane` and of the worker; the worker's alone: 85, to be resumed."""

    CONVERGED = 0
    BAD_INPUT = 2
    NOT_CONVERGED = 3
    ENVIRONMENT = 4
    REQUEUE = 85
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


class RunState(StrEnum):
    """The `state` of status.json: how a run stands with its executor."""

    PREPARED = "prepared"
    REJECTED = "rejected"
    SUBMITTED = "submitted"
    HELD = "held"
    RUNNING = "running"
    REQUEUED = "requeued"
    CONVERGED = "converged"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    PREEMPTED = "preempted"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_FAILED = "node_failed"
    LOST = "lost"
    #: Never stored: the executor's answer says nothing.
    UNKNOWN = "unknown"


#: Nothing will happen to a run in one of these unless it is resumed.
FINAL = frozenset(RunState) - {
    RunState.PREPARED,
    RunState.SUBMITTED,
    RunState.HELD,
    RunState.RUNNING,
    RunState.REQUEUED,
    RunState.UNKNOWN,
}

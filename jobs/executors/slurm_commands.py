"""SLURM's tools: the one place that starts them, and what their answers say.

An answer counts only if the tool ended well and its first line is the heading that was asked for:
no output at all, a banner or half a table says nothing.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elastane.jobs.executors.base import SilentError

#: Settings of a user's shell that concern the cluster; others would change what the tools print,
#: which jobs they mean, or the options of the batch script.
KEPT_VARIABLES = {
    "SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT",
    "SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION",
}  # fmt: skip
TOOL_VARIABLE = re.compile(r"(SLURM|SBATCH|SQUEUE|SINFO|SCANCEL|SACCT|SCONTROL|SRUN)_")

#: Fields of squeue; those that may hold any character come last.
JOB_FIELDS = {
    "%i": "JOBID", "%T": "STATE", "%r": "REASON", "%N": "NODELIST", "%k": "COMMENT",
    "%Z": "WORK_DIR",
}  # fmt: skip
ACCOUNTING_FIELDS = {
    name: name for name in ("JobID", "State", "Reason", "NodeList", "Comment", "WorkDir")
}
PARTITION_FIELDS = {
    "%P": "PARTITION", "%a": "AVAIL", "%l": "TIMELIMIT", "%D": "NODES", "%c": "CPUS",
    "%G": "GRES", "%s": "JOB_SIZE",
}  # fmt: skip
#: A job or a task of an array; tasks that wait may be in one line: 6_[3-8%2].
JOB_ID = re.compile(r"[0-9]+(_[0-9]+|_\[[0-9,%:-]+\])?")


@dataclass(frozen=True)
class Answer:
    """What a tool said.

    Attributes:
        code: Its exit status.
        out: What it printed.
        err: What it complained about.
    """

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Return what it complained about, in one line, without the name of the tool."""
        lines = [re.sub(r"^s\w+: (error: )?", "", line) for line in self.err.splitlines()]
        return "; ".join(line.strip() for line in lines if line.strip())


@dataclass(frozen=True)
class QueuedJob:
    """A line of squeue: the job's id, state, reason, nodes, comment and folder."""

    job_id: str
    state: str
    reason: str
    nodes: str
    comment: str
    folder: str


@dataclass(frozen=True)
class Partition:
    """A line of sinfo: nodes of one kind in a partition.

    Attributes:
        name: Its name.
        is_default: Whether jobs go there that name none.
        is_up: Whether it takes jobs.
        time: Longest time of a job in seconds, infinite without a limit.
        nodes: Number of nodes of this kind.
        cpus: CPUs of each.
        gpus: GPUs of each.
        largest: Largest number of nodes of a job.
    """

    name: str
    is_default: bool
    is_up: bool
    time: float
    nodes: int
    cpus: int
    gpus: int
    largest: float


def run_tool(
    command: Sequence[str], seconds: float, folder: Path | None = None, given: str = ""
) -> Answer:
    """Run a tool of SLURM, without a shell; return its answer.

    Args:
        command: The tool and its arguments.
        seconds: It is ended after so long.
        folder: Where it works.
        given: What it reads.

    Raises:
        SilentError: If it cannot be started or does not end in time.
    """
    try:
        done = subprocess.run(
            list(command),
            cwd=folder,
            env=tool_environment(os.environ),
            input=given.encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SilentError(f"{command[0]} did not answer within {seconds:g} s") from None
    except OSError as error:
        raise SilentError(f"{command[0]} cannot be started: {error.strerror}") from None
    # Job names and folders of others may hold anything.
    return Answer(
        done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )


def tool_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the tools answer in English and as they are asked."""
    kept = {
        name: value
        for name, value in environment.items()
        if not TOOL_VARIABLE.match(name) or name in KEPT_VARIABLES
    }
    return {**kept, "LC_ALL": "C.UTF-8", "SLURM_TIME_FORMAT": "standard"}


def format_of(fields: Mapping[str, str]) -> str:
    """Return the value of `-o` that asks for fields."""
    return "|".join(fields)


def parse_jobs(
    answer: Answer, fields: Mapping[str, str] = JOB_FIELDS, tool: str = "squeue"
) -> list[QueuedJob]:
    """Return the jobs in an answer of squeue, or of sacct.

    Raises:
        SilentError: If it is none.
    """
    rows = _rows(answer, fields, tool)
    for row in rows:
        if not JOB_ID.fullmatch(row[0]):
            raise SilentError(f"{tool} answered {'|'.join(row)[:200]!r}, which is no job")
    return [QueuedJob(*row) for row in rows]


def parse_partitions(answer: Answer) -> list[Partition]:
    """Return the partitions in an answer of sinfo.

    Raises:
        SilentError: If it is none.
    """
    try:
        return [_partition(row) for row in _rows(answer, PARTITION_FIELDS, "sinfo")]
    except ValueError as error:
        raise SilentError(f"sinfo answered what cannot be understood: {error}") from None


def _rows(answer: Answer, fields: Mapping[str, str], tool: str) -> list[list[str]]:
    """Return the rows of a table with a known heading."""
    if answer.code != 0:
        raise SilentError(f"{tool} failed: {answer.complaint or f'code {answer.code}'}")
    lines = answer.out.splitlines()
    if not lines or lines[0].strip() != "|".join(fields.values()):
        raise SilentError(f"{tool} answered {answer.out[:200]!r}, which is no table of it")
    if not answer.out.endswith("\n"):
        raise SilentError(f"{tool} broke off in the middle of its answer")
    rows = [line.split("|", len(fields) - 1) for line in lines[1:]]
    for row in rows:
        if len(row) != len(fields):
            raise SilentError(f"{tool} answered {'|'.join(row)[:200]!r} in its table")
    return rows


def _partition(row: Sequence[str]) -> Partition:
    name, avail, time, nodes, cpus, gres, size = (field.strip() for field in row)
    return Partition(
        name.rstrip("*"),
        name.endswith("*"),
        avail == "up",
        parse_time(time),
        int(nodes),
        int(cpus.rstrip("+")),
        _num_gpus(gres),
        float(size.split("-")[-1].replace("infinite", "inf")),
    )


def _num_gpus(gres: str) -> int:
    """Return the GPUs in a list of generic resources such as gpu:a100:4(S:0-1),shard:8."""
    counts = re.findall(r"(?:^|,)gpu(?::[A-Za-z][^,:(]*)?(?::([0-9]+))?(?=[,(]|$)", gres)
    return sum(int(count or 1) for count in counts)


def parse_time(text: str) -> float:
    """Return a duration of SLURM in seconds: infinite, minutes:seconds, days-hours:minutes:seconds.

    Raises:
        ValueError: If it is none.
    """
    if text.lower() in ("infinite", "unlimited", "n/a"):
        return float("inf")
    days, _, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    elif len(parts) == 1:  # minutes
        hours, minutes, seconds = 0, parts[0], 0
    else:
        hours, minutes, seconds = (0, *parts)[-3:]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds

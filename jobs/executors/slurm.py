"""SLURM: asks, sends, looks up and cancels through its tools."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from elastane.jobs.batch_script import render, slurm_time
from elastane.jobs.executors.base import Executor, JobRequest, JobView, RejectedError, SilentError
from elastane.jobs.executors.slurm_commands import (
    ACCOUNTING_FIELDS,
    JOB_FIELDS,
    PARTITION_FIELDS,
    Answer,
    Partition,
    QueuedJob,
    format_of,
    parse_jobs,
    parse_partitions,
    run_tool,
)
from elastane.jobs.paths import RunFolder
from elastane.jobs.result import read_result
from elastane.jobs.sites import load_site
from elastane.jobs.states import RunState, Status
from elastane.jobs.submission_file import read_submission

#: A job that COMPLETED has converged only if its result says so; without a result it has failed.
SLURM_STATES = {
    "BOOT_FAIL": RunState.NODE_FAILED,
    "CANCELLED": RunState.CANCELLED,
    "COMPLETED": RunState.FAILED,
    "COMPLETING": RunState.RUNNING,
    "CONFIGURING": RunState.RUNNING,
    "DEADLINE": RunState.TIMEOUT,
    "FAILED": RunState.FAILED,
    "NODE_FAIL": RunState.NODE_FAILED,
    "OUT_OF_MEMORY": RunState.OUT_OF_MEMORY,
    "PENDING": RunState.SUBMITTED,
    "PREEMPTED": RunState.PREEMPTED,
    "REQUEUED": RunState.SUBMITTED,
    "REQUEUE_FED": RunState.SUBMITTED,
    "REQUEUE_HOLD": RunState.HELD,
    "RESIZING": RunState.RUNNING,
    "RESV_DEL_HOLD": RunState.HELD,
    "REVOKED": RunState.CANCELLED,
    "RUNNING": RunState.RUNNING,
    "SIGNALING": RunState.RUNNING,
    "SPECIAL_EXIT": RunState.FAILED,
    "STAGE_OUT": RunState.RUNNING,
    "STOPPED": RunState.HELD,
    "SUSPENDED": RunState.HELD,
    "TIMEOUT": RunState.TIMEOUT,
}

#: Why a job waits, in words; those behind "never" do not change by waiting.
REASONS = {
    "AssocGrpCPUMinutesLimit": "never: the account has used up its processor time",
    "AssocMaxJobsLimit": "the account runs as many jobs as it may",
    "BadConstraints": "never: no node is like the one asked for",
    "BeginTime": "its start time has not come yet",
    "Dependency": "another run has to converge first",
    "DependencyNeverSatisfied": "never: a run that had to converge first did not",
    "JobHeldAdmin": "an administrator holds it back",
    "JobHeldUser": "held; `elastane resume` lets it go",
    "MaxMemPerLimit": "never: more memory per node or processor than allowed",
    "NodeDown": "a node that it needs is down",
    "PartitionConfig": "never: more nodes or time than its partition allows",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition takes no jobs",
    "PartitionNodeLimit": "never: more nodes than its partition allows",
    "PartitionTimeLimit": "never: more time than its partition allows",
    "Priority": "others are ahead of it",
    "QOSMaxJobsPerUserLimit": "you run as many jobs as you may",
    "QOSMaxWallDurationPerJobLimit": "never: more time than its quality of service allows",
    "ReqNodeNotAvail": "nodes that it needs are down or reserved",
    "Reservation": "its reservation has not begun yet",
    "Resources": "waiting for free nodes",
}

#: What sbatch says of a job that it will not take however often it is asked.  All else leaves open
#: whether the controller has taken the job.
REFUSALS = re.compile(
    r"invalid (partition|account|qos|generic resource|feature|option|wckey|time|--|number|argument"
    r"|dependency|job array|user)|requested node configuration is not available|requested time"
    r"|memory (specification|required)|more processors requested|node count specification"
    r"|job violates accounting/qos|permission|access denied|group not permitted"
    r"|dependency problem|unrecognized option|unable to open file|batch script|not available in"
    r"|requested partition configuration|unsatisfiable|not known|no partition specified"
    r"|reservation (is )?invalid|requested reservation",
    re.IGNORECASE,
)
UNKNOWN_ID = re.compile(r"invalid job id specified", re.IGNORECASE)
#: A reply to sbatch takes as long as the controller's patience, at most a minute or so.
TOOL_SECONDS = 60.0
#: Jobs in one question.
MAX_IDS = 500


class Slurm(Executor):
    """The SLURM cluster whose tools are on the path.

    Args:
        tool_seconds: How long a tool may take.
    """

    name = "slurm"

    def __init__(self, tool_seconds: float = TOOL_SECONDS) -> None:
        self._tool_seconds = tool_seconds

    def check(self, request: JobRequest) -> list[str]:
        """Return why SLURM would never start a job: its partition's limits, and its own words.

        Some impossible requests it takes and keeps waiting for ever, hence a look at the limits.
        """
        site = load_site(request.site)
        partitions = parse_partitions(
            self._run("sinfo", "-o", format_of(PARTITION_FIELDS)),
        )
        wrong = exceeded(request, partitions, os.environ.get("SBATCH_PARTITION", site.partition))
        if wrong:
            return wrong
        answer = run_tool(["sbatch", "--test-only"], self._tool_seconds, given=self.script(request))
        if answer.code == 0:
            return []
        if REFUSALS.search(answer.complaint):
            return [f"SLURM refuses it: {answer.complaint}"]
        raise SilentError(f"sbatch --test-only failed: {answer.complaint or answer.code}")

    def script(self, request: JobRequest) -> str:
        """Return the batch script; `sbatch` takes it by hand as well."""
        return render(request, load_site(request.site))

    def send(self, request: JobRequest) -> str:
        """Hand over batch.sh of the run folder; return the job's id."""
        options = [f"--comment={request.key}", f"--chdir={request.folder}"]
        if request.hold:
            options.append("--hold")
        waits_for = _waits_for(request.after)
        if waits_for:
            options.append(f"--dependency=afterok:{':'.join(waits_for)}")
            options.append("--kill-on-invalid-dep=yes")
        script = str(RunFolder(request.folder).batch_script)
        answer = run_tool(
            ["sbatch", "--parsable", *options, script], self._tool_seconds, request.folder
        )
        if answer.code != 0:
            if REFUSALS.search(answer.complaint):
                raise RejectedError(f"SLURM refuses the job: {answer.complaint}")
            raise SilentError(f"sbatch failed: {answer.complaint or f'code {answer.code}'}")
        ids = re.findall(r"^([0-9]+)(?:;[A-Za-z0-9_.-]+)?$", answer.out, re.MULTILINE)
        if len(ids) != 1:
            raise SilentError(f"sbatch answered {answer.out[:200]!r}, which is no job id")
        return str(ids[0])

    def find(self, key: str, folder: Path) -> list[JobView]:
        """Return the jobs with a key as comment, in the order of their ids."""
        jobs = self._queue("--me")
        if not any(job.comment == key for job in jobs):
            jobs = self._accounts("--starttime=now-7days")
        found = [job for job in jobs if job.comment == key]
        # What sbatch has refused may be in the queue all the same, as failed.
        views = [_view(job) for job in found if job.reason != "BadConstraints"]
        return sorted(
            views, key=lambda view: [int(part) for part in re.findall("[0-9]+", view.job_id)]
        )

    def query(self, job_ids: Sequence[str]) -> Mapping[str, JobView]:
        """Return what SLURM says of jobs."""
        wanted = dict.fromkeys(job_ids)
        if not wanted:
            return {}
        ids = list(wanted)
        parts = [ids[first : first + MAX_IDS] for first in range(0, len(ids), MAX_IDS)]
        try:
            found = {job.job_id: _view(job) for part in parts for job in self._known(part)}
        except SilentError as error:
            unknown = RunState.UNKNOWN
            return {job_id: JobView(job_id, unknown, reason=str(error)) for job_id in wanted}
        gone = [job_id for job_id in wanted if job_id not in found]
        for part in [gone[first : first + MAX_IDS] for first in range(0, len(gone), MAX_IDS)]:
            found |= {job.job_id: _view(job) for job in self._accounts(f"--jobs={','.join(part)}")}
        return {job_id: found[job_id] for job_id in wanted if job_id in found}

    def cancel(self, job_id: str) -> None:
        """End a job; SLURM says nothing of one that has ended."""
        answer = self._run("scancel", job_id)
        if answer.code != 0 and not UNKNOWN_ID.search(answer.complaint):
            raise SilentError(f"scancel failed: {answer.complaint or f'code {answer.code}'}")

    def release(self, job_id: str) -> None:
        """Let a held job start."""
        answer = self._run("scontrol", "release", job_id)
        if answer.code != 0:
            raise SilentError(f"scontrol failed: {answer.complaint or f'code {answer.code}'}")

    def _run(self, *command: str) -> Answer:
        return run_tool(command, self._tool_seconds)

    def _queue(self, *selection: str) -> list[QueuedJob]:
        """Return selected jobs of the queue, those that ended a while ago too."""
        return parse_jobs(
            self._run("squeue", "-r", "-t", "all", "-o", format_of(JOB_FIELDS), *selection)
        )

    def _known(self, job_ids: list[str]) -> list[QueuedJob]:
        """Return the jobs that the queue knows."""
        answer = self._run(
            "squeue", "-r", "-t", "all", "-o", format_of(JOB_FIELDS), f"--jobs={','.join(job_ids)}"
        )
        if answer.code != 0 and UNKNOWN_ID.search(answer.complaint):
            if len(job_ids) == 1:
                return []
            return [job for job_id in job_ids for job in self._known([job_id])]
        return parse_jobs(answer)

    def _accounts(self, *selection: str) -> list[QueuedJob]:
        """Return selected jobs of the accounting; none where it is off, which is common."""
        try:
            answer = self._run(
                "sacct", "-X", "-P", "-o", ",".join(ACCOUNTING_FIELDS), *selection
            )  # fmt: skip
            return parse_jobs(answer, ACCOUNTING_FIELDS, "sacct")
        except SilentError:
            return []


def exceeded(request: JobRequest, partitions: Iterable[Partition], wanted: str | None) -> list[str]:
    """Return what of a request a partition never grants, a sentence each.

    Args:
        request: What is asked for.
        partitions: What there is.
        wanted: The partition, or several with commas between them; None for the default one.
    """
    partitions = list(partitions)
    names = None if wanted is None else set(wanted.split(","))
    parts = [
        part for part in partitions if (part.is_default if names is None else part.name in names)
    ]
    if not parts:
        known = ", ".join(sorted({part.name for part in partitions})) or "none"
        what = "no default partition" if wanted is None else f"no partition {wanted!r}"
        return [f"there is {what}; the partitions are {known}: name one in the site profile"]
    label = f"partition {', '.join(sorted({part.name for part in parts}))}"
    wrong = []
    if not any(part.is_up for part in parts):
        wrong.append(f"{label} is down")
    time = max(part.time for part in parts)
    if request.time is not None and request.time > time:
        wrong.append(
            f"{label} allows {slurm_time(int(time))}, resources.time is "
            f"{slurm_time(request.time)}: ask for less, the run continues after its limit"
        )
    able = [
        part for part in parts
        if part.cpus >= request.ranks_per_node and part.gpus >= request.gpus_per_node
    ]  # fmt: skip
    most_cpus, most_gpus = max(part.cpus for part in parts), max(part.gpus for part in parts)
    if request.ranks_per_node > most_cpus:
        wrong.append(
            f"a node of {label} has {most_cpus} CPUs, resources.ranks_per_node is "
            f"{request.ranks_per_node}: use more nodes with fewer ranks each"
        )
    if request.gpus_per_node > most_gpus:
        wrong.append(
            f"a node of {label} has {most_gpus} GPUs, resources.gpus_per_node is "
            f"{request.gpus_per_node}"
        )
    nodes = min(sum(part.nodes for part in able), max((part.largest for part in able), default=0))
    if able and request.nodes > nodes:
        wrong.append(f"{label} gives {nodes} such nodes, resources.nodes is {request.nodes}")
    return wrong


def _waits_for(after: Sequence[Path]) -> list[str]:
    """Return the ids of the jobs of runs that have not converged yet.

    SLURM takes a job that it does not know any more for one that has ended well.
    """
    waits_for = []
    for path in after:
        folder = RunFolder(path)
        if read_result(folder.result)["status"] == Status.CONVERGED:
            continue
        submission = read_submission(folder)
        if submission is None or submission.job_id is None:
            raise RejectedError(f"{path} was not submitted: nothing can wait for it")
        waits_for.append(submission.job_id)
    return waits_for


def _view(job: QueuedJob) -> JobView:
    """Return what a line of squeue or sacct means."""
    word = job.state.split()[0] if job.state.strip() else ""  # "CANCELLED by 1000"
    state = SLURM_STATES.get(word, RunState.UNKNOWN)
    reason = ""
    if word == "PENDING":
        if job.reason in ("JobHeldUser", "JobHeldAdmin"):
            state = RunState.HELD
        code = job.reason.split(",")[0].strip()
        reason = REASONS.get(code, "" if code in ("None", "") else code)
    return JobView(job.job_id, state, word, reason, job.nodes, 0, job.comment, job.folder)

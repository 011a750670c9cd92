"""`elastane resume`: submits a run once more; it goes on from its last checkpoint."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from elastane.jobs import claims
from elastane.jobs.executors import find_executor
from elastane.jobs.executors.base import JobRequest, RejectedError, SilentError
from elastane.jobs.executors.slurm_commands import parse_time
from elastane.jobs.gpu_request import require_gpus
from elastane.jobs.job import Job, load_job
from elastane.jobs.liveness import require_idle
from elastane.jobs.paths import RunFolder
from elastane.jobs.provenance import write_provenance
from elastane.jobs.result import read_result, write_result, write_text
from elastane.jobs.schema import ResourcesSection
from elastane.jobs.sites import load_site
from elastane.jobs.states import FINAL, RunState, Status
from elastane.jobs.submission import send, write_waiting
from elastane.jobs.submission_file import (
    SendState,
    Submission,
    create_submission,
    new_key,
    read_submission,
)


def resume(
    folder: RunFolder, ranks: int | None, executor: str | None, stream: TextIO
) -> Submission:
    """Submit a run that has ended without converging; tell its new id.

    Args:
        folder: The run folder.
        ranks: MPI ranks, all nodes together; None for as many as before.
        executor: Name of the executor; None for the one that had it, SLURM or this machine for a
            run that none had.
        stream: Where it is told.

    Raises:
        RejectedError: If it has converged, is alive, or would never start.
        MissingDependencyError: If it is to run on this machine, and its backend does not work.
        RunningElsewhereError: If a copy of it may be alive.
        SilentError: If the executor does not answer.
    """
    if read_result(folder.result)["status"] == Status.CONVERGED:
        raise RejectedError(f"{folder.root} has converged: there is nothing to resume")
    before = read_submission(folder)
    if before is not None:
        _require_end(folder, before)
    require_idle(folder)
    name = executor or (before.executor if before is not None else None)
    chosen = find_executor(name)
    job = load_job(folder.job)
    if ranks is not None:
        job = _with_ranks(job, ranks)
    require_gpus(job.file, chosen.name, stream)
    site = None
    if before is not None and before.executor == chosen.name:
        site = before.request.site
    request = _request(folder, job, site)
    wrong = chosen.check(request)
    if wrong:
        raise RejectedError("\n".join(wrong))
    submission = Submission(
        request,
        chosen.name,
        max_restarts=load_site(request.site).max_restarts,
        claims_before=claims.last_generation(folder),
        # After the one that was judged: another command may have made its own meanwhile.
        number=1 if before is None else before.number + 1,
    )
    script = chosen.script(request)
    if not create_submission(folder, submission):
        raise RejectedError(f"another command resumes {folder.root} at this moment")
    write_text(folder.job, job.effective_yaml())
    write_text(folder.batch_script, script)
    write_provenance(folder, job, sys.argv)
    folder.cancelled.unlink(missing_ok=True)
    # Its steps stay; a result that is final would end the run before it began.
    result = read_result(folder.result)
    write_result(folder.result, {**result, "status": Status.RUNNING.value, "message": ""})
    write_waiting(folder, chosen, request)
    return send(folder, chosen, stream)


def _require_end(folder: RunFolder, before: Submission) -> None:
    """Refuse a run whose last submission may still start.

    Raises:
        RejectedError: If it may.
        SilentError: If its executor does not answer.
    """
    if before.state is SendState.REJECTED:
        return
    if before.job_id is None:
        raise RejectedError(
            f"{folder.root} was sent and its id is not known: `elastane submit --again "
            f"{folder.root}` finds it"
        )
    view = find_executor(before.executor).query([before.job_id]).get(before.job_id)
    if view is None or view.state in FINAL or view.comment not in ("", before.key):
        return  # another machine's queue may have a job of the same number
    if view.state is RunState.UNKNOWN:
        raise SilentError(
            f"{before.executor} does not say how job {before.job_id} stands "
            f"({view.reason or view.word}): try again later"
        )
    raise RejectedError(f"{folder.root} is {view.state.value} as job {before.job_id}")


def _with_ranks(job: Job, ranks: int) -> Job:
    """Return a job that asks for another number of ranks on as many nodes.

    Raises:
        RejectedError: If they cannot be spread evenly.
    """
    nodes = job.resources.nodes
    if ranks % nodes:
        raise RejectedError(f"{ranks} ranks do not spread evenly over {nodes} nodes")
    resources = ResourcesSection.model_validate(
        {**job.resources.model_dump(), "ranks_per_node": ranks // nodes}
    )
    return replace(job, file=job.file.model_copy(update={"resources": resources}))


def _request(folder: RunFolder, job: Job, site: str | None) -> JobRequest:
    resources = job.resources
    return JobRequest(
        folder=Path(folder.root).absolute(),
        name=job.name,
        key=new_key(job.name),
        nodes=resources.nodes,
        ranks_per_node=resources.ranks_per_node,
        gpus_per_node=resources.gpus_per_node,
        time=None if resources.time is None else int(parse_time(resources.time)),
        site=load_site(site).name,
    )

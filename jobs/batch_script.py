"""The batch script: `slurm/batch.sh` with the resources of a job and the words of a site.

SLURM reads the `#SBATCH` lines and bash the rest, each with quoting of its own: what goes into the
former is whitelisted, what goes into the latter is quoted word by word, and both are one line.
"""

import re
import shlex
import sys

from elastane.jobs.executors.base import JobRequest
from elastane.jobs.fields import check_name
from elastane.jobs.sites import SBATCH_OPTION, SHIPPED, Site

TEMPLATE = SHIPPED / "batch.sh"
KEY = r"[A-Za-z0-9_.-]{1,100}"
#: Folder of a task of an array, as printf writes it; SLURM writes the same for %4a.
MEMBER = "%04d"
#: A shell file of ours holds text, and so does a path that it names.
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def render(request: JobRequest, site: Site, python: str | None = None) -> str:
    """Return the batch script of a job.

    Args:
        request: The job.
        site: The profile of the cluster.
        python: The interpreter on the compute nodes; None for this one.

    Raises:
        ValueError: If a value could be read as anything but a value.
    """
    check_name(request.name)
    if not re.fullmatch(KEY, request.key):
        raise ValueError(f"{request.key[:80]!r} is no key of a submission")
    check_folder(str(request.folder))
    filled = {
        "OPTIONS": "\n".join(f"#SBATCH {line}" for line in _options(request, site)),
        "SETUP": "\n".join(_setup(request, site)),
        "PYTHON": _quoted(python or sys.executable),
        "STEP": " ".join(_step(request, site)),
        "MAX_RESTARTS": str(site.max_restarts),
    }
    # In one pass: what a value holds is never taken for a token.
    template = TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda token: filled[token[1]], template)


def check_folder(folder: str) -> None:
    """Refuse a run folder that SLURM or a line of text cannot name.

    Raises:
        ValueError: If it is one.
    """
    if CONTROL.search(folder) or "%" in folder or "\\" in folder or len(folder) > 3000:
        raise ValueError(
            f"{folder[:200]!r} cannot be the folder of a submitted run: use a path without line "
            "ends, % and backslashes"
        )


def warning_seconds(request: JobRequest, site: Site) -> int:
    """Return how long before its time limit a job is warned: at most half of its time."""
    return site.warning_seconds if request.time is None else min(
        site.warning_seconds, request.time // 2
    )  # fmt: skip


def slurm_time(seconds: int) -> str:
    """Return a duration as SLURM and the job file write it."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days}-" if days else "") + f"{hour:02d}:{minute:02d}:{second:02d}"


def _options(request: JobRequest, site: Site) -> list[str]:
    """Return the options of sbatch, a line each."""
    log = "%4a/log.txt" if request.tasks else "log.txt"
    lines = [
        f"--job-name={request.name}",
        f"--comment={request.key}",
        f"--nodes={request.nodes} --ntasks-per-node={request.ranks_per_node}",
        f"--signal=B:USR1@{warning_seconds(request, site)}",
        f"--requeue --open-mode=append --output={log}",
    ]
    if request.time is not None:
        lines.append(f"--time={slurm_time(request.time)}")
    if request.gpus_per_node:
        lines.append(site.gpu_option.format(gpus=request.gpus_per_node))
    if request.tasks:
        lines.append(f"--array=1-{request.tasks}")
    if site.partition is not None:
        lines.append(f"--partition={site.partition}")
    if site.account is not None:
        lines.append(f"--account={site.account}")
    lines += site.options
    for line in lines:
        for option in line.split(" "):
            assert re.fullmatch(SBATCH_OPTION, option), option
    return lines


def _setup(request: JobRequest, site: Site) -> list[str]:
    """Return what is done before the step, a command each."""
    lines = []
    if request.tasks:
        lines.append(f'cd "$(printf {MEMBER} "$SLURM_ARRAY_TASK_ID")" || exit 4')
    if site.modules:
        lines.append(f"module load {' '.join(map(_quoted, site.modules))} || exit 4")
    # Each rank is one thread; BLAS would start one per core in every rank.
    variables = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **site.environment}
    lines += [f"export {name}={_quoted(value)}" for name, value in variables.items()]
    return lines


def _step(request: JobRequest, site: Site) -> list[str]:
    """Return the words, quoted, of the command that starts all ranks."""
    # Without `-m mpi4py` an exception on one rank leaves the others waiting for ever.
    worker = ['"$python"', "-m", "mpi4py", "-m", "elastane.jobs.worker", "."]
    options = [*map(_quoted, (*site.launcher_options, *site.binding))]
    ranks = request.nodes * request.ranks_per_node
    if site.launcher == "mpiexec":
        if ranks == 1:  # needs no MPI to be installed
            return worker
        return ["mpiexec", "-n", str(ranks), *options, *worker]
    return ["srun", "--kill-on-bad-exit=1", *options, *worker]


def _quoted(word: str) -> str:
    """Return a word as bash reads it.

    Raises:
        ValueError: If it does not fit into a line.
    """
    if CONTROL.search(word):
        raise ValueError(f"{word[:80]!r} holds a control character")
    return shlex.quote(word)

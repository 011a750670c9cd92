"""What a machine has and lacks for `backend: cuda` and `backend: hip`, and what to do about it."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from elastane.jobs.finding import Finding
from elastane.jobs.launchers import MissingDependencyError
from elastane.jobs.probe import probe, run
from elastane.solver.backends import BACKENDS

#: The first kernel waits for CuPy and the driver to be loaded from a shared file system.
SECONDS = 120.0

MPI_PROBE = """
import sys
from mpi4py import MPI
from elastane.solver.device.mpi import gpu_aware_mpi
print(gpu_aware_mpi(sys.argv[1]), MPI.Get_library_version().splitlines()[0].strip(chr(0)))
"""

GPUS = "works here; start one rank per GPU"
WORKS = {"cuda": GPUS, "hip": GPUS, "simulated": "works here, for tests: it computes on the CPU"}


def examine_gpus(kind: str | None = None) -> list[Finding]:
    """Return what a solve on GPUs needs; of several kinds of GPUs one is enough.

    Args:
        kind: Which GPUs; None for all that there are.
    """
    kinds = gpu_kinds() if kind is None else [kind]
    found = {each: [*probe_gpu(each), *_mpi(each)] for each in kinds}
    broken = [each for each in kinds if _missing(found[each])]
    findings = []
    for each in kinds:
        state = "missing" if each in broken else "ok"
        text = "does not work here" if each in broken else WORKS[each]
        lines = [*found[each], Finding(f"backend {each}", state, text)]
        if len(broken) < len(kinds):
            lines = [_unneeded(finding) for finding in lines]
        findings += lines
    return findings


def gpu_kinds() -> list[str]:
    """Return the kinds of GPUs that a job file may name."""
    return [name for name, backend in BACKENDS.items() if backend.device and name != "simulated"]


def probe_gpu(kind: str) -> list[Finding]:
    """Return what a GPU backend needs, tried in a process of its own; "missing" where it fails."""
    fine, out, words = run([sys.executable, "-m", "elastane.jobs.gpu_probe", kind], SECONDS)
    found = []
    for line in out.splitlines():
        if not line.startswith('{"what": '):  # a library's own words
            continue
        told = json.loads(line)
        found.append(Finding(f"{kind} {told['what']}", told["state"], told["text"]))
    if not fine:
        found.append(Finding(f"{kind} trial", "missing", words))
    return found


def shortly(kind: str) -> Finding:
    """Return in one line whether a GPU backend works here."""
    found = probe_gpu(kind)
    missing = _missing(found)
    if missing:
        text = f"{missing[0].text}; `elastane doctor --gpu {kind}` says all"
        return Finding(f"backend {kind}", "optional", text)
    return Finding(f"backend {kind}", "ok", found[-1].text)


def require_gpu(kind: str) -> int:
    """Try a GPU backend on this machine; return how many GPUs its driver sees.

    Raises:
        MissingDependencyError: If it does not work; the message says what to do.
    """
    found = probe_gpu(kind)
    missing = _missing(found)
    if missing:
        reasons = "\n".join(f"  {finding.what}: {finding.text}" for finding in missing)
        raise MissingDependencyError(
            f"backend {kind} does not work here, and a job never falls back to the CPU by itself:\n"
            f"{reasons}\n`elastane doctor --gpu {kind}` says all; `backend: cpu` in the job file "
            "solves the same on CPUs"
        )
    return sum(finding.what.startswith(f"{kind} GPU ") for finding in found)


def _missing(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state == "missing"]


def _unneeded(finding: Finding) -> Finding:
    return replace(finding, state="optional") if finding.state == "missing" else finding


def _mpi(kind: str) -> Iterator[Finding]:
    """Yield whether MPI takes pointers to memory of such GPUs."""
    if kind not in gpu_kinds():
        return
    what = f"{kind} MPI"
    fine, text = probe(MPI_PROBE, kind)
    is_aware, _, version = text.partition(" ")
    library = version.partition(",")[0]
    if not fine:
        yield Finding(what, "optional", f"only one GPU works without: {text}")
    elif is_aware == "True":
        yield Finding(
            what, "ok", f"{library} takes pointers to GPUs, and halos go without the host"
        )
    else:
        text = "takes no pointers to GPUs, or does not say so: halos go through the host"
        yield Finding(
            what, "optional", f"{library} {text}; ELASTANE_GPU_AWARE_MPI=1 says so for it"
        )

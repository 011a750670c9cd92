"""`elastane doctor`: what is installed, what works, what is missing and how to get it.

Whatever may crash is tried in a process of its own: a library built for another processor ends the
process that loads it.
"""

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from elastane.jobs.executors.base import SilentError
from elastane.jobs.executors.slurm_commands import (
    PARTITION_FIELDS,
    format_of,
    parse_partitions,
    run_tool,
)
from elastane.jobs.finding import Finding
from elastane.jobs.gpu_doctor import gpu_kinds, shortly
from elastane.jobs.launchers import find_mpiexec, num_cores
from elastane.jobs.probe import probe
from elastane.jobs.sites import list_sites, load_site, site_folders
from elastane.jobs.versions import installed_version
from elastane.materials.compiler.native import NativeBuildError, find_compiler
from elastane.solver.fused.schedule import default_schedule

SLURM_SECONDS = 10.0
SLURM_TOOLS = ("sbatch", "squeue", "sinfo", "scontrol", "scancel")

MPI_PROBE = "from mpi4py import MPI; print(MPI.Get_library_version().splitlines()[0].strip(chr(0)))"
PETSC_PROBE = """
from petsc4py import PETSc
has = PETSc.Sys.hasExternalPackage
print(".".join(map(str, PETSc.Sys.getVersion())), PETSc.IntType().itemsize * 8,
      *[name for name in ("hypre", "ptscotch", "parmetis") if has(name)])
"""
CEED_PROBE = """
import sys
import libceed
ceed = libceed.Ceed(sys.argv[1])
vector = ceed.Vector(8)
vector.set_value(1.0)
assert vector.norm() > 0.0
print(ceed.get_resource())
"""
CPU_RESOURCES = ("/cpu/self/avx/blocked", "/cpu/self/opt/blocked", "/cpu/self/ref/blocked")


def examine(site: str | None = None) -> Iterator[Finding]:
    """Yield what this machine has and lacks.

    Args:
        site: Name of a site profile; None for the one that belongs to this host.
    """
    yield Finding("Elastane", "ok", installed_version("elastane") or "run from its sources")
    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.platform()}")
    yield _processor()
    yield _mpi()
    yield _mpiexec()
    yield from _petsc()
    yield from _ceed()
    yield from _compilers()
    yield from map(shortly, gpu_kinds())
    yield from _material_tools()
    yield from _slurm()
    yield _site(site)


def report(findings: list[Finding]) -> str:
    """Return the findings for a terminal."""
    marks = {"ok": "ok", "missing": "MISSING", "optional": "-"}
    return "\n".join(f"{marks[f.state]:<9}{f.what:<22}{f.text}" for f in findings)


def is_able_to_solve(findings: list[Finding]) -> bool:
    """Return whether nothing is missing that a solve needs."""
    return all(finding.state != "missing" for finding in findings)


def _processor() -> Finding:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        flags = []
    has = "avx512f" in flags
    text = f"{num_cores()} cores, {'with' if has else 'without'} AVX-512"
    if has or platform.machine() != "x86_64":
        return Finding("processor", "ok", text)
    return Finding(
        "processor", "optional", f"{text}: the libceed wheel needs it; build libCEED here instead"
    )


def _mpi() -> Finding:
    fine, text = probe(MPI_PROBE)
    if fine:
        return Finding("MPI", "ok", f"{text}, mpi4py {installed_version('mpi4py')}")
    return Finding("MPI", "missing", f"{text}; pip install mpi4py, after an MPI with its headers")


def _mpiexec() -> Finding:
    path = find_mpiexec()
    if path is not None:
        return Finding("mpiexec", "ok", path)
    return Finding("mpiexec", "optional", "more than one rank needs it: apt install openmpi-bin")


def _petsc() -> Iterator[Finding]:
    fine, text = probe(PETSC_PROBE)
    if not fine:
        yield Finding(
            "PETSc", "missing", f"{text}; pip install petsc petsc4py, configured --with-hypre=1"
        )
        return
    version, bits, *packages = text.split()
    yield Finding("PETSc", "ok", f"{version}, indices of {bits} bits")
    if "hypre" in packages:
        yield Finding("hypre", "ok", "in PETSc: the coarse solver boomeramg works")
    else:
        yield Finding(
            "hypre", "optional", "not in PETSc: write solver.multigrid.coarse: gamg in the job"
        )
    partitioners = [name for name in ("ptscotch", "parmetis") if name in packages]
    if partitioners:
        yield Finding("partitioner", "ok", partitioners[0])
    else:
        yield Finding(
            "partitioner",
            "optional",
            "simple only, which costs communication: build PETSc with PT-Scotch or ParMETIS",
        )


def _ceed() -> Iterator[Finding]:
    version = installed_version("libceed")
    if version is None:
        yield Finding("libCEED", "missing", "pip install libceed==0.12.0")
        return
    answers = {resource: probe(CEED_PROBE, resource) for resource in CPU_RESOURCES}
    working = [resource for resource, (fine, text) in answers.items() if fine and text == resource]
    if working:
        yield Finding("libCEED", "ok", f"{version}: {', '.join(working)}")
    else:
        yield Finding("libCEED", "missing", f"{version}, but {answers[CPU_RESOURCES[-1]][1]}")


def _compilers() -> Iterator[Finding]:
    try:
        yield Finding("C compiler", "ok", " ".join(find_compiler()))
    except NativeBuildError as error:
        yield Finding("C compiler", "missing", f"{error}")
        return
    fused = find_compiler(default_schedule(1, calls_library=False).compilers)
    words = f"built by {' '.join(fused)}"
    if "clang" in Path(fused[0]).name:
        yield Finding("fused kernels", "ok", words)
    else:
        hint = "tangents are faster by clang: apt-get install clang-19"
        yield Finding("fused kernels", "optional", f"{words}; {hint}")


def _material_tools() -> Iterator[Finding]:
    for package in ("jax", "enzyme-ad"):
        version = installed_version(package)
        if version is not None:
            yield Finding(package, "ok", version)
        else:
            yield Finding(
                package, "optional", "only to add or change a material: elastane[materials]"
            )


def _slurm() -> Iterator[Finding]:
    """Yield what there is of SLURM, and whether it answers."""
    found = [tool for tool in SLURM_TOOLS if shutil.which(tool)]
    if not found:
        yield Finding(
            "SLURM", "optional", "not here: `elastane submit` uses a queue on this machine"
        )
        return
    if len(found) < len(SLURM_TOOLS):
        lacking = ", ".join(tool for tool in SLURM_TOOLS if tool not in found)
        yield Finding("SLURM", "optional", f"{', '.join(found)}, but not {lacking}")
        return
    try:
        version = run_tool(["sbatch", "--version"], SLURM_SECONDS).out.strip()
        yield Finding("SLURM", "ok", ": ".join(filter(None, [version, ", ".join(found)])))
        sinfo = ["sinfo", "-o", format_of(PARTITION_FIELDS)]
        partitions = parse_partitions(run_tool(sinfo, SLURM_SECONDS))
    except SilentError as error:
        yield Finding("SLURM's controller", "optional", f"no answer: {error}")
        return
    names = {part.name + " (the default)" * part.is_default for part in partitions}
    words = f"partitions {', '.join(sorted(names))}" if names else "no partitions"
    yield Finding("SLURM's controller", "ok", f"answers: {words}")
    yield _accounting()


def _accounting() -> Finding:
    """Return whether SLURM tells of jobs that have left its queue."""
    hint = "a run that has left the queue is judged by its folder"
    if not shutil.which("sacct"):
        return Finding("SLURM's accounting", "optional", f"no sacct: {hint}")
    try:
        answer = run_tool(["sacct", "-n", "-X", "-S", "now"], SLURM_SECONDS)
    except SilentError as error:
        return Finding("SLURM's accounting", "optional", f"{error}: {hint}")
    if answer.code != 0:
        return Finding("SLURM's accounting", "optional", f"{answer.complaint}: {hint}")
    return Finding("SLURM's accounting", "ok", "sacct answers")


def _site(name: str | None) -> Finding:
    """Return which profile a submission would use."""
    try:
        site = load_site(name)
    except ValueError as error:
        return Finding("site profile", "missing", str(error).replace("\n", "\n" + " " * 31))
    paths = list_sites()
    text = f"{site.name}, ranks by {site.launcher}; from {paths[site.name]}"
    others = sorted(set(paths) - {site.name})
    if others:
        text += f"; others: {', '.join(others)}"
    return Finding("site profile", "ok", f"{text}; add your own to {site_folders()[0]}")

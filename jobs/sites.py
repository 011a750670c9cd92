"""Site profiles: what a cluster is like, one YAML file each; `slurm/README.md` tells the keys."""

import os
import re
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from elastane.jobs.faults import Fault, JobFileError, KeyPath, Position, nearest
from elastane.jobs.fields import check_name
from elastane.jobs.section import Section
from elastane.jobs.validation import read_section
from elastane.jobs.yaml_reader import Document, read_document

#: Profiles and the batch script that come with Elastane.
SHIPPED = Path(__file__).resolve().parent.parent / "slurm"
GENERIC = "generic"

MODULE = r"[A-Za-z0-9_][A-Za-z0-9_./+-]*"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
WORD = r"[!-~]([ -~]*[!-~])?"
SBATCH_OPTION = r"--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:/@%&|*+-]+)?"
SBATCH_VALUE = r"[A-Za-z0-9_][A-Za-z0-9_.,-]*"
#: Options that the script itself gives, and needs as they are.
OWN_OPTIONS = {
    "--array", "--chdir", "--comment", "--error", "--job-name", "--nodes", "--ntasks-per-node",
    "--open-mode", "--output", "--requeue", "--no-requeue", "--signal", "--time", "--wrap",
}  # fmt: skip


def _check(pattern: str, value: str, what: str) -> str:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(f"{value[:80]!r} is no {what}")
    return value


def _check_option(option: str) -> str:
    _check(SBATCH_OPTION, option, "option of sbatch, --name=value without spaces")
    if option.partition("=")[0] in OWN_OPTIONS:
        raise ValueError(f"{option.partition('=')[0]} is given by the batch script itself")
    return option


def _check_gpu_option(option: str) -> str:
    if option.count("{gpus}") != 1:
        raise ValueError("write {gpus} once, where the number of GPUs per node belongs")
    _check_option(option.replace("{gpus}", "1"))
    return option


def _check_host(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern[:80]!r} is no regular expression: {error}") from None
    return pattern


Option = Annotated[str, AfterValidator(_check_option)]
Word = Annotated[str, AfterValidator(lambda text: _check(WORD, text, "plain word"))]
Module = Annotated[str, AfterValidator(lambda text: _check(MODULE, text, "name of a module"))]
Variable = Annotated[str, AfterValidator(lambda text: _check(VARIABLE, text, "name of a variable"))]
Value = Annotated[str, AfterValidator(lambda text: _check(SBATCH_VALUE, text, "plain name"))]


class Site(Section):
    """The profile of a cluster."""

    name: Annotated[str, AfterValidator(check_name)]
    hosts: Annotated[
        tuple[Annotated[str, AfterValidator(_check_host)], ...], Field(strict=False)
    ] = ()
    modules: Annotated[tuple[Module, ...], Field(strict=False)] = ()
    environment: dict[Variable, Word] = Field(default_factory=dict)
    launcher: Literal["srun", "mpiexec"] = "srun"
    launcher_options: Annotated[tuple[Word, ...], Field(strict=False)] = ()
    binding: Annotated[tuple[Word, ...], Field(strict=False)] = ()
    gpu_option: Annotated[str, AfterValidator(_check_gpu_option)] = "--gpus-per-node={gpus}"
    partition: Value | None = None
    account: Value | None = None
    options: Annotated[tuple[Option, ...], Field(strict=False)] = ()
    max_restarts: Annotated[int, Field(ge=0, le=10_000)] = 20
    warning_seconds: Annotated[int, Field(ge=1, le=65_535)] = 120


def site_folders() -> list[Path]:
    """Return where profiles are looked for, the first first."""
    configuration = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    shared = os.environ.get("ELASTANE_SITES")
    return [
        Path(configuration) / "elastane" / "sites",
        *([Path(shared)] if shared else []),
        SHIPPED / "sites",
    ]


def list_sites() -> dict[str, Path]:
    """Return the profiles by name."""
    found: dict[str, Path] = {}
    for folder in site_folders():
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def load_site(name: str | None = None, host: str | None = None) -> Site:
    """Return the profile of that name, else the one for a host, else the generic one.

    Args:
        name: Name of the profile; None to choose by host.
        host: Name of the host; None for this one.

    Raises:
        ValueError: If there is none of that name.
        JobFileError: If the profile is not sound.
    """
    sites = list_sites()
    if name is not None:
        if name not in sites:
            folders = " or ".join(map(str, site_folders()[:-1]))
            raise ValueError(
                f"there is no site profile {name[:80]!r}; {nearest(name, sites)}; "
                f"add one to {folders}"
            )
        return read_site(sites[name])
    host = host or socket.getfqdn()
    for path in sites.values():
        site = read_site(path)
        if any(re.fullmatch(pattern, host) for pattern in site.hosts):
            return site
    return read_site(sites[GENERIC])


def read_site(path: Path) -> Site:
    """Return the profile in a file.

    Raises:
        JobFileError: With all its faults.
    """
    document = read_document(path)
    faults = list(document.faults)
    site, wrong = read_section(Site, document.data if document.data is not None else {})
    faults += [Fault(_position(document, key), key, message) for key, message in wrong]
    if site is not None and site.name != path.stem:
        message = f"must be {path.stem!r}, the name of the file, got {site.name!r}"
        faults.append(Fault(_position(document, ("name",)), ("name",), message))
    if faults or site is None:
        raise JobFileError(document.file, document.lines, faults)
    return site


def _position(document: Document, path: KeyPath) -> Position:
    """Return where a fault stands: its value, or what holds it where it is missing."""
    while path and path not in document.values:
        path = path[:-1]
    return document.value_position(path)

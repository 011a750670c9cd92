"""A file that all ranks write together: whole under its name, or not there at all.

Every rank writes its own bytes at their final position into a file aside; when all of them have
arrived, the file gets its name.  Whoever reads during the run, or after a kill, finds whole files.

MPI-IO would do the same, but OpenMPI 4.1 reports success when the disk is full, from `Write_at` as
from `Write_at_all`, and leaves a file with holes.  The operating system's own `pwrite` says why it
failed.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

#: Position in the file, in bytes, and what stands there.
Block = tuple[int, memoryview]


def write_together(path: Path, comm: "Intracomm", blocks: Sequence[Block]) -> None:
    """Write a file out of the blocks of all ranks; collective.

    Raises:
        OSError: On all ranks, with path and errno, if one of them could not write.
    """
    size = max(comm.allgather(max((start + len(block) for start, block in blocks), default=0)))
    with written_aside(path, comm) as aside:
        with all_or_none(comm, path):
            if comm.rank == 0:
                # NFS may extend a write behind the end of a file to a whole page, over the bytes
                # of another rank; inside a file it does not.
                aside.touch()
                os.truncate(aside, size)
        write_blocks(aside, blocks)


@contextmanager
def written_aside(path: Path, comm: "Intracomm") -> Iterator[Path]:
    """Yield a name to write to; what lies there becomes `path` when all ranks are through.

    The body must not communicate, unless it raises on all ranks alike.

    Raises:
        OSError: On all ranks, with path and errno, if the body or the renaming failed on one.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        with all_or_none(comm, path):
            if comm.rank == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
                aside.unlink(missing_ok=True)
        with all_or_none(comm, path):
            yield aside
        with all_or_none(comm, path):
            if comm.rank == 0:
                aside.replace(path)
    except OSError:
        if comm.rank == 0:
            aside.unlink(missing_ok=True)
        raise


@contextmanager
def all_or_none(comm: "Intracomm", path: Path) -> Iterator[None]:
    """Let an OSError of the body on one rank be one on all ranks, naming `path`."""
    failure: OSError | None = None
    try:
        yield
    except OSError as error:
        failure = error
    causes = comm.allgather(
        failure and (failure.errno or errno.EIO, failure.strerror or f"{failure}")
    )
    for cause in filter(None, causes):
        raise OSError(*cause, str(path)) from failure


def write_blocks(path: Path, blocks: Sequence[Block]) -> None:
    """Write blocks of bytes at their positions and wait until the disk has taken them."""
    file = os.open(path, os.O_WRONLY)
    try:
        for start, block in blocks:
            written = 0
            while written < len(block):  # one call writes at most 2 GiB
                written += os.pwrite(file, block[written:], start + written)
        os.fsync(file)  # network file systems may tell of a full disk only here
    finally:
        os.close(file)

"""The file of a checkpoint, a record of doubles for each cell, and its manifest.

    step-0006.bin    header | cell numbers, in the order of the records | records
    step-0006.json   what it is of, where its blocks lie and their hashes

Cells have the same numbers however the mesh is split, so that any number of ranks can read what any
other wrote: a rank looks its cells up in the list of numbers.  The manifest is written last, and
makes the checkpoint: without one the file does not count.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from elastane.solver.checkpoint_manifest import (
    VERSION,
    CheckpointError,
    Contents,
    Manifest,
    Piece,
    digest,
)
from elastane.solver.output.parallel_file import write_together
from elastane.solver.output.partition import Partition

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Magic word, version, cells, doubles of a record; the rest is zero.
HEADER = struct.Struct("<8sqqq32x")
MAGIC = b"ELASTANE"
#: Bytes that one hash covers at most: ranks share the work of checking.
PIECE_BYTES = 2**24


def write_records(
    path: Path, comm: "Intracomm", cell_numbers: Ints, records: Floats
) -> tuple[Piece, ...]:
    """Write the records of all ranks; collective.

    Args:
        path: The file.
        comm: The ranks.
        cell_numbers: Numbers of the cells of this rank in the whole mesh.
        records: Their records, shape (num_cells, record_doubles).

    Returns:
        The pieces of the file.

    Raises:
        OSError: On all ranks, with path and errno, if one of them could not write.
    """
    cells = Partition.of(len(records), comm)
    width = records.shape[1]
    numbers = np.ascontiguousarray(cell_numbers, dtype="<i8").reshape(-1).view(np.uint8).data
    rows = np.ascontiguousarray(records, dtype="<f8").reshape(-1).view(np.uint8).data
    blocks = [
        (HEADER.size + 8 * cells.first, numbers),
        (HEADER.size + 8 * cells.total + 8 * width * cells.first, rows),
    ]
    if comm.rank == 0:
        header = HEADER.pack(MAGIC, VERSION, cells.total, width)
        blocks.insert(0, (0, memoryview(header)))
    write_together(path, comm, blocks)
    mine = [
        Piece(start + first, len(piece), digest(piece))
        for start, block in blocks
        for first in range(0, len(block), PIECE_BYTES)
        for piece in [block[first : first + PIECE_BYTES]]
    ]
    pieces = chain.from_iterable(comm.allgather(mine))
    return tuple(sorted(pieces, key=lambda piece: piece.offset))


def read_records(path: Path, comm: "Intracomm", manifest: Manifest, cell_numbers: Ints) -> Floats:
    """Check a file and return the records of this rank's cells; collective.

    Returns:
        Shape (num_cells, record_doubles).

    Raises:
        CheckpointError: On all ranks, if the file is not what its manifest says.
    """
    contents = manifest.contents
    with _sound_on_all_ranks(comm, path):
        file = os.open(path, os.O_RDONLY)
        try:
            _check(file, path, manifest, manifest.pieces[comm.rank :: comm.size])
        finally:
            os.close(file)
    with _sound_on_all_ranks(comm, path):
        file = os.open(path, os.O_RDONLY)
        try:
            return _rows(file, path, contents, cell_numbers)
        finally:
            os.close(file)


@contextmanager
def _sound_on_all_ranks(comm: "Intracomm", path: Path) -> Iterator[None]:
    """Let a fault that one rank finds in the body be one on all ranks; collective."""
    why = ""
    try:
        yield
    except CheckpointError as error:
        why = error.why
    except OSError as error:
        why = f"not readable ({error.strerror or error})"
    for reason in filter(None, comm.allgather(why)):
        raise CheckpointError(path, reason)


def _check(file: int, path: Path, manifest: Manifest, pieces: Sequence[Piece]) -> None:
    """Check the size and the header of a file, and the hashes of some of its pieces."""
    if os.fstat(file).st_size != manifest.num_bytes:
        raise CheckpointError(
            path, f"{os.fstat(file).st_size} bytes long, it should be {manifest.num_bytes}"
        )
    contents = manifest.contents
    expected = MAGIC, VERSION, contents.cells, contents.record_doubles
    if HEADER.unpack(_read(file, path, 0, HEADER.size)) != expected:
        raise CheckpointError(path, "its header is wrong")
    for piece in pieces:
        if digest(_read(file, path, piece.offset, piece.size)) != piece.hash:
            raise CheckpointError(path, f"the checksum of its byte {piece.offset} on is wrong")


def _rows(file: int, path: Path, contents: Contents, cell_numbers: Ints) -> Floats:
    """Return the records of cells."""
    cells, width = contents.cells, contents.record_doubles
    numbers = np.frombuffer(_read(file, path, HEADER.size, 8 * cells), dtype="<i8")
    row_of = np.empty(cells, dtype=np.int64)
    row_of[numbers] = np.arange(cells)
    wanted = row_of[cell_numbers]
    order = np.argsort(wanted)
    records = np.empty((len(wanted), width))
    # Cells that lie together in the file are read together.
    ends = np.flatnonzero(np.diff(wanted[order]) != 1) + 1
    for run in np.split(order, ends) if len(order) else ():
        start = HEADER.size + 8 * cells + 8 * width * int(wanted[run[0]])
        content = _read(file, path, start, 8 * width * len(run))
        records[run] = np.frombuffer(content, dtype="<f8").reshape(len(run), width)
    return records


def _read(file: int, path: Path, start: int, size: int) -> bytes:
    """Return bytes of a file."""
    parts = []
    while size:  # one call reads at most 2 GiB
        part = os.pread(file, size, start)
        if not part:
            raise CheckpointError(path, "shorter than it should be")
        parts.append(part)
        start, size = start + len(part), size - len(part)
    return b"".join(parts)

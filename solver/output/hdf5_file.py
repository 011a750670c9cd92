"""HDF5 files on disks that may be full.

When libhdf5 cannot write what a dataset still holds in memory, it crashes the process at exit.  It
is therefore told that every write went well, and the first failure is raised once it has let go of
the file.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py


@contextmanager
def open_hdf5(path: Path) -> Iterator["h5py.File"]:
    """Open an HDF5 file to change it, or make it.

    Raises:
        OSError: If a write failed; the file is then of no use.
    """
    import h5py

    mode = "r+" if path.exists() else "w"
    with QuietFile(path, mode.replace("w", "w+")) as raw:
        with h5py.File(raw, mode) as file:
            yield file
        if raw.failure:
            raise raw.failure
        os.fsync(raw.fileno())  # network file systems may tell of a full disk only here


class QuietFile(io.FileIO):
    """A file that keeps its first failure to write instead of raising it.

    Attributes:
        failure: What the first write that failed would have raised.
    """

    failure: OSError | None = None

    def write(self, content: "memoryview") -> int:  # type: ignore[override]
        """Pretend to write everything, and do so unless that fails."""
        written = 0
        try:
            while written < len(content):  # one call writes at most 2 GiB
                written += super().write(content[written:])
        except OSError as error:
            self.failure = self.failure or error
        return len(content)

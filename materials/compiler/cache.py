"""Where compiled things are kept between runs.

A file in the cache is named after a hash of all that it was made from, so that it is never out of
date.  Files appear whole or not at all: they are written aside and renamed.
"""

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path


def cache_folder() -> Path:
    """Return the cache, created if need be.

    It is $ELASTANE_CACHE, or elastane in $XDG_CACHE_HOME, or ~/.cache/elastane.  Where that cannot
    be written, a folder for temporary files stands in, with a warning.
    """
    environment = os.environ
    if environment.get("ELASTANE_CACHE"):
        wanted = Path(environment["ELASTANE_CACHE"]).expanduser()
    elif environment.get("XDG_CACHE_HOME"):
        wanted = Path(environment["XDG_CACHE_HOME"]) / "elastane"
    else:
        wanted = Path("~/.cache/elastane").expanduser()
    return _writable(wanted)


def digest(*parts: str) -> str:
    """Return a hash of all parts, 16 hexadecimal digits."""
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside the given one, renamed to it at the end; on failure nothing remains."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        # mkstemp makes files private; others share the cache as far as the user's mask allows.
        mask = os.umask(0)
        os.umask(mask)
        aside.chmod(0o666 & ~mask)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@cache
def _writable(wanted: Path) -> Path:
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except OSError as error:
        folder = _temporary_folder()
        warnings.warn(
            f"the cache {wanted} cannot be written ({error.strerror}); compiled kernels go to "
            f"{folder}; set ELASTANE_CACHE to a folder of yours to keep them",
            stacklevel=3,
        )
        return folder


def _temporary_folder() -> Path:
    """Return a folder for temporary files that nobody else can write to: code is loaded from it."""
    folder = Path(tempfile.gettempdir()) / f"elastane-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if (
            stat.S_ISDIR(found.st_mode)
            and found.st_uid == os.getuid()
            and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
        ):
            return folder
    except FileExistsError:
        pass
    return Path(tempfile.mkdtemp(prefix="elastane-"))

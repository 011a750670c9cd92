"""What one rank does for all, and what all do, with one end for all: a result, or one error."""

from collections.abc import Callable
from typing import TypeVar

from mpi4py import MPI

T = TypeVar("T")


def on_root(comm: MPI.Comm, function: Callable[[], T]) -> T | None:
    """Run a function on rank 0; return its result there and None elsewhere.

    Raises:
        ValueError, OSError, RuntimeError: On all ranks, what the function raised.
    """
    result, failure = None, None
    if comm.rank == 0:
        try:
            result = function()
        except (ValueError, OSError, RuntimeError) as error:
            failure = error
    failure = comm.bcast(failure)
    if failure is not None:
        raise failure
    return result


def from_root(comm: MPI.Comm, function: Callable[[], T]) -> T:
    """Run a function on rank 0; return its result on all ranks.

    Raises:
        ValueError, OSError, RuntimeError: On all ranks, what the function raised.
    """
    result: T = comm.bcast(on_root(comm, function))
    return result


def on_all(comm: MPI.Comm, function: Callable[[], T]) -> T:
    """Run a function on every rank; return its result.

    Raises:
        ValueError, OSError, RuntimeError: On all ranks, what the function raised on the first rank
            where it did.
    """
    results, failure = [], None
    try:
        results.append(function())
    except (ValueError, OSError, RuntimeError) as error:
        failure = error
    failures = [each for each in comm.allgather(failure) if each is not None]
    if failures:
        raise failures[0]
    return results[0]

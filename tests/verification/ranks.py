"""Calls a function of a test module on several ranks and hands back what rank 0 returned.

As a program: ranks.py MODULE FUNCTION ARGUMENTS, the arguments and the result in JSON.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mpi4py import MPI


def call_on_ranks(
    run_ranks: Callable[..., str], num_ranks: int, function: Callable[..., Any], *arguments: Any
) -> Any:
    """Return what a function returns on rank 0 when all ranks call it."""
    said = run_ranks(
        num_ranks, Path(__file__), function.__module__, function.__name__, json.dumps(arguments)
    )
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    module_name, function_name, arguments_ = sys.argv[1:]
    returned = getattr(import_module(module_name), function_name)(*json.loads(arguments_))
    if MPI.COMM_WORLD.rank == 0:
        sys.stdout.write(json.dumps(returned) + "\n")

"""The commands of the job service: submit, status, watch, logs, cancel, resume, sweep, report."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_service_commands(commands: "Commands", common: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `elastane`."""

"""Checkpoints: converged states from which a solve can be resumed, on any number of ranks."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CheckpointPlan:
    """Where and how often a solve saves its state.

    Attributes:
        folder: Where checkpoints lie.
        identity: Hash of all that a solution depends on; one of another job is refused.
        every_seconds: A checkpoint follows a converged step when the last one is older than this.
        resume: Whether to begin from the newest sound one.
        keep: How many are kept.
    """

    folder: Path
    identity: str
    every_seconds: float = 0.0
    resume: bool = False
    keep: int = 2

"""What `elastane doctor` finds, one thing at a time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What was looked at.
        state: "ok", "missing" (a solve needs it) or "optional" (missing, and nothing needs it).
        text: What was found, or how to get what is missing.
    """

    what: str
    state: str
    text: str

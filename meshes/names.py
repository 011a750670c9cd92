"""Names that do not exist, and the nearest one that does."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence that tells a user that there is no such surface, region, ..."""
    names = list(known)
    nearest = get_close_matches(name, names, n=1)
    question = f"; did you mean {nearest[0]!r}?" if nearest else ""
    listed = ", ".join(names) if names else "none"
    return f"unknown {kind} {name!r}{question} (there are: {listed})"

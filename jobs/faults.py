"""What is wrong with a job file, and where.

A reader collects every `Fault` of a file before it gives up with one `JobFileError`, so that a
user mends a file in one go.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Keys and list indices from the root of the file to a value.
KeyPath = tuple[str | int, ...]

SHOWN_COLUMNS = 100  # of a source line
SHOWN_FAULTS = 50


@dataclass(frozen=True, order=True)
class Position:
    """A place in a text.

    Attributes:
        line: From 1.
        column: From 1.
    """

    line: int
    column: int


START = Position(1, 1)


@dataclass(frozen=True)
class Fault:
    """One fault of a job file.

    Attributes:
        position: Where the bad key or value stands.
        path: Its keys from the root.
        message: What is wrong, what is allowed, the nearest known name.
    """

    position: Position
    path: KeyPath
    message: str


class JobFileError(ValueError):
    """A job file that cannot be used.

    Attributes:
        file: The file as the user named it.
        faults: Its faults in the order of the file.
    """

    def __init__(self, file: str, lines: Sequence[str], faults: Iterable[Fault]) -> None:
        self.file = file
        self.faults = tuple(sorted(faults, key=lambda fault: fault.position))
        shown = [_rendered(file, lines, fault) for fault in self.faults[:SHOWN_FAULTS]]
        if len(self.faults) > SHOWN_FAULTS:
            shown.append(f"and {len(self.faults) - SHOWN_FAULTS} more")
        super().__init__("\n".join(shown))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint after an unknown name: the nearest known one, or all of them."""
    names = sorted(set(known))
    if not names:
        return "there are none"
    alike = [known for known in names if known.lower() == name.lower()]
    close = alike or difflib.get_close_matches(name, names, 1, cutoff=0.6)
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"did you mean {close[0]!r}? known: {listed}" if close else f"known: {listed}"


def dotted(path: KeyPath) -> str:
    """Return a path as text, e.g. boundary[0].surface."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _rendered(file: str, lines: Sequence[str], fault: Fault) -> str:
    """Return a fault as a user reads it: place, message, source line and caret."""
    line, column = fault.position.line, fault.position.column
    head = f"{file}:{line}:{column}: "
    if fault.path:
        head += f"{dotted(fault.path)}: "
    head += fault.message
    if line > len(lines):
        return head
    first = max(0, column - SHOWN_COLUMNS // 2) if len(lines[line - 1]) > SHOWN_COLUMNS else 0
    source = lines[line - 1][first : first + SHOWN_COLUMNS].replace("\t", " ")
    return f"{head}\n    {source}\n    {' ' * (column - 1 - first)}^"

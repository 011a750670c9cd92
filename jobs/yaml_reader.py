"""Reads YAML as plain data with the position of every value.

Only what a job file needs is read: mappings, lists, texts and the numbers of YAML 1.2.  Anchors,
aliases, merge keys, tags and a key given twice are faults, and so is a text large or deep enough
to be an attack.  The text goes through ruamel's event parser, which builds no objects.
"""

import math
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from elastane.jobs.faults import START, Fault, JobFileError, KeyPath, Position

# Bounds that keep the slowest text below a second; a long job file has a hundredth of them.
MAX_BYTES = 2**18
MAX_LINES = 10_000
MAX_LINE_LENGTH = 4096  # ruamel's time for a tag grows with the square of its length
MAX_VALUES = 10_000
MAX_DEPTH = 32
MAX_DIGITS = 40

INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
OCTAL = re.compile(r"[-+]?0[0-9]+")
WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")

#: What ruamel says, and what a user can do about it.
HINTS = {
    "mapping values are not allowed here": (
        "a ':' is not allowed here; align the key with its neighbours, or quote the text"
    ),
    "found character '\\t' that cannot start any token": "a tab; indent with spaces",
    "found unexpected end of stream": "a quoted text without its closing quote",
    "found character '@' that cannot start any token": "quote a text that begins with '@'",
    "found character '`' that cannot start any token": "quote a text that begins with '`'",
    "found character '%' that cannot start any token": "quote a text that begins with '%'",
}


@dataclass(frozen=True)
class Document:
    """The content of a YAML file.

    Attributes:
        file: The file as the user named it.
        lines: Its text.
        data: Plain dicts, lists, texts, numbers, booleans and None.
        keys: Position of the key of each mapping entry.
        values: Position of each value.
        faults: What was wrong without stopping the reader; such values are None.
    """

    file: str
    lines: tuple[str, ...]
    data: Any
    keys: Mapping[KeyPath, Position]
    values: Mapping[KeyPath, Position]
    faults: tuple[Fault, ...]

    def value(self, path: KeyPath) -> Any:
        """Return the value at a path, None if there is none."""
        value = self.data
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def value_position(self, path: KeyPath) -> Position:
        """Return where a value stands, or where the nearest value around it does."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, START)

    def key_position(self, path: KeyPath) -> Position:
        """Return where the key of a value stands; of a list entry, where its value does."""
        return self.keys.get(path) or self.value_position(path)


def read_document(path: Path) -> Document:
    """Return the content of a file.

    Raises:
        JobFileError: If it cannot be read, is too large or is not YAML.
    """
    file = str(path)
    if "\0" in file:
        raise _failure(repr(file), [], "the name of the job file holds a NUL")
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise _failure(file, [], "the job file is not a file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _failure(file, [], "the job file does not exist") from None
    except OSError as error:
        raise _failure(file, [], f"cannot read the job file: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise _failure(file, [], f"the file is larger than {MAX_BYTES // 1024} KiB")
    return parse_document(content, file)


def parse_document(content: bytes, file: str) -> Document:
    """Return the content of a YAML text.

    Raises:
        JobFileError: If it is not YAML, or too large.
    """
    text = _decoded(content, file)
    lines = tuple(text.splitlines())
    _check_size(text, lines, file)
    reader = _Reader(YAML(typ="safe", pure=True).parse(text))
    try:
        data = reader.document()
    except _TooMuchError as error:
        raise JobFileError(file, lines, [error.fault]) from None
    except MarkedYAMLError as error:
        problem = str(error.problem or error.context)
        mark = error.problem_mark or error.context_mark
        position = Position(mark.line + 1, mark.column + 1) if mark else START
        raise _failure(file, lines, HINTS.get(problem, problem), position) from None
    except (YAMLError, ValueError) as error:
        raise _failure(file, lines, f"not YAML: {str(error).splitlines()[0]}") from None
    return Document(file, lines, data, reader.keys, reader.values, tuple(reader.faults))


class _TooMuchError(Exception):
    """The text holds more than a job file may."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.message)


class _Reader:
    """Builds plain data from the events of one document."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self.keys: dict[KeyPath, Position] = {}
        self.values: dict[KeyPath, Position] = {}
        self.faults: list[Fault] = []

    def document(self) -> Any:
        """Return the data of the only document."""
        next(self._events)  # start of the stream
        event = next(self._events)
        if not isinstance(event, DocumentStartEvent):
            return None
        if event.tags or event.version not in (None, (1, 2)):
            self._fault(event, (), "a job file is YAML 1.2 without tags; leave the % lines out")
        data = self._value(next(self._events), ())
        next(self._events)  # end of the document
        event = next(self._events)
        if isinstance(event, DocumentStartEvent):
            self._fault(event, (), "a second document begins here; a job file holds one")
        return data

    def _value(self, event: Event, path: KeyPath) -> Any:
        self.values[path] = _position(event)
        if len(self.values) > MAX_VALUES:
            raise _TooMuchError(_fault(event, (), f"more than {MAX_VALUES} values"))
        if len(path) > MAX_DEPTH:
            raise _TooMuchError(_fault(event, (), f"nested more than {MAX_DEPTH} deep"))
        if isinstance(event, AliasEvent):
            self._fault(event, path, f"aliases are not read; write the value of *{event.anchor}")
            return None
        self._refuse_properties(event, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        assert isinstance(event, ScalarEvent)
        return self._scalar(event, path)

    def _refuse_properties(self, event: Event, path: KeyPath) -> None:
        """Take note of an anchor or a tag."""
        if isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            if event.anchor is not None:
                self._fault(event, path, f"anchors are not read; remove &{event.anchor}")
            if event.tag is not None:
                tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")[:60]
                self._fault(event, path, f"tags are not read; remove {tag}")

    def _sequence(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                self._fault(event, path, "a key is a single word, not a list or a mapping")
                self._skip(event, path)
                self._skip(next(self._events), path)
                continue
            key: str = event.value
            here = (*path, key)
            if key == "<<" and event.style is None:
                self._fault(event, path, "merge keys are not read; write the entries out")
                self._skip(next(self._events), path)
            elif key in entries:
                first = self.keys[here]
                self._fault(event, here, f"this key stands already in line {first.line}")
                self._skip(next(self._events), path)
            else:
                self.keys[here] = _position(event)
                self._refuse_properties(event, here)
                entries[key] = self._value(next(self._events), here)
        return entries

    def _skip(self, event: Event, path: KeyPath) -> None:
        """Read a value whose place is faulty, and forget it."""
        faults = len(self.faults)
        self._value(event, (*path, "<skipped>"))
        del self.faults[faults:]

    def _scalar(self, event: ScalarEvent, path: KeyPath) -> Any:
        text: str = event.value
        if event.style is not None:
            return text
        if text in WORDS:
            return WORDS[text]
        number = INTEGER.fullmatch(text) or DECIMAL.fullmatch(text)
        if number and len(text) > MAX_DIGITS:
            self._fault(event, path, f"a number of {len(text)} characters; write it shorter")
        elif INTEGER.fullmatch(text):
            return int(text)
        elif OCTAL.fullmatch(text):
            decimal = text.lstrip("+-").lstrip("0") or "0"
            self._fault(
                event, path, f"{text} may mean octal; write {decimal}, or quote it to make it text"
            )
        elif number and math.isfinite(float(text)):
            return float(text)
        elif number or NOT_FINITE.fullmatch(text):
            self._fault(event, path, f"a finite number is needed, got {text}")
        else:
            return text
        return None

    def _fault(self, event: Event, path: KeyPath, message: str) -> None:
        self.faults.append(_fault(event, path, message))


def _fault(event: Event, path: KeyPath, message: str) -> Fault:
    return Fault(_position(event), path, message)


def _position(event: Event) -> Position:
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _failure(
    file: str, lines: Sequence[str], message: str, position: Position = START
) -> JobFileError:
    return JobFileError(file, lines, [Fault(position, (), message)])


def _decoded(content: bytes, file: str) -> str:
    """Return the text of UTF-8 bytes."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        message = f"not UTF-8: byte 0x{content[error.start]:02x}; save the file as UTF-8"
        raise _failure(file, [], message, Position(line, column)) from None
    control = CONTROL.search(text)
    if control:
        before_text = text[: control.start()]
        line = before_text.count("\n") + 1
        column = control.start() - (before_text.rfind("\n") + 1) + 1
        message = f"a control character U+{ord(control.group()):04X}; remove it"
        raise _failure(file, [], message, Position(line, column))
    return text


def _check_size(text: str, lines: tuple[str, ...], file: str) -> None:
    """Refuse a text that would take long to read."""
    if len(text) > MAX_BYTES:
        raise _failure(file, [], f"the file is larger than {MAX_BYTES // 1024} KiB")
    if len(lines) > MAX_LINES:
        raise _failure(file, [], f"{len(lines)} lines; at most {MAX_LINES} are read")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_LENGTH:
            message = f"a line of {len(line)} characters; at most {MAX_LINE_LENGTH} are read"
            raise _failure(file, [], message, Position(number, 1))

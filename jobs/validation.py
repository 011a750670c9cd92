"""Turns the plain data of a job file into a `JobFile`, with every fault in plain words.

A value at fault does not hide the others: it is taken out, and what is left is validated again, so
that the checks after this one see as much of the file as is sound.
"""

import copy
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from elastane.jobs.faults import Fault, KeyPath, nearest
from elastane.jobs.fields import shown
from elastane.jobs.schema import JobFile, UnitsSection
from elastane.jobs.units import SI, UnitSystem
from elastane.jobs.yaml_reader import Document

SectionKind = TypeVar("SectionKind", bound=BaseModel)

NO_REGION = "<none>"
#: The key of a file that stands for many jobs, which `elastane.jobs.sweep` takes out.
SWEEP = "sweep"
#: Stands in for a section that is needed but at fault; its checks are left out.
PLACEHOLDERS: dict[str, Any] = {
    "mesh": {"box": {"size": [1, 1, 1], "cells": [1, 1, 1]}},
    "materials": {NO_REGION: {"model": "neo-hookean"}},
}


@dataclass(frozen=True)
class Draft:
    """The sound part of a job file.

    Attributes:
        file: The sections; those at fault are left at their defaults.
        boundary: For each entry of `file.boundary` its index in the job file.
        unsound: Top-level keys of which something was taken out.
        faults: What was wrong.
        units: The units that quantities were converted to; None if the file fixes none.
    """

    file: JobFile
    boundary: tuple[int, ...]
    unsound: frozenset[str]
    faults: tuple[Fault, ...]
    units: UnitSystem | None


def validate(document: Document) -> Draft:
    """Return what is sound in a document, and what is not."""
    faults = list(document.faults)
    # What the reader refused is None now, which is not a fault of its own.
    unread = {fault.path for fault in faults if document.value(fault.path) is None}
    broken = set(unread)
    data: dict[str, Any] = {}
    if isinstance(document.data, dict):
        data = copy.deepcopy(document.data)
    else:
        faults.append(_root_fault(document))
        broken.add(())
    units = _units(data)
    try:
        JobFile.model_validate(data, context=units)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            fault = _fault(document, detail)
            is_inside = any(_begins_with(fault.path, path) for path in broken)
            is_around = any(_begins_with(path, fault.path) for path in unread)
            if not (is_inside or is_around):
                faults.append(fault)
            broken.add(fault.path)
    indices = _prune(data, broken)
    file = JobFile.model_validate(data, context=units)
    unsound = frozenset(str(path[0]) for path in broken if path) | (
        set(PLACEHOLDERS) if () in broken else set()
    )
    return Draft(file, indices, unsound, tuple(faults), units)


def _units(data: dict[str, Any]) -> UnitSystem | None:
    """Return the units of a job; a set at fault is taken as that of SI, to find further faults."""
    if data.get("units") is None:
        return None
    section, _ = read_section(UnitsSection, data["units"])
    return SI if section is None else section.system()


def _begins_with(path: KeyPath, start: KeyPath) -> bool:
    return path[: len(start)] == start


def _root_fault(document: Document) -> Fault:
    message = "the job file is empty" if document.data is None else "a mapping of keys is needed"
    return Fault(document.value_position(()), (), message)


def _prune(data: dict[str, Any], broken: Iterable[KeyPath]) -> tuple[int, ...]:
    """Take out the values at fault; return the indices of the boundary entries that stay."""
    bad_entries: set[int] = set()
    for path in broken:
        match path:
            case ("boundary", int(index), *_):
                bad_entries.add(index)
            case ("materials", str(region), *_) if isinstance(data.get("materials"), dict):
                data["materials"].pop(region, None)
            case (str(key), *_):
                data.pop(key, None)
    entries = data.get("boundary") or []
    kept = tuple(index for index in range(len(entries)) if index not in bad_entries)
    if "boundary" in data:
        data["boundary"] = [entries[index] for index in kept]
    for key, placeholder in PLACEHOLDERS.items():
        if not data.get(key):
            data[key] = placeholder
    return kept


def read_section(
    kind: type[SectionKind], value: Any, units: UnitSystem | None = None
) -> tuple[SectionKind | None, list[tuple[KeyPath, str]]]:
    """Return a section of plain data, or None and what is wrong with it, by paths within it."""
    try:
        return kind.model_validate(value, context=units), []
    except ValidationError as error:
        document = Document("", (), value, {}, {}, ())
        faults = [_fault(document, detail, kind) for detail in error.errors(include_url=False)]
        return None, [(fault.path, fault.message) for fault in faults]


def _fault(document: Document, detail: ErrorDetails, root: type[BaseModel] = JobFile) -> Fault:
    """Return a fault in plain words for an error of pydantic."""
    path = detail["loc"]
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = _known_keys(path[:-1], root)
        if path == (SWEEP,) and root is JobFile:
            message = "a file with a sweep is many jobs: `elastane sweep FILE` submits them"
            return Fault(document.key_position(path), path, message)
        message = f"unknown key {shown(path[-1])}; {nearest(str(path[-1]), known)}"
        return Fault(document.key_position(path), path, message)
    if kind == "missing" and isinstance(path[-1], int):  # a list that is too short
        path = path[:-1]
        wanted, value = len(get_args(_kind_at(path, root))), document.value(path)
        message = f"{wanted} entries are needed, got {len(value)}"
        return Fault(document.value_position(path), path, message)
    if path and path[-1] == "[key]":
        path = path[:-1]
        return Fault(document.key_position(path), path, _message(detail, detail["input"]))
    value = document.value(path)
    # A quantity out of bounds is shown as it was written, not as it was converted.
    got = value if isinstance(value, str) else detail["input"]
    return Fault(document.value_position(path), path, _message(detail, got))


def _message(detail: ErrorDetails, value: Any) -> str:
    """Return what is wrong with a value."""
    got = shown(value)
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "this key is needed"
        case "value_error":
            return str(context["error"])
        case "int_type" | "int_from_float" | "int_parsing_size":
            return f"a whole number is needed, got {got}"
        case "float_type":
            return f"a number is needed, got {got}"
        case "bool_type":
            return f"true or false is needed, got {got}"
        case "string_type":
            return f"a text is needed, got {got}"
        case "tuple_type" | "list_type":
            return f"a list is needed, got {got}"
        case "dict_type" | "model_type":
            return f"a mapping of keys is needed, got {got}"
        case "too_long":
            return f"{context['max_length']} entries are needed, got {context['actual_length']}"
        case "too_short":
            return f"at least {context['min_length']} entry is needed"
        case "greater_than":
            return f"must be greater than {context['gt']}, got {got}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}, got {got}"
        case "less_than":
            return f"must be less than {context['lt']}, got {got}"
        case "less_than_equal":
            return f"must be at most {context['le']}, got {got}"
        case "literal_error":
            return f"must be {context['expected']}, got {got}"
        case "string_pattern_mismatch":
            return f"letters, digits and _ are needed, without a leading dash; got {got}"
    return f"{detail['msg']}, got {got}"


def _known_keys(path: KeyPath, root: type[BaseModel]) -> list[str]:
    """Return the keys of the section at a path below another."""
    section = _section(_kind_at(path, root))
    return list(section.model_fields) if section else []


def _kind_at(path: KeyPath, root: type[BaseModel]) -> Any:
    """Return the type, without Annotated and None, of what stands at a path below a section."""
    kind: Any = root
    for key in path:
        section = _section(kind)
        kind = section.model_fields[str(key)].annotation if section else _entries(kind)[-1]
        kind = _bare(kind)
    return kind


def _bare(kind: Any) -> Any:
    """Return a type without Annotated and without the None that makes it optional."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return _bare(next(part for part in get_args(kind) if part is not types.NoneType))
    return kind


def _section(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _entries(kind: Any) -> list[Any]:
    """Return the types of what a list or a mapping of the schema holds."""
    return [part for part in get_args(kind) if part is not Ellipsis]

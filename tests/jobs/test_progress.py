import io
import json
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs.event_log import EventTail, append_event, read_events
from elastane.jobs.pace import Pace
from elastane.jobs.progress import Progress, in_time

EVENTS: list[dict[str, Any]] = [
    {"event": "phase", "name": "mesh", "seconds": 0.1},
    {"event": "problem", "dofs": 12345, "cells": 64, "level_degrees": [1, 2],
     "level_dofs": [678, 12345], "ranks": 2, "backend": "/cpu/self/opt", "memory_bytes": 1},
    {"event": "step_started", "step": 1, "attempt": 1, "load": 1.0, "increment": 1.0},
    {"event": "newton", "step": 1, "iteration": 0, "residual": 2.0, "krylov_iterations": 0,
     "min_J": 1.0},
    {"event": "newton", "step": 1, "iteration": 1, "residual": None, "krylov_iterations": 9,
     "min_J": 1.0},
    {"event": "step_failed", "step": 1, "attempt": 1, "load": 1.0, "reason": "DIVERGED_DTOL",
     "message": ""},
    {"event": "step_started", "step": 1, "attempt": 2, "load": 0.5, "increment": 0.5},
    {"event": "newton", "step": 1, "iteration": 3, "residual": 2e-9, "krylov_iterations": 9,
     "min_J": 1.0},
    {"event": "step_converged", "step": 1, "load": 0.5, "strain_energy": 0.25, "seconds": 2.0,
     "min_J": 0.875, "newton": {"krylov_iterations": [3, 9], "residual_norms": [2.0, 2e-9]}},
    {"event": "warning", "message": "look here"},
    {"event": "fields", "step": 1, "load": 0.5, "path": "fields/step-0001.vtu", "seconds": 0.1},
    {"event": "something new", "of": "a later version"},
]  # fmt: skip
for second, event in enumerate(EVENTS):
    event["time"] = 1_800_000_000.0 + second


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_there_is_a_line_per_load_step() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for event in EVENTS:
        progress.show(event)
        progress.refresh()
    progress.clear()
    assert stream.getvalue().splitlines() == [
        "12,345 unknowns in 64 cells (levels 678 → 12,345) on 2 ranks, /cpu/self/opt",
        "step 1 → load 1 failed: DIVERGED_DTOL",
        # 6 s from the first try to the end of the step, for half the load
        "step 1, attempt 2 · load 0.5 · 2 Newton, 12 Krylov iterations · residual 2.0e-09 · "
        "min J 0.875 · energy 0.25 · 2.0 s, 6.0 s left",
        "warning: look here",
    ]


def test_on_a_terminal_one_line_renews_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "86")
    stream = Terminal()
    progress = Progress(stream)
    for event in EVENTS[:8]:
        progress.show(event)
    progress.refresh()
    line = stream.getvalue().split("\r\x1b[2K")[-1]
    assert line == (
        "0.0 s · step 1, attempt 2 → load 0.5 · Newton 3 · residual 2.0e-09 (0e+00) · Krylov 9"
    )


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert list(tail.new_events()) == []
    text = "".join(json.dumps({"event": "warning", "message": "é" * n}) + "\n" for n in range(9))
    content = text.encode()
    messages = []
    with path.open("ab", buffering=0) as stream:
        for byte in range(0, len(content), 7):
            stream.write(content[byte : byte + 7])
            messages += [event["message"] for event in tail.new_events()]
    assert messages == ["é" * n for n in range(9)]


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    append_event(path, "first", {})
    with path.open("ab") as stream:
        stream.write(b'{"event": "newton", "resid')  # its writer was killed
    append_event(path, "second", {"residual": float("nan")})
    with path.open("ab") as stream:
        # what else file systems leave behind after a crash, and JSON that is no event
        stream.write(b"\0\0\0\0\n\xff\xfe\n[1]\n{}\n7\n\n")
    append_event(path, "third", {})
    assert [event["event"] for event in EventTail(path).new_events()] == [
        "first",
        "second",
        "third",
    ]
    assert [event["event"] for event in read_events(path)] == ["first", "second", "third"]


def test_a_new_file_of_the_same_name_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    for kind in ("a", "b", "c"):
        append_event(path, kind, {})
    assert len(list(tail.new_events())) == 3
    path.unlink()
    append_event(path, "d", {})
    assert [event["event"] for event in tail.new_events()] == ["d"]


def test_the_rest_is_that_of_this_attempt() -> None:
    pace = Pace()

    def rest(kind: str, time: float, load: float) -> float | None:
        return pace.rest({"event": kind, "time": time, "load": load, "increment": 0.1})

    assert rest("step_started", 0.0, 0.1) is None
    assert rest("step_converged", 5.0, 0.1) == pytest.approx(45.0)
    assert rest("attempt_started", 100.0, 0.0) is None
    rest("step_started", 1000.0, 0.5)
    assert rest("step_converged", 1002.0, 0.5) == pytest.approx(10.0)
    rest("step_started", 1002.0, 1.0)
    assert rest("step_converged", 1004.0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (99.94, "99.9 s"), (100, "1:40 min"), (7322, "2:02:02 h")],
)
def test_times_are_for_people(seconds: float, words: str) -> None:
    assert in_time(seconds) == words

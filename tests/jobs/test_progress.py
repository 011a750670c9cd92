import io
import json
from pathlib import Path
from typing import Any

import pytest

from elastane.jobs.progress import EventTail, Progress, in_time

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
     "newton": {"krylov_iterations": [3, 9]}},
    {"event": "warning", "message": "look here"},
    {"event": "fields", "step": 1, "load": 0.5, "path": "fields/step-0001.vtu", "seconds": 0.1},
    {"event": "something new", "of": "a later version"},
]  # fmt: skip


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
        "step 1 · load 0.5 · 2 Newton, 12 Krylov iterations · energy 0.25 · 2.0 s",
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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (99.94, "99.9 s"), (100, "1:40 min"), (7322, "2:02:02 h")],
)
def test_times_are_for_people(seconds: float, words: str) -> None:
    assert in_time(seconds) == words

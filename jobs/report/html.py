"""The HTML of a page about runs: its frame, tables, and values in words."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from elastane.jobs.report.plots import number

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
"""
TAIL = "</main>\n</body>\n</html>\n"


def document(title: str, sections: Sequence[str]) -> str:
    """Return a page of sections that are HTML already."""
    return "".join([HEAD.format(title=escape(title), style=STYLE), *sections, TAIL])


class Html(str):
    """A text that is HTML already."""


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], kind: str = "") -> str:
    """Return a table; its cells are escaped unless they are HTML already."""
    heads = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>\n"
    )


def _cell(cell: Any) -> str:
    return cell if isinstance(cell, Html) else escape(str(cell))


def badge(state: str) -> Html:
    """Return the state of a run, coloured."""
    return Html(f'<span class="badge {escape(state)}">{escape(state.replace("_", " "))}</span>')


def shown(value: Any) -> str:
    """Return a value as text, numbers in few digits."""
    return number(value) if isinstance(value, float) else in_full(value)


def in_full(value: Any) -> str:
    """Return a value as text, with all its digits."""
    return value if isinstance(value, str) else json.dumps(value)

"""Commands, job files and numbers of README and docs hold: every one is executed here.

A fenced block of YAML or Python whose first line is `# NAME.yml` or `# NAME.py` is a file, written
for the commands below it.  In a block `console`, the shell runs a line `$ COMMAND`, and the lines
below are what it prints; `...` stands for any text, as in doctest.
Each page is one session in a folder of its own.
"""

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks/README.md"]
FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)(?P<target>[^)#]*)(?:#(?P<anchor>[^)]*))?\)")
FILE_NAME = re.compile(r"# (?P<name>[\w.-]+\.(yml|py))$", re.MULTILINE)

#: Setting up and testing everything would start the tests within the tests.
ONLY_DRY = ("make demo", "make test")


@dataclass(frozen=True)
class Command:
    """A command and what the page says it prints."""

    line: str
    expected: str


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield kind and text of the fenced blocks of a page."""
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield match["kind"].strip(), match["text"]


def commands(text: str) -> Iterator[Command]:
    """Yield the commands of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, expected = part.partition("\n")
        yield Command(line, expected)


def execute(line: str, folder: Path) -> str:
    """Return what a command prints; it must not fail."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = subprocess.run(
        line,
        shell=True,
        cwd=folder,
        # A queue and a list of runs of its own, so that job numbers are those of the page.
        env={
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(folder),
            "XDG_STATE_HOME": str(folder / ".state"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert told.returncode == 0, f"$ {line}\n{told.stdout}"
    return told.stdout


def matches(expected: str, got: str) -> bool:
    """Return whether the output is the expected one; blanks at the ends of lines do not count."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected, got, flags)


def run_page(page: Path, folder: Path) -> None:
    """Run the blocks of a page in their order."""
    for kind, text in blocks(page):
        name = FILE_NAME.match(text)
        if kind in ("yaml", "python") and name:
            (folder / name["name"]).write_text(text, encoding="utf-8")
        if kind != "console":
            continue
        for command in commands(text):
            if command.line in ONLY_DRY:
                make = f"make --dry-run --directory={shlex.quote(str(ROOT))}"
                execute(f"{make} {command.line.split()[1]}", folder)
                continue
            got = execute(command.line, folder)
            if command.expected.strip():
                assert matches(command.expected, got), (
                    f"{page.name}: $ {command.line}\nexpected:\n{command.expected}\ngot:\n{got}"
                )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_demo_solves_what_the_readme_says(tmp_path: Path) -> None:
    job = shlex.quote(str(ROOT / "jobs/examples/schwarz.yml"))
    told = execute(f"elastane run {job} -n 2 -o demo", tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    unknowns = re.match(r"[\d,]+ unknowns", told)
    assert unknowns is not None
    assert unknowns[0] in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_of_a_kind_that_is_checked(page: Path) -> None:
    """A command in a block of another kind would go stale."""
    for kind, text in blocks(page):
        assert kind in ("console", "yaml", "python", "text"), kind
        assert kind == "console" or not re.search(r"^\$ ", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / match["target"] if match["target"] else page
        assert target.exists(), match[0]
        if match["anchor"]:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert match["anchor"] in anchors, match[0]


def test_pictures_are_small() -> None:
    """A clone should stay small: each below 200 kB."""
    for picture in (ROOT / "docs").glob("*.png"):
        assert picture.stat().st_size < 200_000, picture


def between(text: str, marker: str) -> tuple[str, str, str]:
    """Return what stands before, between and after the marker and the next `<!-- end -->`."""
    before, start, rest = text.partition(f"<!-- {marker} -->\n")
    inside, end, after = rest.partition("<!-- end -->")
    assert end, f"<!-- {marker} --> is missing"
    return before + start, inside, end + after


def test_the_reference_of_the_job_file_is_that_of_the_schema(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from tests.job_file_reference import reference

    page = ROOT / "docs/job-file.md"
    before, inside, after = between(page.read_text(encoding="utf-8"), "reference")
    expected = f"\n{reference()}\n\n"
    if os.environ.get("ACCEPT"):
        page.write_text(before + expected + after, encoding="utf-8")
    else:
        assert inside == expected, "to accept: ACCEPT=1 pytest tests/test_docs.py"


def test_the_reference_of_materials_is_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from elastane.materials import MODELS
    from tests.materials_reference import reference

    page = ROOT / "docs/materials.md"
    before, inside, after = between(page.read_text(encoding="utf-8"), "reference")
    untold = [name for name in MODELS if f"`{name}`" not in before]
    assert not untold, "say on the page when to use them"
    expected = f"\n{reference()}\n\n"
    if os.environ.get("ACCEPT"):
        page.write_text(before + expected + after, encoding="utf-8")
    else:
        assert inside == expected, "to accept: ACCEPT=1 pytest tests/test_docs.py"


def test_measured_tables_are_those_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from elastane.benchmarks.report import PAGES, renewed

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert renewed(text) == text, "to renew: python -m elastane.benchmarks.report"


def test_every_formula_function_is_named() -> None:
    from elastane.solver.formula import FUNCTIONS

    text = (ROOT / "docs/job-file.md").read_text(encoding="utf-8")
    told = re.search(r"the functions `([^`]*)`", text)
    assert told is not None
    assert set(told[1].split()) == set(FUNCTIONS)


def test_facets_are_numbered_as_the_page_says() -> None:
    from elastane.meshes.mesh import FACET_CORNERS

    text = (ROOT / "docs/conventions.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| ξ[₁₂₃] = .1 \| ([\d ]+) \|$", text, re.MULTILINE)
    assert [(int(facet), [*map(int, corners.split())]) for facet, corners in rows] == [
        *enumerate(FACET_CORNERS.tolist())
    ]


def test_tables_and_files_that_extending_names_exist() -> None:
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    for table, file in re.findall(r"`([A-Z_]+)` in `([\w/]+\.py)`", text):
        content = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^{table}\b", content, re.MULTILINE), f"{table} in {file}"
    for file in re.findall(r"`((?:solver|jobs|materials|meshes)/[\w/]+\.py)`", text):
        assert "NAME" in file or (ROOT / file).exists(), file


def test_what_is_still_to_come_is_not_there_yet(tmp_path: Path) -> None:
    """Whoever adds the job service takes it off the list."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    promised = "`elastane submit`" in readme.partition("Still to come")[2]
    assert promised != bool(re.search(r"^ +submit ", execute("elastane --help", tmp_path), re.M))

import time
from pathlib import Path

import pytest

from elastane.jobs.faults import JobFileError, Position
from elastane.jobs.yaml_reader import MAX_BYTES, Document, parse_document, read_document


def read(text: str) -> Document:
    return parse_document(text.encode(), "job.yml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("+1", 1),
        ("-12", -12),
        ("0", 0),
        ("1e-8", 1e-8),
        ("1E3", 1000.0),
        ("2e11", 2e11),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5e+2", -50.0),
        ("1.0e-8", 1e-8),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("n", "n"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1:30:00", "1:30:00"),
        ("00:10:00", "00:10:00"),
        ("2001-01-01", "2001-01-01"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("0b1", "0b1"),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        ("'1'", "1"),
        ('"1e-8"', "1e-8"),
        ('"\\u00e9"', "é"),
        ("0.1*sin(pi*y)", "0.1*sin(pi*y)"),
        ("=", "="),
        ("|\n  text", "text\n"),
        (">\n  a\n  b", "a b\n"),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    document = read(f"key: {text}\n")
    assert document.faults == ()
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\na: 2", 2, 1, "stands already in line 1"),
        ("a: {b: 1, c: 2, b: 3}", 1, 17, "stands already in line 1"),
        ("a: .nan", 1, 4, "finite"),
        ("a: -.inf", 1, 4, "finite"),
        ("a: [1, .INF]", 1, 8, "finite"),
        ("a: 1e999", 1, 4, "finite"),
        ("a: 017", 1, 4, "write 17"),
        ("a: -007", 1, 4, "write 7"),
        ("a: 00", 1, 4, "write 0"),
        (f"a: {'9' * 4000}", 1, 4, "4000 characters"),
        ("a: *b", 1, 4, "aliases"),
        ("a: &b 1", 1, 4, "anchors"),
        ("&a b: 1", 1, 1, "anchors"),
        ("a: {<<: {b: 1}}", 1, 5, "merge keys"),
        ("a: !!str 1", 1, 4, "tags are not read; remove !!str"),
        ("a: !!python/object/apply:os.system ['true']", 1, 4, "tags"),
        ("a: !!binary aGk=", 1, 4, "tags"),
        ("a: !mine {b: 1}", 1, 4, "tags"),
        ("!!map {a: 1}", 1, 1, "tags"),
        ("? [1, 2]\n: 3", 1, 3, "single word"),
        ("? {a: 1}\n: 3", 1, 3, "single word"),
        ("a: 1\n---\nb: 2", 2, 1, "second document"),
        ("%YAML 1.1\n---\na: no", 2, 1, "YAML 1.2"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 2, 1, "YAML 1.2"),
    ],
)
def test_what_is_not_read_is_a_fault_with_its_place(
    text: str, line: int, column: int, words: str
) -> None:
    (fault,) = read(text).faults
    assert fault.position == Position(line, column)
    assert words in fault.message


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: b: c", 1, 5, "':' is not allowed here"),
        ("a: 1\n b: 2", 2, 3, "':' is not allowed here"),
        ("\ta: 1", 1, 1, "tab"),
        ("a:\n\t- 1", 2, 1, "tab"),
        ("a: [1, 2", 1, 9, "','"),
        ("a: {b: 1", 1, 9, "','"),
        ("a: [1, 2}", 1, 9, "','"),
        ("a: 'x", 1, 6, "closing quote"),
        ('a: "x', 1, 6, "closing quote"),
        ("a: @x", 1, 4, "'@'"),
        ("a: `x`", 1, 4, "'`'"),
        ("a: %x", 1, 4, "'%'"),
        ('a: "\\q"', 1, 6, "escape"),
        ("a: 1\n- 2", 2, 1, ""),
        ("- 1\nb: 2", 2, 1, ""),
        ("a: ]", 1, 4, ""),
        ("a: |x\n  y", 1, 5, ""),
        ("a: 1\nb", 2, 2, "expected ':'"),
        ("}", 1, 1, ""),
        ("%YAML 1.2\n%YAML 1.2\n---\n", 2, 1, "directive"),
        ("a: \x00", 1, 4, "U+0000"),
        ("a: x\nb: \x1b[31m", 2, 4, "U+001B"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_place(
    text: str, line: int, column: int, words: str
) -> None:
    with pytest.raises(JobFileError) as caught:
        read(text)
    (fault,) = caught.value.faults
    assert fault.position == Position(line, column)
    assert words in fault.message


def test_bytes_that_are_not_utf_8_are_refused_with_their_place() -> None:
    with pytest.raises(JobFileError, match=r"job.yml:2:4: not UTF-8: byte 0xe9"):
        parse_document(b"a: 1\nb: \xe9", "job.yml")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse_document(b"\xef\xbb\xbfa: 1", "job.yml").data == {"a": 1}


BOMBS = {
    "brackets": "[" * 100_000,
    "brackets in short lines": "[\n" * 9_000,
    "braces": "a: " + "{" * 4_000,
    "block sequences": "- " * 2_000,
    "explicit keys": "? " * 2_000,
    "digits": "a: " + "9" * 1_000_000,
    "laughs": "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" if i else "a0: &a0 [x]\n"
        for i in range(10)
    ),
    "merges": "".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" if i else "a0: &a0 {x: 1}\n"
        for i in range(10)
    ),
    "keys": "".join(f"key{i}: {i}\n" for i in range(80_000)),
    "keys in few lines": "{"
    + ",\n".join(", ".join(f"k{i}{j}: 1" for j in range(300)) for i in range(30)),
    "equal keys": "a:\n" * 9_000,
    "empty lines": "\n" * 1_000_000,
    "spaces": " " * 200_000,
    "comment": "#" + "c" * 200_000,
    "plain words": "a: " + "\n  ".join(["x y " * 1000] * 60),
    "exclamation marks": "".join("- " + "!" * 4_000 + "\n" for _ in range(60)),
    "ampersands": "".join("- " + "&" * 4_000 + "\n" for _ in range(60)),
    "escapes": 'a: "' + "\\x41\n" * 9_000 + '"',
    "documents": "---\n" * 9_000,
    "directives": "%a b\n" * 9_000,
    "a large file": "a: 1\n" * MAX_BYTES,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_dealt_with_at_once(kind: str) -> None:
    started = time.process_time()
    try:
        faults = read(BOMBS[kind]).faults
    except JobFileError as error:
        faults = error.faults
    seconds = time.process_time() - started
    assert faults or kind in {"empty lines", "spaces", "comment", "plain words", "escapes"}
    assert seconds < 20.0  # half a second on an idle machine; a bomb that went off, for ever


def test_positions_are_those_of_keys_and_values() -> None:
    document = read("mesh:\n  box: {size: [1, 2]}\nlist:\n  - a: 1\n")
    assert document.keys["mesh", "box"] == Position(2, 3)
    assert document.values["mesh", "box", "size", 1] == Position(2, 19)
    assert document.values["list", 0] == Position(4, 5)
    assert document.value_position(("mesh", "box", "size", 7)) == Position(2, 15)
    assert document.value_position(("nothing",)) == Position(1, 1)
    assert document.key_position(("list", 0)) == Position(4, 5)


def test_all_faults_are_found_in_one_pass() -> None:
    assert len(read("a: .nan\nb: 017\nb: 1\nc: *x\nd: !!int 3\n").faults) == 5


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\n\n", "--- # nothing"])
def test_an_empty_file_has_no_data(text: str) -> None:
    assert read(text).data is None


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for path, words in [
        (tmp_path / "none.yml", "does not exist"),
        (tmp_path, "is not a file"),
        (Path("/dev/zero"), "is not a file"),
        (tmp_path / "a\0b", "NUL"),
        (tmp_path / ("x" * 300), "cannot read"),
    ]:
        with pytest.raises(JobFileError, match=words):
            read_document(path)


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large.yml"
    with path.open("wb") as stream:
        stream.truncate(10 * 2**30)  # a sparse file
    with pytest.raises(JobFileError, match="larger than"):
        read_document(path)

"""Materials that a Python file of the user's defines: `{model: user, file: rubber.py, ...}`.

`elastane.materials.user_file` tells what such a file holds.  It runs in the compiler's process
alone, which is limited in time and memory: `read_in_process` is for there.  Everywhere else,
`load_user` asks such a process what the file defines, keeps the answer in the cache, and returns a
material that has all but an energy to call.

A material is what its file says: a hash of the file stands for all of it.  So a file may import
installed packages, whose versions the cache knows or which do not change, but no files beside it.
"""

import ast
import json
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from elastane.materials.compiler.apart import ApartError, run_apart
from elastane.materials.compiler.cache import cache_folder, digest, written_aside
from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.texts import compiler_text, materials_text, package_versions
from elastane.materials.description import material_from_json
from elastane.materials.files import FileModel, MaterialFileError, hash_of, name_of, read_bytes
from elastane.materials.model import Material
from elastane.materials.user_file import material_of

SUFFIXES = (".py",)

#: Bytes of a file; the energy of a material is a page long.
LARGEST = 1_000_000

#: Name of the module that a file becomes.
MODULE = "elastane_material_file"


#: What describes a file, in a process of its own.
DESCRIBE = "elastane.materials.compiler.describe"


def load_user(path: Path) -> Material:
    """Return the material that a file defines, with an energy that cannot be called.

    Raises:
        MaterialFileError: If the file defines none, or one that the compiler refuses.
        MissingPackageError: If a package is missing that its description needs.
    """
    path = path.resolve()
    content = hash_of(read_bytes(path, SUFFIXES, LARGEST))
    key = digest(str(path), content, compiler_text(), materials_text(), *package_versions())
    kept = cache_folder() / "descriptions" / f"{name_of(path)}-{key}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        description = _described_apart(path)
        if description["content"] != content:
            raise MaterialFileError(f"{path} changed while it was read; start again")
        with written_aside(kept) as aside:
            aside.write_text(json.dumps(description), encoding="utf-8")
    description = json.loads(kept.read_text(encoding="utf-8"))
    return replace(material_from_json(description), file=path)


def _described_apart(path: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        try:
            ended = run_apart(DESCRIBE, [str(path), str(answer)])
        except ApartError as error:
            raise MaterialFileError(f"{path} {error}") from None
        if not answer.exists():
            last = ended.errors.strip().rpartition("\n")[2] or f"it ended with code {ended.code}"
            raise MaterialFileError(f"{path} could not be run: {last}")
        found = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in found:
        raise MaterialFileError(found["error"])
    return dict(found["material"])


def read_in_process(path: Path) -> Material:
    """Return the material that a file defines; runs the file.

    Raises:
        MaterialFileError: If the file cannot be run or defines no material; the message names the
            line.
    """
    path = path.resolve()
    content = read_bytes(path, SUFFIXES, LARGEST)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MaterialFileError(f"{path} is not UTF-8: {error.reason}") from None
    with faults_named(path):
        _refuse_neighbours(path, text)
        module = ModuleType(MODULE)
        module.__file__ = str(path)
        sys.modules[MODULE] = module  # dataclasses, for one, look their module up
        exec(compile(text, str(path), "exec"), vars(module))
        material = material_of(path, module, text)
    return replace(material, file=path, content=hash_of(content))


@contextmanager
def faults_named(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong in a file into a MaterialFileError that names the line."""
    try:
        yield
    except (MaterialFileError, UnsupportedError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        line = _line(path, error)
        where = f"{path}:{line}" if line else str(path)
        raise MaterialFileError(f"{where}: {_words(error)}{_source(path, line)}") from error


def _refuse_neighbours(path: Path, text: str) -> None:
    """Refuse imports of files beside this one: its hash would not tell when they change."""
    for node in ast.walk(ast.parse(text, str(path))):
        names = [""]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "") if not node.level else "."]
        for name in names:
            beside = path.parent / name.partition(".")[0]
            if name == "." or (name and _is_module(beside)):
                assert isinstance(node, ast.Import | ast.ImportFrom)
                raise MaterialFileError(
                    f"{path}:{node.lineno}: a material file may import installed packages only, "
                    "not files beside it; copy what it needs into it"
                )


def _is_module(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _line(path: Path, error: BaseException) -> int | None:
    """Return the line of a file in which an error arose: the innermost that is its own."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno for f in reversed(frames) if f.filename == str(path)), None)


def _words(error: BaseException) -> str:
    """Return an error in one line."""
    told = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next((line.strip() for line in told.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:300]}" if first else type(error).__name__


def _source(path: Path, line: int | None) -> str:
    """Return the text of a line, to follow a message."""
    if line is None:
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return f", in `{lines[line - 1].strip()}`" if 0 < line <= len(lines) else ""


USER = FileModel("file", SUFFIXES, load_user, read_in_process)

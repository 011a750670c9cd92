import json
from pathlib import Path

import pytest

from elastane.jobs.paths import RunFolder, RunFolderError, claim_run_folder, new_run_folder


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def leave_a_run(root: Path, name: str) -> RunFolder:
    folder = RunFolder(root)
    root.mkdir()
    folder.job.write_text(f"name: {name}\n")
    folder.result.write_text(json.dumps({"name": name, "status": "converged"}))
    folder.fields.mkdir()
    (folder.fields / "step-0001.vtu").write_text("old")
    folder.series("vtu").write_text("old")
    return folder


def test_new_folders_carry_name_and_time_and_never_meet() -> None:
    folders = [new_run_folder("plate").root for _ in range(5)]
    assert len(set(folders)) == 5
    assert all(folder.match("runs/plate-????????-??????*") for folder in folders)


def test_an_absent_or_empty_folder_is_taken(tmp_path: Path) -> None:
    assert claim_run_folder(Path("a/b c/ü"), "plate", force=False).root.is_dir()
    assert claim_run_folder(Path("a/b c/ü"), "plate", force=False).root.is_dir()


def test_a_foreign_folder_is_never_touched() -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("all of it")
    Path("file").write_text("x")
    for force in (False, True):
        with pytest.raises(RunFolderError, match="is not empty and holds no run of 'plate'"):
            claim_run_folder(Path("mine"), "plate", force)
        with pytest.raises(RunFolderError, match="is a file"):
            claim_run_folder(Path("file"), "plate", force)
    assert Path("mine/thesis.txt").read_text() == "all of it"


def test_an_earlier_run_is_replaced_only_by_force() -> None:
    leave_a_run(Path("run"), "plate")
    with pytest.raises(RunFolderError, match="--force"):
        claim_run_folder(Path("run"), "plate", force=False)
    with pytest.raises(RunFolderError, match="holds no run of 'other'"):
        claim_run_folder(Path("run"), "other", force=True)
    Path("run/notes.txt").write_text("keep")
    folder = claim_run_folder(Path("run"), "plate", force=True)
    assert [path.name for path in folder.root.iterdir()] == ["notes.txt"]


def test_links_in_an_earlier_run_are_removed_and_not_followed() -> None:
    folder = leave_a_run(Path("run"), "plate")
    Path("precious").mkdir()
    Path("precious/file").write_text("x")
    folder.generated.symlink_to(Path("precious").resolve())
    claim_run_folder(Path("run"), "plate", force=True)
    assert Path("precious/file").exists()
    assert not folder.generated.is_symlink()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 3}', "\x00"])
def test_a_broken_result_makes_a_folder_foreign(content: str) -> None:
    folder = leave_a_run(Path("run"), "plate")
    folder.result.write_text(content)
    with pytest.raises(RunFolderError, match="holds no run"):
        claim_run_folder(Path("run"), "plate", force=True)

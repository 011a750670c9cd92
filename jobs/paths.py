"""The run folder: every path in it, and how it comes into being."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path


class RunFolderError(ValueError):
    """A run folder cannot be used; the message says what to do."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        root: The folder itself.
    """

    root: Path

    @property
    def job(self) -> Path:
        """Return the effective job file."""
        return self.root / "job.yml"

    @property
    def result(self) -> Path:
        """Return the result so far, then the result."""
        return self.root / "result.json"

    @property
    def history(self) -> Path:
        """Return the table with a row per load step."""
        return self.root / "history.csv"

    @property
    def events(self) -> Path:
        """Return the log of events, one JSON object per line."""
        return self.root / "events.jsonl"

    @property
    def generated(self) -> Path:
        """Return the folder with the C of every compiled kernel."""
        return self.root / "generated"

    @property
    def fields(self) -> Path:
        """Return the folder of the fields of each written step."""
        return self.root / "fields"

    @property
    def log(self) -> Path:
        """Return what the worker and the libraries under it printed."""
        return self.root / "log.txt"

    @property
    def traceback(self) -> Path:
        """Return the Python traceback of a run that failed, for its developers."""
        return self.root / "traceback.txt"

    @property
    def status(self) -> Path:
        """Return how the run stands with its executor."""
        return self.root / "status.json"

    @property
    def submission(self) -> Path:
        """Return the record of a submission, written before it is sent."""
        return self.root / "submission.json"

    @property
    def sends(self) -> Path:
        """Return the folder with a file for each time that a submission was sent."""
        return self.root / "sends"

    @property
    def batch_script(self) -> Path:
        """Return the script that a scheduler runs."""
        return self.root / "batch.sh"

    @property
    def claims(self) -> Path:
        """Return the folder with a file for each attempt at this run."""
        return self.root / "claims"

    @property
    def cancelled(self) -> Path:
        """Return the note that the user cancelled the run."""
        return self.root / "cancel.json"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of the states that a solve can be resumed from."""
        return self.root / "checkpoints"

    @property
    def provenance(self) -> Path:
        """Return where the run comes from: versions, hosts, options, hashes of its inputs."""
        return self.root / "provenance.json"

    @property
    def worst_points(self) -> Path:
        """Return the points with the smallest det F of the last failure."""
        return self.root / "worst.vtu"

    def series(self, output_format: str) -> Path:
        """Return the file of the fields that ParaView opens."""
        return self.root / {"vtu": "fields.pvd", "vtkhdf": "fields.vtkhdf"}[output_format]

    def everything(self) -> tuple[Path, ...]:
        """Return all that a run may leave behind."""
        return (
            self.job, self.result, self.history, self.events, self.log, self.traceback,
            self.generated, self.fields, self.series("vtu"), self.series("vtkhdf"),
            self.status, self.submission, *self.root.glob("submission-*.json"), self.sends,
            self.batch_script, self.claims, self.cancelled,
            self.checkpoints, self.provenance, self.worst_points,
        )  # fmt: skip


def new_run_folder(name: str) -> RunFolder:
    """Return a new folder runs/NAME-YYYYmmdd-HHMMSS, with a number behind it if that exists."""
    stem = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    stem.parent.mkdir(exist_ok=True)
    number = 1
    while True:
        root = stem if number == 1 else stem.with_name(f"{stem.name}-{number}")
        try:
            root.mkdir()
        except FileExistsError:
            number += 1
        else:
            return RunFolder(root)


def claim_run_folder(root: Path, name: str, force: bool) -> RunFolder:
    """Return a folder that the user named, empty.

    An earlier run of a job of the same name is replaced if `force` is given; nothing else is ever
    deleted.

    Raises:
        RunFolderError: If the folder holds anything else.
    """
    folder = RunFolder(root)
    if root.exists() and not root.is_dir():
        raise RunFolderError(f"{root} is a file; name a folder")
    root.mkdir(parents=True, exist_ok=True)
    if not any(root.iterdir()):
        return folder
    if _job_name(folder) != name:
        raise RunFolderError(
            f"{root} is not empty and holds no run of {name!r}: name another folder"
        )
    if not force:
        raise RunFolderError(
            f"{root} holds a run of {name!r} already: name another folder, or replace it "
            "with --force"
        )
    for path in folder.everything():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return folder


def _job_name(folder: RunFolder) -> str | None:
    """Return the name of the job that ran in a folder, None if none did."""
    if not folder.job.is_file():
        return None
    try:
        result = json.loads(folder.result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    name = result.get("name") if isinstance(result, dict) else None
    return name if isinstance(name, str) else None

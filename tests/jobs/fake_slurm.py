"""SLURM's tools, played: sbatch, squeue, sacct and scancel with faults, by a folder of jobs.

Linked under the names of the tools.  FAKE_SLURM names the folder; a job is a file in it.  FAULTS is
the share of calls that go wrong, SEED what they are drawn from: the number of a call for a key
decides how it goes, so that a run of the tests can be repeated.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ.get("FAKE_SLURM", "."))
FORGETS = 0.3  # seconds after which a job that arrives late is seen
HANGS = 60.0

TIMED_OUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
NO_CONTACT = (
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect "
    "failure)"
)
REFUSED = "sbatch: error: Batch job submission failed: Invalid partition name specified"

#: What may happen to a send: whether the job arrives, when it is seen, what sbatch says and prints,
#: its code.  None as code: it never comes back.
SENDS = {
    "fine": (True, 0.0, "{id}", "", 0),
    "of a cluster": (True, 0.0, "{id};alpha", "", 0),
    "with a banner": (True, 0.0, "Welcome to alpha\n{id}", "", 0),
    "lost reply": (True, 0.0, "", TIMED_OUT, 1),
    "late": (True, FORGETS, "", TIMED_OUT, 1),
    "late and silent": (True, FORGETS, "", "", 0),
    "hangs after": (True, 0.0, "", "", None),
    "hangs before": (False, 0.0, "", "", None),
    "no contact": (False, 0.0, "", NO_CONTACT, 1),
    "says nothing": (True, 0.0, "", "", 0),
    "says nothing, does nothing": (False, 0.0, "", "", 0),
    "talks nonsense": (True, 0.0, "Submitted", "", 0),
    "killed": (True, 0.0, "", "Killed", 137),
    "fails without words": (False, 0.0, "", "", 1),
    "refused": (False, 0.0, "", REFUSED, 1),
}
#: What may happen to a question: the share of the table that is printed, and the code.
QUESTIONS = {
    "fine": (1.0, 0),
    "no answer": (0.0, 1),
    "empty": (0.0, 0),
    "half": (0.6, 0),
    "half and failed": (0.6, 1),
    "nonsense": (-1.0, 0),
    "hangs": (0.0, None),
}


def main() -> int:
    tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    return {"sbatch": sbatch, "squeue": squeue, "sacct": sacct, "scancel": scancel}[tool](arguments)


def draw(key: str, kinds: list[str]) -> str:
    """Return what happens to a call: the first kind if nothing does."""
    number = 0
    while True:
        try:
            os.close(os.open(FOLDER / f".{key}-{number}", os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            number += 1
    generator = random.Random(f"{os.environ.get('SEED', '')} {key} {number}")
    if generator.random() >= float(os.environ.get("FAULTS", "0")):
        return kinds[0]
    return generator.choice(kinds[1:])


def sbatch(arguments: list[str]) -> int:
    options = dict(entry.lstrip("-").partition("=")[::2] for entry in arguments[:-1])
    key = options["comment"]
    kind = os.environ.get("SEND") or draw(f"send-{key}", list(SENDS))
    arrives, delay, out, err, code = SENDS[kind]
    number = 0
    while arrives:
        number += 1
        job = {
            "state": "PENDING",
            "comment": key,
            "folder": options["chdir"],
            "from": time.time() + delay,
            "arguments": arguments,
        }
        aside = FOLDER / f".new-{os.getpid()}"
        aside.write_text(json.dumps(job))
        try:
            os.link(aside, FOLDER / str(number))
            break
        except FileExistsError:
            continue
        finally:
            aside.unlink()
    return say(out.format(id=number), err, code)


def squeue(arguments: list[str]) -> int:
    rows = ["JOBID|STATE|REASON|NODELIST|COMMENT|WORK_DIR"]
    for path in sorted(FOLDER.glob("[0-9]*")):
        job = json.loads(path.read_text())
        if job["from"] <= time.time():
            rows.append("|".join([path.name, job["state"], "None", "", job["comment"],
                                  job["folder"]]))  # fmt: skip
    kind = os.environ.get("QUESTION") or draw(f"question-{os.getppid()}", list(QUESTIONS))
    share, code = QUESTIONS[kind]
    text = "\n".join(rows)
    if share < 0:
        return say("a nice day", "", code)
    error = "squeue: error: Socket timed out on send/recv operation" if code else ""
    return say(text if share == 1.0 else text[: int(share * len(text))], error, code, share == 1.0)


def sacct(arguments: list[str]) -> int:
    return say("", "Slurm accounting storage is disabled", 1)


def scancel(arguments: list[str]) -> int:
    path = FOLDER / arguments[0]
    if path.exists():
        path.write_text(json.dumps({**json.loads(path.read_text()), "state": "CANCELLED"}))
    return 0


def say(out: str, err: str, code: int | None, whole: bool = True) -> int:
    sys.stdout.write(out + ("\n" if out and whole else ""))
    sys.stderr.write(err + ("\n" if err else ""))
    sys.stdout.flush()
    if code is None:
        time.sleep(HANGS)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())

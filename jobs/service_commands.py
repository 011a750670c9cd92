"""The commands of the job service: submit, status, watch, logs, cancel, resume, sweep, report."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from elastane.jobs.paths import RunFolder, RunFolderError
from elastane.jobs.states import FINAL, ExitCode, RunState

if TYPE_CHECKING:
    from elastane.jobs.submission import SubmitOptions

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

LOG_LINES = 200
#: What `watch` exits with; of a run that ended in another way the environment is at fault.
EXIT_CODES = {
    RunState.CONVERGED: ExitCode.CONVERGED,
    RunState.DIVERGED: ExitCode.NOT_CONVERGED,
    RunState.INTERRUPTED: ExitCode.INTERRUPTED,
    RunState.CANCELLED: ExitCode.INTERRUPTED,
}


def add_service_commands(commands: "Commands", common: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of `elastane`."""
    submit = commands.add_parser(
        "submit", parents=[common], help="check a job and hand it to the scheduler"
    )
    submit.add_argument("job", type=Path, nargs="?", metavar="JOB.yml")
    submit.add_argument("--dry-run", action="store_true", help="print the batch script only")
    submit.add_argument("--again", metavar="RUN",
                        help="continue a submission that was not answered")  # fmt: skip
    submit.add_argument("-o", "--output", type=Path, metavar="DIR", help="the run folder")
    submit.add_argument(
        "--force", action="store_true", help="replace an earlier run of the same job in DIR"
    )
    _add_submit_options(submit)
    submit.set_defaults(command=_submit)

    status = commands.add_parser("status", parents=[common], help="how runs stand")
    status.add_argument("runs", nargs="*", metavar="RUN")
    status.add_argument("--json", action="store_true", help="say all of it as JSON")
    status.add_argument("--rebuild", action="store_true",
                        help="make the list of runs anew from the folders here")  # fmt: skip
    status.set_defaults(command=_status)

    watch = commands.add_parser("watch", parents=[common], help="show a run while it goes on")
    watch.set_defaults(command=_watch)
    logs = commands.add_parser("logs", parents=[common], help="what a run printed")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    logs.add_argument("-n", "--lines", type=_count, default=LOG_LINES,
                      help=f"of the end (default {LOG_LINES})")  # fmt: skip
    logs.set_defaults(command=_logs)
    cancel = commands.add_parser("cancel", parents=[common], help="end runs; what they have stays")
    cancel.add_argument("runs", nargs="+", metavar="RUN")
    cancel.set_defaults(command=_cancel)
    resume = commands.add_parser(
        "resume", parents=[common], help="continue a run from its last checkpoint"
    )
    resume.add_argument("-n", "--ranks", type=_count, help="MPI ranks (default: as before)")
    resume.add_argument("--executor", choices=("slurm", "local"), help="default: as before")
    resume.set_defaults(command=_resume)
    for command in (watch, logs, resume):
        command.add_argument("run", metavar="RUN")

    sweep = commands.add_parser(
        "sweep", parents=[common], help="submit a job for each combination of lists of values"
    )
    sweep.add_argument("job", type=Path, metavar="JOB.yml")
    sweep.add_argument("--dry-run", action="store_true", help="list the jobs only")
    sweep.add_argument("-o", "--output", type=Path, metavar="DIR", help="the folder of the runs")
    _add_submit_options(sweep)
    sweep.set_defaults(command=_sweep)

    report = commands.add_parser(
        "report", parents=[common], help="write a page about runs, and a table of them"
    )
    report.add_argument("runs", nargs="+", metavar="RUN")
    report.add_argument("-o", "--output", type=Path, metavar="FILE.html",
                        help="default: report.html in the folder of the run")  # fmt: skip
    report.add_argument("--csv", type=Path, metavar="FILE.csv",
                        help="default for several runs: report.csv beside the page")  # fmt: skip
    report.set_defaults(command=_report)


def _add_submit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", action="append", default=[], metavar="RUN",
                        help="start only when that run has converged; may be repeated")  # fmt: skip
    parser.add_argument("--hold", action="store_true", help="wait until `elastane resume RUN`")
    parser.add_argument("--site", metavar="NAME", help="the site profile (default: by host name)")
    parser.add_argument("--executor", choices=("slurm", "local"),
                        help="default: slurm where sbatch is on the PATH, else local")  # fmt: skip
    parser.add_argument(
        "--unchecked", action="store_true", help="use materials that fail `materials check`, too"
    )


def _submit_options(options: argparse.Namespace, output: Path | None) -> "SubmitOptions":
    from elastane.jobs.find_runs import find_run
    from elastane.jobs.submission import SubmitOptions

    return SubmitOptions(
        executor=options.executor,
        site=options.site,
        after=tuple(find_run(run).root.resolve() for run in options.after),
        hold=options.hold,
        output=output,
        force=getattr(options, "force", False),
        unchecked=options.unchecked,
    )


def _submit(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.find_runs import find_run
    from elastane.jobs.index import record
    from elastane.jobs.submission import preview, submit, submit_again

    if (options.job is None) is (options.again is None):
        raise ValueError("name a job file, or a run after --again")
    if options.again is not None:
        submit_again(find_run(options.again), sys.stdout)
        return ExitCode.CONVERGED
    wanted = _submit_options(options, options.output)
    if options.dry_run:
        _say(preview(options.job, wanted, sys.stderr).rstrip("\n"))
        return ExitCode.CONVERGED
    submission = submit(options.job, wanted, sys.stdout)
    record([submission.request.folder])
    return ExitCode.CONVERGED


def _status(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.find_runs import all_runs, find_run, look
    from elastane.jobs.index import rebuild
    from elastane.jobs.view import as_json, table

    if options.rebuild:
        count = rebuild([Path()])
        sys.stderr.write(f"{count} run{'' if count == 1 else 's'} in the list\n")
    runs = [find_run(run) for run in options.runs] or all_runs()
    views = look(runs)
    _say(as_json(views) if options.json else table(views, Path.cwd()))
    return ExitCode.CONVERGED


def _watch(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.find_runs import find_run
    from elastane.jobs.following import watch

    state = watch(find_run(options.run), sys.stdout)
    return EXIT_CODES.get(state, ExitCode.ENVIRONMENT)


def _logs(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.find_runs import find_run
    from elastane.jobs.following import follow_log, show_end

    folder = find_run(options.run)
    if not folder.log.exists() and not options.follow:
        raise RunFolderError(f"{folder.root} has printed nothing yet")
    offset = show_end(folder.log, options.lines, sys.stdout)
    if options.follow:
        follow_log(folder, offset, sys.stdout)
    return ExitCode.CONVERGED


def _cancel(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.cancelling import cancel
    from elastane.jobs.find_runs import find_run

    folders = [find_run(run) for run in options.runs]
    for folder, run in zip(folders, cancel(folders), strict=True):
        asked = "" if run.state in FINAL else "asked to end; "
        _say(f"{folder.root}: {asked}{run.standing}")
    return ExitCode.CONVERGED


def _resume(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.executors import find_executor
    from elastane.jobs.find_runs import find_run, look, submission_of
    from elastane.jobs.index import record
    from elastane.jobs.resume import resume

    folder = find_run(options.run)
    (run,) = look([folder])
    sent = submission_of(folder)
    if run.state is RunState.HELD and sent is not None and sent.job_id is not None:
        find_executor(sent.executor).release(sent.job_id)
        _say(f"released job {sent.job_id}, folder {folder.root}")
        return ExitCode.CONVERGED
    resume(folder, options.ranks, options.executor, sys.stdout)
    record([folder.root])
    return ExitCode.CONVERGED


def _sweep(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.sweep import list_sweep, submit_sweep

    if options.dry_run:
        _say(list_sweep(options.job))
        return ExitCode.CONVERGED
    submit_sweep(options.job, _submit_options(options, options.output), sys.stdout)
    return ExitCode.CONVERGED


def _report(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.find_runs import find_run
    from elastane.jobs.index import is_run, runs_below
    from elastane.jobs.report.page import write_page
    from elastane.jobs.result import write_text
    from elastane.jobs.results_table import collect_csv

    runs: list[RunFolder] = []
    for name in options.runs:
        below = [] if is_run(Path(name)) else sorted(runs_below(Path(name)))
        runs += [RunFolder(path) for path in below] or [find_run(name)]
    single = runs[0].root if len(runs) == 1 else None
    root = single or (Path(options.runs[0]) if len(options.runs) == 1 else Path())
    page = write_page(runs, options.output or root / "report.html")
    _say(f"wrote {page}")
    table = options.csv or (None if single else page.with_name("report.csv"))
    if table is not None:
        write_text(table, collect_csv(runs))
        _say(f"wrote {table}")
    return ExitCode.CONVERGED


def _count(text: str) -> int:
    """Return a number from 1."""
    if not (text.isdecimal() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"must be from 1 to 1,000,000, got {text!r}")
    return int(text)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")

"""The command line: `elastane COMMAND`.

Wrong input ends with one plain message and exit code 2; `--debug` shows the traceback as well.
"""

import argparse
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from elastane.jobs.bench import BENCHMARKS, run_benchmark
from elastane.jobs.faults import JobFileError
from elastane.jobs.material_commands import add_commands
from elastane.jobs.service_commands import add_service_commands
from elastane.jobs.states import ExitCode
from elastane.jobs.templates import KINDS
from elastane.jobs.versions import installed_version
from elastane.solver.backends import BACKENDS

#: `elastane doctor --gpu` without a name: one backend that works is enough.
ANY_GPU = "any"
DEVICES = [name for name, backend in BACKENDS.items() if backend.device]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows ? instead
    options = _parser().parse_args(arguments)
    try:
        code: ExitCode = options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.CONVERGED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except JobFileError as error:
        count = len(error.faults)
        _complain(error, options, f"{error}\n{count} fault{'s' if count > 1 else ''} found")
        return ExitCode.BAD_INPUT
    except (ValueError, FileExistsError) as error:
        _complain(error, options, str(error))
        return ExitCode.BAD_INPUT
    except Exception as error:
        _complain(error, options, str(error) or type(error).__name__)
        return ExitCode.ENVIRONMENT
    return code


def _complain(error: Exception, options: argparse.Namespace, message: str) -> None:
    """Tell the user what is wrong, on stderr."""
    sys.stderr.write(f"{message}\n")
    if options.debug:
        traceback.print_exception(error)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _run(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.run import run_job

    return run_job(
        options.job,
        options.ranks,
        options.output,
        options.force,
        options.debug,
        sys.stdout,
        unchecked=options.unchecked,
    )


def _check(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.check import check_job, summary

    _say(summary(check_job(options.job)))
    return ExitCode.CONVERGED


def _schema(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.json_schema import job_schema

    _say(json.dumps(job_schema(), indent=2))
    return ExitCode.CONVERGED


def _init(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.sites import GENERIC, load_site
    from elastane.jobs.templates import write_template

    site = load_site(options.site)  # before anything is written
    path = write_template(options.kind, Path())
    _say(f"wrote {path}; next: elastane check {path}")
    if site.name != GENERIC:
        chosen = f" --site {site.name}" if options.site else ""
        _say(f"on the cluster {site.name}: elastane submit{chosen} {path}")
    return ExitCode.CONVERGED


def _mesh_info(options: argparse.Namespace) -> ExitCode:
    from elastane.meshes.summary import summarise_file

    _say(summarise_file(options.file))
    return ExitCode.CONVERGED


def _doctor(options: argparse.Namespace) -> ExitCode:
    from elastane.jobs.doctor import examine, is_able_to_solve, report
    from elastane.jobs.gpu_doctor import examine_gpus

    findings = (
        list(examine(options.site))
        if options.gpu is None
        else examine_gpus(None if options.gpu == ANY_GPU else options.gpu)
    )
    _say(report(findings))
    return ExitCode.CONVERGED if is_able_to_solve(findings) else ExitCode.ENVIRONMENT


def _bench(options: argparse.Namespace) -> ExitCode:
    return run_benchmark(options.benchmark, options.arguments)


def _parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser = argparse.ArgumentParser(
        prog="elastane",
        description="Finite-strain solid mechanics with matrix-free high-order elements.",
        epilog="exit codes: 0 converged, 2 bad input, 3 did not converge, 4 environment, "
        "130 interrupted",
    )
    version = installed_version("elastane") or "(run from its sources)"
    parser.add_argument("--version", action="version", version=f"elastane {version}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", parents=[common], help="solve a job on this machine")
    run.add_argument("job", type=Path, metavar="JOB.yml")
    run.add_argument("-n", "--ranks", type=_ranks, default=1, help="MPI ranks (default 1)")
    run.add_argument("-o", "--output", type=Path, metavar="DIR", help="the run folder")
    run.add_argument(
        "--force", action="store_true", help="replace an earlier run of the same job in DIR"
    )
    run.add_argument(
        "--unchecked", action="store_true", help="use materials that fail `materials check`, too"
    )
    run.set_defaults(command=_run)

    check = commands.add_parser(
        "check", parents=[common], help="say everything that can be known without solving"
    )
    check.add_argument("job", type=Path, metavar="JOB.yml")
    check.set_defaults(command=_check)

    schema = commands.add_parser(
        "schema", parents=[common], help="print the JSON Schema of the job file"
    )
    schema.set_defaults(command=_schema)

    init = commands.add_parser("init", parents=[common], help="write a job file to start from")
    init.add_argument("kind", nargs="?", choices=KINDS, default="cantilever", metavar="KIND",
                      help=f"one of {', '.join(KINDS)}")  # fmt: skip
    _add_site(init)
    init.set_defaults(command=_init)

    add_commands(commands, common)

    mesh = commands.add_parser("mesh", parents=[common], help="meshes")
    mesh_actions = mesh.add_subparsers(required=True, metavar="info FILE")
    info = mesh_actions.add_parser(
        "info", parents=[common], help="cells, orders, regions, surfaces, worst element"
    )
    info.add_argument("file", type=Path)
    info.set_defaults(command=_mesh_info)

    doctor = commands.add_parser(
        "doctor", parents=[common], help="what is installed, what works, what is missing"
    )
    _add_site(doctor)
    doctor.add_argument("--gpu", nargs="?", const=ANY_GPU, choices=[ANY_GPU, *DEVICES],
                        metavar="BACKEND", help="what GPUs need instead: driver, CuPy, a kernel "
                        "that runs; cuda, hip, or any that works")  # fmt: skip
    doctor.set_defaults(command=_doctor)

    bench = commands.add_parser(
        "bench", parents=[common], help="measure this machine: operators, solves, scaling"
    )
    bench.add_argument("benchmark", choices=BENCHMARKS, metavar="WHAT",
                       help=f"one of {', '.join(BENCHMARKS)}")  # fmt: skip
    bench.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...",
                       help="as `elastane bench WHAT --help` lists")  # fmt: skip
    bench.set_defaults(command=_bench)
    add_service_commands(commands, common)
    return parser


def _add_site(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", metavar="NAME", help="the site profile (default: by host name)")


def _ranks(text: str) -> int:
    """Return a number of ranks."""
    if not (text.isdecimal() and 1 <= int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"must be from 1 to 1,000,000, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

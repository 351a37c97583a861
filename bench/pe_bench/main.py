# SPDX-License-Identifier: Apache-2.0
"""The command line. A subcommand is a module of pe_bench/commands, named after it, with

  HELP                    one line about it, for --help
  DESCRIPTION             more text; optional
  MEASURES                False for one that only reads results; optional
  add_arguments(parser)   its own options (argparse)
  NOT_CONTINUED           why --resume is refused, for one whose runs cannot be continued; optional
  NEEDS_ROOT              True for one that only root can run; optional
  options.cmd             is the command after --, for a module that sets a default for `cmd`
  run(run)                measure, with a Run (pe_bench/run.py); may return an exit status
  run(options)            if MEASURES is False; returns the exit status

One that measures also gets the options --output, --resume, --quick and --seed. It may raise
BenchError for what the user has to know, and KeyboardInterrupt for Ctrl-C passes through it.
"""
import argparse
import contextlib
import importlib
import os
import pkgutil
import shlex
import signal
import sys
import time

from fixtures import processes as fixture_processes
from fixtures.paths import BUILD

from . import commands, processes, temporary
from .errors import BenchError
from .run import Run, what_counts

INTERRUPTED = 130  # the exit status, as a shell has it after Ctrl-C


def find_modules():
    """The subcommands by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    return {
        name.replace("_", "-"): importlib.import_module(f"{commands.__name__}.{name}")
        for name in names
        if not name.startswith("_")
    }


def add_common_arguments(parser):
    group = parser.add_argument_group("options of all measurements")
    group.add_argument(
        "--output", metavar="FILE", help="the result file (default: a new one in build/bench)"
    )
    group.add_argument(
        "--resume", action="store_true", help="continue the run of the file that --output names"
    )
    group.add_argument(
        "--quick",
        action="store_true",
        help="a trial of less than 2 minutes, without what is built the first time; the file says so",
    )
    group.add_argument("--seed", type=int, metavar="N", help="choose the order of what is measured")


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="pe-bench",
        allow_abbrev=False,  # a run that is continued is recognized by its options
        description="Measure VMs, engines and machines. Each measurement writes one result file, "
        "also when Ctrl-C ends it. docs/pe-bench.md explains the subcommands and the file.",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in find_modules().items():
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            allow_abbrev=False,
            description=getattr(module, "DESCRIPTION", module.HELP),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        if getattr(module, "MEASURES", True):
            add_common_arguments(subparser)
        subparser.set_defaults(module=module)
    end = argv.index("--") if "--" in argv else len(argv)
    options = parser.parse_args(argv[:end])
    if end < len(argv):
        if not hasattr(options, "cmd"):
            parser.error(f"{options.command} runs no command, so there must be nothing after --")
        options.cmd = argv[end + 1 :]
    if getattr(options.module, "MEASURES", True):
        complete_common_arguments(parser, options)
    return options


def complete_common_arguments(parser, options):
    if options.resume and not options.output:
        parser.error("--resume needs --output, which names the file to continue")
    if options.resume and (reason := why_not_continued(options)):
        parser.error(f"{options.command} cannot continue a run, because {reason}")
    if options.seed is not None and options.seed < 0:
        parser.error("--seed must not be negative")
    if not options.output:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        options.output = os.path.join(
            BUILD, "bench", f"{options.command}-{stamp}-{os.getpid()}.json"
        )


def why_not_continued(options):
    """Why the runs of this subcommand cannot be continued; None if they can."""
    return getattr(options.module, "NOT_CONTINUED", None)


def on_terminate(_number, _frame):
    raise KeyboardInterrupt


def end(run, folder, failed):
    """End everything that the run has started, and remove its temporary files; if it has failed, they may have
    the reason. A second Ctrl-C does not stop this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.ExitStack() as last:
        last.callback(temporary.remove_if_empty if failed else temporary.remove_folder, folder)
        last.callback(temporary.unmount_below, folder)
        last.callback(processes.end_all_children)
        run.cleanup.close()


def continue_command(run, argv):
    name, *rest = what_counts(argv)
    return shlex.join(["bench/pe-bench", name, "--resume", "--output", run.path, *rest])


def what_next(run, argv):
    """What can be done after an interruption."""
    if reason := why_not_continued(run.options):
        return f"such a run cannot be continued, because {reason}"
    return f"continue with: {continue_command(run, argv)}"


def measure(options, argv):
    if getattr(options.module, "NEEDS_ROOT", False) and os.geteuid() != 0:
        raise BenchError(f"{options.command} needs root")
    processes.adopt_orphans()
    fixture_processes.NEW_SESSIONS = True  # so that Ctrl-C reaches only this process
    signal.signal(signal.SIGTERM, on_terminate)
    run = Run(options, argv)
    folder = temporary.make_folder()
    state, status = "failed", 0
    try:
        status = options.module.run(run) or 0
        state = "complete"
    except KeyboardInterrupt:
        state = "interrupted"
    finally:
        end(run, folder, state == "failed")
        close_file(run, state)
    report(run)
    if state == "interrupted":
        run.progress.say(f"interrupted; {what_next(run, argv)}")
        return INTERRUPTED
    return status


def close_file(run, state):
    """Write the file a last time. A run that failed before it measured anything leaves none."""
    if state == "failed" and not run.all_series() and not run.options.resume:
        if os.path.exists(run.path):
            os.unlink(run.path)
    else:
        run.save(state)


def report(run):
    """Print what was measured."""
    from . import tables  # pylint: disable=import-outside-toplevel  # only what measures needs it

    print(tables.of_file(run.data))
    print(f"\nThe results are in {run.path}")


def main(argv):
    """Run pe-bench. Returns its exit status."""
    options = parse(argv)
    try:
        if getattr(options.module, "MEASURES", True):
            return measure(options, argv)
        return options.module.run(options)
    except BenchError as error:
        print(f"pe-bench: {error}", file=sys.stderr)
        return 1

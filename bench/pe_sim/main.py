# SPDX-License-Identifier: Apache-2.0
"""The commands of bench/sim. What `hosts`, `limits` and `check` print are the tables of docs/scale.md, which
`tables` makes again."""
import argparse
import os
import re
import shlex
import signal
import sys

from fixtures.paths import TOP
from pe_bench import results
from pe_bench.errors import BenchError

from . import scale

DOCUMENT = "docs/scale.md"
TABLE = re.compile(r"^<!-- bench/sim ([^\n]*) -->\n(.*?)^<!-- bench/sim end -->$", re.M | re.S)


def parse(argv):
    parser = argparse.ArgumentParser(prog="sim", description="Sizes of a service, by simulation with measured times.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    measure = commands.add_parser("measure", help="measure the times, and make the real run to check with")
    measure.add_argument("--engine", action="append", help="may be given several times (default: uml+boot)")
    measure.add_argument("--rounds", type=int, default=12, help="jobs of each kind (default: 12)")
    measure.add_argument("--rate", type=float, action="append", help="jobs per second of the check (default: 1, 2)")
    measure.add_argument("--seconds", type=float, default=20, help="of each rate (default: 20)")
    measure.add_argument("--seed", type=int, default=1)
    measure.add_argument("--output", required=True, metavar="FILE")
    for name, text in (
        ("check", "compare the simulation with the real run"),
        ("hosts", "hosts, waiting and cost by users per day"),
        ("limits", "how many users fill each part"),
    ):
        scale.add_arguments(commands.add_parser(name, help=text))
    tables = commands.add_parser("tables", help=f"make the tables of {DOCUMENT} again")
    tables.add_argument("--check", action="store_true", help="change nothing; fail if one is not as generated")
    tables.add_argument("document", nargs="?", default=os.path.join(TOP, DOCUMENT))
    return parser.parse_args(argv)


def measure(options, argv):
    from fixtures import processes as fixture_processes  # pylint: disable=import-outside-toplevel
    from pe_bench import main as pe_bench_main, processes, temporary  # pylint: disable=import-outside-toplevel
    from pe_bench.run import Run  # pylint: disable=import-outside-toplevel

    from . import live  # pylint: disable=import-outside-toplevel

    options.quick, options.resume = False, False
    processes.adopt_orphans()
    fixture_processes.NEW_SESSIONS = True
    signal.signal(signal.SIGTERM, pe_bench_main.on_terminate)
    run, state, engines = Run(options, argv), "failed", options.engine or ["uml+boot"]
    folder = temporary.make_folder()
    try:
        for engine in engines:
            live.measure_times(run, engine, options.rounds)
        live.check(run, engines[0], options.rate or [1, 2], options.seconds)
        state = "complete"
    finally:
        pe_bench_main.end(run, folder, state == "failed")
        run.save(state)
    return 0


def lines_of(argv):
    """What a command prints."""
    options = parse(argv)
    data = results.read(os.path.join(TOP, options.times))
    machine = data["machine"]
    made = f"Times of the engine {options.engine}, measured on {machine['cores']} CPUs ({machine['cpu']}), "
    made += f"Linux {machine['kernel']}, load {machine['load'][0]:.1f} at the start, {data['started'][:10]}, by `bench/sim {shlex.join(data['argv'])}`."
    table = {"check": scale.check, "hosts": scale.hosts, "limits": scale.limits}[options.command](options, data)
    return [*table, "", *scale.wrapped(f"By `bench/sim {shlex.join(argv)}`. {made}")]


def regenerated(text):
    def make(match):
        lines = "\n".join(lines_of(shlex.split(match[1])))
        return f"<!-- bench/sim {match[1]} -->\n\n{lines}\n\n<!-- bench/sim end -->"

    return TABLE.sub(make, text)


def tables(options):
    with open(options.document, encoding="utf-8") as file:
        text = file.read()
    wanted = regenerated(text)
    if text == wanted:
        return 0
    if options.check:
        print(f"{options.document}: a table is not what its command prints; run bench/sim tables", file=sys.stderr)
        return 1
    with open(options.document, "w", encoding="utf-8") as file:
        file.write(wanted)
    return 0


def main(argv):
    options = parse(argv)
    if options.command == "measure":
        return measure(options, argv)
    if options.command == "tables":
        return tables(options)
    try:
        print("\n".join(lines_of(argv)))
    except BenchError as error:
        print(f"sim: {error}", file=sys.stderr)
        return 1
    return 0


# SPDX-License-Identifier: Apache-2.0
"""One run of a subcommand that measures: its steps, results and random numbers, and what is to be
ended.

A subcommand does its work in steps, and the result file is written after each of them:

    def run(run):
        names = [f"{vms} VMs" for vms in (1, 2, 4)]
        for name in run.todo(names):  # without those that --resume has found in the file
            with run.step(name):
                run.add("total", "us", 12345, engine="uml+boot", vms=1)
                run.fail("total", "us", "timeout", engine="uml+boot", vms=1)
        run.answer("4 VMs are enough.")

What a step has measured becomes part of the results when the step is complete. If it is
interrupted, its series are kept as well, marked `partial`, and --resume replaces them.
"""
import contextlib
import datetime
import os
import random
import shlex
import time

from . import machine, results
from .errors import BenchError
from .progress import Progress

QUICK_S = 45  # of a trial, in which steps are begun; it has to end within 2 minutes, also on a busy machine


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def what_counts(argv):
    """The command line without what may differ when a run is continued."""
    rest, kept = iter(argv), []
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest]
        if argument in ("--output", "--seed"):
            next(rest, None)
        elif argument != "--resume" and not argument.startswith(("--output=", "--seed=")):
            kept.append(argument)
    return kept


def add_rounds(parser, usual, quick):
    """The option --rounds, for Run.rounds."""
    parser.add_argument(
        "--rounds", type=int, metavar="N", help=f"repetitions (default {usual}; quick {quick})"
    )


class Run:
    """`options` are those of the command line. `quick`, `seed`, `command` and `output` are among
    them."""

    def __init__(self, options, argv):
        self.options, self.quick = options, options.quick
        self.path = options.output
        self.cleanup = contextlib.ExitStack()  # ended when the run ends, in whatever way
        self.progress = Progress()
        self.pending, self.step_name = (
            None,
            "",
        )  # the series of the step that is being done, and its name
        self.data = self.continued(argv) if options.resume else self.fresh(argv)
        self.series = results.SeriesSet(
            series for series in self.data["series"] if not series.get("partial")
        )
        self.seed = self.data["seed"]

    def rounds(self, usual, quick):
        """How often to measure: what --rounds says, or one of these."""
        return self.options.rounds or (quick if self.quick else usual)

    # ---- the file ----

    def fresh(self, argv):
        if os.path.exists(self.path):
            raise BenchError(
                f"the result file {self.path} exists; --resume continues it, "
                "--output names another one"
            )
        return {
            "schema": results.SCHEMA,
            "command": self.options.command,
            "argv": argv,
            "started": now(),
            "ended": now(),
            "state": "running",
            "seed": self.options.seed
            if self.options.seed is not None
            else time.time_ns() % 10**6,
            "quick": self.quick,
            "version": machine.program_version(),
            "machine": machine.facts(),
            "steps": [],
            "series": [],
            "answer": None,
        }

    def continued(self, argv):
        data = results.read(self.path)
        if what_counts(data["argv"]) != what_counts(argv):
            raise BenchError(
                f"cannot continue {self.path}: it is of `pe-bench {shlex.join(data['argv'])}`"
            )
        here = machine.facts()
        for fact in ("cpu", "cores", "kernel", "memory_mib", "vmm"):
            if here[fact] != data["machine"][fact]:
                raise BenchError(
                    f"cannot continue {self.path}: it was measured where {fact} is "
                    f"{data['machine'][fact]}, and here it is {here[fact]}"
                )
        if self.options.seed not in (None, data["seed"]):
            raise BenchError(f"cannot continue {self.path}: its seed is {data['seed']}")
        data["state"] = "running"
        return data

    def save(self, state="running"):
        pending = self.pending.items if self.pending else []
        partial = [{**series, "partial": True} for series in pending]
        self.data.update(state=state, ended=now(), series=self.series.items + partial)
        results.write(self.path, self.data)

    # ---- steps ----

    def todo(self, names, weights=None):
        """The steps that are still to be done, in the order of `names`. Call it once. `weights`:
        see Progress. A trial (--quick) does the first one and those for which it has time."""
        done = {step["name"] for step in self.data["steps"]}
        left = [name for name in names if name not in done]
        weights = weights or {}
        self.progress.done = len(names) - len(left)
        self.progress.plan({name: weights.get(name, 1) for name in left})
        self.save()
        return self.while_there_is_time(left) if self.quick else left

    def while_there_is_time(self, names):
        end = time.monotonic() + QUICK_S
        for number, name in enumerate(names):
            if number and time.monotonic() > end:
                self.progress.say(f"a trial has no time for the other {len(names) - number} steps")
                return
            yield name

    @contextlib.contextmanager
    def step(self, name):
        """One step. What it adds becomes part of the results at its end, and the file is
        written."""
        self.progress.begin(name)
        self.step_name = name
        self.pending, began = results.SeriesSet(), time.monotonic()
        yield
        seconds = time.monotonic() - began
        self.series.merge(self.pending)
        self.pending, self.step_name = None, ""
        self.data["steps"].append(
            {"name": name, "seconds": round(seconds, 3), "load": machine.load()}
        )
        self.progress.end(name, seconds)
        self.save()

    def shuffled(self, items):
        """The items in an order that depends on nothing but the seed and the step that is being
        done."""
        items = list(items)
        self.random_for(f"order of {len(items)} in {self.step_name}").shuffle(items)
        return items

    def random_for(self, purpose):
        """Random numbers that depend on the seed and a text only, so that a run that is continued
        gets the same ones."""
        return random.Random(f"{self.seed} {purpose}")

    # ---- results ----

    def into(self):
        return self.pending if self.pending is not None else self.series

    def add(self, name, unit, value, **labels):
        """Add a sample."""
        self.into().get(name, unit, labels)["samples"].append(value)

    def set(self, name, unit, value, **labels):
        """Let a series have this sample only: a figure that is computed from all others at the end of a run, and
        again when the run was continued."""
        self.into().get(name, unit, labels)["samples"][:] = [value]

    def fail(self, name, unit, reason, **labels):
        """Count an attempt that gave no sample."""
        results.count_failure(self.into().get(name, unit, labels), reason)

    def not_available(self, name, unit, reason, **labels):
        """Note that this cannot be measured here."""
        self.into().get(name, unit, labels)["n/a"] = reason

    def answer(self, text):
        """The result in one sentence, which ends with a full stop."""
        self.data["answer"] = text

    def all_series(self):
        """What has been measured until now, as in a result file."""
        return self.series.items

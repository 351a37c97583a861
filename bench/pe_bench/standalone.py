# SPDX-License-Identifier: Apache-2.0
"""Result files of the other programs in bench/, in the format of pe-bench.

    path, arguments = standalone.take_output(sys.argv[1:])      # --output FILE, wherever it is
    result = standalone.Result("bench/idle", sys.argv[1:])      # before anything is measured
    result.add("PSS", "MiB", 15.6, engine="uml+boot")
    result.write(path)                                          # nothing without a path

`pe-bench show` reads them, and the tables of the documents can be made from them."""
import os
import sys

from . import machine, results
from .run import now


def take_output(arguments):
    """The value of --output, or None, and the other arguments."""
    if "--output" not in arguments:
        return None, arguments
    place = arguments.index("--output")
    if place + 1 == len(arguments):
        sys.exit("--output needs the name of a file")
    return arguments[place + 1], arguments[:place] + arguments[place + 2 :]


class Result:
    """What a program measures. `program` is its path in this repository; `seed` is what its choices come from."""

    def __init__(self, program, arguments, seed=0):
        self.series = results.SeriesSet()
        self.data = {
            "schema": results.SCHEMA,
            "program": program,
            "command": os.path.basename(program),
            "argv": list(arguments),
            "started": now(),
            "seed": seed,
            "quick": False,
            "version": machine.program_version(),
            "machine": machine.facts(),
            "steps": [],
        }

    def add(self, name, unit, value, **labels):
        """Add a sample."""
        self.series.get(name, unit, labels)["samples"].append(value)

    def fail(self, name, unit, reason, **labels):
        """Count an attempt that gave no sample."""
        results.count_failure(self.series.get(name, unit, labels), reason)

    def write(self, path, state="complete", answer=None):
        """Write the file, if there is a path. `answer` is the result in one sentence."""
        if path:
            end = {"ended": now(), "state": state, "answer": answer, "series": self.series.items}
            results.write(path, {**self.data, **end})
            print(f"The results are in {path}")

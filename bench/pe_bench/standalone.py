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
    """What a program measures. `program` is its path in this repository."""

    def __init__(self, program, arguments):
        self.series = results.SeriesSet()
        self.data = {
            "schema": results.SCHEMA,
            "program": program,
            "command": os.path.basename(program),
            "argv": list(arguments),
            "started": now(),
            "seed": 0,
            "quick": False,
            "version": machine.program_version(),
            "machine": machine.facts(),
            "steps": [],
            "answer": None,
        }

    def add(self, name, unit, value, **labels):
        """Add a sample."""
        self.series.get(name, unit, labels)["samples"].append(value)

    def write(self, path):
        """Write the file, if there is a path."""
        if path:
            results.write(path, {**self.data, "ended": now(), "state": "complete", "series": self.series.items})
            print(f"The results are in {path}")

# SPDX-License-Identifier: Apache-2.0
"""Result files: one JSON object each, of the form in schema.json (docs/pe-bench.md explains it)."""
import functools
import json
import os
import tempfile

import jsonschema

from .errors import BenchError

SCHEMA = 1
SCHEMA_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schema.json")

# Whether less is better, by unit; a series may say something else.
BETTER = dict.fromkeys(("us", "ms", "s", "KiB", "MiB", "% of a core"), "lower")
BETTER.update(dict.fromkeys(("1/s", "MiB/s"), "higher"))


@functools.cache
def schema():
    with open(SCHEMA_PATH, encoding="utf-8") as file:
        return json.load(file)


def validate(data, what):
    """Check the object of a result file. `what` names it in the error."""
    try:
        jsonschema.validate(data, schema())
    except jsonschema.ValidationError as fault:
        where = "/".join(map(str, fault.absolute_path)) or "the object"
        raise BenchError(f"{what} is not a result of pe-bench: {where}: {fault.message}") from fault


def read(path):
    """The object in a result file. It may come from another machine, so it is checked."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError) as fault:
        raise BenchError(f"cannot read the result file {path}: {fault}") from fault
    validate(data, path)
    return data


def write(path, data):
    """Write a result file in one step: after a crash there is the old file or the new one."""
    validate(data, f"what is written to {path}")
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=folder, prefix=".pe-bench-", delete=False
        ) as file:
            json.dump(data, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as fault:
        raise BenchError(f"cannot write the result file {path}: {fault}") from fault


class SeriesSet:
    """Series by name, unit and labels. Numbers and labels are what JSON has."""

    def __init__(self, items=()):
        self.items = list(items)

    def get(self, name, unit, labels):
        """The series, which is created if there is none."""
        labels = {key: str(value) for key, value in labels.items()}
        for series in self.items:
            if (series["name"], series["unit"], series["labels"]) == (name, unit, labels):
                return series
        series = {
            "name": name,
            "unit": unit,
            "labels": labels,
            "samples": [],
            "failures": [],
            "n/a": None,
        }
        if unit in BETTER:
            series["better"] = BETTER[unit]
        self.items.append(series)
        return series

    def merge(self, other):
        """Add the samples and failures of another set to this one."""
        for series in other.items:
            mine = self.get(series["name"], series["unit"], series["labels"])
            mine["samples"] += series["samples"]
            for failure in series["failures"]:
                count_failure(mine, failure["reason"], failure["count"])
            mine.update({key: series[key] for key in ("n/a", "better") if series.get(key)})


def count_failure(series, reason, count=1):
    for failure in series["failures"]:
        if failure["reason"] == reason:
            failure["count"] += count
            return
    series["failures"].append({"reason": reason, "count": count})

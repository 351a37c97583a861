# SPDX-License-Identifier: Apache-2.0
"""Tables of results for the terminal."""
import math

from . import samples

COLUMNS = ("n", "median", "p95", "p99", "least", "most", "mean", "deviation")


def number_text(value):
    """A number with three significant digits, at least to the units: 0.00123, 1.23, 12.3, 1234."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def align(rows):
    """Lines of a table. The first column is aligned to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:])),
            ]
        ).rstrip()
        for row in rows
    ]


def constant_labels(series):
    """The labels that all these series have with one value."""
    every = [set(one["labels"].items()) for one in series]
    return dict(set.intersection(*every)) if every else {}


def labels_text(labels):
    return " ".join(f"{key}={value}" for key, value in labels.items())


def series_text(series, without=()):
    """How a series is called in a table, without some labels: "total [us] engine=uml+boot
    vms=1"."""
    labels = labels_text(
        {key: value for key, value in series["labels"].items() if key not in without}
    )
    cut = " (interrupted)" if series.get("partial") else ""
    return f"{series['name']} [{series['unit']}] {labels}".rstrip() + cut


def figures(values):
    """The cells of COLUMNS."""
    if not values:
        return ["0"] + ["-"] * (len(COLUMNS) - 1)
    return [
        str(len(values)),
        *(number_text(samples.percentile(values, percent)) for percent in (50, 95, 99)),
        number_text(min(values)),
        number_text(max(values)),
        number_text(sum(values) / len(values)),
        number_text(samples.deviation(values)),
    ]


def machine_text(data):
    machine = data["machine"]
    vmms = ", ".join(f"{name} {version}" for name, version in machine["vmm"].items()) or "no VMM"
    return (
        f"{machine['cpu']}, {machine['cores']} CPUs, {machine['memory_mib']} MiB, "
        f"Linux {machine['kernel']}; {vmms}; load {machine['load'][0]:.1f} at the start"
    )


def title(data):
    quick = " --quick: a trial, no figures to quote." if data["quick"] else ""
    state = "" if data["state"] == "complete" else f" ({data['state']})"
    return f"pe-bench {data['command']}, {data['started']}{state}.{quick}"


def of_file(data):
    """The tables of one result file, as text."""
    constant = constant_labels(data["series"]) if len(data["series"]) > 1 else {}
    lines = [title(data), machine_text(data)]
    lines += [f"Everything: {labels_text(constant)}", ""] if constant else [""]
    measured = [series for series in data["series"] if not series["n/a"]]
    if measured:
        lines += align(
            [
                ["", *COLUMNS],
                *([series_text(one, constant), *figures(one["samples"])] for one in measured),
            ]
        )
    for series in data["series"]:
        for failure in series["failures"]:
            lines.append(
                f"{series_text(series, constant)}: "
                f"failed {failure['count']} times: {failure['reason']}"
            )
        if series["n/a"]:
            lines.append(f"{series_text(series, constant)}: n/a: {series['n/a']}")
    if data["answer"]:
        lines += ["", data["answer"]]
    return "\n".join(lines)

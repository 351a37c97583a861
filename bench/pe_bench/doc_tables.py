# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown documents that come from result files.

A document says what stands between two comments:

    <!-- pe-bench table file=bench/results/compare.json series="start to end" rows=way columns=job figure=p50/p99 -->
    …
    <!-- pe-bench end -->

`rows` and `columns` are labels of the series; several are joined with +, as rows=way+cpus. `series` may have
several names with | between them; then the label `series` is the name. `where=LABEL=VALUE`
takes only the series with that label. `figure` is made of p50, p95, p99, mean, deviation, least and most, with /
between two of them, or is `value` for series of one number, or `count` for those of one whole number. `scale=N`
divides each figure by N."""
import os
import re
import shlex
import textwrap

from fixtures.paths import TOP

from . import results
from .errors import BenchError
from .samples import deviation, percentile
from .tables import number_text

BEGIN = re.compile(r"^<!-- pe-bench table (.*) -->$", re.M)
END = "<!-- pe-bench end -->"
FIGURES = {
    "p50": lambda values: percentile(values, 50),
    "p95": lambda values: percentile(values, 95),
    "p99": lambda values: percentile(values, 99),
    "mean": lambda values: sum(values) / len(values),
    "deviation": deviation,
    "least": min,
    "most": max,
    "value": lambda values: values[-1],
    "count": lambda values: values[-1],
}
SINGLE = {"value", "count"}
SETTINGS = {"file", "series", "rows", "columns", "figure", "where", "scale"}
WIDTH = 100


def parse_settings(text, where):
    """The settings of a comment; `where` names it in errors."""
    settings = dict(word.partition("=")[::2] for word in shlex.split(text))
    missing = {"file", "series", "rows", "figure"} - settings.keys()
    unknown = settings.keys() - SETTINGS
    if missing or unknown:
        raise BenchError(
            f"{where}: a table needs {', '.join(sorted(missing)) or 'nothing more'}, and does not know "
            f"{', '.join(sorted(unknown)) or 'nothing'}"
        )
    for name in settings["figure"].split("/"):
        if name not in FIGURES:
            raise BenchError(f"{where}: there is no figure {name!r}; there are {', '.join(FIGURES)}")
    return settings


def labels_text(series, names):
    """What a row or column is called: the values of its labels, with the names of those that are numbers."""
    texts = []
    for name in names:
        value = series["name"] if name == "series" else series["labels"].get(name, "")
        if value:
            texts.append(f"{value} {name.replace('_', ' ')}" if re.fullmatch(r"[\d.]+", value) else value)
    return escaped(", ".join(texts))


def chosen_series(data, settings):
    label, _, value = settings.get("where", "").partition("=")
    found = [
        one
        for name in settings["series"].split("|")
        for one in data["series"]
        if one["name"] == name
        and not one.get("partial")
        and (not label or one["labels"].get(label) == value)
    ]
    if not found:
        raise BenchError(f"{settings['file']} has no series {settings['series']!r} for the table")
    return found


def cell(series, settings, notes):
    """The text of one cell. What could not be measured gets the number of its reason in `notes`."""
    if series["samples"]:
        scale = float(settings.get("scale", 1))
        values = [one / scale for one in series["samples"]]
        return " / ".join(figure_text(name, values) for name in settings["figure"].split("/"))
    reason = series["n/a"] or "; ".join(one["reason"] for one in series["failures"]) or "nothing was measured"
    if reason not in notes:
        notes.append(reason)
    return f"{'n/a' if series['n/a'] else 'failed'} ({notes.index(reason) + 1})"


def figure_text(name, values):
    value = FIGURES[name](values)
    return f"{value:,.0f}" if name == "count" else number_text(value)


def joined(texts):
    """a, b and c"""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if texts[1:] else texts)


def table_of(data, settings):
    """The lines of the table, with its notes and its origin."""
    rows, columns, notes = {}, [], []
    across = settings["columns"].split("+") if "columns" in settings else []
    for series in chosen_series(data, settings):
        column = labels_text(series, across) or f"{settings['figure'].replace('/', ' / ')}, {series['unit']}"
        if column not in columns:
            columns.append(column)
        row = rows.setdefault(labels_text(series, settings["rows"].split("+")), {})
        if column in row:
            raise BenchError(f"two series of {settings['file']} are in one cell; name more labels, or use where=")
        row[column] = cell(series, settings, notes)
    lines = ["| | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    lines += [
        "| " + " | ".join([name, *(row.get(column, "-") for column in columns)]) + " |" for name, row in rows.items()
    ]
    lines.append("")
    for number, reason in enumerate(notes):
        lines += [*wrapped(f"({number + 1}) {escaped(reason)}"), ""]
    return [*lines, *wrapped(origin(data, settings))]


def escaped(text):
    """A text as part of a line: what looks like Markdown or HTML stays as it is written."""
    return re.sub(r"([<>*_`|])", r"\\\1", " ".join(text.split()))


def wrapped(text):
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def command_of(data):
    """The command that prints these figures, without the name of its file."""
    argv, skip = [data.get("program", "bench/pe-bench")], False
    for word in data["argv"]:
        if not skip and not word.startswith("--output"):
            argv.append(word)
        skip = word == "--output"
    return shlex.join(argv)


def origin(data, settings):
    """Where the figures come from."""
    chosen = chosen_series(data, settings)
    figures = settings["figure"].replace("/", " / ") + " in "
    unit = joined(list(dict.fromkeys(one["unit"] for one in chosen)))
    counts = sorted({len(one["samples"]) for one in chosen if one["samples"]})
    many = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0] if counts else 0)
    machine = data["machine"]
    quick = ", a trial with shortened times and sizes," if data["quick"] else ""
    what = f"In {unit}" if settings["figure"] in SINGLE else f"{figures}{unit}, of {many} samples each"
    return (
        f"{what}, by `{command_of(data)}`{quick} on {machine['cores']} CPUs "
        f"({machine['cpu']}), {machine['memory_mib'] / 1024:.0f} GiB, Linux {machine['kernel']}, load "
        f"{machine['load'][0]:.1f} at the start, {data['started'][:10]}."
    )


def regenerated(text, name):
    """The document `text` with all its tables made again. `name` names it in errors."""
    pieces, place = [], 0
    for match in BEGIN.finditer(text):
        if match.start() < place:
            raise BenchError(f"{name}: a table begins inside of another one")
        where = f"{name}, line {text.count(chr(10), 0, match.start()) + 1}"
        end = text.find(END, match.end())
        if end < 0:
            raise BenchError(f"{where}: the table has no line {END}")
        settings = parse_settings(match[1], where)
        data = results.read(os.path.join(TOP, settings["file"]))
        pieces += [text[place : match.end()], "\n\n", "\n".join(table_of(data, settings)), "\n\n"]
        place = end
    return "".join([*pieces, text[place:]])

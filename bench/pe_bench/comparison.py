# SPDX-License-Identifier: Apache-2.0
"""Results side by side: two engines, two machines, before and after.

A comparison has columns, which are files or the values of a label, and rows, which are series. The
first column is what the others are compared with.
"""
import os
from dataclasses import dataclass, field

from . import samples, tables
from .errors import BenchError


@dataclass
class Column:
    title: str
    data: dict  # of the file that it is from
    cells: dict = field(default_factory=dict)  # the series of each row


@dataclass
class Row:
    name: str
    unit: str
    labels: tuple  # of (key, value)
    hidden: dict = field(default_factory=dict)  # labels that all rows have with one value

    @property
    def key(self):
        return self.name, self.unit, self.labels

    @property
    def text(self):
        return tables.series_text(
            {"name": self.name, "unit": self.unit, "labels": dict(self.labels)}, self.hidden
        )


@dataclass
class Difference:
    """Of a series in another column to that in the first."""

    change: float  # of the medians: 0.1 is 10 % more
    chance: float  # that the difference is one of chance only
    better: str  # "lower", "higher" or ""

    @property
    def is_significant(self):
        return self.chance < samples.SIGNIFICANT

    @property
    def slower_by(self):
        """How much worse the other column is, as a share; 0 if it is not, or if neither is
        better."""
        if self.better == "lower":
            return max(self.change, 0)
        if self.better == "higher" and self.change > -1:
            return max(1 / (1 + self.change) - 1, 0)
        return float("inf") if self.better == "higher" else 0


class Comparison:
    """The columns, and the rows that have samples in any of them, in the order of the files."""

    def __init__(self, columns):
        self.columns, self.rows = columns, []
        seen = set()
        for column in columns:
            for key, series in column.cells.items():
                if key not in seen and has_figures(series):
                    seen.add(key)
                    self.rows.append(Row(*key))
        constant = tables.constant_labels([{"labels": dict(row.labels)} for row in self.rows])
        for row in self.rows:
            row.hidden = constant if len(self.rows) > 1 else {}
        self.constant = constant

    def samples(self, row, column):
        series = column.cells.get(row.key)
        return series["samples"] if series else []

    def difference(self, row, column):
        """None if there is nothing to compare."""
        first = self.columns[0]
        before, after = self.samples(row, first), self.samples(row, column)
        by = samples.change(before, after)
        if column is first or by is None:
            return None
        better = column.cells[row.key].get("better", "")
        return Difference(by, samples.chance(before, after), better)


def has_figures(series):
    return bool(series and (series["samples"] or series["failures"]))


def add_cells(column, series, dropped):
    for one in series:
        labels = tuple(item for item in one["labels"].items() if item[0] not in dropped)
        key = one["name"], one["unit"], labels
        if not has_figures(column.cells.get(key)):
            column.cells[key] = one


def of_files(files):
    """Compare files: (path, object) of each. A label in which the files differ as a whole, such as
    the engine, becomes part of the title of the column."""
    constant = [tables.constant_labels(data["series"]) for _, data in files]
    shared = set.intersection(*(set(labels) for labels in constant))
    differing = {key for key in shared if len({labels[key] for labels in constant}) > 1}
    columns = []
    for (path, data), labels in zip(files, constant):
        name = os.path.basename(path).removesuffix(".json")
        title = " ".join([name, *(f"{key}={labels[key]}" for key in sorted(differing))])
        columns.append(Column(title, data))
        add_cells(columns[-1], data["series"], differing)
    return Comparison(columns)


def by_label(files, label, first=None):
    """Compare the values of a label, such as the engine, in the order in which the files have them;
    `first` is the value that the others are compared with, if it is not the first of the files."""
    columns = {}
    for _, data in files:
        for series in data["series"]:
            if label in series["labels"]:
                value = series["labels"][label]
                column = columns.setdefault(value, Column(f"{label}={value}", data))
                add_cells(column, [series], {label})
    if not columns:
        raise BenchError(f"no series has a label '{label}'")
    return Comparison(sorted(columns.values(), key=lambda column: column.title != f"{label}={first}"))


# ---- tables ----


def cell_text(values):
    """The median and the distance of the quartiles."""
    if not values:
        return "-"
    spread = tables.number_text(samples.quartile_distance(values)) if len(values) > 1 else "?"
    return f"{tables.number_text(samples.percentile(values, 50))} ±{spread}"


def difference_text(difference):
    if difference is None:
        return ""
    mark = "*" if difference.is_significant else ""
    return f"{difference.change * 100:+.1f} %{mark}"


def rows_of_cells(comparison):
    """The table as texts: a head, and a row for each series."""
    first, *others = comparison.columns
    head = ["", first.title, *(text for column in others for text in (column.title, "change"))]
    rows = [head]
    for row in comparison.rows:
        cells = [row.text, cell_text(comparison.samples(row, first))]
        for column in others:
            cells += [
                cell_text(comparison.samples(row, column)),
                difference_text(comparison.difference(row, column)),
            ]
        rows.append(cells)
    return rows


EXPLANATION = (
    "Median ±distance of the 25th and the 75th percentile. A change is that of the median compared "
    "with the first column. * It is significant: a Mann-Whitney U test gives a difference of "
    "chance less than 5 %."
)


def notes(comparison):
    """What a reader has to know before using the figures."""
    found = (
        [f"Everything: {tables.labels_text(comparison.constant)}."] if comparison.constant else []
    )
    machines = {
        tables.machine_text(column.data).split("; load")[0] for column in comparison.columns
    }
    if len(machines) > 1:
        found.append("The columns were measured on different machines.")
    for column in comparison.columns:
        if column.data["quick"]:
            found.append(f"{column.title}: --quick, a trial, no figures to quote.")
        if column.data["state"] != "complete":
            found.append(f"{column.title}: the run is {column.data['state']}.")
    return found


def text_of(comparison):
    lines = tables.align(rows_of_cells(comparison))
    for column in comparison.columns:
        lines.append(
            f"{column.title}: {tables.title(column.data)} {tables.machine_text(column.data)}"
        )
        for row in comparison.rows:
            series = column.cells.get(row.key)
            lines += [
                f"{column.title}: {row.text}: failed {one['count']} times: {one['reason']}"
                for one in (series["failures"] if series else [])
            ]
            if series and series["n/a"]:
                lines.append(f"{column.title}: {row.text}: n/a: {series['n/a']}")
    return "\n".join([*lines, "", *notes(comparison), EXPLANATION])


# ---- a limit ----


def has_common_series(comparison):
    """Whether anything can be compared with the first column."""
    columns = comparison.columns[1:]
    return any(comparison.difference(row, column) for row in comparison.rows for column in columns)


def why_no_samples(series):
    if series and series["failures"]:
        return "all attempts failed"
    if series and series["n/a"]:
        return f"it cannot be measured any more: {series['n/a']}"
    return "it was not measured"


def slower_than(comparison, share):
    """Sentences about each series that is worse than in the first column by more than the share,
    and significantly so, or has failures or a reason in the place of samples; and about those that
    have too few samples to tell, or are not there.
    """
    worse, unclear = [], []
    for row in comparison.rows:
        before = comparison.samples(row, comparison.columns[0])
        for column in comparison.columns[1:]:
            difference = comparison.difference(row, column)
            series = column.cells.get(row.key)
            what = f"{row.text}, {column.title}"
            if before and not (series and series["samples"]):
                is_lost = series and (series["failures"] or series["n/a"])
                (worse if is_lost else unclear).append(f"{what}: {why_no_samples(series)}")
            elif difference and difference.slower_by > share:
                by = f"{what}: {difference.slower_by * 100:.1f} % slower"
                if difference.is_significant:
                    worse.append(by)
                else:
                    unclear.append(f"{by}, which can be chance ({difference.chance * 100:.0f} %)")
    return worse, unclear

# SPDX-License-Identifier: Apache-2.0
"""Charts of a comparison, as SVG, drawn by matplotlib: lines where the number of VMs changes, and
boxes elsewhere."""
import io

from . import samples
from .errors import BenchError

AXIS = "vms"  # the label with numbers, which is the x axis of lines
MOST_BOXES = 40  # in one chart
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000")


def new_figure(width, height):
    try:
        # They take a second, and only charts need them.
        import matplotlib  # pylint: disable=import-outside-toplevel
        from matplotlib.figure import Figure  # pylint: disable=import-outside-toplevel
    except ImportError as fault:
        raise BenchError(
            f"charts need matplotlib, which `make bench-deps` installs: {fault}"
        ) from fault
    # The same results make the same bytes.
    matplotlib.rcParams.update({"svg.hashsalt": "pe-bench", "svg.fonttype": "none", "font.size": 9})
    return Figure(figsize=(width, height), layout="constrained")


def svg_of(figure):
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def without_axis(labels):
    return tuple(item for item in labels if item[0] != AXIS)


def name_of(labels):
    return " ".join(f"{key}={value}" for key, value in labels)


def groups(comparison):
    """The rows of each chart: (title, unit, rows, whether it has lines)."""
    lines, boxes = {}, {}
    for row in comparison.rows:
        if not any(comparison.samples(row, column) for column in comparison.columns):
            continue
        if AXIS in dict(row.labels):
            lines.setdefault((row.name, row.unit), []).append(row)
        else:
            boxes.setdefault(row.unit, []).append(row)
    found = []
    for (name, unit), rows in lines.items():
        if len({dict(row.labels)[AXIS] for row in rows}) > 1:
            found.append((name, unit, rows, True))
        else:
            boxes.setdefault(unit, []).extend(rows)
    for unit, rows in boxes.items():
        for at in range(0, len(rows), MOST_BOXES):
            found.append(("", unit, rows[at : at + MOST_BOXES], False))
    return found


def draw_lines(comparison, name, unit, rows):
    """The median, and the quartiles as an area."""
    figure = new_figure(7, 3.6)
    axes = figure.subplots()
    number = 0
    for column in comparison.columns:
        for labels in dict.fromkeys(without_axis(row.labels) for row in rows):
            points = sorted(
                (float(dict(row.labels)[AXIS]), comparison.samples(row, column))
                for row in rows
                if without_axis(row.labels) == labels and comparison.samples(row, column)
            )
            if not points:
                continue
            color = COLORS[number % len(COLORS)]
            number += 1
            x = [at for at, _ in points]
            middle, low, high = (
                [samples.percentile(values, p) for _, values in points] for p in (50, 25, 75)
            )
            axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
            axes.plot(
                x,
                middle,
                marker="o",
                color=color,
                label=f"{column.title} {name_of(labels)}".strip(),
            )
    axes.set(title=name, xlabel="VMs at once", ylabel=unit)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return svg_of(figure)


def draw_boxes(comparison, unit, rows):
    """A box for each series and column: median, quartiles, and the samples beyond as points."""
    height = 1.2 + 0.22 * len(rows) * len(comparison.columns)
    figure = new_figure(8, height)
    axes = figure.subplots()
    step = len(comparison.columns) + 0.6
    for number, column in enumerate(comparison.columns):
        places, values = [], []
        for at, row in enumerate(rows):
            if comparison.samples(row, column):
                places.append(at * step + number)
                values.append(comparison.samples(row, column))
        if not values:
            continue
        color = COLORS[number % len(COLORS)]
        axes.boxplot(
            values,
            positions=places,
            vert=False,
            widths=0.7,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": color, "alpha": 0.5},
            medianprops={"color": "black"},
            flierprops={"markersize": 3},
        )
        axes.plot([], [], color=color, linewidth=6, alpha=0.5, label=column.title)
    middle = (len(comparison.columns) - 1) / 2
    axes.set_yticks([at * step + middle for at in range(len(rows))], [row.text for row in rows])
    axes.invert_yaxis()
    all_values = [
        value
        for row in rows
        for column in comparison.columns
        for value in comparison.samples(row, column)
    ]
    if min(all_values) > 0 and max(all_values) > 20 * min(all_values):
        axes.set_xscale("log")
    axes.set_xlabel(unit)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=7)
    return svg_of(figure)


def draw(comparison):
    """The charts: (name of a file without its ending, SVG text) of each."""
    found = []
    for number, (name, unit, rows, has_lines) in enumerate(groups(comparison), 1):
        svg = (
            draw_lines(comparison, name, unit, rows)
            if has_lines
            else draw_boxes(comparison, unit, rows)
        )
        words = "".join(
            letter if letter.isalnum() else "-" for letter in f"{name} {unit}".strip().lower()
        )
        found.append((f"{number:02}-{words}", svg))
    return found

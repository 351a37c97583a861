# SPDX-License-Identifier: Apache-2.0
"""One HTML page with tables and charts, which needs nothing else: no other file, no network."""
from html import escape

from . import comparison, tables

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; }
body { margin: 2em auto; max-width: 75em; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
td, th { padding: 0.15em 0.8em; text-align: right; border-bottom: 1px solid #ddd; }
td:first-child, th:first-child { text-align: left; }
svg { max-width: 100%; height: auto; }
dt { font-weight: bold; }
@media (prefers-color-scheme: dark) { body, svg { background: #fff; } }
"""


def table(rows):
    head, *body = rows
    lines = ["<table>", "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += [
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body
    ]
    return "\n".join([*lines, "</table>"])


def about(column):
    """What a file says about itself."""
    data = column.data
    facts = [tables.title(data), tables.machine_text(data)]
    governor = data["machine"]["governor"] or "none"
    host = data["machine"]["virtualization"]["host"]
    facts.append(f"The machine runs in: {host}. Governor of the clock frequency: {governor}.")
    facts.append("Command: pe-bench " + " ".join(data["argv"]))
    mitigations = data["machine"]["mitigations"].items()
    facts.append("Mitigations: " + "; ".join(f"{name}: {text}" for name, text in mitigations))
    body = "".join(f"<dd>{escape(fact)}</dd>" for fact in facts)
    return f"<dt>{escape(column.title)}</dt>{body}"


def failures(data):
    lines = []
    for series in data["series"]:
        text = tables.series_text(series)
        lines += [
            f"{text}: failed {one['count']} times: {one['reason']}" for one in series["failures"]
        ]
        if series["n/a"]:
            lines.append(f"{text}: n/a: {series['n/a']}")
    return lines


def make(compared, files, charts):
    """The text of the page. `files` has the objects of the result files, and `charts` what
    charts.draw returned."""
    answers = [data["answer"] for data in files if data["answer"]]
    missing = [line for data in files for line in failures(data)]
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8"><title>pe-bench</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>pe-bench: {escape(', '.join(column.title for column in compared.columns))}</h1>",
        *(f"<p><strong>{escape(answer)}</strong></p>" for answer in answers),
        *(f"<p>{escape(note)}</p>" for note in comparison.notes(compared)),
        table(comparison.rows_of_cells(compared)),
        f"<p>{escape(comparison.EXPLANATION)}</p>",
        *(f"<figure>{svg}</figure>" for _, svg in charts),
    ]
    if missing:
        parts += ["<h2>Failures, and what this machine cannot do</h2>", "<ul>"]
        parts += [f"<li>{escape(line)}</li>" for line in missing] + ["</ul>"]
    parts += [
        "<h2>Where this was measured</h2>",
        "<dl>",
        *map(about, compared.columns),
        "</dl>",
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"

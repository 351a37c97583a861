# SPDX-License-Identifier: Apache-2.0
"""Result files as tables and charts, one or several side by side.

One file is shown with the percentiles of each series. Several files, or the values of a label (--by
engine), are shown side by side: medians and spread, the change compared with the first one, and
whether it is significant.
"""
import os
import sys

from .. import charts, comparison, page, results, tables
from ..errors import BenchError
from .density import parse_share

HELP = "show result files as tables and charts, alone or side by side"
DESCRIPTION = __doc__
MEASURES = False


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help="a result file of pe-bench")
    parser.add_argument(
        "--by", metavar="LABEL", help="compare the values of a label, for example engine"
    )
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="only series with this in name and labels"
    )
    parser.add_argument("--html", metavar="FILE", help="write a page with tables and charts")
    parser.add_argument("--svg", metavar="FOLDER", help="write each chart to a file in this folder")
    parser.add_argument(
        "--fail-if-slower",
        metavar="P%",
        help="exit with 1 if a series is worse than in the first file by more",
    )


def read(options):
    """(path, object) of each file, with the series that were asked for."""
    files = []
    for path in options.files:
        data = results.read(path)
        if options.only:
            texts = [(one, tables.series_text(one)) for one in data["series"]]
            data["series"] = [
                one for one, text in texts if any(part in text for part in options.only)
            ]
        files.append((path, data))
    return files


def write_text(path, text):
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as fault:
        raise BenchError(f"cannot write {path}: {fault}") from fault


def write_charts(options, compared, files):
    drawn = charts.draw(compared)
    if options.svg:
        for name, svg in drawn:
            write_text(os.path.join(options.svg, f"{name}.svg"), svg)
    if options.html:
        write_text(options.html, page.make(compared, [data for _, data in files], drawn))


def judge(compared, limit):
    """The exit status: 1 if anything is slower by more than the limit, or if nothing can be compared."""
    worse, unclear = comparison.slower_than(compared, parse_share(limit))
    for line in unclear:
        print(f"not counted: {line}", file=sys.stderr)
    for line in worse:
        print(f"slower by more than {limit}: {line}", file=sys.stderr)
    if not worse and not comparison.has_common_series(compared):
        print("nothing can be compared: no series has samples in the first column and in another", file=sys.stderr)
        return 1
    return 1 if worse else 0


def run(options):
    if options.fail_if_slower and len(options.files) < 2 and not options.by:
        raise BenchError("--fail-if-slower compares: it needs two files, or --by")
    files = read(options)
    compared = comparison.by_label(files, options.by) if options.by else comparison.of_files(files)
    if len(compared.columns) == 1:
        print("\n\n".join(tables.of_file(data) for _, data in files))
    else:
        print(comparison.text_of(compared))
    if options.html or options.svg:
        write_charts(options, compared, files)
    return judge(compared, options.fail_if_slower) if options.fail_if_slower else 0

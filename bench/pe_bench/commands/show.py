# SPDX-License-Identifier: Apache-2.0
"""pe-bench show: tables of result files."""
from .. import results, tables

HELP = "show result files as tables"
MEASURES = False


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help="a result file of pe-bench")


def run(options):
    for number, path in enumerate(options.files):
        print("\n" * bool(number) + tables.of_file(results.read(path)))
    return 0

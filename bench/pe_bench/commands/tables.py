# SPDX-License-Identifier: Apache-2.0
"""Make the tables of documents again that come from result files, or check that nobody has changed them by hand.

pe_bench/doc_tables.py says how a document names its tables."""
import os
import sys

from fixtures.paths import TOP

from .. import doc_tables
from ..errors import BenchError

HELP = "make the tables of the documents from result files, or check them"
DESCRIPTION = __doc__
MEASURES = False
DOCUMENTS = ("README.md", "docs/performance.md", "docs/languages.md")


def add_arguments(parser):
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a table is not as generated")
    parser.add_argument("documents", nargs="*", metavar="DOCUMENT", help=f"default: {', '.join(DOCUMENTS)}")


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as fault:
        raise BenchError(f"cannot read the document {path}: {fault}") from fault


def run(options):
    different = []
    for path in options.documents or [os.path.join(TOP, name) for name in DOCUMENTS]:
        text = read(path)
        wanted = doc_tables.regenerated(text, path)
        if text == wanted:
            continue
        different.append(path)
        if not options.check:
            with open(path, "w", encoding="utf-8") as file:
                file.write(wanted)
            print(f"{path} has new tables")
    for path in different if options.check else ():
        print(
            f"{path}: a table differs from its result file; change the file, and run bench/pe-bench tables",
            file=sys.stderr,
        )
    return 1 if options.check and different else 0

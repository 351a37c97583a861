# SPDX-License-Identifier: Apache-2.0
"""The tables of the documents come from result files."""
import glob
import json
import os

import pytest

from fixtures.paths import TOP
from fixtures.pe_bench import pe_bench
from pe_bench import doc_tables, results
from pe_bench.errors import BenchError

MACHINE = {
    "cpu": "a CPU",
    "cores": 2,
    "kernel": "6.1",
    "mitigations": {},
    "governor": None,
    "memory_mib": 4096,
    "virtualization": {"host": "none", "offers": "svm"},
    "vmm": {},
    "load": [0.5, 0.5, 0.5],
}
TIME = "2026-01-02T03:04:05Z"
BEGIN = '<!-- pe-bench table file={} series="start to end" rows=way columns=job figure=p50/p99 -->'


@pytest.fixture(name="result")
def fixture_result(tmp_path):
    """A result file with two ways, of which one cannot run."""
    series = results.SeriesSet()
    series.get("start to end", "ms", {"way": "native", "job": "C++ with <regex>"})["samples"] += [1, 2, 3]
    series.get("start to end", "ms", {"way": "runsc", "job": "C++ with <regex>"})["n/a"] = "runsc | no"
    data = {
        "schema": 1,
        "command": "compare",
        "argv": ["compare", "--output", "somewhere.json", "--rounds", "3"],
        "started": TIME,
        "ended": TIME,
        "state": "complete",
        "seed": 1,
        "quick": False,
        "version": None,
        "machine": MACHINE,
        "steps": [],
        "series": series.items,
        "answer": None,
    }
    path = tmp_path / "result.json"
    results.write(str(path), data)
    return path


@pytest.fixture(name="document")
def fixture_document(tmp_path, result):
    path = tmp_path / "page.md"
    path.write_text(f"before\n\n{BEGIN.format(result)}\nold\n<!-- pe-bench end -->\n\nafter\n")
    return path


def test_a_table_has_the_figures_of_its_result_file_and_the_command_that_prints_them(document):
    pe_bench("tables", document)
    text = document.read_text()
    assert text.startswith("before\n") and text.endswith("<!-- pe-bench end -->\n\nafter\n")
    assert "| native | 2.00 / 2.98 |" in text
    assert "C++ with \\<regex\\>" in text
    assert "by `bench/pe-bench compare --rounds 3`" in text
    assert "old" not in text


def test_what_could_not_be_measured_has_its_reason_below_the_table(document):
    pe_bench("tables", document)
    assert "| runsc | n/a (1) |" in document.read_text()
    assert "(1) runsc \\| no" in document.read_text()


def test_a_table_of_single_values_has_the_unit_as_its_column(tmp_path, result):
    text = f'<!-- pe-bench table file={result} series="start to end" rows=way figure=value -->\n<!-- pe-bench end -->\n'
    page = tmp_path / "values.md"
    page.write_text(text)
    pe_bench("tables", page)
    assert "| | value, ms |" in page.read_text() and "| native | 3.00 |" in page.read_text()


def test_what_is_counted_has_no_digits_after_the_point(result):
    data = json.loads(result.read_text())
    counted = {"name": "jobs", "unit": "jobs", "labels": {"outcome": "sent"}, "samples": [2500]}
    data["series"].append({**counted, "failures": [], "n/a": None})
    lines = doc_tables.table_of(data, doc_tables.parse_settings("file=a series=jobs rows=outcome figure=count", "page"))
    assert lines[2] == "| sent | 2,500 |" and "In jobs, by `bench/pe-bench compare --rounds 3`" in " ".join(lines)


def test_a_table_names_all_of_its_units(result):
    data = json.loads(result.read_text())
    for unit in "s", "MB":
        data["series"].append({**data["series"][0], "unit": unit, "labels": {"way": unit}})
    settings = doc_tables.parse_settings('file=a series="start to end" rows=way figure=most', "page")
    assert "most in ms, s and MB, of 3 samples each" in " ".join(doc_tables.table_of(data, settings))


def test_a_table_can_have_several_series_as_its_rows(tmp_path, result):
    data = json.loads(result.read_text())
    labels = {"way": "native", "job": "C++ with <regex>"}
    data["series"].append({"name": "outside", "unit": "ms", "labels": labels, "samples": [4], "failures": [], "n/a": None})
    result.write_text(json.dumps(data))
    names = 'series="outside|start to end" rows=series where=way=native figure=p50'
    page = tmp_path / "page.md"
    page.write_text(f"<!-- pe-bench table file={result} {names} -->\n<!-- pe-bench end -->\n")
    pe_bench("tables", page)
    assert "| outside | 4.00 |\n| start to end | 2.00 |" in page.read_text()


def test_a_table_that_was_edited_by_hand_is_found(document):
    pe_bench("tables", document)
    pe_bench("tables", "--check", document)
    document.write_text(document.read_text().replace("2.98", "1.98"))
    _, errors = pe_bench("tables", "--check", document, status=1)
    assert "a table differs from its result file" in errors
    pe_bench("tables", document)
    pe_bench("tables", "--check", document)


def test_the_tables_of_the_documents_are_those_of_the_result_files():
    pe_bench("tables", "--check")


def test_the_published_result_files_have_the_form_of_the_schema_and_are_of_whole_runs():
    paths = glob.glob(os.path.join(TOP, "bench/results/*.json"))
    assert paths
    for path in paths:
        data = results.read(path)
        assert (data["state"], data["quick"]) == ("complete", False), path


def test_a_table_without_an_end_or_with_an_unknown_setting_is_refused(result):
    with pytest.raises(BenchError, match="has no line"):
        doc_tables.regenerated(BEGIN.format(result), "page")
    with pytest.raises(BenchError, match="does not know colour"):
        doc_tables.parse_settings("file=a series=b rows=c figure=p50 colour=d", "page")
    with pytest.raises(BenchError, match="there is no figure 'p51'"):
        doc_tables.parse_settings("file=a series=b rows=c figure=p51", "page")


def test_the_command_of_a_table_leaves_out_where_the_file_was(result):
    data = json.loads(result.read_text())
    data["argv"] = ["load", "--output=x.json", "--rate", "2"]
    assert doc_tables.command_of(data) == "bench/pe-bench load --rate 2"

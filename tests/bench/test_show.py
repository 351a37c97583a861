# SPDX-License-Identifier: Apache-2.0
"""pe-bench show: tables, charts, comparisons, and the limit for CI."""
import re
import xml.etree.ElementTree

import pytest

from pe_bench import machine, results
from pe_bench.main import main

BEFORE = [100, 101, 102, 103, 104, 105]
SLOWER = [120, 121, 122, 123, 124, 125]


@pytest.fixture(name="show")
def fixture_show(capsys):
    """A function that runs pe-bench show in this process, and returns what it prints."""

    def show(*arguments, status=0):
        assert main(["show", *map(str, arguments)]) == status
        return capsys.readouterr()

    return show


@pytest.fixture(name="make_file")
def fixture_make_file(tmp_path):
    """A function that makes a result file: (name, unit, labels, samples) of each series."""

    def make(name, *series, **more):
        made = results.SeriesSet()
        for what, unit, labels, values in series:
            made.get(what, unit, labels)["samples"] += values
        data = {
            "schema": 1,
            "command": "task",
            "argv": ["task"],
            "started": "2026-01-02T03:04:05Z",
            "ended": "2026-01-02T03:04:05Z",
            "state": "complete",
            "seed": 1,
            "quick": False,
            "version": None,
            "machine": machine.facts(),
            "steps": [],
            "series": made.items,
            "answer": None,
            **more,
        }
        results.write(str(tmp_path / name), data)
        return str(tmp_path / name)

    return make


def test_a_file_is_shown_with_its_percentiles_failures_and_answer(show, make_file):
    path = make_file("a.json", ("job", "ms", {"engine": "uml+boot"}, BEFORE), answer="All is well.")
    data = results.read(path)
    results.count_failure(data["series"][0], "timeout", 3)
    results.write(path, data)
    shown, _ = show(path)
    assert re.search(r"job \[ms\] engine=uml\+boot +6 +102 +105 +105 +100 +105 +102 +1.87\n", shown)
    assert "failed 3 times: timeout" in shown and shown.endswith("All is well.\n")


def test_two_files_are_shown_side_by_side_with_the_change_and_its_significance(show, make_file):
    labels = {"image": "busybox:1.35"}
    first = make_file("old.json", ("job", "ms", labels, BEFORE), ("boot", "ms", labels, BEFORE))
    second = make_file("new.json", ("job", "ms", labels, SLOWER), ("boot", "ms", labels, BEFORE))
    shown, _ = show(first, second)
    assert re.search(r"old +new +change\n", shown)
    assert re.search(r"job \[ms\] +102 ±2.50 +122 ±2.50 +\+19.5 %\*\n", shown)
    assert re.search(r"boot \[ms\] +102 ±2.50 +102 ±2.50 +\+0.0 %\n", shown)


def test_files_of_two_engines_are_compared_although_their_labels_differ(show, make_file):
    first = make_file("a.json", ("job", "ms", {"engine": "uml+boot"}, BEFORE))
    second = make_file("b.json", ("job", "ms", {"engine": "qemu+tcg+boot"}, SLOWER))
    shown, _ = show(first, second)
    assert "a engine=uml+boot" in shown and "+19.5 %*" in shown


def test_the_values_of_a_label_are_compared_within_a_file(show, make_file):
    series = [
        ("job", "ms", {"engine": engine}, values)
        for engine, values in (("a", BEFORE), ("b", SLOWER))
    ]
    shown, _ = show("--by", "engine", make_file("both.json", *series))
    assert re.search(r"engine=a +engine=b", shown) and "+19.5 %*" in shown
    _, errors = show("--by", "colour", make_file("x.json", *series), status=1)
    assert "no series has a label 'colour'" in errors


def test_only_what_is_significantly_slower_than_the_limit_fails(show, make_file):
    first = make_file(
        "old.json",
        ("job", "ms", {}, BEFORE),
        ("jobs", "1/s", {}, SLOWER),
        ("few", "ms", {}, [1, 1, 1]),
    )
    second = make_file(
        "new.json",
        ("job", "ms", {}, SLOWER),
        ("jobs", "1/s", {}, BEFORE),
        ("few", "ms", {}, [9, 9, 9]),
    )
    _, errors = show(first, second, "--fail-if-slower", "10%", status=1)
    assert "slower by more than 10%: job [ms], new: 19.5 % slower" in errors
    assert "slower by more than 10%: jobs [1/s], new: 19.5 % slower" in errors
    assert "not counted: few [ms], new: 800.0 % slower, which can be chance (10 %)" in errors
    show(first, second, "--fail-if-slower", "25%", "--only", "job")
    show(second, first, "--fail-if-slower", "10%", "--only", "job")


def test_a_series_that_only_fails_is_slower(show, make_file):
    first, second = make_file("old.json", ("job", "ms", {}, BEFORE)), make_file(
        "new.json", ("job", "ms", {}, [])
    )
    data = results.read(second)
    results.count_failure(data["series"][0], "timeout")
    results.write(second, data)
    _, errors = show(first, second, "--fail-if-slower", "10%", status=1)
    assert "all attempts failed" in errors


def test_a_series_that_cannot_be_measured_any_more_is_slower(show, make_file):
    both = [("job", "ms", {}, BEFORE), ("boot", "ms", {}, BEFORE)]
    first, second = make_file("old.json", *both), make_file("new.json", both[0], ("boot", "ms", {}, []))
    data = results.read(second)
    data["series"][1]["n/a"] = "the VM does not boot"
    results.write(second, data)
    shown, errors = show(first, second, "--fail-if-slower", "10%", status=1)
    assert "boot [ms], new: it cannot be measured any more: the VM does not boot" in errors
    assert "new: boot [ms]: n/a: the VM does not boot" in shown


def test_a_series_that_is_not_in_the_second_file_is_named(show, make_file):
    first = make_file("old.json", ("job", "ms", {}, BEFORE), ("boot", "ms", {}, BEFORE))
    _, errors = show(first, make_file("new.json", ("job", "ms", {}, BEFORE)), "--fail-if-slower", "10%")
    assert "not counted: boot [ms], new: it was not measured" in errors


def test_files_that_have_nothing_in_common_cannot_pass(show, make_file):
    first, second = make_file("a.json", ("job", "ms", {}, BEFORE)), make_file("b.json", ("boot", "ms", {}, BEFORE))
    _, errors = show(first, second, "--fail-if-slower", "10%", status=1)
    assert "nothing can be compared" in errors
    _, errors = show(first, first, "--fail-if-slower", "10%", "--only", "no such series", status=1)
    assert "nothing can be compared" in errors


def test_a_trial_and_other_machines_are_pointed_out(show, make_file):
    first = make_file("a.json", ("job", "ms", {}, BEFORE))
    other = {**machine.facts(), "cpu": "another one"}
    second = make_file("b.json", ("job", "ms", {}, BEFORE), quick=True, machine=other)
    shown, _ = show(first, second)
    assert "b: --quick, a trial, no figures to quote." in shown
    assert "The columns were measured on different machines." in shown


def test_one_file_alone_cannot_be_slower(show, make_file):
    _, errors = show(
        make_file("a.json", ("job", "ms", {}, BEFORE)), "--fail-if-slower", "1%", status=1
    )
    assert "needs two files" in errors


def test_charts_are_svg_and_the_page_needs_nothing_else(show, make_file, tmp_path):
    series = [("job", "ms", {"vms": vms}, [vms * value for value in BEFORE]) for vms in (1, 2, 4)]
    path = make_file("<scaling>.json", *series, ("CPU", "cores", {}, [1, 1.5]), answer="1 < 2")
    page, folder = tmp_path / "page.html", tmp_path / "charts"
    show(path, "--html", page, "--svg", folder)
    drawn = sorted(folder.iterdir())
    assert [file.name for file in drawn] == ["01-job-ms.svg", "02-cores.svg"]
    for file in drawn:
        assert xml.etree.ElementTree.parse(file).getroot().tag.endswith("svg")
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 2 and "1 &lt; 2" in text and "&lt;scaling&gt;" in text
    assert not re.search(r'(?:src|href)="(?!#)', re.sub(r'xlink:href="#', "", text))


def test_a_file_that_is_no_result_is_refused(show, tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"schema": 1}')
    _, errors = show(path, status=1)
    assert "is not a result of pe-bench" in errors

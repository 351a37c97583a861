# SPDX-License-Identifier: Apache-2.0
"""Result files of the programs in bench/ beside pe-bench."""
import collections
import glob
import json
import os
import re
import subprocess
from types import SimpleNamespace

import pytest

from fixtures.paths import TOP
from fixtures.pe_bench import load_program, pe_bench, series_of
from pe_bench import doc_tables, results, standalone


def programs():
    """The names of the programs in bench/ that are written in Python."""
    for path in sorted(filter(os.path.isfile, glob.glob(f"{TOP}/bench/*"))):
        with open(path, encoding="utf-8") as file:
            if "python" in file.readline():
                yield os.path.basename(path)


@pytest.mark.parametrize("name", programs())
def test_each_program_finds_what_it_is_made_of_and_explains_itself(name):
    done = subprocess.run([f"{TOP}/bench/{name}", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout


def test_the_programs_that_write_result_files_are_documented_and_say_so():
    with open(f"{TOP}/docs/pe-bench.md", encoding="utf-8") as file:
        listed = re.search(r"The programs ([^)]*?) in `bench/` write such a file", file.read())[1]
    for name in re.findall(r"`([a-z-]+)`", listed):
        done = subprocess.run([f"{TOP}/bench/{name}", "--help"], capture_output=True, text=True, check=True)
        assert "--output F" in done.stdout, name


def test_the_output_of_a_program_may_stand_anywhere_among_its_arguments():
    assert standalone.take_output(["--output", "f.json", "7"]) == ("f.json", ["7"])
    assert standalone.take_output(["7", "--output", "f.json"]) == ("f.json", ["7"])
    assert standalone.take_output(["7"]) == (None, ["7"])
    with pytest.raises(SystemExit, match="--output needs the name of a file"):
        standalone.take_output(["7", "--output"])


def test_the_result_of_a_program_can_be_shown_and_names_its_command(tmp_path):
    path = str(tmp_path / "idle.json")
    result = standalone.Result("bench/idle", ["50", "--output", path])
    for value in 15, 16, 17:
        result.add("PSS of an idle VM", "MB", value, engine="uml")
    result.write(path)
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    assert series_of(data, "PSS of an idle VM", engine="uml")["samples"] == [15, 16, 17]
    assert doc_tables.command_of(data) == "bench/idle 50"
    shown, _ = pe_bench("show", path)
    assert "PSS of an idle VM [MB]" in shown and "16.0" in shown


def test_a_program_without_an_output_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    standalone.Result("bench/idle", []).write(None)
    assert not list(tmp_path.iterdir())


@pytest.fixture(name="written")
def fixture_written(tmp_path):
    """Makes a result file with what a function adds to it, and returns the object in the file, which fits the schema."""

    def write(name, add, **end):
        path = str(tmp_path / f"{name}.json")
        result = standalone.Result(f"bench/{name}", ["--output", path])
        add(result)
        result.write(path, **end)
        return results.read(path)

    return write


def table(data, text):
    """The rows of a table for a document."""
    lines = doc_tables.table_of(data, doc_tables.parse_settings(f"file=x {text}", "the test"))
    return [line for line in lines if line.startswith("|")]


def test_the_balancers_result_has_what_became_of_jobs_during_kills(written):
    counts = {"jobs": 10000, "kills": 47, "retried": 44, "right": 9999, "wrong": []}
    counts.update({"vm_error after three kills": 1, "lost after three": 0})
    data = written("lb", lambda result: load_program("lb").add_kills(result, counts))
    rows = table(data, 'series="jobs during kills|kills" rows=series+outcome columns=server figure=count')
    assert "| jobs during kills, answered once and rightly | 9,999 |" in rows
    assert "| jobs during kills, answered wrongly, twice or not at all | 0 |" in rows
    assert "| jobs during kills, given up after three kills | 1 |" in rows
    assert "| kills, of a slot or a worker | 47 |" in rows


def test_the_balancers_result_compares_the_rates_of_both_servers_that_take_turns(written):
    lb, calls = load_program("lb"), []

    def call(name, rate):
        calls.append(name)
        return {"per_second": rate}

    def add(result):
        medians = lb.alternate(result, "jobs", lambda: call("ours", 30000), lambda: call("theirs", 40000))
        assert medians == [30000, 40000]

    data = written("lb", add)
    assert calls[:4] == ["ours", "theirs", "ours", "theirs"]
    assert table(data, "series=answers|ratio rows=what columns=server figure=p50") == [
        "| | pe-lb | nginx | pe-lb / nginx |",
        "| --- | --- | --- | --- |",
        "| jobs | 30,000 | 40,000 | 0.750 |",
    ]


def test_the_result_about_programs_has_both_runs_ratios_and_what_went_wrong(written):
    programs = load_program("programs")

    def outcome(first, second, problem=""):
        return programs.Outcome(first, second, b"out", problem)

    def add(result):
        gcc = {"native": [outcome(200, 100), outcome(300, 90)], "uml": [outcome(400, 180), outcome(410, 190)]}
        slow = {"native": [outcome(200, 100)], "uml": [outcome(50000, None)]}
        wrong = {"native": [outcome(200, 100)], "uml": [outcome(None, None, "no such file")]}
        for name, outcomes in (("gcc", gcc), ("ghc", slow), ("R", wrong)):
            programs.add_times(result, name, outcomes)
        programs.add_outputs(result, [{"uml": "equal"}, {"uml": "equal"}, {"uml": "no such file"}])

    data = written("programs", add)
    assert table(data, "series=time|ratio rows=program columns=way+run figure=least")[2:] == [
        "| gcc | 200 | 90.0 | 400 | 180 | 2.00 |",
        "| ghc | 200 | 100 | 50,000 | failed (1) | - |",
        "| R | 200 | 100 | failed (2) | failed (2) | - |",
    ]
    assert series_of(data, "time", program="ghc", run="second", way="uml+boot")["failures"] == [
        {"reason": "not ended within 60 s", "count": 1}
    ]
    assert table(data, "series=programs rows=what columns=way figure=count")[2:] == ["| all | 3 |", "| equal output | 2 |"]


def test_the_result_about_a_soak_has_its_jobs_errors_recoveries_and_what_is_left(written):
    crowd = SimpleNamespace(
        next=10, right=9, wrong=[], given_up=[(1, "vm_error", "")], unexplained=[], done=lambda: 10,
        tries={2: 1, 1: 8}, errors=collections.Counter({"connection lost": 2}),
    )
    faults = SimpleNamespace(counts=collections.Counter({"partition": 3}), recoveries=[(0.5, "a"), (1.5, "b")])
    run = SimpleNamespace(
        options=SimpleNamespace(engine="uml+boot"), crowd=crowd, faults=faults, doubled=[], took=60.0,
        before={"VMMs": 4}, after={"VMMs": 4}, memory_before={"memory of the balancer": 10.0},
        memory_after={"memory of the balancer": 11.0},
    )
    answer = "Broken promises: given up after errors only."
    add = load_program("soak").add_results
    data = written("soak", lambda result: add(result, run), state="interrupted", answer=answer)
    assert (data["state"], data["answer"]) == ("interrupted", answer)
    jobs = table(data, 'series="jobs|errors that clients saw" rows=series+outcome+error columns=engine figure=count')
    assert jobs[2:5] == ["| jobs, sent | 10 |", "| jobs, answered rightly | 9 |", "| jobs, with try 1 | 8 |"]
    assert "| jobs, given up after errors only | 1 |" in jobs and "| jobs, lost | 0 |" in jobs
    assert jobs[-2:] == ["| errors that clients saw, connection lost | 2 |", "| errors that clients saw, without a fault | 0 |"]
    assert table(data, "series=recovery rows=series columns=engine figure=p50/most")[2:] == ["| recovery | 1.00 / 1.50 |"]
    assert table(data, 'series="left behind" rows=what columns=when figure=count')[2:] == ["| VMMs | 4 | 4 |"]

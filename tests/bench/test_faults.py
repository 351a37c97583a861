# SPDX-License-Identifier: Apache-2.0
"""pe-bench faults: what it says, and a short run."""
import json
from types import SimpleNamespace

from fixtures import engine
from fixtures.netem_network import netem_settings
from fixtures.pe_bench import pe_bench, series_of
from pe_bench import results
from pe_bench.commands.faults import chosen_faults, find_broken, sentence


def test_the_answer_says_that_nothing_was_lost_and_how_long_recovery_took():
    text = sentence(100, {}, 7, [0.5, 1.0, 3.0], [10, 20, 30])
    assert text.startswith("Of 100 jobs during 7 faults, none was lost")
    assert "1.0 s after the end of a fault, and at most 3.0 s" in text


def test_the_answer_names_what_was_lost():
    assert "2 lost, 1 answered twice" in sentence(9, {"lost": 2, "answered twice": 1}, 1, [], [10])


def test_a_promise_that_was_broken_before_a_run_was_continued_still_counts():
    series = results.SeriesSet()
    for faults, lost in ("none", 1), ("all", 0):
        series.get("jobs", "jobs", {"outcome": "lost", "faults": faults})["samples"].append(lost)
    assert find_broken(SimpleNamespace(all_series=lambda: series.items)) == {"lost": 1}


def test_the_kinds_of_faults_can_be_chosen():
    names = [one.__name__ for one in chosen_faults("kills")]
    assert "kill_a_worker" in names and "partition" not in names
    assert set(names) < {one.__name__ for one in chosen_faults("all")}


def test_netem_is_asked_for_the_same_as_the_proxy():
    assert netem_settings() == []
    assert netem_settings(delay_s=0.05, jitter_s=0.1, loss=0.1, bytes_per_s=1000) == [
        *("delay", "100.000ms", "50.000ms"),
        *("loss", "10.000%"),
        *("rate", "8000bit"),
    ]


def test_a_run_with_faults_loses_no_job(tmp_path):
    file = tmp_path / "faults.json"
    options = ("--engine", engine.NAME, "--workers", "1", "--slots", "1", "--seconds", "3", "--seed", "1")
    pe_bench("faults", *options, "--network", "proxy", "--output", file)
    data = json.loads(file.read_text())
    assert data["state"] == "complete" and "none was lost" in data["answer"]
    sent = series_of(data, "jobs", outcome="sent", faults="all")["samples"]
    assert sent == series_of(data, "jobs", outcome="answered rightly", faults="all")["samples"] != [0]
    assert series_of(data, "recovery")["samples"]
